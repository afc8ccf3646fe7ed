"""Two POP3 servers over a real store with real accounts, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.accounts.accounts import Accounts
from appliance.pop3.locks import MaildropLocks
from appliance.pop3.server import Pop3Server
from appliance.pop3.session import Pop3Settings
from appliance.store.interface import Store
from tests.support.ca import client_context, server_context
from tests.support.stores import mailbox_of, open_store, put, uids_of

NAME, PASSWORD = "bob@example.org", "correct horse battery"
PATIENCE_S = 20.0


class Client:
    """Sends octets and reads lines; a line that does not come is a failure."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def line(self) -> str:
        async with asyncio.timeout(PATIENCE_S):
            line = await self.reader.readline()
        assert line.endswith(b"\r\n"), line
        return line[:-2].decode()

    async def many(self) -> list[str]:
        """The lines of an answer after its first, up to the lone dot."""
        lines = []
        while (line := await self.line()) != ".":
            lines.append(line)
        return lines

    async def ask(self, command: str) -> str:
        self.send(command.encode() + b"\r\n")
        return await self.line()

    async def ask_many(self, command: str) -> list[str]:
        assert (await self.ask(command)).startswith("+OK"), command
        return await self.many()

    async def whole(self) -> bytes:
        """The octets of a message of many lines, dots undone."""
        octets = b""
        async with asyncio.timeout(PATIENCE_S):
            while (line := await self.reader.readline()) != b".\r\n":
                assert line, octets
                octets += line[1:] if line.startswith(b".") else line
        return octets

    async def sign_in(self) -> Client:
        assert (await self.ask(f"USER {NAME}")).startswith("+OK")
        assert (await self.ask(f"PASS {PASSWORD}")).startswith("+OK")
        return self

    async def start_tls(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.writer.start_tls(client_context(), server_hostname="localhost")

    async def end(self) -> bytes:
        """What still comes before the server hangs up."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.read()

    def vanish(self) -> None:
        self.writer.transport.abort()


class ToldLocks(MaildropLocks):
    """Says when a maildrop has become free."""

    def __init__(self) -> None:
        super().__init__()
        self._released = asyncio.Event()

    def release(self, account_id: int) -> None:
        super().release(account_id)
        self._released.set()

    async def released(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self._released.wait()
        self._released.clear()


class House:
    """slept_s: what sessions were made to wait. tls: what the servers are given, or the OSError they get."""

    def __init__(self, store: Store, accounts: Accounts) -> None:
        self.store = store
        self.accounts = accounts
        self.account_id = accounts.all()[0].id
        self.mailbox_id = mailbox_of(store, self.account_id).id
        self.locks = ToldLocks()
        self.slept_s: list[float] = []
        self.tls: ssl.SSLContext | OSError = server_context()
        self.servers: list[Pop3Server] = []
        self._clients: list[Client] = []

    async def start(self, *, implicit_tls: bool = False, **settings: Any) -> int:
        async def sleep(wait_s: float) -> None:
            self.slept_s.append(wait_s)

        server = Pop3Server(
            Pop3Settings(**{"hostname": "mx.example.org", **settings}),
            self.store,
            self.accounts,
            locks=self.locks,
            tls=self._context,
            implicit_tls=implicit_tls,
            sleep=sleep,
        )
        port = await server.start("127.0.0.1", 0)
        self.servers.append(server)
        return port

    async def connect(self, port: int, *, tls: bool = False, greeted: bool = True) -> Client:
        context = client_context() if tls else None
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="localhost" if tls else None
        )
        client = Client(reader, writer)
        self._clients.append(client)
        if greeted:
            assert await client.line() == "+OK mx.example.org Merpati POP3 is ready"
        return client

    async def client(self, **settings: Any) -> Client:
        return await self.connect(await self.start(**settings))

    def put(self, *messages: bytes) -> list[int]:
        return [put(self.store, self.mailbox_id, message) for message in messages]

    @property
    def uids(self) -> list[int]:
        return uids_of(self.store, self.mailbox_id)

    async def close(self) -> None:
        for client in self._clients:
            client.vanish()
            with contextlib.suppress(OSError):
                await client.writer.wait_closed()
        for server in self.servers:
            await server.stop()

    def _context(self) -> ssl.SSLContext:
        if isinstance(self.tls, OSError):
            raise self.tls
        return self.tls


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "home") as store:
        yield store


@pytest.fixture
async def house(store: Store) -> AsyncIterator[House]:
    accounts = Accounts(store, ("example.org",))
    accounts.add(NAME, PASSWORD)
    house = House(store, accounts)
    try:
        yield house
    finally:
        await house.close()
        accounts.close()
