"""A store with one account, an IMAP server over it on loopback, and strict clients."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from appliance.accounts.accounts import SignedInAccount
from appliance.imap.server import ImapServer, ImapSettings
from appliance.mail.reason import because
from appliance.mail.reply import Reply
from appliance.store.accounts import find_account
from appliance.store.interface import Store
from tests.support.ca import server_context
from tests.support.imap_client import ImapClient
from tests.support.stores import mailbox_of, new_account, open_store, put

ADDRESS, PASSWORD = "bob@example.org", "correct horse battery"


class Gate:
    """Signs in whoever knows PASSWORD; argon2id has tests of its own. With a store, every account of it."""

    def __init__(self, account_id: int, store: Store | None = None) -> None:
        self._account_id = account_id
        self._store = store

    async def sign_in(self, username: str, password: str, *, protocol: str, ip: str) -> SignedInAccount | Reply:
        assert (protocol, ip) == ("imap", "127.0.0.1")
        if username == "hasty@example.org":
            return Reply(454, "7.0", because("sign-in-wait", seconds=3))
        if (username, password) == (ADDRESS, PASSWORD):
            return SignedInAccount(self._account_id, ADDRESS)
        if self._store is not None and password == PASSWORD:
            other = await self._store.read(lambda connection: find_account(connection, username))
            if other is not None:
                return SignedInAccount(other.id, other.address)
        return Reply(535, "7.8", because("sign-in-wrong"))


@dataclass
class Post:
    """The server under test and what it serves."""

    store: Store
    account_id: int
    port: int
    server: ImapServer
    start: Callable[..., Awaitable[int]]

    def mailbox_id(self, name: str = "INBOX") -> int:
        return mailbox_of(self.store, self.account_id, name).id

    def put(self, octets: bytes, *, mailbox: str = "INBOX", flags: int = 0) -> int:
        return put(self.store, self.mailbox_id(mailbox), octets, flags)

    async def client(self) -> ImapClient:
        return await ImapClient.signed_in(self.port, ADDRESS, PASSWORD)

    async def neighbour(self, address: str = "alice@example.org") -> ImapClient:
        """Somebody else's client; the account is made where there is none."""
        if self.store.read_now(lambda connection: find_account(connection, address)) is None:
            new_account(self.store, address)
        return await ImapClient.signed_in(self.port, address, PASSWORD)

    async def selected(self, mailbox: str = "INBOX") -> ImapClient:
        client = await self.client()
        await client.ok(f'SELECT "{mailbox}"')
        return client


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "home") as store:
        yield store


@pytest.fixture
async def post(store: Store) -> AsyncIterator[Post]:
    store.bus.attach(asyncio.get_running_loop())
    account = new_account(store, ADDRESS)
    servers: list[ImapServer] = []

    async def start(*, tls: ssl.SSLContext | None = None, implicit_tls: bool = False, **settings: object) -> int:
        server = ImapServer(
            replace(ImapSettings("mx.example.org"), **settings),  # type: ignore[arg-type]
            store,
            Gate(account.id, store),  # type: ignore[arg-type]
            tls=(lambda: tls) if tls else None,
            implicit_tls=implicit_tls,
        )
        servers.append(server)
        return await server.start("127.0.0.1", 0)

    port = await start(tls=server_context())
    yield Post(store, account.id, port, servers[0], start)
    for server in servers:
        await server.stop()
        assert server.connections == 0


@contextlib.asynccontextmanager
async def closing(*clients: ImapClient) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for client in clients:
            await client.close()
