"""AUTHENTICATE SCRAM-SHA-256 over sockets with real accounts, and being cut off when the password changes."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from appliance.accounts.accounts import Accounts
from appliance.imap.server import ImapServer, ImapSettings
from appliance.store.interface import Store
from tests.support.ca import client_context, server_context
from tests.support.imap_client import ImapClient
from tests.support.scram_client import ScramClient

from .conftest import ADDRESS, PASSWORD, closing

OTHER = "another long sentence"
PLUS = "AUTH=SCRAM-SHA-256-PLUS"


@dataclass
class House:
    accounts: Accounts
    start: Callable[..., Awaitable[int]]
    port: int


@pytest.fixture
async def house(store: Store) -> AsyncIterator[House]:
    store.bus.attach(asyncio.get_running_loop())
    accounts = Accounts(store, ("example.org",))
    await asyncio.to_thread(accounts.add, ADDRESS, PASSWORD)
    servers: list[ImapServer] = []

    async def start(*, implicit_tls: bool = False, allow_plaintext_loopback: bool = True) -> int:
        settings = ImapSettings("mx.example.org", allow_plaintext_loopback=allow_plaintext_loopback)
        server = ImapServer(settings, store, accounts, tls=server_context, implicit_tls=implicit_tls)
        servers.append(server)
        return await server.start("127.0.0.1", 0)

    yield House(accounts, start, await start())
    for server in servers:
        await server.stop()
        assert server.connections == 0
    accounts.close()


def tls_1_2() -> ssl.SSLContext:
    context = client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def bound(client: ImapClient) -> bytes:
    tls = client._writer.get_extra_info("ssl_object")
    found: bytes = tls.get_channel_binding("tls-unique")
    return found


async def authenticate(client: ImapClient, scram: ScramClient, mechanism: str = "SCRAM-SHA-256") -> bytes:
    """The tagged line."""
    tag = b"s1"
    await client.write(b"%b AUTHENTICATE %b %b\r\n" % (tag, mechanism.encode(), base64.b64encode(scram.first())))
    for answer in (scram.final, scram.check):
        line = await client._reader.readline()
        if line.startswith(tag):
            return line.removeprefix(tag + b" ")
        assert line.startswith(b"+ "), line
        said = answer(base64.b64decode(line[2:])) or b""
        await client.write(base64.b64encode(said) + b"\r\n")
    return (await client._reader.readline()).removeprefix(tag + b" ")


async def test_signing_in(house: House) -> None:
    client = await ImapClient.connect(house.port)
    async with closing(client):
        assert "AUTH=SCRAM-SHA-256" in client.capabilities and PLUS not in client.capabilities
        assert (await authenticate(client, ScramClient(ADDRESS, PASSWORD))).startswith(b"OK [CAPABILITY ")
        await client.ok("SELECT INBOX")


async def test_a_wrong_password(house: House) -> None:
    client = await ImapClient.connect(house.port)
    async with closing(client):
        for name in (ADDRESS, "nobody@example.org"):
            said = await authenticate(client, ScramClient(name, OTHER))
            assert said == b"NO [AUTHENTICATIONFAILED] The name or the password is wrong\r\n"
        assert (await client.command("SELECT INBOX")).done.status == "BAD"


async def test_bound_to_its_connection(house: House) -> None:
    """RFC 5802 6 over TLS 1.2: -PLUS is announced and taken; who was made to believe that it is not there is refused."""
    client = await ImapClient.connect(await house.start(implicit_tls=True), tls=tls_1_2())
    async with closing(client):
        assert PLUS in client.capabilities
        believes = ScramClient(ADDRESS, PASSWORD, flag="y")
        assert (await authenticate(client, believes)).startswith(b"NO [AUTHENTICATIONFAILED]")
        elsewhere = ScramClient(ADDRESS, PASSWORD, flag="p=tls-unique", binding=b"of another connection")
        assert (await authenticate(client, elsewhere, "SCRAM-SHA-256-PLUS")).startswith(b"NO [AUTHENTICATIONFAILED]")
        here = ScramClient(ADDRESS, PASSWORD, flag="p=tls-unique", binding=bound(client))
        assert (await authenticate(client, here, "SCRAM-SHA-256-PLUS")).startswith(b"OK ")


async def test_over_tls_1_3_plus_is_announced_where_the_exporter_is_there(house: House) -> None:
    client = await ImapClient.connect(await house.start(implicit_tls=True), tls=client_context())
    async with closing(client):
        assert (PLUS in client.capabilities) is hasattr(ssl.SSLObject, "export_keying_material")
        assert (await authenticate(client, ScramClient(ADDRESS, PASSWORD))).startswith(b"OK ")


async def test_without_tls_it_is_not_offered_and_not_taken(house: House) -> None:
    """The password would be safe, and the mail would not."""
    client = await ImapClient.connect(await house.start(allow_plaintext_loopback=False))
    async with closing(client):
        assert "LOGINDISABLED" in client.capabilities
        assert not [each for each in client.capabilities if each.startswith("AUTH=")]
        assert (await authenticate(client, ScramClient(ADDRESS, PASSWORD))).startswith(b"NO [PRIVACYREQUIRED]")


GOODBYE = b"* BYE The password was changed or the account removed, sign in again\r\n"


@pytest.mark.parametrize("what", ["changed", "removed"])
@pytest.mark.parametrize("doing", ["idling", "waiting", "selected"])
async def test_cut_off(house: House, what: str, doing: str) -> None:
    """At once, whatever the client was about; others stay."""
    await asyncio.to_thread(house.accounts.add, "eve@example.org", PASSWORD)
    client, other = [await ImapClient.signed_in(house.port, name, PASSWORD) for name in (ADDRESS, "eve@example.org")]
    stranger = await ImapClient.connect(house.port)
    async with closing(client, other, stranger):
        if doing != "waiting":
            await client.ok("SELECT INBOX")
        if doing == "idling":
            await client.send("IDLE")
            assert (await client._reader.readline()).startswith(b"+")
        if what == "changed":
            await asyncio.to_thread(house.accounts.change_password, ADDRESS, OTHER)
        else:
            await asyncio.to_thread(house.accounts.remove, ADDRESS)
        async with asyncio.timeout(20):
            said = await client._reader.read()
        assert said.endswith(GOODBYE), said
        await other.ok("NOOP")
        await stranger.ok("NOOP")


async def test_the_commands_that_came_with_it_are_not_run(house: House, store: Store) -> None:
    client = await ImapClient.signed_in(house.port, ADDRESS, PASSWORD)
    async with closing(client):
        await asyncio.to_thread(house.accounts.change_password, ADDRESS, OTHER)
        await client.write(b"a CREATE made\r\n" * 3)
        async with asyncio.timeout(20):
            # Who hangs up on what was not read resets the connection, and what was said may be lost with it.
            with contextlib.suppress(ConnectionResetError):
                assert await client._reader.read() in (GOODBYE, b"")
        names = store.read_now(lambda c: [name for (name,) in c.execute("SELECT name FROM mailboxes")])
        assert "made" not in names
