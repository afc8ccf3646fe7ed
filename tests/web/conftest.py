from __future__ import annotations

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


@pytest.fixture
def world(empty: World) -> World:
    """A server that has been set up, with one account."""
    empty.set_up()
    return empty
