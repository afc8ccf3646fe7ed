from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from appliance.cli.root import merpati
from tests.support.homes import Homes, homes

__all__ = ["homes"]

Run = Callable[..., Result]


def run_in(home: Path) -> Run:
    """`merpati --home HOME …`; whatever it comes to, it is no traceback."""

    def run(*words: str, stdin: str | bytes = "", status: int = 0) -> Result:
        result = CliRunner().invoke(merpati, ["--home", str(home), *words], input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit), (words, result.exception)
        assert result.exit_code == status, (words, result.output)
        return result

    return run


@pytest.fixture
def home(tmp_path: Path, homes: Homes) -> Path:
    """Set up, with bob@near.example; no server runs."""
    return homes.copy(tmp_path / "home")


@pytest.fixture
def run(home: Path) -> Run:
    return run_in(home)


@pytest.fixture
def bare(tmp_path: Path) -> Run:
    """In a home that is not there yet."""
    return run_in(tmp_path / "bare")


def refusal(result: Result) -> str:
    """What it said no with: one sentence, on standard error, and nothing besides."""
    assert result.stdout == ""
    assert result.stderr.startswith("merpati: ")
    assert result.stderr.endswith("\n")
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("merpati: ").rstrip("\n")
