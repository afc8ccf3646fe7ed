"""REPLACE and UID REPLACE, from RFC 8508: a new message comes and an old one goes, both or neither."""

from __future__ import annotations

import pytest

from appliance.store.interface import Store
from appliance.store.refusals import StorageFailed
from tests.support.imap_client import ImapClient
from tests.support.stores import read_message, uids_of

from .conftest import ADDRESS, PASSWORD, Post, closing

OLD = [b"Subject: %d\r\n\r\nold\r\n" % number for number in range(1, 4)]
NEW = b"Subject: new\r\n\r\nnew\r\n"


async def three(post: Post, **settings: object) -> ImapClient:
    """A client with three messages in INBOX, which is selected."""
    for message in OLD:
        post.put(message)
    port = await post.start(**settings) if settings else post.port
    client = await ImapClient.signed_in(port, ADDRESS, PASSWORD)
    await client.ok("SELECT INBOX")
    return client


# What the client says, and which UID goes.
REPLACED = {
    "by number": ("REPLACE 2 INBOX {}", 2),
    "the last by number": ("REPLACE * INBOX {}", 3),
    "by UID": ("UID REPLACE 1 INBOX {}", 1),
    "the last by UID": ("UID REPLACE * INBOX {}", 3),
    "with flags and a time": ('REPLACE 1 INBOX (\\Seen \\Draft) " 1-Feb-2026 12:00:00 +0000" {}', 1),
    "octets that may be NUL": ("REPLACE 1 INBOX ~{}", 1),
    "with UTF-8": ("REPLACE 1 INBOX UTF8 (~{})", 1),
    "put together": ("REPLACE 1 INBOX CATENATE (TEXT {})", 1),
}


@pytest.mark.parametrize("non_sync", [False, True], ids=["waiting", "unasked"])
@pytest.mark.parametrize(("said", "gone"), REPLACED.values(), ids=REPLACED)
async def test_one_goes_and_one_comes(post: Post, said: str, gone: int, non_sync: bool) -> None:
    client = await three(post)
    async with closing(client):
        answer = await client.command(said, NEW, non_sync=non_sync)
        assert answer.ok, answer
        # The new UID is told untagged, and before EXPUNGE.
        assert answer.done.code is None and (answer.code("APPENDUID") or "").endswith(" 4")
        told = next(place for place, line in enumerate(answer.lines) if b"APPENDUID" in line)
        assert answer.lines.index(b"* %d EXPUNGE" % gone) > told
        assert answer.expunged == [gone] and answer.exists == [3]
        uids = uids_of(post.store, post.mailbox_id())
        assert uids == [uid for uid in (1, 2, 3, 4) if uid != gone]
        assert read_message(post.store, post.mailbox_id(), 4) == NEW


async def test_flags_are_those_that_are_said(post: Post) -> None:
    """RFC 8508 3.4: none is taken over from the message that goes."""
    client = await three(post)
    async with closing(client):
        await client.ok("STORE 1 FLAGS (\\Flagged old)")
        await client.ok("REPLACE 1 INBOX (\\Draft) {}", NEW)
        assert (await client.ok("FETCH 3 FLAGS")).item("FLAGS") == {b"\\Draft", b"\\Recent"}


async def test_into_another_mailbox(post: Post) -> None:
    client = await three(post)
    async with closing(client):
        answer = await client.ok("UID REPLACE 2 Sent {}", NEW)
        assert answer.expunged == [2] and answer.exists == []
        assert uids_of(post.store, post.mailbox_id()) == [1, 3]
        assert read_message(post.store, post.mailbox_id("Sent"), 1) == NEW


async def test_of_what_is_there_alone(post: Post) -> None:
    client = await three(post)
    async with closing(client):
        await client.ok("REPLACE 2 INBOX CATENATE (URL /INBOX/;UID=2)")
        assert read_message(post.store, post.mailbox_id(), 4) == OLD[1]


# What the client says, and the answer. Nothing is done.
REFUSED = {
    "no such number": ("REPLACE 9 INBOX {}", NEW, "BAD", None),
    "no such UID": ("UID REPLACE 9 INBOX {}", NEW, "NO", "NONEXISTENT"),
    "number 0": ("REPLACE 0 INBOX {}", NEW, "BAD", None),
    "a set": ("REPLACE 1:2 INBOX {}", NEW, "BAD", None),
    "no such mailbox": ("REPLACE 1 nothing {}", NEW, "NO", "TRYCREATE"),
    "too large": ("REPLACE 1 INBOX {}", b"x" * 2001, "NO", "TOOBIG"),
    "empty": ("REPLACE 1 INBOX {}", b"", "NO", "CANNOT"),
    "a URL that means nothing": ("REPLACE 1 INBOX CATENATE (TEXT {} URL /INBOX/;UID=9)", NEW, "NO", "BADURL"),
    "no message": ("REPLACE 1 {}", b"INBOX", "BAD", None),
}


@pytest.mark.parametrize("non_sync", [False, True], ids=["waiting", "unasked"])
@pytest.mark.parametrize(("said", "literal", "status", "code"), REFUSED.values(), ids=REFUSED)
async def test_nothing_is_done(
    post: Post, said: str, literal: bytes, status: str, code: str | None, non_sync: bool
) -> None:
    client = await three(post, message_octets=2000)
    async with closing(client):
        answer = await client.command(said, literal, non_sync=non_sync)
        assert (answer.done.status, answer.done.code) == (status, code)
        assert (answer.expunged, answer.exists) == ([], [])
        assert uids_of(post.store, post.mailbox_id()) == [1, 2, 3]
        await client.ok("NOOP")


@pytest.mark.parametrize("non_sync", [False, True], ids=["waiting", "unasked"])
async def test_one_message_only(post: Post, non_sync: bool) -> None:
    client = await three(post)
    async with closing(client):
        assert (await client.command("REPLACE 1 INBOX {} {}", NEW, NEW, non_sync=non_sync)).done.status == "BAD"
        assert uids_of(post.store, post.mailbox_id()) == [1, 2, 3]


async def test_not_where_one_may_only_read(post: Post) -> None:
    client = await three(post)
    async with closing(client):
        await client.ok("EXAMINE INBOX")
        answer = await client.command("REPLACE 1 INBOX {}", NEW)
        assert (answer.done.status, answer.done.code) == ("NO", "READ-ONLY")
        await client.ok("UNSELECT")
        assert (await client.command("REPLACE 1 INBOX {}", NEW)).done.status == "BAD"


async def test_what_another_client_expunged_is_not_replaced(post: Post) -> None:
    """RFC 8508 3.4: then the new message is not kept either."""
    client, other = await three(post), await post.selected()
    async with closing(client, other):
        await client.write(b"x REPLACE 2 INBOX {%d}\r\n" % len(NEW))
        assert (await client.line()).startswith(b"+ ")
        await other.ok("STORE 2 FLAGS.SILENT (\\Deleted)")
        await other.ok("EXPUNGE")
        await client.write(NEW + b"\r\n")
        while not (line := await client.line()).startswith(b"x "):
            assert b"APPENDUID" not in line
        assert line.startswith(b"x NO [EXPUNGEISSUED] ")
        assert uids_of(post.store, post.mailbox_id()) == [1, 3]


async def test_a_card_that_fails_does_neither(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await three(post)
    async with closing(client):

        async def refuse(*_: object, **__: object) -> None:
            raise StorageFailed("x")

        with monkeypatch.context() as patch:
            patch.setattr(Store, "write", refuse)
            answer = await client.command("REPLACE 1 INBOX {}", NEW)
        assert (answer.done.status, answer.done.code) == ("NO", "UNAVAILABLE")
        assert uids_of(post.store, post.mailbox_id()) == [1, 2, 3]


async def test_it_is_announced(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        assert "REPLACE" in client.capabilities
