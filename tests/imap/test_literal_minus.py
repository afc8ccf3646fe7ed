"""Literals that come unasked, from RFC 7888, and literals that nobody wants: too large, too many, never finished."""

from __future__ import annotations

import asyncio

import pytest

from appliance.imap.machine import MOST_PASSED_OVER
from tests.support.imap_client import ImapClient

from .conftest import ADDRESS, PASSWORD, Post, closing

MESSAGE = b"Subject: hello\r\n\r\nbody\r\n"
FOUR_GB = 4_294_967_295


async def test_the_larger_of_the_two_is_announced(post: Post) -> None:
    """RFC 7888 5: a server must not announce both; LITERAL+ allows all that LITERAL- does."""
    stranger, client = await ImapClient.connect(post.port), await post.client()
    async with closing(stranger, client):
        for each in (stranger, client):
            assert "LITERAL+" in each.capabilities and "LITERAL-" not in each.capabilities


# What the client says, with its literals; LITERAL- would allow up to 4096 octets, LITERAL+ any number.
TAKEN: dict[str, tuple[str, list[bytes]]] = {
    "a mailbox": ("SELECT {}", [b"INBOX"]),
    "an empty one": ("LIST {} {}", [b"", b"*"]),
    "of 4096 octets": ("SEARCH SUBJECT {}", [b"x" * 4096]),
    "of 4097 octets": ("SEARCH SUBJECT {}", [b"x" * 4097]),
    "of many octets": ("SEARCH SUBJECT {}", [b"x" * 200_000]),
    "several": ("SEARCH OR SUBJECT {} OR FROM {} TO {}", [b"a", b"b", b"c"]),
    "a message": ("APPEND INBOX {}", [MESSAGE]),
    "a message of 5000 octets": ("APPEND INBOX {}", [MESSAGE * 200]),
    "a message that may hold NUL (RFC 7888 7)": ("APPEND INBOX ~{}", [MESSAGE + b"\0"]),
    "what looks like a literal": ("SEARCH SUBJECT {}", [b"{5+}\r\nx LOGOUT\r\n"]),
}


@pytest.mark.parametrize("non_sync", [False, True], ids=["waiting", "unasked"])
@pytest.mark.parametrize(("said", "literals"), TAKEN.values(), ids=TAKEN)
async def test_it_is_taken(post: Post, said: str, literals: list[bytes], non_sync: bool) -> None:
    client = await post.selected()
    async with closing(client):
        answer = await client.command(said, *literals, non_sync=non_sync)
        assert answer.ok, answer
        await client.ok("NOOP")


# Before sign-in or after, what the client says, the answer, and whether it is hung up on then.
TOO_LARGE: dict[str, tuple[bool, bytes, bytes, bool]] = {
    "a name, waiting": (True, b"SELECT {%d}" % FOUR_GB, b"x BAD [TOOBIG] ", False),
    "a name, unasked": (True, b"SELECT {%d+}" % FOUR_GB, b"* BYE The literal is too large", True),
    "a number that is none": (True, b"SELECT {99999999999999}", b"x BAD ", False),
    "a message, waiting": (True, b"APPEND INBOX {%d}" % FOUR_GB, b"x NO [TOOBIG] ", False),
    "a message, unasked": (True, b"APPEND INBOX {%d+}" % FOUR_GB, b"x NO [TOOBIG] ", True),
    "a message to nowhere, unasked": (True, b"APPEND nothing {%d+}" % FOUR_GB, b"x NO [TRYCREATE] ", True),
    "a message with a wrong time, unasked": (True, b'APPEND INBOX "x" {%d+}' % FOUR_GB, b"x BAD ", True),
    "a message with NUL, unasked": (True, b"APPEND INBOX ~{%d+}" % FOUR_GB, b"x NO [TOOBIG] ", True),
    "a second message, unasked": (True, b"APPEND INBOX {1+}\r\na {%d+}" % FOUR_GB, b"x NO [TOOBIG] ", True),
    "a part, waiting": (True, b"APPEND INBOX CATENATE (TEXT {1+}\r\na TEXT {%d}" % FOUR_GB, b"x NO [TOOBIG] ", False),
    "a URL, unasked": (True, b"APPEND INBOX CATENATE (URL {%d+}" % FOUR_GB, b"* BYE The literal is too large", True),
    "a replacement, unasked": (True, b"UID REPLACE 1 INBOX {%d+}" % FOUR_GB, b"x NO ", True),
    "a stranger's name, waiting": (False, b"LOGIN {%d}" % FOUR_GB, b"x BAD [TOOBIG] ", False),
    "a stranger's name, unasked": (False, b"LOGIN {5000+}", b"* BYE The literal is too large", True),
    "a stranger's message, unasked": (False, b"APPEND INBOX {%d+}" % FOUR_GB, b"x BAD ", True),
}


@pytest.mark.parametrize(("known", "said", "answer", "hung_up_on"), TOO_LARGE.values(), ids=TOO_LARGE)
async def test_what_is_too_large_is_refused_before_it_comes(
    post: Post, known: bool, said: bytes, answer: bytes, hung_up_on: bool
) -> None:
    client = await (post.selected() if known else ImapClient.connect(post.port))
    async with closing(client):
        await client.write(b"x " + said + b"\r\n")
        assert (await client.line()).startswith(answer)
        if hung_up_on:
            said_then = await client.ended()
            assert answer.startswith(b"* BYE") or said_then.startswith(b"* BYE That is too much")
        else:
            await client.ok("NOOP")


@pytest.mark.parametrize("said", ["SELECT ~{}", "SEARCH SUBJECT ~{}", "LOGIN ~{} x", "APPEND ~{} {}"])
async def test_only_a_message_may_hold_nul(post: Post, said: str) -> None:
    """RFC 3516 7: literal8 is for APPEND's message alone."""
    client = await post.client()
    async with closing(client):
        answer = await client.command(said, *[b"IN\0BOX"] * said.count("{}"), non_sync=True)
        assert answer.done.status == "BAD"
        await client.ok("NOOP")


async def test_a_message_that_is_refused_is_passed_over(post: Post) -> None:
    """RFC 7888 4: whatever it looks like, and however large, up to a bound."""
    client = await ImapClient.signed_in(await post.start(message_octets=1000), ADDRESS, PASSWORD)
    async with closing(client):
        octets = b"y LOGOUT\r\n" * 100_000
        assert len(octets) < MOST_PASSED_OVER
        answer = await client.command("APPEND INBOX {}", octets, non_sync=True)
        assert (answer.done.status, answer.done.code) == ("NO", "TOOBIG")
        await client.ok("NOOP")


async def test_many_small_ones_are_a_command_that_is_too_long(post: Post) -> None:
    client = await post.selected()
    async with closing(client):
        await client.write(b"x SEARCH" + b" SUBJECT {1+}\r\na" * 60_000 + b"\r\n")
        assert (await client.line()).startswith(b"* BYE The ")


HALVES = {
    "a name": b"x SELECT {10+}\r\nabc",
    "a message": b"x APPEND INBOX {100+}\r\nabc",
    "a message, asked for": b"x APPEND INBOX {100}\r\n",
    "a second message": b"x APPEND INBOX {1+}\r\na {100+}\r\nabc",
    "a part": b"x APPEND INBOX CATENATE (TEXT {100+}\r\nabc",
    "after a part": b"x APPEND INBOX CATENATE (TEXT {1+}\r\nabc",
    "what is passed over": b"x APPEND nothing {100+}\r\nabc",
    "a message that comes compressed": b"x COMPRESS DEFLATE\r\n",
}


@pytest.mark.parametrize("octets", HALVES.values(), ids=HALVES)
async def test_half_a_literal_is_not_waited_for_for_ever(post: Post, octets: bytes) -> None:
    client = await ImapClient.signed_in(await post.start(stall_timeout_s=0.3, idle_timeout_s=0.3), ADDRESS, PASSWORD)
    async with closing(client):
        await client.write(octets)
        await client.ended()
    client = await post.client()
    async with closing(client):
        assert (await client.ok("STATUS INBOX (MESSAGES)")).status_items == {"MESSAGES": 0}


@pytest.mark.parametrize("octets", HALVES.values(), ids=HALVES)
async def test_a_client_that_hangs_up_in_a_literal_leaves_nothing(post: Post, octets: bytes) -> None:
    client = await post.client()
    await client.write(octets)
    await client.close()
    if sessions := tuple(post.server._listener._tasks):
        await asyncio.wait(sessions, timeout=20)
    assert not post.server.connections
    client = await post.client()
    async with closing(client):
        assert (await client.ok("STATUS INBOX (MESSAGES)")).status_items == {"MESSAGES": 0}
