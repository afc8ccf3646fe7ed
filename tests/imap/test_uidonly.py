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
