"""Greeting, capabilities, TLS, signing in and saying goodbye."""

from __future__ import annotations

import asyncio
import base64
import socket

import pytest

from appliance.wire.listener import ConnectionLimits
from tests.support.ca import client_context, server_context
from tests.support.imap_client import ImapClient

from .conftest import ADDRESS, PASSWORD, Post, closing


def plain(username: str, password: str) -> bytes:
    return base64.b64encode(f"\0{username}\0{password}".encode())


async def test_the_greeting_tells_what_can_be_done_before_signing_in(post: Post) -> None:
    client = await ImapClient.connect(post.port)
    async with closing(client):
        assert client.greeting.status == "OK"
        assert {
            "IMAP4rev1",
            "IMAP4rev2",
            "STARTTLS",
            "AUTH=PLAIN",
            "AUTH=LOGIN",
            "SASL-IR",
            "LITERAL+",
            "ID",
            "ENABLE",
            "IDLE",
        } <= set(client.capabilities)
        assert "LOGINDISABLED" not in client.capabilities
        before = client.capabilities
        assert (await client.ok("CAPABILITY")).lines
        assert client.capabilities == before


async def test_signing_in_tells_what_can_be_done_then(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        assert {"NAMESPACE", "CHILDREN", "SPECIAL-USE", "UIDPLUS", "MOVE", "UNSELECT", "ESEARCH"} <= set(
            client.capabilities
        )
        assert not {"STARTTLS", "AUTH=PLAIN"} & set(client.capabilities)


WAYS = {
    "LOGIN with quotes": lambda c: c.command(f'LOGIN "{ADDRESS}" "{PASSWORD}"'),
    "LOGIN with literals": lambda c: c.command("LOGIN {} {}", ADDRESS.encode(), PASSWORD.encode()),
    "LOGIN with literals unasked": lambda c: c.command(
        "LOGIN {} {}", ADDRESS.encode(), PASSWORD.encode(), non_sync=True
    ),
    "AUTHENTICATE PLAIN at once": lambda c: c.command(b"AUTHENTICATE PLAIN " + plain(ADDRESS, PASSWORD)),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_ways_to_sign_in(post: Post, way: object) -> None:
    client = await ImapClient.connect(post.port)
    async with closing(client):
        answer = await way(client)  # type: ignore[operator]
        assert answer.ok and answer.code("CAPABILITY")
        await client.ok("SELECT INBOX")


async def test_a_sasl_exchange_with_challenges(post: Post) -> None:
    client = await ImapClient.connect(post.port)
    async with closing(client):
        tag = await client.send("AUTHENTICATE PLAIN")
        assert await client.line() == b"+ "
        await client.write(plain(ADDRESS, PASSWORD) + b"\r\n")
        assert (await client.answer(tag)).ok


async def test_the_login_mechanism(post: Post) -> None:
    client = await ImapClient.connect(post.port)
    async with closing(client):
        tag = await client.send("AUTHENTICATE LOGIN")
        for challenge, answer in ((b"Username:", ADDRESS), (b"Password:", PASSWORD)):
            assert await client.line() == b"+ " + base64.b64encode(challenge)
            await client.write(base64.b64encode(answer.encode()) + b"\r\n")
        assert (await client.answer(tag)).ok


REFUSED = {
    "a wrong password": (f'LOGIN "{ADDRESS}" wrong', "NO", "AUTHENTICATIONFAILED"),
    "an unknown name": ("LOGIN nobody@example.org x", "NO", "AUTHENTICATIONFAILED"),
    "too many tries": ("LOGIN hasty@example.org x", "NO", "UNAVAILABLE"),
    "a wrong password over SASL": (b"AUTHENTICATE PLAIN " + plain(ADDRESS, "x"), "NO", "AUTHENTICATIONFAILED"),
    "an empty password": (b"AUTHENTICATE PLAIN " + plain(ADDRESS, ""), "NO", "AUTHENTICATIONFAILED"),
    "an unknown mechanism": ("AUTHENTICATE KERBEROS_V4", "NO", "CANNOT"),
    "a command that needs an account": ("SELECT INBOX", "BAD", None),
}


@pytest.mark.parametrize(("command", "status", "code"), REFUSED.values(), ids=REFUSED)
async def test_what_is_refused_before_signing_in(
    post: Post, command: str | bytes, status: str, code: str | None
) -> None:
    client = await ImapClient.connect(post.port)
    async with closing(client):
        answer = await client.command(command)
        assert (answer.done.status, answer.done.code) == (status, code)
        assert (await client.command(f'LOGIN "{ADDRESS}" "{PASSWORD}"')).ok


@pytest.mark.parametrize("line", [b"*", b"no base64!", b""], ids=repr)
async def test_an_exchange_that_breaks_off_leaves_the_connection_usable(post: Post, line: bytes) -> None:
    client = await ImapClient.connect(post.port)
    async with closing(client):
        tag = await client.send("AUTHENTICATE PLAIN")
        await client.line()
        await client.write(line + b"\r\n")
        assert (await client.answer(tag)).done.status in ("BAD", "NO")
        assert (await client.command(f'LOGIN "{ADDRESS}" "{PASSWORD}"')).ok


async def test_passwords_are_not_asked_for_in_the_clear(post: Post) -> None:
    port = await post.start(tls=server_context(), allow_plaintext_loopback=False)
    client = await ImapClient.connect(port)
    async with closing(client):
        assert "LOGINDISABLED" in client.capabilities and "STARTTLS" in client.capabilities
        assert not any(name.startswith("AUTH=") for name in client.capabilities)
        for command in (f'LOGIN "{ADDRESS}" "{PASSWORD}"', b"AUTHENTICATE PLAIN " + plain(ADDRESS, PASSWORD)):
            assert (await client.command(command)).done.code == "PRIVACYREQUIRED"
        assert (await client.start_tls(client_context())).ok
        await client.ok("CAPABILITY")
        assert "LOGINDISABLED" not in client.capabilities and "STARTTLS" not in client.capabilities
        assert (await client.command("STARTTLS")).done.status == "BAD"
        await client.ok(f'LOGIN "{ADDRESS}" "{PASSWORD}"')
        await client.ok("SELECT INBOX")


async def test_tls_from_the_first_octet(post: Post) -> None:
    port = await post.start(tls=server_context(), implicit_tls=True, allow_plaintext_loopback=False)
    client = await ImapClient.connect(port, tls=client_context())
    async with closing(client):
        assert "STARTTLS" not in client.capabilities and "AUTH=PLAIN" in client.capabilities
        await client.ok(f'LOGIN "{ADDRESS}" "{PASSWORD}"')


async def test_without_a_certificate_there_is_no_starttls(post: Post) -> None:
    port = await post.start()
    client = await ImapClient.connect(port)
    async with closing(client):
        assert "STARTTLS" not in client.capabilities
        assert (await client.command("STARTTLS")).done.status == "NO"


async def test_a_command_injected_before_the_handshake_is_never_run(post: Post) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", post.port)
    await reader.readline()
    # One packet, as somebody in the middle would send it.
    writer.write(b"a STARTTLS\r\nb NOOP\r\n")
    assert (await reader.readline()).startswith(b"a OK")
    await writer.start_tls(client_context(), server_hostname="localhost")
    writer.write(b"c NOOP\r\n")
    assert (await reader.readline()).startswith(b"c OK")
    writer.close()


async def test_a_broken_handshake_harms_nobody_else(post: Post) -> None:
    port = await post.start(tls=server_context(), implicit_tls=True)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"a LOGIN x y\r\n" * 100)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1000)
    writer.close()
    client = await ImapClient.connect(port, tls=client_context())
    await client.close()


async def test_goodbye(post: Post) -> None:
    client = await post.selected()
    async with closing(client):
        answer = await client.command("LOGOUT")
        assert answer.ok and [status.status for status in answer.statuses] == ["BYE"]
        assert await client.ended() == b""


async def test_who_does_not_sign_in_is_hung_up_on(post: Post) -> None:
    port = await post.start(sign_in_timeout_s=0.2)
    client = await ImapClient.connect(port)
    async with closing(client):
        await client.ok("NOOP")
        assert (await client.ended()).startswith(b"* BYE ")


async def test_who_says_nothing_for_long_is_hung_up_on(post: Post) -> None:
    port = await post.start(idle_timeout_s=0.2)
    client = await ImapClient.signed_in(port, ADDRESS, PASSWORD)
    async with closing(client):
        assert (await client.ended()).startswith(b"* BYE ")


async def test_who_stops_in_the_middle_of_a_command_is_hung_up_on(post: Post) -> None:
    port = await post.start(stall_timeout_s=0.2)
    client = await ImapClient.signed_in(port, ADDRESS, PASSWORD)
    async with closing(client):
        await client.write(b"x APPEND INBOX {500+}\r\nSubject: half a mess")
        assert (await client.ended()).startswith(b"* BYE ")
    client = await post.selected()
    async with closing(client):
        assert client.mailbox is not None and client.mailbox.uids == []


async def test_who_talks_nonsense_is_hung_up_on(post: Post) -> None:
    client = await ImapClient.connect(post.port)
    async with closing(client):
        await client.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 10)
        assert b"* BYE Too many" in await client.ended()


async def test_too_many_connections(post: Post) -> None:
    port = await post.start(limits=ConnectionLimits(most=2))
    first, second = await ImapClient.connect(port), await ImapClient.connect(port)
    async with closing(first, second):
        third = await ImapClient.connect(port)
        async with closing(third):
            assert third.greeting.status == "BYE"
            assert await third.ended() == b""
        await first.ok("LOGOUT")
        await first.ended()
        fourth = await ImapClient.connect(port)
        async with closing(fourth):
            assert fourth.greeting.status == "OK"


async def test_everybody_hears_when_the_server_stops(post: Post) -> None:
    idle, waiting = await post.selected(), await ImapClient.connect(post.port)
    async with closing(idle, waiting):
        await idle.idle()
        await post.server.stop()
        for client in (idle, waiting):
            assert (await client.ended()).startswith(b"* BYE ")
        assert post.server.health() == "not listening"
        with pytest.raises(ConnectionError):
            await ImapClient.connect(post.port)


async def test_a_socket_that_somebody_else_opened(post: Post) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    port = await post.server.start("", 0, sock=listening)
    assert port == listening.getsockname()[1]
    client = await ImapClient.connect(port)
    await client.close()
    assert post.server.health() is None


async def test_id_and_enable_and_namespace(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        assert (await client.ok('ID ("name" "test")')).lines == [b'* ID ("name" "Merpati")']
        assert (await client.ok("ENABLE X-NEW")).lines == [b"* ENABLED"]
        assert (await client.ok("NAMESPACE")).lines == [b'* NAMESPACE (("" "/")) NIL NIL']


async def test_a_half_closed_connection_still_gets_its_answers(post: Post) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", post.port)
    writer.write(b"a NOOP\r\nb CAPABILITY\r\n")
    writer.write_eof()
    octets = await reader.read()
    assert b"\r\nb OK" in octets
    writer.close()


async def test_a_fault_of_ours_ends_the_command_and_not_the_connection(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await post.client()
    async with closing(client):

        async def broken(query: object) -> None:
            raise RuntimeError("inner details")

        with monkeypatch.context() as patch:
            patch.setattr(post.store, "read", broken)
            answer = await client.command('LIST "" *')
        assert (answer.done.status, answer.done.code) == ("NO", "SERVERBUG")
        assert "inner" not in answer.done.text
        await client.ok('LIST "" *')
