"""docs/rfc.md and the code name the same standards."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def listed() -> dict[str, str]:
    rows = re.findall(r"^\| RFC (\d+) \| [^|]+ \| (\w+) \|", (ROOT / "docs" / "rfc.md").read_text(), re.MULTILINE)
    assert len(rows) > 50
    assert len({number for number, _ in rows}) == len(rows), "a standard is listed twice"
    return dict(rows)


def referred_to() -> dict[str, str]:
    """Number → a file that names it."""
    found: dict[str, str] = {}
    for folder in ("appliance", "web"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".sql", ".service", ".html") and path.is_file():
                for number in re.findall(r"RFC (\d{3,5})\b", path.read_text()):
                    found.setdefault(number, str(path.relative_to(ROOT)))
    return found


def test_what_the_code_names_is_listed() -> None:
    known = listed()
    assert {number: path for number, path in referred_to().items() if number not in known} == {}


def test_what_is_kept_is_named_in_the_code() -> None:
    named = referred_to()
    assert [number for number, kept in listed().items() if kept != "no" and number not in named] == []


def test_each_is_kept_partly_or_not() -> None:
    assert set(listed().values()) == {"yes", "partly", "no"}
