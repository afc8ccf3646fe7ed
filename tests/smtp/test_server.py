"""A listener comes up, counts who is in, and goes down without losing what is under way."""

from __future__ import annotations

import asyncio
import socket

import pytest

from appliance.smtp import Listener, SmtpServer, SmtpSettings
from appliance.smtp.limits import ConnectionLimits
from tests.support.smtp_client import SmtpClient

from .conftest import House, Start
from .loop_clock import LoopClock, until

HELLO = b"Subject: hello\r\n\r\nhello\r\n"


async def test_start_gives_the_port_and_health_tells_it(start: Start) -> None:
    house = await start()
    health = house.server.state()
    assert (health.listening, health.port, health.connections, health.storing) == (True, house.port, 0, 0)
    async with await SmtpClient.greeted(house.port):
        assert house.server.state().connections == 1
    await house.server.stop()
    health = house.server.state()
    assert (health.listening, health.port, health.connections) == (False, None, 0)
    with pytest.raises(ConnectionRefusedError):
        await SmtpClient.connect(house.port)


async def test_a_socket_that_is_bound_already() -> None:
    """As systemd hands it over."""
    house = House()
    await house.start()
    await house.server.stop()
    sock = socket.create_server(("127.0.0.1", 0))
    port = await house.server.start(sock=sock)
    assert port == sock.getsockname()[1]
    async with await SmtpClient.greeted(port) as smtp:
        await smtp.command("NOOP", 250)
    await house.server.stop()


async def test_a_port_that_is_taken(start: Start) -> None:
    house = await start()
    server = SmtpServer(
        SmtpSettings("mx.example.org"),
        Listener.SMTP,
        intake=house.intake,
        sign_in=house.sign_in,
        tls=lambda: None,
        bus=house.bus,
    )
    with pytest.raises(OSError):
        await server.start("127.0.0.1", house.port)
    assert not server.state().listening
    assert server.health() == "smtp is closed"
    assert house.server.health() is None


async def test_every_address_of_this_machine() -> None:
    """`::` is for IPv4 too; the peer is then told by its IPv4 address."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    house = House()
    await house.start()
    await house.server.stop()
    port = await house.server.start("::", 0)
    for host in ("127.0.0.1", "::1"):
        smtp = await SmtpClient.connect(port, host=host)
        async with smtp:
            await smtp.expect(220)
            await smtp.command("EHLO a", 250)
            await smtp.envelope()
            await smtp.message(HELLO)
    await house.server.stop()
    assert [taken.peer.ip for taken in house.intake.taken] == ["127.0.0.1", "::1"]


async def test_too_many_connections(start: Start) -> None:
    house = await start(limits=ConnectionLimits(total=2))
    first = await SmtpClient.greeted(house.port)
    second = await SmtpClient.greeted(house.port)
    async with await SmtpClient.connect(house.port) as third:
        await third.expect("421 4.7.0")
        assert await third.closed()
    assert house.refusals == ["connections-full"]
    await first.command("QUIT", 221)
    assert await first.closed()
    await first.close()
    async with await SmtpClient.greeted(house.port) as fourth:
        await fourth.command("NOOP", 250)
    await second.close()


async def test_listeners_count_together(start: Start) -> None:
    limits = ConnectionLimits(total=1)
    port_25, smtps = await start(limits=limits), await start(Listener.SUBMISSIONS, limits=limits)
    async with await SmtpClient.greeted(port_25.port):
        reader, writer = await asyncio.open_connection("127.0.0.1", smtps.port)
        assert await reader.read() == b"", "on port 465 there is no plaintext to say it in"
        writer.close()
        await writer.wait_closed()
    assert smtps.refusals == ["connections-full"]


async def test_stop_tells_who_waits(start: Start) -> None:
    house = await start()
    idle = await SmtpClient.greeted(house.port)
    between = await SmtpClient.greeted(house.port)
    await between.envelope()
    over_tls = await SmtpClient.greeted(house.port)
    await over_tls.start_tls()
    stopping = asyncio.ensure_future(house.server.stop())
    for smtp in (idle, between, over_tls):
        await smtp.expect("421 4.3.2")
        assert await smtp.closed()
        await smtp.close()
    await stopping


async def test_stop_lets_a_message_end(start: Start) -> None:
    """The content that is on its way, and the store step, get their time; then the peer hears 421."""
    house = await start()
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.envelope()
        await smtp.command("DATA", 354)
        smtp.send(b"half")
        stopping = asyncio.ensure_future(house.server.stop())
        await asyncio.sleep(0)
        assert not house.server.state().listening
        smtp.send(b"\r\nother half\r\n.\r\n")
        await smtp.expect(250)
        await smtp.expect("421 4.3.2")
        assert await smtp.closed()
    await stopping
    assert house.intake.taken[0].octets == b"half\r\nother half\r\n"


async def test_stop_does_not_wait_for_ever(start: Start) -> None:
    house = await start(stop_grace_s=5.0)
    clock = LoopClock()
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.envelope()
        await smtp.command("DATA", 354)
        stopping = asyncio.ensure_future(house.server.stop())
        await asyncio.sleep(0)
        await clock.forward(5.1)
        await stopping
        assert await smtp.closed()
    assert house.intake.open_spools == 0


async def test_a_command_has_five_minutes(start: Start) -> None:
    """Also one that comes octet by octet: the deadline is for the line."""
    house = await start()
    clock = LoopClock()
    async with await SmtpClient.greeted(house.port) as smtp:
        await clock.forward(299)
        await smtp.command("NOOP", 250)
        await clock.forward(299)
        await smtp.command("NOOP", 250)
        (session,) = house.server._sessions
        for number in range(2):
            smtp.send(b"N")
            await until(lambda number=number: len(session._lines._buffer) == number + 1)
            await clock.forward(160)
        await smtp.expect("421 4.4.2")
        assert await smtp.closed()


async def test_who_has_said_goodbye_is_not_waited_for(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer keeps its end open: only after a last word that it did not ask for is it given time to read."""
    monkeypatch.setattr("appliance.smtp.connection.LINGER_S", 3600.0)
    house = await start()
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    assert (await reader.readline()).startswith(b"220 ")
    writer.write(b"QUIT\r\n")
    assert (await reader.readline()).startswith(b"221 ")
    await until(lambda: house.server.state().connections == 0)
    writer.close()
    await writer.wait_closed()


async def test_a_handshake_has_half_a_minute(start: Start) -> None:
    house = await start(Listener.SUBMISSIONS)
    clock = LoopClock()
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    await until(lambda: house.server.state().connections == 1)
    await clock.forward(31)
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_many_peers_at_once(start: Start) -> None:
    """Fifty sessions, each with its own message; nothing is mixed up."""
    house = await start()

    async def one(number: int) -> None:
        async with await SmtpClient.greeted(house.port) as smtp:
            await smtp.envelope(f"user{number}@example.org")
            await smtp.message(b"%d\r\n" % number * 5000)
            await smtp.command("QUIT", 221)

    await asyncio.gather(*(one(number) for number in range(50)))
    got = {str(taken.envelope.recipients[0].address): taken.octets for taken in house.intake.taken}
    assert got == {f"user{number}@example.org": b"%d\r\n" % number * 5000 for number in range(50)}


async def test_a_peer_that_resets_leaves_nothing_behind(start: Start) -> None:
    house = await start()
    for stage in range(4):
        smtp = await SmtpClient.greeted(house.port)
        if stage > 0:
            await smtp.envelope()
        if stage > 1:
            await smtp.command("DATA", 354)
        if stage > 2:
            smtp.send(b"x" * 500_000)
            await smtp.writer.drain()
        smtp.abort()
    await until(lambda: house.server.state().connections == 0)
    assert house.intake.open_spools == 0
