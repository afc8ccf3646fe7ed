"""IMAP4rev2 once a client has enabled it, RFC 9051: what is different from IMAP4rev1, command by command."""

from __future__ import annotations

import pytest

from appliance.store.flags import DELETED, SEEN
from tests.support.imap_client import ImapClient

from .conftest import Post, closing

LETTER = b"From: ann@example.org\r\nSubject: Ein Brief\r\nMessage-ID: <a@example.org>\r\n\r\nHallo\r\n"
TWO_PARTS = (
    b"Subject: two\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n"
    b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b--\r\n"
)
NAME = "Entwürfe & Pläne"

# RFC 9051 appendix E names what is part of the base; each of these has a table of its own under its former name.
IN_THE_BASE = {
    "NAMESPACE": "NAMESPACE",
    "UNSELECT": "UNSELECT",
    "ENABLE (again)": "ENABLE CONDSTORE",
    "LIST with return options": 'LIST "" % RETURN (CHILDREN SUBSCRIBED SPECIAL-USE STATUS (MESSAGES SIZE))',
    "LIST of several patterns": 'LIST (SUBSCRIBED RECURSIVEMATCH) "" (INBOX S*)',
    "STATUS": "STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE)",
    "SEARCH with return options": "SEARCH RETURN (MIN MAX COUNT SAVE) ALL",
    "SEARCH in what was found": "UID SEARCH RETURN (ALL) $ UNSEEN",
    "FETCH of decoded parts": "FETCH 2 (BINARY.PEEK[2] BINARY.SIZE[2])",
    "MOVE": "MOVE 1 Sent",
    "UID EXPUNGE": "UID EXPUNGE 1:*",
}


async def enabled(post: Post, mailbox: str | None = "INBOX") -> ImapClient:
    client = await post.client()
    answer = await client.ok("ENABLE IMAP4rev2")
    assert answer.lines == [b"* ENABLED IMAP4REV2"]
    if mailbox is not None:
        await client.ok(f"SELECT {mailbox}")
    return client


@pytest.mark.parametrize("name", IN_THE_BASE)
async def test_what_was_an_extension_once(name: str, post: Post) -> None:
    for octets in (LETTER, TWO_PARTS, LETTER):
        post.put(octets)
    client = await enabled(post)
    async with closing(client):
        await client.ok(IN_THE_BASE[name])


async def test_select_tells_the_name_and_nothing_of_recent_ones(post: Post) -> None:
    """RFC 9051 6.3.2: LIST is required; RECENT and UNSEEN are no more."""
    post.put(LETTER)
    client = await enabled(post, mailbox=None)
    async with closing(client):
        for command in ("SELECT INBOX", "EXAMINE inbox"):
            answer = await client.ok(command)
            assert [name for _, name in answer.listed] == [b"INBOX"]
            assert answer.exists == [1]
            for code in ("UIDVALIDITY", "UIDNEXT", "PERMANENTFLAGS"):
                assert answer.code(code) is not None
            assert answer.code("UNSEEN") is None
            assert not [line for line in answer.lines if b"RECENT" in line.upper()]
        assert answer.code("CLOSED") == ""  # of the one before
        (fetched,) = (await client.ok("FETCH 1 (FLAGS)")).fetched
        assert fetched.items["FLAGS"] == frozenset()


async def test_search_answers_as_esearch_always(post: Post) -> None:
    """RFC 9051 6.4.4: without RETURN it is RETURN (ALL); nothing found has no ALL."""
    for _ in range(3):
        post.put(LETTER)
    client = await enabled(post)
    async with closing(client):
        answer = await client.ok("SEARCH SUBJECT Brief")
        assert answer.searched is None and answer.esearch is not None and answer.esearch["ALL"] == [1, 2, 3]
        answer = await client.ok("UID SEARCH UNSEEN 2:3")
        assert answer.searched is None and answer.esearch is not None and answer.esearch["ALL"] == [2, 3]
        answer = await client.ok("SEARCH KEYWORD $Junk")
        assert answer.searched is None and answer.esearch is not None and "ALL" not in answer.esearch


async def test_names_are_utf8_both_ways(post: Post) -> None:
    """RFC 9051 5.1: no modified UTF-7, and `&` is a letter like others."""
    client = await enabled(post, mailbox=None)
    async with closing(client):
        await client.ok(f'CREATE "{NAME}"'.encode())
        assert NAME.encode() in [name for _, name in (await client.ok('LIST "" *')).listed]
        assert list((await client.ok(f'STATUS "{NAME}" (MESSAGES)'.encode())).status_of) == [NAME.encode()]
        await client.ok(f'SUBSCRIBE "{NAME}"'.encode())
        await client.ok(f'APPEND "{NAME}" {{}}'.encode(), LETTER)
        answer = await client.ok(f'SELECT "{NAME}"'.encode())
        assert [name for _, name in answer.listed] == [NAME.encode()] and answer.exists == [1]
    old = await post.client()  # a client without it is told in modified UTF-7
    async with closing(old):
        assert b"Entw&APw-rfe &- Pl&AOQ-ne" in [name for _, name in (await old.ok('LIST "" E*')).listed]


async def test_status_knows_deleted_and_no_recent(post: Post) -> None:
    """RFC 9051 6.3.11. RECENT is passed over for clients that have not got used to it."""
    post.put(LETTER, flags=DELETED | SEEN)
    post.put(LETTER)
    client = await enabled(post, mailbox=None)
    async with closing(client):
        items = (await client.ok("STATUS INBOX (MESSAGES DELETED RECENT)")).status_items
        assert items == {"MESSAGES": 2, "DELETED": 1}


async def test_news_without_recent(post: Post) -> None:
    """RFC 9051 7.4: EXISTS alone."""
    client = await enabled(post)
    async with closing(client):
        post.put(LETTER)
        answer = await client.ok("NOOP")
        while not answer.exists:
            answer = await client.ok("NOOP")
        assert answer.lines == [b"* 1 EXISTS"]


async def test_append_copy_and_move_give_uids(post: Post) -> None:
    """RFC 9051 6.3.12, 6.4.7, 6.4.8: UIDPLUS is part of it."""
    client = await enabled(post)
    async with closing(client):
        assert (await client.ok("APPEND INBOX {}", LETTER)).code("APPENDUID")
        await client.ok("NOOP")
        assert (await client.ok("COPY 1 Sent")).code("COPYUID")
        assert (await client.ok("MOVE 1 Sent")).code("COPYUID")


@pytest.mark.parametrize("command", ["CHECK", 'LSUB "" *', "FETCH 1 (RFC822.SIZE RFC822.HEADER)", "FETCH 1 ALL"])
async def test_what_is_gone_is_still_done_for_who_asks(command: str, post: Post) -> None:
    """RFC 9051 appendix E 9-11, 17: commands that it leaves out are those that a client may still send to IMAP4rev1."""
    post.put(LETTER)
    client = await enabled(post)
    async with closing(client):
        await client.ok(command)


async def test_it_is_enabled_with_the_others(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        assert "IMAP4rev2" in client.capabilities or "IMAP4rev2" in (await client.ok("CAPABILITY")).lines[0].decode()
        answer = await client.ok("ENABLE IMAP4rev2 QRESYNC NOSUCHTHING UTF8=ACCEPT")
        assert answer.lines == [b"* ENABLED IMAP4REV2 QRESYNC UTF8=ACCEPT"]
        post.put(LETTER)
        answer = await client.ok("SELECT INBOX")
        assert answer.code("HIGHESTMODSEQ")
        await client.ok("STORE 1 +FLAGS (\\Deleted)")
        await client.ok("EXPUNGE")
