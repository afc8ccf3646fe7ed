"""DEFLATE on a connection: what goes in comes out, at once, and never more of it than was asked for."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.wire.compression import Deflater, Inflater, NotDeflate
from appliance.wire.connection import INFLATE_MOST, READ_MOST, Connection
from tests.support.imap_client import compressed

from .test_connection import Open, connected, echo

__all__ = ["connected"]


@given(
    st.lists(st.binary(max_size=300) | st.binary(max_size=20).map(lambda octets: octets * 500), max_size=8), st.data()
)
@settings(max_examples=100, deadline=None)
def test_what_goes_in_comes_out(written: list[bytes], data: st.DataObject) -> None:
    """However it is cut, and whatever is asked for at once."""
    deflater, inflater = Deflater(), Inflater()
    wire = b"".join(map(deflater.deflate, written))
    most = data.draw(st.sampled_from([1, 7, 1000, 100_000]))
    got = b""
    while wire:
        size = data.draw(st.integers(1, len(wire)))
        inflater.feed(wire[:size])
        wire = wire[size:]
        while inflater.has_more:
            piece = inflater.inflate(most)
            assert len(piece) <= most
            got += piece
    assert got == b"".join(written)


def test_each_write_can_be_read_at_once() -> None:
    deflater, peer = Deflater(), zlib.decompressobj(-15)
    for line in (b"* 1 EXISTS\r\n", b"a OK\r\n", b"x" * 100_000):
        assert peer.decompress(deflater.deflate(line)) == line


def test_repetitions_are_small_on_the_wire() -> None:
    deflater = Deflater()
    line = b"* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n"
    assert len(deflater.deflate(line * 100)) < len(line) * 3
    assert len(deflater.deflate(line)) < len(line)  # and so is what was said a while ago


def test_a_bomb_comes_in_small_pieces() -> None:
    bomb = zlib.compressobj(wbits=-15)
    octets = bomb.compress(b"\0" * 200_000_000) + bomb.flush(zlib.Z_SYNC_FLUSH)
    inflater = Inflater()
    tracemalloc.start()
    try:
        inflater.feed(octets)
        for _ in range(20):
            assert len(inflater.inflate(INFLATE_MOST)) == INFLATE_MOST
        assert tracemalloc.get_traced_memory()[1] < 1_500_000
    finally:
        tracemalloc.stop()
    assert inflater.has_more


NOT_DEFLATE = {
    "plain text": b"a NOOP\r\n" * 10,
    "zlib's own head": zlib.compress(b"a NOOP\r\n"),
    "an end": zlib.compress(b"a NOOP\r\n", wbits=-15),
    "noise": random.Random(1).randbytes(2000),
}


@pytest.mark.parametrize("octets", NOT_DEFLATE.values(), ids=NOT_DEFLATE)
def test_what_is_no_deflate(octets: bytes) -> None:
    inflater = Inflater()
    inflater.feed(octets)
    with pytest.raises(NotDeflate):
        while inflater.has_more:
            inflater.inflate(1000)


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_octets_are_deflate_or_not(octets: bytes) -> None:
    inflater = Inflater()
    inflater.feed(octets)
    try:
        while inflater.has_more:
            inflater.inflate(1000)
    except NotDeflate:
        pass


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
async def test_octets_go_both_ways(connected: Open, tls: bool) -> None:
    async def serve(connection: Connection) -> None:
        await connection.wait(20)
        before = connection.take()
        connection.write(b"go on\n")
        assert not connection.is_compressed
        connection.compress(before.removeprefix(b"compress\n"))
        assert connection.is_compressed
        await echo(connection)

    reader, writer, _ = await connected(serve, tls=tls, secure=tls)
    writer.write(b"compress\n")
    assert await reader.readline() == b"go on\n"
    reader, writer = compressed(reader, writer)
    try:
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        sent = random.Random(2).randbytes(100_000) + b"x" * 3_000_000
        writer.write(sent)
        assert await reader.readexactly(len(sent)) == sent
    finally:
        writer.inflating.cancel()  # type: ignore[attr-defined]


async def test_a_peer_is_slowed_though_what_it_sends_is_small(connected: Open) -> None:
    """Reading stops while there is much to inflate; little is kept."""
    kept: list[int] = []
    held = asyncio.Event()

    async def serve(connection: Connection) -> None:
        connection.compress(b"")
        connection.write(b"go on")
        while sum(kept) < 50 * INFLATE_MOST:
            await connection.wait(20)
            kept.append(len(connection.take()))
            assert len(connection._unread) <= 2 * READ_MOST + 256 * 1024
        held.set()

    reader, writer, _ = await connected(serve)
    await reader.read(1)
    deflate = zlib.compressobj(wbits=-15)
    writer.write(deflate.compress(b"\0" * 100_000_000) + deflate.flush(zlib.Z_SYNC_FLUSH))
    await asyncio.wait_for(held.wait(), 20)
    assert max(kept) <= INFLATE_MOST
