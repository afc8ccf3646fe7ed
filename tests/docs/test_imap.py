"""docs/imap.md has a row for each thing that the IMAP server announces, and the tests that it names exist."""

from __future__ import annotations

import re
from pathlib import Path

from appliance.imap.capabilities import Situation, capabilities

ROOT = Path(__file__).parents[2]
ROWS = [
    line.strip("| ").split(" | ")
    for line in (ROOT / "docs" / "imap.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith(("| name |", "| --- "))
]


def announced() -> set[str]:
    signed_in = Situation(signed_in=True, tls=True, tls_possible=True, may_sign_in=True, append_limit=1)
    return {name.partition("=")[0] if name.startswith("APPENDLIMIT") else name for name in capabilities(signed_in)}


def test_what_is_announced_has_a_row_and_nothing_else() -> None:
    rows = {name for row in ROWS for name in row[0].split(", ") if not name.startswith(("AUTH=", "over "))}
    assert rows == announced() - {"IMAP4rev1"}


def test_the_tests_are_there() -> None:
    for row in ROWS:
        for name in re.findall(r"`([\w/]+\.py)`", row[3]):
            path = ROOT / name if "/" in name else ROOT / "tests" / "imap" / name
            assert path.exists(), (row[0], name)
