"""APPEND: what is put in comes out, and what cannot be kept is refused before it is sent."""

from __future__ import annotations

import tracemalloc

import pytest

from appliance.store.interface import Store
from appliance.store.refusals import StorageFailed, StorageLow
from tests.support.imap_client import ImapClient
from tests.support.stores import read_message

from .conftest import Post, closing

MESSAGE = b"Subject: hello\r\n\r\nbody\r\n"

MESSAGES = {
    "an ordinary one": MESSAGE,
    "no final line end": b"Subject: x\r\n\r\nbody",
    "bare line feeds": b"Subject: x\n\nbody\n",
    "8-bit octets": b"Subject: x\r\n\r\n\xff\xfe\x80",
    "no header": b"\r\nbody",
    "one octet": b"x",
    "what looks like a command": b"a LOGOUT\r\nb LOGOUT\r\n",
    "larger than a frame of the store": b"Subject: x\r\n\r\n" + bytes(range(1, 256)) * 3000,
}


@pytest.mark.parametrize("non_sync", [False, True], ids=["waiting", "unasked"])
@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
async def test_a_message_comes_back_byte_for_byte(post: Post, message: bytes, non_sync: bool) -> None:
    client = await post.client()
    async with closing(client):
        answer = await client.command("APPEND Sent {}", message, non_sync=non_sync)
        uidvalidity, uid = map(int, (answer.code("APPENDUID") or "").split())
        assert read_message(post.store, post.mailbox_id("Sent"), uid) == message
        selected = await client.ok("SELECT Sent")
        assert selected.code("UIDVALIDITY") == str(uidvalidity)
        fetched = await client.ok("FETCH 1 (BODY.PEEK[] RFC822.SIZE)")
        assert fetched.item("BODY[]") == message and fetched.item("RFC822.SIZE") == len(message)


async def test_flags_and_date_are_kept(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        await client.ok('APPEND INBOX (\\Seen \\flagged $Junk \\Recent) " 1-Feb-2026 12:00:00 +0700" {}', MESSAGE)
        await client.ok("SELECT INBOX")
        answer = await client.ok("FETCH 1 (FLAGS INTERNALDATE)")
        assert answer.item("FLAGS") == {b"\\Seen", b"\\Flagged", b"$Junk", b"\\Recent"}
        assert answer.item("INTERNALDATE") == " 1-Feb-2026 05:00:00 +0000"


async def test_appending_to_the_selected_mailbox_tells_at_once(post: Post) -> None:
    client = await post.selected()
    async with closing(client):
        answer = await client.ok("APPEND INBOX (new) {}", MESSAGE)
        assert answer.exists == [1] and b"* 1 RECENT" in answer.lines


REFUSED = {
    "a mailbox that is not there": ("nothing", b"x", "TRYCREATE"),
    "nothing at all": ("INBOX", b"", "CANNOT"),
    "more than is allowed": ("INBOX", b"x" * 2001, "TOOBIG"),
}


@pytest.mark.parametrize("non_sync", [False, True], ids=["waiting", "unasked"])
@pytest.mark.parametrize(("mailbox", "message", "code"), REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_kept_is_refused_before_it_is_sent(
    post: Post, mailbox: str, message: bytes, code: str, non_sync: bool
) -> None:
    port = await post.start(message_octets=2000)
    client = await ImapClient.signed_in(port, "bob@example.org", "correct horse battery")
    async with closing(client):
        answer = await client.command(f"APPEND {mailbox} {{}}", message, non_sync=non_sync)
        assert (answer.done.status, answer.done.code) == ("NO", code)
        assert f"APPENDLIMIT={2000}" in client.capabilities
        await client.ok("NOOP")


@pytest.mark.parametrize(
    ("fault", "patched"), [(StorageLow(), "need_room"), (StorageFailed("x"), "write")], ids=["full", "broken"]
)
async def test_a_card_that_cannot_take_it(
    post: Post, fault: Exception, patched: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await post.client()
    async with closing(client):

        async def refuse(*_: object, **__: object) -> None:
            raise fault

        def refuse_now(*_: object) -> None:
            raise fault

        with monkeypatch.context() as patch:
            patch.setattr(Store, patched, refuse_now if patched == "need_room" else refuse)
            answer = await client.command("APPEND INBOX {}", MESSAGE, non_sync=True)
        assert (answer.done.status, answer.done.code) == ("NO", "UNAVAILABLE")
        await client.ok("APPEND INBOX {}", MESSAGE)


async def test_memory_does_not_grow_with_the_message(post: Post) -> None:
    """25 MB cost less than 10 MB."""
    client = await post.client()
    piece = b"0123456789abcdef" * 4096  # 64 KiB
    async with closing(client):
        tracemalloc.start()
        try:
            await client.write(b"x APPEND INBOX {%d+}\r\n" % (400 * len(piece)))
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(400):
                await client.write(piece)
            await client.write(b"\r\n")
            assert (await client.line()).startswith(b"x OK")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak - before < 10_000_000
        assert (await client.ok("STATUS INBOX (MESSAGES)")).status_items == {"MESSAGES": 1}
