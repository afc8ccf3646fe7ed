"""FETCH: every item, sections, partials, \\Seen, and answers that are larger than memory should be."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from appliance.imap.commands import fetch as fetch_module
from appliance.store.flags import SEEN
from tests.support.corpus import corpus
from tests.support.imap_client import ImapClient

from .conftest import ADDRESS, PASSWORD, Post, closing

MESSAGE = (
    b"Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n"
    b"From: Ann <ann@far.example>\r\n"
    b"Subject: parts\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n'
    b"\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nfirst\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nsecond\r\n"
    b"--b--\r\n"
)
HEADER = MESSAGE[: MESSAGE.index(b"--b")]
TEXT = MESSAGE[len(HEADER) :]

ITEMS: dict[str, tuple[str, object]] = {
    "UID": ("UID", 1),
    "RFC822.SIZE": ("RFC822.SIZE", len(MESSAGE)),
    "RFC822": ("RFC822", MESSAGE),
    "RFC822.HEADER": ("RFC822.HEADER", HEADER),
    "RFC822.TEXT": ("RFC822.TEXT", TEXT),
    "BODY[]": ("BODY[]", MESSAGE),
    "BODY.PEEK[]": ("BODY[]", MESSAGE),
    "body.peek[header]": ("BODY[HEADER]", HEADER),
    "BODY[TEXT]": ("BODY[TEXT]", TEXT),
    "BODY[1]": ("BODY[1]", b"first"),
    "BODY[1.MIME]": ("BODY[1.MIME]", b"Content-Type: text/plain\r\n\r\n"),
    "BODY[2.HEADER]": ("BODY[2.HEADER]", b"Subject: inner\r\n\r\n"),
    "BODY[2.TEXT]": ("BODY[2.TEXT]", b"second"),
    "BODY[2.1]": ("BODY[2.1]", b"second"),
    "BODY[7]": ("BODY[7]", None),
    "BODY[HEADER.FIELDS (subject DATE)]": (
        "BODY[HEADER.FIELDS (subject DATE)]",
        b"Date: Fri, 21 Nov 1997 09:55:06 -0600\r\nSubject: parts\r\n\r\n",
    ),
    "BODY[HEADER.FIELDS.NOT (Content-Type From)]": (
        "BODY[HEADER.FIELDS.NOT (Content-Type From)]",
        b"Date: Fri, 21 Nov 1997 09:55:06 -0600\r\nSubject: parts\r\n\r\n",
    ),
    "BODY[]<0.5>": ("BODY[]<0>", MESSAGE[:5]),
    "BODY[]<5.9999>": ("BODY[]<5>", MESSAGE[5:]),
    "BODY[]<9999.1>": ("BODY[]<9999>", b""),
    "BODY[1]<1.3>": ("BODY[1]<1>", b"irs"),
    "BODY[HEADER.FIELDS (Subject)]<9.5>": ("BODY[HEADER.FIELDS (Subject)]<9>", b"parts"),
}


@pytest.mark.parametrize(("asked", "expected"), ITEMS.items(), ids=ITEMS)
async def test_an_item(post: Post, asked: str, expected: tuple[str, object]) -> None:
    post.put(MESSAGE)
    client = await post.selected()
    async with closing(client):
        assert (await client.ok(f"FETCH 1 {asked}")).item(expected[0]) == expected[1]


async def test_the_macros(post: Post) -> None:
    post.put(MESSAGE)
    client = await post.selected()
    async with closing(client):
        for macro, names in {
            "FAST": {"FLAGS", "INTERNALDATE", "RFC822.SIZE"},
            "ALL": {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"},
            "FULL": {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"},
        }.items():
            (fetched,) = (await client.ok(f"FETCH 1 {macro}")).fetched
            assert set(fetched.items) == names


async def test_reading_sets_seen_and_peeking_does_not(post: Post) -> None:
    for _ in range(4):
        post.put(MESSAGE)
    client, other = await post.selected(), await post.selected()
    async with closing(client, other):
        for quiet in ("BODY.PEEK[]", "RFC822.HEADER", "BODYSTRUCTURE", "BODY", "ENVELOPE"):
            await client.ok(f"FETCH 1:4 ({quiet})")
        assert (await client.ok("SEARCH SEEN")).searched == []
        for number, reading in enumerate(("BODY[]", "RFC822", "RFC822.TEXT", "BODY[1]<0.1>"), 1):
            (fetched,) = (await client.ok(f"FETCH {number} {reading}")).fetched
            assert b"\\Seen" in fetched.items["FLAGS"]  # type: ignore[operator]
            (fetched,) = (await client.ok(f"FETCH {number} {reading}")).fetched
            assert "FLAGS" not in fetched.items
        assert (await client.ok("SEARCH SEEN")).searched == [1, 2, 3, 4]
        assert {each.number for each in (await other.ok("NOOP")).fetched} == {1, 2, 3, 4}
        assert (await client.ok("STATUS INBOX (UNSEEN)")).status_items == {"UNSEEN": 0}


async def test_each_message_that_was_unseen_tells_its_flags(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "BATCH_OCTETS", 100)
    for _ in range(5):
        post.put(MESSAGE)
    client = await post.selected()
    async with closing(client):
        answer = await client.ok("FETCH 1:* BODY[TEXT]")
        assert [(each.number, b"\\Seen" in each.items["FLAGS"]) for each in answer.fetched] == [  # type: ignore[operator]
            (number, True) for number in range(1, 6)
        ]


async def test_the_same_section_twice_is_given_once(post: Post) -> None:
    post.put(MESSAGE)
    client = await post.selected()
    async with closing(client):
        (fetched,) = (await client.ok("FETCH 1 (BODY.PEEK[1] BODY[1] BODY.PEEK[1])")).fetched
        assert set(fetched.items) == {"BODY[1]", "FLAGS"}


async def test_uid_fetch_tells_the_uid_and_passes_over_what_is_not_there(post: Post) -> None:
    for _ in range(3):
        post.put(MESSAGE)
    client = await post.selected()
    async with closing(client):
        answer = await client.ok("UID FETCH 2:9,77 FLAGS")
        assert [(each.number, each.items["UID"]) for each in answer.fetched] == [(2, 2), (3, 3)]
        assert (await client.ok("UID FETCH 77 BODY[]")).fetched == []
        assert (await client.ok("UID FETCH 77:* UID")).fetched[0].number == 3


async def test_a_number_that_is_not_there(post: Post) -> None:
    post.put(MESSAGE)
    client = await post.selected()
    async with closing(client):
        for command in ("FETCH 2 FLAGS", "FETCH 1:2 FLAGS", "STORE 2 FLAGS ()", "COPY 2 Trash", "MOVE 2 Trash"):
            assert (await client.command(command)).done.status == "BAD", command
        assert (await client.command("SEARCH 2")).searched == []


async def test_all_of_an_empty_mailbox(post: Post) -> None:
    client = await post.selected()
    async with closing(client):
        for command in ("FETCH 1:* FLAGS", "UID FETCH 1:* BODY[]", "UID STORE 1:* +FLAGS (x)", "UID COPY 1:* Trash"):
            answer = await client.ok(command)
            assert answer.fetched == [] and answer.code("COPYUID") is None


async def test_more_messages_than_a_batch(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "ROWS_AT_ONCE", 4)
    monkeypatch.setattr(fetch_module, "CONTENTS_AT_ONCE", 3)
    monkeypatch.setattr(fetch_module, "BATCH_OCTETS", 200)
    monkeypatch.setattr(fetch_module, "FROM_VIEW_AT_ONCE", 5)
    for number in range(13):
        post.put(b"Subject: %d\r\n\r\nbody\r\n" % number)
    client = await post.selected()
    async with closing(client):
        for items in ("UID", "(UID ENVELOPE)", "(UID BODY[])", "(UID RFC822.SIZE)"):
            answer = await client.ok(f"FETCH 1:* {items}")
            assert [each.items["UID"] for each in answer.fetched] == list(range(1, 14)), items


async def test_every_message_of_the_corpus_comes_back_as_it_was_put_in(post: Post) -> None:
    samples = [sample for sample in corpus() if len(sample.message) < 300_000]
    for sample in samples:
        post.put(sample.message)
    client = await post.selected()
    async with closing(client):
        answer = await client.ok(
            "FETCH 1:* (UID RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT])"
        )
        for sample, fetched in zip(samples, answer.fetched, strict=True):
            want = sample.message.replace(b"\0", b"\x80")
            assert fetched.items["BODY[]"] == want, sample.name
            assert fetched.items["RFC822.SIZE"] == len(want), sample.name
            assert fetched.items["BODY[HEADER]"] + fetched.items["BODY[TEXT]"] == want, sample.name  # type: ignore[operator]


async def test_a_large_message_streams_both_whole_and_in_part(post: Post) -> None:
    message = b"Subject: large\r\n\r\n" + b"".join(b"%07d\r\n" % n for n in range(100_000))
    post.put(message)
    client = await post.selected()
    async with closing(client):
        assert (await client.ok("FETCH 1 (BODY.PEEK[] UID)")).item("BODY[]") == message
        assert (await client.ok("FETCH 1 BODY.PEEK[TEXT]<3.700000>")).item("BODY[TEXT]<3>") == message[
            18 + 3 : 18 + 700_003
        ]
        assert (await client.ok("FETCH 1 BODY.PEEK[]<800000.400000>")).item("BODY[]<800000>") == message[
            800_000:1_200_000
        ]


async def test_memory_does_not_grow_for_a_client_that_reads_slowly(post: Post) -> None:
    """Twenty times 2 MB for a peer that takes nothing: we hold no more than a few buffers."""
    body = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 131_072
    for _ in range(20):
        post.put(body)
    reader, writer = await asyncio.open_connection("127.0.0.1", post.port, limit=1024)
    writer.write(f'a LOGIN "{ADDRESS}" "{PASSWORD}"\r\nb SELECT INBOX\r\n'.encode())
    while not (await reader.readline()).startswith(b"b OK"):
        pass
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        writer.write(b"c FETCH 1:* BODY.PEEK[]\r\n")
        await reader.readline()
        other = await post.client()  # the loop is free meanwhile
        async with closing(other):
            for _ in range(20):
                await other.ok("NOOP")
        assert tracemalloc.get_traced_memory()[1] - before < 6_000_000
    finally:
        tracemalloc.stop()
        writer.close()


async def test_memory_does_not_grow_for_many_commands_at_once(post: Post) -> None:
    """Twenty thousand small commands with large answers, none of which is taken."""
    for _ in range(200):
        post.put(MESSAGE)
    reader, writer = await asyncio.open_connection("127.0.0.1", post.port, limit=1024)
    writer.write(f'a LOGIN "{ADDRESS}" "{PASSWORD}"\r\nb SELECT INBOX\r\n'.encode())
    while not (await reader.readline()).startswith(b"b OK"):
        pass
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        writer.write(b"c SEARCH ALL\r\n" * 20_000)
        await reader.readline()
        other = await post.client()
        async with closing(other):
            for _ in range(20):
                await other.ok("NOOP")
        assert tracemalloc.get_traced_memory()[1] - before < 6_000_000
    finally:
        tracemalloc.stop()
        writer.close()


async def test_no_goodbye_in_the_middle_of_a_message(post: Post) -> None:
    message = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 1_000_000
    post.put(message)
    client = await post.selected()
    async with closing(client):
        await client.write(b"x FETCH 1 BODY.PEEK[]\r\n")
        assert b"FETCH" in await client._reader.readline()
        stopping = asyncio.create_task(post.server.stop())
        assert message.startswith(await client.ended())
        await stopping


async def test_a_message_that_is_damaged_ends_the_command(post: Post) -> None:
    post.put(MESSAGE)
    post.put(MESSAGE, flags=SEEN)
    uid_blob = post.store.read_now(lambda c: c.execute("SELECT id FROM blobs ORDER BY id LIMIT 1").fetchone()[0])
    good = post.store.read_now(lambda c: c.execute("SELECT data FROM blobs WHERE id = ?", (uid_blob,)).fetchone()[0])

    def set_data(data: bytes) -> None:
        post.store.write_now(
            lambda tx: tx.connection.execute("UPDATE blobs SET data = ? WHERE id = ?", (data, uid_blob))
        )

    client = await post.selected()
    async with closing(client):
        set_data(good[:-4] + b"\0\0\0\0")
        answer = await client.command("FETCH 1 BODY.PEEK[]")
        assert (answer.done.status, answer.done.code) == ("NO", "CORRUPTION")
        assert (await client.ok("FETCH 2 BODY.PEEK[]")).item("BODY[]") == MESSAGE
        set_data(good)


async def test_several_commands_in_one_packet(post: Post) -> None:
    post.put(MESSAGE)
    client = await ImapClient.connect(post.port)
    async with closing(client):
        await client.write(
            f'a LOGIN "{ADDRESS}" "{PASSWORD}"\r\nb SELECT INBOX\r\nc FETCH 1 UID\r\nd UID SEARCH ALL\r\ne LOGOUT\r\n'.encode()
        )
        octets = await client.ended()
        tags = [line[:4] for line in octets.split(b"\r\n") if line[1:4] == b" OK" and line[:1] != b"*"]
        assert tags == [b"a OK", b"b OK", b"c OK", b"d OK", b"e OK"]
