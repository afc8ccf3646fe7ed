"""A connection slows both sides to each other's pace, keeps its deadlines, and forgets what came before TLS."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from appliance.wire.connection import READ_MOST, WRITE_MOST, Connection, ConnectionGone
from appliance.wire.listener import ConnectionLimits, Listener
from tests.support.ca import client_context, server_context

Serve = Callable[[Connection], Awaitable[None]]
Open = Callable[..., Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter, Listener]]]


@pytest.fixture
async def connected() -> AsyncIterator[Open]:
    """Connects a peer to a listener that serves with the given function."""
    listeners: list[Listener] = []
    writers: list[asyncio.StreamWriter] = []

    async def connect(serve: Serve, *, tls: bool = False, secure: bool = False, limits: ConnectionLimits | None = None):  # type: ignore[no-untyped-def]
        listener = Listener(
            serve,
            limits=limits or ConnectionLimits(),
            too_many=b"too many\r\n",
            tls=server_context if tls else None,
        )
        listeners.append(listener)
        port = await listener.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client_context() if secure else None, server_hostname="localhost" if secure else None
        )
        writers.append(writer)
        return reader, writer, listener

    yield connect
    for writer in writers:
        writer.close()
    for listener in listeners:
        await listener.stop()
        assert listener.connections == 0


async def echo(connection: Connection) -> None:
    while not connection.ended:
        await connection.wait(20)
        connection.write(connection.take())
        await connection.drain(20)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
async def test_octets_go_both_ways(connected: Open, tls: bool) -> None:
    reader, writer, _ = await connected(echo, tls=tls, secure=tls)
    sent = bytes(range(256)) * 4096
    writer.write(sent)
    assert await reader.readexactly(len(sent)) == sent


async def test_a_peer_is_slowed_to_our_pace(connected: Open) -> None:
    most = asyncio.Queue[int]()
    go_on = asyncio.Event()

    async def slow(connection: Connection) -> None:
        await go_on.wait()
        largest = 0
        while not connection.ended:
            await connection.wait(20)
            largest = max(largest, len(connection.take()))
        most.put_nowait(largest)

    _, writer, _ = await connected(slow)
    writer.write(b"x" * 10_000_000)
    writer.write_eof()
    await asyncio.sleep(0)
    go_on.set()
    assert 0 < await most.get() <= READ_MOST + 256 * 1024  # one read of asyncio's on top


async def test_we_are_slowed_to_the_peers_pace(connected: Open) -> None:
    written = 0

    async def fast(connection: Connection) -> None:
        nonlocal written
        for _ in range(1000):
            connection.write(b"x" * 65_536)
            await connection.drain(20)
            written += 65_536

    reader, writer, _ = await connected(fast)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    got = 0
    while octets := await reader.read(65_536):
        got += len(octets)
        assert written - got < 16_000_000  # what two kernel buffers and ours can hold
    assert got == 1000 * 65_536


async def test_a_peer_that_takes_nothing_is_given_up(connected: Open) -> None:
    outcome = asyncio.Queue[Exception | None]()

    async def writes(connection: Connection) -> None:
        try:
            while True:
                connection.write(b"x" * WRITE_MOST)
                await connection.drain(0.1)
        except ConnectionGone as gone:
            outcome.put_nowait(gone)
            raise

    reader, _, _listener = await connected(writes)
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    async with asyncio.timeout(20):
        assert "takes nothing" in str(await outcome.get())


async def test_writing_to_a_peer_that_hung_up(connected: Open) -> None:
    outcome = asyncio.Queue[Exception | None]()

    async def writes(connection: Connection) -> None:
        try:
            while True:
                connection.write(b"x" * 65_536)
                await connection.drain(20)
        except ConnectionGone as gone:
            outcome.put_nowait(gone)

    _, writer, _ = await connected(writes)
    writer.transport.abort()
    async with asyncio.timeout(20):
        assert "hung up" in str(await outcome.get())


async def test_waiting_has_an_end(connected: Open) -> None:
    async def waits(connection: Connection) -> None:
        with pytest.raises(TimeoutError):
            await connection.wait(0.05)
        connection.write(b"late\r\n")

    reader, _, _ = await connected(waits)
    assert await reader.readline() == b"late\r\n"


async def test_a_nudge_ends_the_wait(connected: Open) -> None:
    there = asyncio.Queue[Connection]()

    async def waits(connection: Connection) -> None:
        there.put_nowait(connection)
        await connection.wait(20)
        connection.write(b"woken\r\n" if not connection.take() else b"octets\r\n")

    reader, _, _ = await connected(waits)
    (await there.get()).nudge()
    assert await reader.readline() == b"woken\r\n"


async def test_what_came_before_the_handshake_is_thrown_away(connected: Open) -> None:
    async def upgrades(connection: Connection) -> None:
        await connection.wait(20)
        assert not connection.is_tls
        connection.write(b"go\n")
        await connection.start_tls(server_context(), 20)
        assert connection.is_tls and connection.ssl_object is not None
        await connection.wait(20)
        connection.write(b"got " + connection.take())

    reader, writer, _ = await connected(upgrades)
    writer.write(b"injected\n" * 1000)
    assert await reader.readline() == b"go\n"
    await writer.start_tls(client_context(), server_hostname="localhost")
    writer.write(b"meant\n")
    assert await reader.readline() == b"got meant\n"


async def test_no_handshake_no_service(connected: Open) -> None:
    async def never(connection: Connection) -> None:
        raise AssertionError("served without TLS")

    reader, writer, _listener = await connected(never, tls=True)
    writer.write(b"plain words, and more than a record's header\r\n" * 10)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await reader.readexactly(100)


async def test_the_last_words_reach_the_peer(connected: Open) -> None:
    async def speaks(connection: Connection) -> None:
        connection.write(b"x" * 500_000 + b"end")

    reader, _, _ = await connected(speaks)
    octets = await reader.read()
    assert len(octets) == 500_003 and octets.endswith(b"end")


async def test_no_more_connections_than_allowed(connected: Open) -> None:
    reader, writer, listener = await connected(echo, limits=ConnectionLimits(most=1))
    writer.write(b"a")
    assert await reader.readexactly(1) == b"a"
    port = listener._servers[0].sockets[0].getsockname()[1]
    second_reader, second_writer = await asyncio.open_connection("127.0.0.1", port)
    assert await second_reader.read() == b"too many\r\n"
    second_writer.close()
    writer.write_eof()
    assert await reader.read() == b""
    assert listener.health() is None


async def test_a_fault_of_ours_ends_the_session_alone(connected: Open, caplog: pytest.LogCaptureFixture) -> None:
    async def breaks(connection: Connection) -> None:
        raise RuntimeError("inner details")

    reader, _, listener = await connected(breaks)
    assert await reader.read() == b""
    assert "a session ended by a fault of ours" in caplog.text
    assert listener.health() is None
