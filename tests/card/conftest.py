"""A server on a card: the home is set up once and copied onto each card."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from appliance.config import edit
from bench.card.card import Card, missing
from tests.power.clients import make_mailboxes
from tests.power.course import Elsewhere, elsewhere, first_home
from tests.power.server import Server


@dataclass
class OnCard:
    card: Card
    server: Server


Starts = Callable[..., AbstractAsyncContextManager[OnCard]]


@pytest.fixture(scope="session")
def there() -> Iterator[Elsewhere]:
    with elsewhere() as there:
        yield there


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory, there: Elsewhere) -> Path:
    if missing() is not None:
        pytest.skip(f"no simulated card: {missing()}")
    return first_home(tmp_path_factory.mktemp("card"), there)


@pytest.fixture
def starts(tmp_path: Path, first: Path) -> Starts:
    @asynccontextmanager
    async def start(
        size_mib: int = 256, settings: Mapping[str, Any] | None = None, **how: Any
    ) -> AsyncIterator[OnCard]:
        """settings: beside those of `first`; how: as `Server` takes it."""
        with Card(tmp_path / "card", profile="fast", size_mib=size_mib) as card:
            server = Server(card.mount / "home", tmp_path / "beside", **how)
            shutil.copytree(first, server.home)
            edit(server.home / "merpati.yaml", dict(settings or {}))
            card.sync()
            try:
                await asyncio.to_thread(server.start)
                await make_mailboxes(server)
                yield OnCard(card, server)
            finally:
                server.kill()

    return start
