"""QRESYNC command by command, as RFC 7162 3.2 has it."""

from __future__ import annotations

import pytest

from appliance.imap.commands import resync
from tests.support.imap_client import ImapClient

from .conftest import Post, closing

MESSAGE = b"Subject: hello\r\n\r\nbody\r\n"


async def away(post: Post) -> tuple[ImapClient, str]:
    """Five messages with MODSEQs 2–6; then 1 was flagged (7), 2 and 4 were marked (8) and expunged (9), 6 came (10).
    Returns a client that has enabled QRESYNC, and the mailbox's UIDVALIDITY."""
    for _ in range(5):
        post.put(MESSAGE)
    other = await post.selected()
    await other.ok("STORE 1 +FLAGS.SILENT (\\Flagged)")
    await other.ok("STORE 2,4 +FLAGS.SILENT (\\Deleted)")
    await other.ok("EXPUNGE")
    post.put(MESSAGE)
    await other.close()
    client = await post.client()
    assert (await client.ok("ENABLE QRESYNC")).lines == [b"* ENABLED QRESYNC"]
    return client, str((await client.ok("STATUS INBOX (UIDVALIDITY)")).status_items["UIDVALIDITY"])


# What stands after the UIDVALIDITY; VANISHED (EARLIER); UID → MODSEQ of what is told.
RESYNCS = {
    "all": ("6", "2,4", {1: 7, 6: 10}),
    "from the beginning": ("1", "2,4", {1: 7, 3: 4, 5: 6, 6: 10}),
    "after the flags": ("7", "2,4", {6: 10}),
    "nothing new": ("10", None, {}),
    "later than there is": ("99", None, {}),
    "known UIDs": ("6 1:3", "2", {1: 7}),
    "known UIDs that are there": ("6 1,3,5", None, {1: 7}),
    "with matches": ("6 1:5 (1,3 1,3)", "2,4", {1: 7}),
    "matches alone": ("6 (1 1)", "2,4", {1: 7, 6: 10}),
}


@pytest.mark.parametrize("at_once", [1, 1000])
@pytest.mark.parametrize("verb", ["SELECT", "EXAMINE"])
@pytest.mark.parametrize(("known", "earlier", "told"), RESYNCS.values(), ids=RESYNCS)
async def test_resync(
    post: Post,
    verb: str,
    known: str,
    earlier: str | None,
    told: dict[int, int],
    at_once: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resync, "MOST_AT_ONCE", at_once)
    client, uidvalidity = await away(post)
    async with closing(client):
        answer = await client.ok(f"{verb} INBOX (QRESYNC ({uidvalidity} {known}))")
        assert answer.earlier == earlier
        assert {each.items["UID"]: each.items["MODSEQ"] for each in answer.fetched} == told
        assert answer.exists == [4] and answer.code("HIGHESTMODSEQ") == "10"
        await client.ok("UID FETCH 1:* FLAGS")
        assert client.mailbox is not None and client.mailbox.uids == [1, 3, 5, 6]


async def test_another_uidvalidity(post: Post) -> None:
    client, uidvalidity = await away(post)
    async with closing(client):
        answer = await client.ok(f"SELECT INBOX (QRESYNC ({int(uidvalidity) + 1} 1))")
        assert (answer.earlier, answer.fetched) == (None, [])


async def test_what_is_no_longer_remembered(post: Post) -> None:
    """RFC 7162 5: every UID that is missing is named then; seq-match-data spares the client some."""
    client, uidvalidity = await away(post)
    post.store.write_now(lambda tx: tx.connection.execute("DELETE FROM expunged"))
    async with closing(client):
        assert (await client.ok(f"SELECT INBOX (QRESYNC ({uidvalidity} 6))")).earlier == "2,4"
        answer = await client.ok(f"SELECT INBOX (QRESYNC ({uidvalidity} 6 1:5 (1:2 1,3)))")
        assert answer.earlier == "4" and answer.code("CLOSED") == ""
        assert (await client.ok("UID FETCH 1:3 FLAGS (CHANGEDSINCE 6 VANISHED)")).earlier == "2"


async def test_what_came_and_was_not_told_yet_has_not_vanished(post: Post) -> None:
    """Also where every UID that is missing is named."""
    client, _ = await away(post)
    post.store.write_now(lambda tx: tx.connection.execute("DELETE FROM expunged"))
    async with closing(client):
        await client.ok("SELECT INBOX")
        post.put(MESSAGE)
        answer = await client.ok("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 6 VANISHED)")
        assert (answer.earlier, answer.exists) == ("2,4", [5])


async def test_vanished_for_expunge(post: Post) -> None:
    client, _ = await away(post)
    other = await post.selected()
    async with closing(client, other):
        await client.ok("SELECT INBOX")
        await client.ok("UID FETCH 1:* FLAGS")
        await other.ok("STORE 2:3 +FLAGS.SILENT (\\Deleted)")
        await other.ok("EXPUNGE")
        assert (await client.ok("FETCH 1 FLAGS")).vanished == []
        assert (await client.ok("NOOP")).vanished == [3, 5]
        await client.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        answer = await client.ok("EXPUNGE")
        assert (answer.vanished, answer.done.code) == ([1], "HIGHESTMODSEQ")
        assert (await client.ok("UID MOVE 6 Trash")).vanished == [6]


async def test_uid_fetch_vanished(post: Post) -> None:
    """RFC 7162 3.2.6."""
    client, _ = await away(post)
    async with closing(client):
        await client.ok("SELECT INBOX")
        answer = await client.ok("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 6 VANISHED)")
        assert answer.earlier == "2,4"
        assert {each.items["UID"] for each in answer.fetched} == {1, 6}
        assert (await client.ok("UID FETCH 3:6 FLAGS (CHANGEDSINCE 6 VANISHED)")).earlier == "4"
        assert (await client.ok("UID FETCH 1:* FLAGS (CHANGEDSINCE 10 VANISHED)")).earlier is None
