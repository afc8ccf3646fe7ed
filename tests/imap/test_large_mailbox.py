"""A mailbox of more than NEWEST messages is announced by its newest ones, and read when a command goes by its numbers;
the client can tell no difference but that SELECT does not take longer the more there is."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.imap.commands import mailboxes
from appliance.store import messages
from appliance.store.flags import SEEN

from . import test_many_clients
from .conftest import Post, closing

MESSAGE = b"Subject: hello\r\n\r\nbody\r\n"


@pytest.fixture(autouse=True)
def newest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large begins at two messages."""
    monkeypatch.setattr(mailboxes, "NEWEST", 2)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The mailboxes that were read, one entry each time."""
    asked: list[int] = []
    real = messages.outline

    def outline(connection: sqlite3.Connection, mailbox_id: int, **words: int) -> messages.Outline:
        asked.append(mailbox_id)
        return real(connection, mailbox_id, **words)

    monkeypatch.setattr(messages, "outline", outline)
    return asked


UNSEEN = {
    "all": ([0, 0, 0, 0], "1"),
    "the newest": ([SEEN, SEEN, SEEN, 0], "4"),
    "two of the newest": ([SEEN, SEEN, 0, 0], "3"),
    "none": ([SEEN] * 4, None),
    "older ones too, so that it would take a look at all": ([SEEN, 0, SEEN, 0], None),
}


@pytest.mark.parametrize(("flags", "unseen"), UNSEEN.values(), ids=UNSEEN)
async def test_what_select_says(post: Post, flags: list[int], unseen: str | None, read: list[int]) -> None:
    for each in flags:
        post.put(MESSAGE, flags=each)
    client = await post.client()
    async with closing(client):
        answer = await client.ok("SELECT INBOX")
        assert (answer.exists, answer.code("UNSEEN"), answer.code("UIDNEXT")) == ([4], unseen, "5")
        assert b"* 4 RECENT" in answer.lines
        again = await client.ok("EXAMINE INBOX")
        assert b"* 0 RECENT" in again.lines
        for _ in range(3):
            post.put(MESSAGE)
        assert b"* 3 RECENT" in (await client.ok("EXAMINE INBOX")).lines
        assert (await client.ok("STATUS INBOX (RECENT)")).status_items["RECENT"] == 3
        assert read == []


async def test_it_is_read_once_and_only_for_commands_that_go_by_its_numbers(post: Post, read: list[int]) -> None:
    for _ in range(5):
        post.put(MESSAGE)
    client = await post.selected()
    async with closing(client):
        await client.ok("NOOP")
        await client.ok("CHECK")
        await client.ok("STATUS INBOX (MESSAGES)")
        await client.done(await client.idle())
        assert read == []
        assert len((await client.ok("FETCH 2:3 (UID FLAGS)")).fetched) == 2
        assert (await client.ok("SEARCH 1:* UNSEEN")).searched == [1, 2, 3, 4, 5]
        assert read == [post.mailbox_id()]


async def test_one_that_went_before_it_was_read_keeps_its_number_until_it_is_told(post: Post) -> None:
    for _ in range(4):
        post.put(MESSAGE)
    client, other = await post.selected(), await post.selected()
    async with closing(client, other):
        await other.ok("UID STORE 2 +FLAGS.SILENT (\\Deleted)")
        await other.ok("EXPUNGE")
        answer = await client.ok("FETCH 3 UID")
        assert answer.item("UID") == 3
        assert answer.expunged == []
        assert (await client.ok("NOOP")).expunged == [2]


async def test_flags_that_changed_before_it_was_read_are_told(post: Post) -> None:
    for _ in range(4):
        post.put(MESSAGE)
    client, other = await post.selected(), await post.selected()
    async with closing(client, other):
        await other.ok("STORE 1 +FLAGS.SILENT (\\Flagged)")
        (told,) = (await client.ok("NOOP")).fetched
        assert (told.items["UID"], b"\\Flagged" in told.items["FLAGS"]) == (1, True)
        assert (await client.ok("NOOP")).fetched == []


async def test_keywords_of_older_messages_are_named_before_they_are_used(post: Post) -> None:
    for _ in range(4):
        post.put(MESSAGE)
    other = await post.selected()
    async with closing(other):
        await other.ok("STORE 1 +FLAGS.SILENT (holiday)")
    client = await post.client()
    async with closing(client):
        assert not any(b"holiday" in line for line in (await client.ok("SELECT INBOX")).lines)
        lines = (await client.ok("FETCH 1 FLAGS")).lines
        assert lines[0].startswith(b"* FLAGS (") and b"holiday" in lines[0]


async def test_a_count_that_was_wrong_is_put_right(post: Post) -> None:
    for _ in range(3):
        post.put(MESSAGE)

    def miscounted(by: int) -> None:
        post.store.write_now(
            lambda tx: tx.connection.execute("UPDATE mailboxes SET messages = messages + ? WHERE name = 'INBOX'", (by,))
        )

    miscounted(-1)
    client = await post.selected()
    async with closing(client):
        assert (await client.ok("UID FETCH 1:* UID")).exists == [3]
    miscounted(1)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_clients_do_all_see_the_same_mailbox(post: Post, seed: int) -> None:
    await test_many_clients.test_whatever_they_do_all_see_the_same_mailbox(post, seed)


async def test_what_clients_are_told_of_flags_is_true_in_the_end(post: Post) -> None:
    await test_many_clients.test_what_they_are_told_of_flags_is_true_in_the_end(post, 0)


Rows = dict[int, tuple[int, str]]


@given(
    st.dictionaries(st.integers(1, 60), st.tuples(st.integers(0, 31), st.sampled_from(["", "", "a", "a b"]))),
    st.sets(st.integers(1, 60)),
    st.integers(1, 70),
    st.sampled_from([0, SEEN]),
)
@settings(max_examples=60, deadline=None)
def test_an_outline_says_what_the_rows_say(held: Rows, gone: set[int], below_uid: int, usual: int) -> None:
    """Dense or with gaps, empty or not."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(
        "CREATE TABLE messages (mailbox_id, uid INTEGER, flags, keywords, PRIMARY KEY (mailbox_id, uid)) WITHOUT ROWID;"
        "CREATE TABLE expunged (mailbox_id, modseq, uid);"
    )
    connection.executemany("INSERT INTO messages VALUES (7, ?, ?, ?)", [(uid, *row) for uid, row in held.items()])
    connection.execute("INSERT INTO messages VALUES (8, 1, 0, 'not of this mailbox')")
    connection.executemany("INSERT INTO expunged VALUES (7, ?, ?)", [(100 + uid, uid) for uid in gone])
    found = messages.outline(connection, 7, below_uid=below_uid, since=120, usual_flags=usual)
    connection.close()
    expected = {uid: held[uid] for uid in sorted(held) if uid < below_uid}
    assert list(found.uids) == list(expected)
    assert list(found.flags) == [flags for flags, _ in expected.values()]
    assert found.keywords == {uid: words for uid, (_, words) in expected.items() if words}
    assert found.gone == sorted(uid for uid in gone if uid < below_uid and uid > 20)
