"""STORE, COPY, MOVE, EXPUNGE, SEARCH and IDLE against a store."""

from __future__ import annotations

import asyncio

import pytest

from appliance.imap.commands import messages as messages_module
from appliance.imap.commands import search as search_module
from appliance.store.changes.flags import store_flags
from appliance.store.flags import DELETED, SEEN
from tests.support.imap_client import ImapClient
from tests.support.stores import read_message

from .conftest import ADDRESS, PASSWORD, Post, closing

MESSAGE = b"Subject: hello\r\n\r\nbody\r\n"


def flags(answer: object, number: int = 1) -> set[bytes]:
    return set(answer.item("FLAGS", number)) - {b"\\Recent"}  # type: ignore[attr-defined]


async def test_flags_are_set_added_and_taken_away(post: Post) -> None:
    post.put(MESSAGE)
    client = await post.selected()
    async with closing(client):
        assert flags(await client.ok("STORE 1 FLAGS (\\Seen a)")) == {b"\\Seen", b"a"}
        assert flags(await client.ok("STORE 1 +FLAGS (\\flagged A b)")) == {b"\\Seen", b"\\Flagged", b"a", b"b"}
        assert flags(await client.ok("STORE 1 -FLAGS (\\Seen B)")) == {b"\\Flagged", b"a"}
        assert flags(await client.ok("UID STORE 1 FLAGS ()")) == set()
        assert flags(await client.ok("FETCH 1 FLAGS")) == set()


async def test_a_new_keyword_is_announced_before_it_is_used(post: Post) -> None:
    post.put(MESSAGE)
    client, other = await post.selected(), await post.selected()
    async with closing(client, other):
        answer = await client.ok("STORE 1 +FLAGS ($Forwarded)")
        assert answer.lines[0].startswith(b"* FLAGS (") and b"$Forwarded" in answer.lines[0]
        assert (await other.ok("NOOP")).lines[0].startswith(b"* FLAGS (")


async def test_silent_means_no_word_about_what_the_client_knows(post: Post) -> None:
    post.put(MESSAGE)
    client, other = await post.selected(), await post.selected()
    async with closing(client, other):
        assert (await client.ok("STORE 1 +FLAGS.SILENT (\\Seen)")).fetched == []
        await other.ok("NOOP")
        assert (await client.ok("NOOP")).fetched == []
        await other.ok("STORE 1 +FLAGS (\\Flagged)")
        assert flags(await client.ok("STORE 1 +FLAGS.SILENT (\\Answered)")) == {b"\\Seen", b"\\Flagged", b"\\Answered"}


async def test_a_store_of_more_than_a_batch(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages_module, "STORE_AT_ONCE", 3)
    for _ in range(10):
        post.put(MESSAGE)
    client = await post.selected()
    async with closing(client):
        answer = await client.ok("STORE 1:* +FLAGS (\\Seen)")
        assert [each.number for each in answer.fetched] == list(range(1, 11))
        assert (await client.ok("SEARCH UNSEEN")).searched == []


async def test_too_many_keywords(post: Post) -> None:
    post.put(MESSAGE)
    client = await post.selected()
    async with closing(client):
        for words in (" ".join(f"k{n}" for n in range(101)), "x" * 256):
            assert (await client.command(f"STORE 1 +FLAGS ({words})")).done.code == "LIMIT"


async def test_copy_tells_the_new_uids(post: Post) -> None:
    for _ in range(3):
        post.put(MESSAGE, flags=SEEN)
    client = await post.selected()
    async with closing(client):
        answer = await client.ok("COPY 1,3 Archive")
        validity, old, new = (answer.code("COPYUID") or "").split()
        assert (old, new) == ("1,3", "1:2")
        assert read_message(post.store, post.mailbox_id("Archive"), 2) == MESSAGE
        selected = await client.ok("SELECT Archive")
        assert selected.code("UIDVALIDITY") == validity
        assert flags(await client.ok("FETCH 1 FLAGS")) == {b"\\Seen"}


async def test_copy_into_the_same_mailbox(post: Post) -> None:
    post.put(MESSAGE)
    client = await post.selected()
    async with closing(client):
        answer = await client.ok("UID COPY 1 INBOX")
        assert answer.exists == [2] and answer.code("COPYUID") is not None


async def test_copy_to_nowhere_says_that_create_would_help(post: Post) -> None:
    post.put(MESSAGE)
    client = await post.selected()
    async with closing(client):
        for verb in ("COPY", "MOVE", "UID COPY", "UID MOVE"):
            assert (await client.command(f"{verb} 1 nowhere")).done.code == "TRYCREATE"


async def test_move_tells_the_new_uids_and_then_what_is_gone(post: Post) -> None:
    for _ in range(4):
        post.put(MESSAGE)
    client, other = await post.selected(), await post.selected()
    async with closing(client, other):
        answer = await client.ok("MOVE 2:3 Trash")
        assert [status.code for status in answer.statuses] == ["COPYUID"]
        assert answer.lines.index(b"* 3 EXPUNGE") > 0
        assert answer.expunged == [3, 2]
        answer = await client.ok("UID MOVE 4,99 Trash")
        assert answer.expunged == [2]
        assert (await other.ok("NOOP")).expunged == [4, 3, 2]
        assert (await client.ok("STATUS Trash (MESSAGES)")).status_items == {"MESSAGES": 3}


async def test_expunge_takes_what_is_deleted_and_no_more(post: Post) -> None:
    for number in range(5):
        post.put(MESSAGE, flags=DELETED if number in (1, 3, 4) else 0)
    client = await post.selected()
    async with closing(client):
        assert (await client.ok("UID EXPUNGE 1:2,5")).expunged == [5, 2]
        assert (await client.ok("EXPUNGE")).expunged == [3]
        assert (await client.ok("EXPUNGE")).expunged == []
        assert (await client.ok("UID SEARCH ALL")).searched == [1, 3]


SEARCHES = {
    "SEARCH ALL": [1, 2, 3],
    "UID SEARCH ALL": [2, 3, 4],
    "SEARCH 2:*": [2, 3],
    "SEARCH UNSEEN": [1, 3],
    "SEARCH SEEN SUBJECT two": [2],
    "SEARCH OR SUBJECT one SUBJECT three": [1, 3],
    "SEARCH NOT SUBJECT one": [2, 3],
    "SEARCH BODY common": [1, 2, 3],
    "SEARCH TEXT nowhere": [],
    "SEARCH LARGER 10000": [],
    "SEARCH SMALLER 10000": [1, 2, 3],
    "SEARCH SINCE 1-Jan-2020": [1, 2, 3],
    "SEARCH HEADER X-Number 3": [3],
    "SEARCH UID 3 SEEN": [2],
    "SEARCH CHARSET UTF-8 SUBJECT two": [2],
}


@pytest.mark.parametrize("batch", [1, 100])
async def test_searches(post: Post, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_module, "ROWS_AT_ONCE", batch)
    monkeypatch.setattr(search_module, "CONTENTS_AT_ONCE", batch)
    monkeypatch.setattr(search_module, "ON_THE_LOOP", batch)
    post.put(MESSAGE, flags=DELETED)
    for number, word in enumerate((b"one", b"two", b"three"), 1):
        post.put(b"Subject: %b\r\nX-Number: %d\r\n\r\ncommon\r\n" % (word, number), flags=SEEN if number == 2 else 0)
    client = await post.selected()
    async with closing(client):
        await client.ok("EXPUNGE")
        for command, numbers in SEARCHES.items():
            assert (await client.ok(command)).searched == numbers, command


async def test_esearch(post: Post) -> None:
    for _ in range(5):
        post.put(MESSAGE)
    client = await post.selected()
    async with closing(client):
        answer = await client.ok("UID SEARCH RETURN (MIN MAX COUNT ALL) 2:4")
        assert answer.esearch == {"MIN": 2, "MAX": 4, "COUNT": 3, "ALL": [2, 3, 4]} and answer.searched is None
        assert (await client.ok("SEARCH RETURN () 1,3")).esearch == {"ALL": [1, 3]}
        assert (await client.ok("SEARCH RETURN (MIN COUNT) SEEN")).esearch == {"COUNT": 0}


async def test_an_unknown_charset_is_refused_with_the_known_ones(post: Post) -> None:
    client = await post.selected()
    async with closing(client):
        answer = await client.command("SEARCH CHARSET KLINGON SUBJECT x")
        assert (answer.done.status, answer.code("BADCHARSET")) == ("NO", "(US-ASCII UTF-8)")


async def test_idle_hears_of_a_delivery_flags_and_expunges(post: Post) -> None:
    client = await post.selected()
    async with closing(client):
        tag = await client.idle()
        async with asyncio.timeout(1):
            await asyncio.to_thread(post.put, MESSAGE)
            assert (await client.news()).exists == [1]
            assert (await client.news()).lines == [b"* 1 RECENT"]
        inbox = post.mailbox_id()
        await post.store.write(store_flags(inbox, [1], "+", SEEN | DELETED, ""))
        assert flags(await client.news()) == {b"\\Seen", b"\\Deleted"}
        other = await post.selected()
        async with closing(other):
            await other.ok("EXPUNGE")
        assert (await client.news()).expunged == [1]
        assert (await client.done(tag)).ok


async def test_what_came_before_idle_is_told_at_its_beginning(post: Post) -> None:
    client = await post.selected()
    async with closing(client):
        await asyncio.to_thread(post.put, MESSAGE)
        tag = await client.idle()
        assert (await client.news()).exists == [1]
        assert (await client.done(tag)).ok


async def test_idle_without_a_mailbox_and_with_a_wrong_end(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        tag = await client.idle()
        await client.write(b"NOOP\r\n")
        assert (await client.answer(tag)).done.status == "BAD"
        await client.ok("NOOP")


async def test_idle_keeps_the_line_alive(post: Post) -> None:
    port = await post.start(still_here_s=0.05)
    client = await ImapClient.signed_in(port, ADDRESS, PASSWORD)
    async with closing(client):
        await client.ok("SELECT INBOX")
        tag = await client.idle()
        assert (await client.news()).statuses[0].text == "Still here"
        assert (await client.news()).statuses[0].text == "Still here"
        await client.write(b"DONE\r\n")
        assert (await client.answer(tag)).ok


async def test_idle_ends_after_half_an_hour(post: Post) -> None:
    port = await post.start(idle_timeout_s=0.2, still_here_s=60.0)
    client = await ImapClient.signed_in(port, ADDRESS, PASSWORD)
    async with closing(client):
        await client.idle()
        assert (await client.ended()).startswith(b"* BYE ")
