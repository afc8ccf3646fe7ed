"""One server for all the clients, with three people; and a way to say which program is missing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.support.world import World

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("clients") / "home"
    with World(
        home, users=("ann", "bob", "carl"), aliases={"all@near.example": ("ann@near.example", "bob@near.example")}
    ) as world:
        yield world


@pytest.fixture
def run() -> Run:
    """Runs a program and returns what it printed; skips where Debian's package for it is not installed."""

    def run(
        program: str, *words: str, package: str | None = None, status: int = 0, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (Debian: {package or program})")
        done = subprocess.run(
            [program, *words], input=stdin, capture_output=True, text=True, timeout=60, errors="replace"
        )
        assert done.returncode == status, (
            f"{program} {' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done

    return run
