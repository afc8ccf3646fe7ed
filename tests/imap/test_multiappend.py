"""MULTIAPPEND, from RFC 3502: several messages in one APPEND, all of them or none."""

from __future__ import annotations

import random

import pytest

from appliance.imap.commands import append as append_commands
from appliance.store.interface import Store
from appliance.store.refusals import StorageFailed
from tests.support.imap_client import ImapClient
from tests.support.stores import read_message, uids_of

from .conftest import ADDRESS, PASSWORD, Post, closing

ONE = b"Subject: one\r\n\r\nfirst\r\n"
TWO = b"Subject: two\r\n\r\nsecond\r\n"
LARGE = b"Subject: large\r\n\r\n" + bytes(range(1, 256)) * 3000


async def count(client: ImapClient, mailbox: str = "INBOX") -> int:
    return (await client.ok(f"STATUS {mailbox} (MESSAGES)")).status_items["MESSAGES"]


# What the client says; the messages in it; their flags; their INTERNALDATE, where one was said.
KEPT: dict[str, tuple[str, list[bytes], list[set[bytes]], list[str | None]]] = {
    "RFC 3502's own example": (
        'APPEND INBOX (\\Seen) {} (\\Seen) " 7-Feb-1994 22:43:04 -0800" {}',
        [ONE, TWO],
        [{b"\\Seen"}, {b"\\Seen"}],
        [None, " 8-Feb-1994 06:43:04 +0000"],
    ),
    "without flags": ("APPEND INBOX {} {}", [ONE, TWO], [set(), set()], [None, None]),
    "each its own flags": ("APPEND INBOX (a) {} {} (\\Flagged b) {}", [ONE, TWO, ONE], [{b"a"}, set(), {b"\\Flagged", b"b"}], [None] * 3),
    "a mailbox in a literal": ("APPEND {} {} {}", [b"INBOX", ONE, TWO], [set(), set()], [None, None]),
    "large ones": ("APPEND INBOX {} {} {}", [LARGE, ONE, LARGE], [set()] * 3, [None] * 3),
    "with NUL": ("APPEND INBOX ~{} {}", [b"Subject: x\r\n\r\n\0\1\0", TWO], [set()] * 2, [None] * 2),
}  # fmt: skip


@pytest.mark.parametrize("non_sync", [False, True], ids=["waiting", "unasked"])
@pytest.mark.parametrize(("said", "literals", "flags", "dates"), KEPT.values(), ids=KEPT)
async def test_all_are_kept(
    post: Post, said: str, literals: list[bytes], flags: list[set[bytes]], dates: list[str | None], non_sync: bool
) -> None:
    client = await post.selected()
    async with closing(client):
        before = await client.ok("STATUS INBOX (UIDVALIDITY UIDNEXT)")
        answer = await client.command(said, *literals, non_sync=non_sync)
        messages = literals[-len(flags) :]
        first = before.status_items["UIDNEXT"]
        # RFC 4315 3: one APPENDUID with all UIDs, in the order of the messages.
        assert answer.code("APPENDUID") == f"{before.status_items['UIDVALIDITY']} {first}:{first + len(flags) - 1}"
        assert answer.exists == [len(messages)]
        assert [
            read_message(post.store, post.mailbox_id(), uid) for uid in uids_of(post.store, post.mailbox_id())
        ] == messages
        for number, (wanted, when) in enumerate(zip(flags, dates, strict=True), 1):
            fetched = await client.ok(f"FETCH {number} (FLAGS INTERNALDATE)")
            assert fetched.item("FLAGS") == wanted | {b"\\Recent"}
            assert when is None or fetched.item("INTERNALDATE") == when


# What the client says, its literals, the answer. Nothing is kept of any of them.
REFUSED: dict[str, tuple[str, list[bytes], str, str | None]] = {
    "the second is empty: the client takes it back": ("APPEND INBOX {} {}", [ONE, b""], "NO", "CANNOT"),
    "the second is too large": ("APPEND INBOX {} {} {}", [ONE, b"x" * 2001, TWO], "NO", "TOOBIG"),
    "the first is too large": ("APPEND INBOX {} {}", [b"x" * 2001, ONE], "NO", "TOOBIG"),
    "no such mailbox": ("APPEND nothing {} {}", [ONE, TWO], "NO", "TRYCREATE"),
    "a time that is none": ('APPEND INBOX {} "yesterday" {}', [ONE, TWO], "BAD", None),
    "no space between": ("APPEND INBOX {}{}", [ONE, TWO], "BAD", None),
    "words after the last": ("APPEND INBOX {} {} x", [ONE, TWO], "BAD", None),
}


@pytest.mark.parametrize("non_sync", [False, True], ids=["waiting", "unasked"])
@pytest.mark.parametrize(("said", "literals", "status", "code"), REFUSED.values(), ids=REFUSED)
async def test_or_none_of_them(
    post: Post, said: str, literals: list[bytes], status: str, code: str | None, non_sync: bool
) -> None:
    client = await ImapClient.signed_in(await post.start(message_octets=2000), ADDRESS, PASSWORD)
    async with closing(client):
        answer = await client.command(said, *literals, non_sync=non_sync)
        assert (answer.done.status, answer.done.code) == (status, code)
        assert await count(client) == 0
        assert (await client.ok("APPEND INBOX {} {}", ONE, TWO)).ok  # and the conversation goes on
        assert await count(client) == 2


async def test_a_card_that_fails_keeps_none(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await post.client()
    async with closing(client):

        async def refuse(*_: object, **__: object) -> None:
            raise StorageFailed("x")

        with monkeypatch.context() as patch:
            patch.setattr(Store, "write", refuse)
            answer = await client.command("APPEND INBOX {} {}", ONE, TWO)
        assert (answer.done.status, answer.done.code) == ("NO", "UNAVAILABLE")
        assert await count(client) == 0


async def test_another_client_sees_them_come_together(post: Post) -> None:
    watching, client = await post.selected(), await post.client()
    async with closing(watching, client):
        tag = await watching.idle()
        await client.ok("APPEND INBOX {} {} {}", ONE, TWO, ONE)
        assert (await watching.news()).exists == [3]
        await watching.done(tag)


async def test_a_client_that_hangs_up_between_two_leaves_nothing(post: Post) -> None:
    client = await post.client()
    await client.write(b"x APPEND INBOX {%d+}\r\n%b {5}\r\n" % (len(ONE), ONE))
    assert (await client.line()).startswith(b"+ ")
    await client.write(b"he")
    await client.close()
    client = await post.client()
    async with closing(client):
        assert await count(client) == 0


async def test_thousands_at_once_are_refused(post: Post) -> None:
    """With a reason, without keeping them in memory, and the client that sends them unasked is heard out."""
    client = await post.client()
    async with closing(client):
        many = append_commands.MOST_MESSAGES + 500
        await client.write(b"x APPEND INBOX" + b" {7+}\r\na: b\r\n\r" * many + b"\r\n")
        assert (await client.line()).startswith(b"x NO [LIMIT] ")
        assert await count(client) == 0


@pytest.mark.parametrize(
    ("limit", "message"), [("MOST_HELD_OCTETS", LARGE), ("MOST_IN_FILES", random.Random(1).randbytes(300_000))]
)
async def test_large_ones_are_bounded_together(
    post: Post, limit: str, message: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(append_commands, limit, 1)
    client = await post.client()
    async with closing(client):
        answer = await client.command("APPEND INBOX {} {} {}", message, message, message, non_sync=True)
        assert (answer.done.status, answer.done.code) == ("NO", "LIMIT")
        assert await count(client) == 0


async def test_together_they_are_no_larger_than_one_may_be(post: Post) -> None:
    """As they lie in the spools, packed; the last one comes on top."""
    message = b"a: b\r\n\r\n" + random.Random(2).randbytes(15_000)
    client = await ImapClient.signed_in(await post.start(message_octets=40_000), ADDRESS, PASSWORD)
    async with closing(client):
        await client.command("APPEND INBOX {} {} {}", message, message, message, non_sync=True)
        answer = await client.command("APPEND INBOX {} {} {} {}", *[message] * 4, non_sync=True)
        assert (answer.done.status, answer.done.code) == ("NO", "LIMIT")
        assert await count(client) == 3


async def test_it_is_announced(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        assert "MULTIAPPEND" in client.capabilities
