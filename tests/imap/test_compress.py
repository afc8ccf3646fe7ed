"""COMPRESS=DEFLATE, from RFC 4978."""

from __future__ import annotations

import asyncio
import random
import ssl
import zlib

import pytest

from appliance.imap.server import AT_ONCE
from tests.support.ca import client_context
from tests.support.imap_client import ImapClient

from .conftest import ADDRESS, PASSWORD, Post, closing

MESSAGE = b"Subject: hello\r\n\r\n" + b"body\r\n" * 1000
NOISE = b"Subject: noise\r\n\r\n" + random.Random(1).randbytes(500_000).replace(b"\0", b"\1")


async def test_both_ways_after_the_tagged_ok(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        assert "COMPRESS=DEFLATE" in client.capabilities
        assert (await client.compress()).ok
        await client.ok("SELECT INBOX")
        for message in (MESSAGE, NOISE):
            await client.ok("APPEND INBOX {}", message)
            await client.command("APPEND INBOX {}", message, non_sync=True)
        answer = await client.ok("FETCH 1:* (FLAGS BODY.PEEK[])")
        assert [each.items["BODY[]"] for each in answer.fetched] == [MESSAGE, MESSAGE, NOISE, NOISE]


# What the client says before, what it says then, the answer.
REFUSED = {
    "twice": (True, "COMPRESS DEFLATE", "NO", "COMPRESSIONACTIVE"),
    "by another algorithm": (False, "COMPRESS LZ4", "NO", "CANNOT"),
    "by none": (False, "COMPRESS", "BAD", None),
    "by two": (False, "COMPRESS DEFLATE DEFLATE", "BAD", None),
}


@pytest.mark.parametrize(("before", "said", "status", "code"), REFUSED.values(), ids=REFUSED)
async def test_it_is_refused(post: Post, before: bool, said: str, status: str, code: str | None) -> None:
    client = await post.client()
    async with closing(client):
        if before:
            await client.compress()
        answer = await client.command(said)
        assert (answer.done.status, answer.done.code) == (status, code)
        await client.ok("NOOP")  # as before


async def test_strangers_do_not_compress(post: Post) -> None:
    client = await ImapClient.connect(post.port)
    async with closing(client):
        assert "COMPRESS=DEFLATE" not in client.capabilities
        assert (await client.command("COMPRESS DEFLATE")).done.status == "BAD"


async def test_within_tls(post: Post) -> None:
    """RFC 4978 3: TLS is the outer one. It never compresses itself, so that this is not refused."""
    client = await ImapClient.connect(post.port)
    async with closing(client):
        await client.start_tls(client_context())
        await client.ok(f'LOGIN "{ADDRESS}" "{PASSWORD}"')
        assert (await client.compress()).ok
        await client.ok("APPEND INBOX {}", NOISE)
        await client.ok("SELECT INBOX")
        assert (await client.ok("FETCH 1 BODY[]")).item("BODY[]") == NOISE


async def test_not_where_tls_compresses(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 4978 3: as no TLS does any more."""
    client = await ImapClient.connect(post.port)
    async with closing(client):
        await client.start_tls(client_context())
        await client.ok(f'LOGIN "{ADDRESS}" "{PASSWORD}"')
        monkeypatch.setattr(ssl.SSLObject, "compression", lambda self: "ZLIB")
        assert (await client.command("COMPRESS DEFLATE")).done.code == "COMPRESSIONACTIVE"
        await client.ok("NOOP")


async def test_idle_tells_at_once(post: Post) -> None:
    idling, other = await post.selected(), await post.client()
    async with closing(idling, other):
        await idling.compress()
        tag = await idling.idle()
        await other.ok("APPEND INBOX {}", MESSAGE)
        assert (await idling.news()).exists == [1]
        assert (await idling.done(tag)).ok


async def test_what_is_not_compressed_ends_the_connection(post: Post) -> None:
    """A client that goes on in the clear, in the same packet or later."""
    for later in (False, True):
        client = await post.client()
        async with closing(client):
            await client.write(
                b"x COMPRESS DEFLATE\r\n" + b"" if later else b"x COMPRESS DEFLATE\r\ny NOOP\r\nz NOOP\r\n"
            )
            assert (await client.line()).startswith(b"x OK")
            if later:
                await client.write(b"y NOOP\r\nz NOOP\r\n")
            said = zlib.decompressobj(-15).decompress(await client.ended())
            assert said.startswith(b"* BYE What you send is not compressed")


async def test_a_client_that_sends_compressed_octets_at_once(post: Post) -> None:
    """It ought to wait for the answer (RFC 4978 3); what follows the command is compressed all the same."""
    client = await post.client()
    async with closing(client):
        deflate = zlib.compressobj(wbits=-15)
        octets = deflate.compress(b"y NOOP\r\nz LOGOUT\r\n") + deflate.flush(zlib.Z_SYNC_FLUSH)
        await client.write(b"x COMPRESS DEFLATE\r\n" + octets)
        assert (await client.line()).startswith(b"x OK")
        said = zlib.decompressobj(-15).decompress(await client.ended())
        assert b"y OK" in said and said.endswith(b"z OK Signed out\r\n")


async def test_a_bomb_is_a_line_that_is_too_long(post: Post) -> None:
    client, other = await post.client(), await post.client()
    async with closing(client, other):
        await client.write(b"x COMPRESS DEFLATE\r\n")
        assert (await client.line()).startswith(b"x OK")
        deflate = zlib.compressobj(wbits=-15)
        await client.write(deflate.compress(b"A" * 20_000_000) + deflate.flush(zlib.Z_SYNC_FLUSH))
        said = zlib.decompressobj(-15).decompress(await client.ended())
        assert said.startswith(b"* BYE The line is too long")
        await other.ok("NOOP")


async def test_a_bomb_of_commands_lets_others_have_their_turn(post: Post) -> None:
    """Twenty thousand commands in a few hundred octets, of which none waits for anything."""
    client = await post.client()
    async with closing(client):
        await client.compress()
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        other = asyncio.get_running_loop().create_task(count())
        try:
            many = 20_000
            await client.write(b"x CAPABILITY\r\n" * many)
            for _ in range(2 * many - 1):
                await client.line()
            assert turns > many // AT_ONCE
            assert (await client.line()).startswith(b"x OK")
        finally:
            other.cancel()


async def test_a_reader_that_reads_slowly_gets_all(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        await client.ok("APPEND INBOX {}", NOISE)
        await client.ok("SELECT INBOX")
        await client.compress()
        tags = [await client.send("FETCH 1 BODY.PEEK[]") for _ in range(8)]
        await asyncio.sleep(0)
        for tag in tags:
            assert (await client.answer(tag)).item("BODY[]") == NOISE
