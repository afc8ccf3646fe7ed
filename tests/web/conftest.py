from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .support import World


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[World]:
    """A server that nobody has set up yet."""
    world = World(tmp_path)
    yield world
    world.close()


@pytest.fixture(scope="session")
def set_up_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once, since keys and hashes take their time."""
    folder = tmp_path_factory.mktemp("set-up")
    world = World(folder)
    world.set_up()
    world.close()
    return world.home


@pytest.fixture
def world(tmp_path: Path, set_up_home: Path) -> Iterator[World]:
    """A server that has been set up, with one account."""
    shutil.copytree(set_up_home, tmp_path / "home")
    world = World(tmp_path)
    world.mail.runs()
    yield world
    world.close()
