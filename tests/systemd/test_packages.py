"""The image's list of packages covers what pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BEYOND = {"gpiod"}  # not asked for by pyproject.toml; the file says why


def asked_for() -> dict[str, tuple[int, ...]]:
    """Name → the lowest version that will do."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = {}
    for requirement in project["dependencies"]:
        match = re.fullmatch(r"([\w.-]+)>=([\d.]+)(?:,<[\d.]+)?", requirement)
        assert match, requirement
        found[match[1]] = numbers(match[2])
    return found


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def listed() -> dict[str, tuple[str, str]]:
    """Name → (Debian package or `pypi`, version)."""
    lines = (ROOT / "image" / "packages.txt").read_text().splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    assert len(rows) == len({row[0] for row in rows})
    return {name: (package, version) for name, package, version, *_ in rows}


def test_every_dependency_is_listed_and_nothing_else() -> None:
    assert set(listed()) - BEYOND == set(asked_for())


@pytest.mark.parametrize("name", sorted(asked_for()))
def test_what_is_taken_is_new_enough(name: str) -> None:
    package, version = listed()[name]
    assert package == "pypi" or package.startswith("python3-")
    assert numbers(version) >= asked_for()[name]
