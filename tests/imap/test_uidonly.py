"""UIDONLY command by command, as RFC 9586 has it. The client fails on any message number."""

from __future__ import annotations

import pytest

from tests.support.imap_client import ImapClient

from .conftest import Post, closing

MESSAGE = b"Subject: hello\r\n\r\nbody\r\n"


async def ready(post: Post) -> ImapClient:
    for _ in range(3):
        post.put(MESSAGE)
    client = await post.client()
    assert (await client.ok("ENABLE UIDONLY")).lines == [b"* ENABLED UIDONLY"]
    answer = await client.ok("SELECT INBOX")
    assert answer.code("UNSEEN") is None
    return client


REFUSED = [
    "FETCH 1 FLAGS",
    "STORE 1 +FLAGS (\\Seen)",
    "COPY 1 Trash",
    "MOVE 1 Trash",
    "SEARCH ALL",
    "SORT (DATE) UTF-8 ALL",
    "THREAD REFERENCES UTF-8 ALL",
    "UID SEARCH 1:2",
    "UID SEARCH OR SEEN (NOT 2)",
    "SELECT INBOX (QRESYNC (1 1 1:2 (1 1)))",
]


@pytest.mark.parametrize("command", REFUSED)
async def test_numbers_are_refused(post: Post, command: str) -> None:
    client = await ready(post)
    async with closing(client):
        done = (await client.command(command)).done
        assert (done.status, done.code) == ("BAD", "UIDREQUIRED")


async def test_responses_have_uids(post: Post) -> None:
    client = await ready(post)
    other = await post.selected()
    async with closing(client, other):
        answer = await client.ok("UID FETCH 2 (FLAGS)")
        assert answer.lines[-1].startswith(b"* 2 UIDFETCH (FLAGS ")
        assert len((await client.ok("UID FETCH 1:* (ENVELOPE BODY.PEEK[])")).fetched) == 3
        assert len((await client.ok("UID STORE 1 +FLAGS (\\Deleted)")).fetched) == 1
        await other.ok("STORE 3 +FLAGS.SILENT (\\Seen)")
        (told,) = (await client.ok("NOOP")).lines
        assert told.startswith(b"* 3 UIDFETCH (FLAGS (\\Seen")
        assert (await client.ok("EXPUNGE")).vanished == [1]
        assert (await client.ok("UID MOVE 2 Trash")).vanished == [2]
        assert (await client.ok("UID SEARCH ALL")).searched == [3]


@pytest.mark.parametrize(
    ("command", "vanished", "fetched"),
    [
        ("UID FETCH $ (FLAGS)", [], [1, 3]),
        ("UID STORE $ +FLAGS (\\Flagged)", [], [1, 3]),
        ("UID STORE $ +FLAGS.SILENT (\\Flagged)", [], []),
        ("UID MOVE $ Trash", [1, 3], []),
        ("UID COPY $ Trash", [], []),
    ],
)
async def test_what_was_saved_can_be_named(post: Post, command: str, vanished: list[int], fetched: list[int]) -> None:
    """RFC 5182 with RFC 9586: `$` has no numbers in it."""
    client = await ready(post)
    async with closing(client):
        assert (await client.ok("UID SEARCH RETURN (SAVE) UID 1,3")).lines == []
        assert (await client.ok("UID SEARCH $")).searched == [1, 3]
        answer = await client.ok(command)
        assert sorted(answer.vanished) == vanished
        assert [each.items["UID"] for each in answer.fetched] == fetched


async def test_replace_goes_by_uid(post: Post) -> None:
    """RFC 8508 3.2 with RFC 9586 3."""
    client = await ready(post)
    async with closing(client):
        refused = (await client.command("REPLACE 2 INBOX {}", MESSAGE)).done
        assert (refused.status, refused.code) == ("BAD", "UIDREQUIRED")
        answer = await client.ok("UID REPLACE 2 INBOX {}", MESSAGE)
        assert (answer.vanished, answer.exists) == ([2], [3])
        assert (await client.ok("UID SEARCH ALL")).searched == [1, 3, 4]


async def test_a_client_comes_back(post: Post) -> None:
    """RFC 7162 3.2.5 with RFC 9586 3.4: what is told has UIDs alone, and MODSEQs."""
    client = await ready(post)
    other = await post.selected()
    async with closing(client, other):
        assert (await client.ok("ENABLE QRESYNC")).lines[0] == b"* ENABLED QRESYNC"
        await other.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
        await other.ok("EXPUNGE")
        await other.ok("UID STORE 3 +FLAGS.SILENT (\\Seen)")
        uidvalidity = (await client.ok("STATUS INBOX (UIDVALIDITY)")).status_items["UIDVALIDITY"]
        answer = await client.ok(f"SELECT INBOX (QRESYNC ({uidvalidity} 4 1:3))")
        assert (answer.earlier, answer.exists) == ("2", [2])
        assert [line for line in answer.lines if b"FETCH" in line] == [b"* 3 UIDFETCH (FLAGS (\\Seen) MODSEQ (7))"]
        answer = await client.ok("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 6 VANISHED)")
        assert answer.earlier is None
        assert [line for line in answer.lines if b"FETCH" in line] == [b"* 3 UIDFETCH (FLAGS (\\Seen) MODSEQ (7))"]
