"""Every dialogue in `imap/` goes as it is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.imap.server import ImapServer, ImapSettings
from appliance.store.interface import Store
from tests.imap.conftest import ADDRESS, PASSWORD, Gate
from tests.support.stores import mailbox_of, new_account, open_store, put

from .script import Player

HERE = Path(__file__).parent / "imap"
SCRIPTS = sorted(HERE.glob("*.txt"))


class Wire:
    """A connection that gives responses as they come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, octets: bytes) -> None:
        self._writer.write(octets)
        await self._writer.drain()

    async def response(self) -> bytes:
        octets = b""
        async with asyncio.timeout(20):
            while True:
                line = await self._reader.readline()
                octets += line
                start = line.rfind(b"{")
                if not line.endswith(b"}\r\n") or start < 0:
                    return octets.removesuffix(b"\r\n")
                octets += await self._reader.readexactly(int(line[start + 1 : -3]))

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


@pytest.fixture
async def player(tmp_path: Path) -> AsyncIterator[Player]:
    with open_store(tmp_path / "home") as store:
        store.bus.attach(asyncio.get_running_loop())
        account = new_account(store, ADDRESS)
        server = ImapServer(ImapSettings("mx.example.org"), store, Gate(account.id), tls=None)  # type: ignore[arg-type]
        port = await server.start("127.0.0.1", 0)

        async def connect() -> Wire:
            wire = Wire(*await asyncio.open_connection("127.0.0.1", port))
            await wire.response()
            await wire.send(f'in LOGIN "{ADDRESS}" "{PASSWORD}"\r\n'.encode())
            assert (await wire.response()).startswith(b"in OK")
            return wire

        yield Player(connect, lambda mailbox, name: _put(store, account.id, mailbox, name))
        await server.stop()


async def _put(store: Store, account_id: int, mailbox: str, name: str) -> None:
    message = f"Subject: {name}\r\n\r\nThis is {name}.\r\n".encode()
    await asyncio.to_thread(put, store, mailbox_of(store, account_id, mailbox).id, message)


def test_there_are_dialogues() -> None:
    assert len(SCRIPTS) >= 10


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
async def test_a_dialogue(player: Player, path: Path) -> None:
    await player.play(path)
