"""UTF8=ACCEPT, from RFC 6855 (and 9755, which says the same more clearly): names, headers and texts in UTF-8."""

from __future__ import annotations

import pytest

from appliance.imap import downgrade
from appliance.mime.addresses import MailboxOrGroup
from appliance.mime.encoded_words import encode_words
from appliance.mime.parts import EnvelopeFields
from tests.support.imap_client import ImapClient
from tests.support.stores import read_message

from .conftest import Post, closing

MESSAGE = (
    "From: Jörg <jörg@bücher.example>\r\nTo: Ann <ann@far.example>\r\nSubject: Grüße\r\n"
    'MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8; name="ä.txt"\r\nContent-Transfer-Encoding: 8bit\r\n'
    "\r\nSchöne Grüße\r\n"
).encode()
GLOBAL = b"Content-Type: message/global\r\n\r\n" + MESSAGE


def words(text: str) -> bytes:
    return encode_words(text).encode("ascii")


async def lines(client: ImapClient, command: bytes) -> list[bytes]:
    """As they come, the tagged one last."""
    await client.write(b"x " + command + b"\r\n")
    found = [await client.line()]
    while not found[-1].startswith(b"x "):
        found.append(await client.line())
    return found


async def enabled(post: Post) -> ImapClient:
    client = await post.client()
    assert await lines(client, b"ENABLE UTF8=ACCEPT") == [b"* ENABLED UTF8=ACCEPT", b"x OK Enabled"]
    return client


async def test_it_is_announced_and_enabled_once(post: Post) -> None:
    client = await enabled(post)
    async with closing(client):
        assert "UTF8=ACCEPT" in client.capabilities
        assert (await lines(client, b"ENABLE UTF8=ACCEPT"))[0] == b"* ENABLED"


async def test_names_are_utf8_for_who_has_asked(post: Post) -> None:
    """RFC 6855 3: and modified UTF-7 for who has not."""
    client, other = await enabled(post), await post.client()
    async with closing(client, other):
        assert (await lines(client, 'CREATE "Entwürfe & mehr"'.encode()))[-1].startswith(b"x OK")
        found = await lines(client, b'LIST "" E*')
        assert found[0] == '* LIST (\\HasNoChildren) "/" "Entwürfe & mehr"'.encode()
        assert (await other.ok('LIST "" E*')).listed[0][1] == b"Entw&APw-rfe &- mehr"
        assert (await lines(client, 'STATUS "Entwürfe & mehr" (MESSAGES)'.encode()))[0] == (
            '* STATUS "Entwürfe & mehr" (MESSAGES 0)'.encode()
        )
        assert (await lines(client, 'SELECT "Entwürfe & mehr"'.encode()))[-1].startswith(b"x OK")
        assert (await lines(client, b'LIST "" "Entw&APw-rfe*"'))[0].startswith(b"x OK")  # it is not that name any more
        assert (await other.ok('SELECT "Entw&APw-rfe &- mehr"')).ok


NO_NAMES = {
    "Latin": b'SELECT "Entw\xfcrfe"',
    "half a character": b'CREATE "a\xc3"',
    "a surrogate": b'CREATE "\xed\xa0\x80"',
}


@pytest.mark.parametrize("command", NO_NAMES.values(), ids=NO_NAMES)
async def test_what_is_not_utf8_is_no_name(post: Post, command: bytes) -> None:
    client = await enabled(post)
    async with closing(client):
        assert (await lines(client, command))[-1].startswith(b"x BAD ")


# What the client says.
APPENDS = {
    "alone": "APPEND INBOX UTF8 (~{})",
    "with flags": "APPEND INBOX (\\Seen) UTF8 (~{})",
    "with a time": 'APPEND INBOX " 1-Feb-2026 12:00:00 +0000" UTF8 (~{})',
    "put together": "APPEND INBOX CATENATE (UTF8 (~{}))",
}


@pytest.mark.parametrize("non_sync", [False, True], ids=["waiting", "unasked"])
@pytest.mark.parametrize("said", APPENDS.values(), ids=APPENDS)
async def test_a_message_with_its_header_in_utf8(post: Post, said: str, non_sync: bool) -> None:
    client = await enabled(post)
    async with closing(client):
        assert (await client.command(said, MESSAGE, non_sync=non_sync)).ok
        assert read_message(post.store, post.mailbox_id(), 1) == MESSAGE


async def test_several_of_both_kinds(post: Post) -> None:
    client = await enabled(post)
    async with closing(client):
        await client.ok("APPEND INBOX UTF8 (~{}) (a) {} UTF8 (~{})", MESSAGE, b"a: b\r\n\r\n", MESSAGE)
        assert (await client.ok("STATUS INBOX (MESSAGES)")).status_items == {"MESSAGES": 3}


@pytest.mark.parametrize("said", ["UTF8 ({})", "UTF8 ~{}", "UTF8 (~{}", "UTF8(~{})", "UTF8 (~{} ~{})"])
async def test_a_form_that_is_none(post: Post, said: str) -> None:
    client = await enabled(post)
    async with closing(client):
        answer = await client.command(f"APPEND INBOX {said}", *[b"x"] * said.count("{}"), non_sync=True)
        assert answer.done.status == "BAD"
        assert (await client.ok("STATUS INBOX (MESSAGES)")).status_items == {"MESSAGES": 0}


# What is searched for, before and after ENABLE.
SEARCHES: dict[str, tuple[bytes, bytes, bytes]] = {
    "quoted": ('SEARCH SUBJECT "Grüße"'.encode(), b"* SEARCH 1", b"* SEARCH 1"),
    "a literal": ("SEARCH SUBJECT {7+}\r\nGrüße".encode(), b"* SEARCH 1", b"* SEARCH 1"),
    "with a charset": ("SEARCH CHARSET UTF-8 SUBJECT {7+}\r\nGrüße".encode(), b"* SEARCH 1", b"x BAD "),
    "with another": (b"SEARCH CHARSET ISO-8859-1 SUBJECT {5+}\r\nGr\xfc\xdfe", b"* SEARCH 1", b"x BAD "),
    "sorting": (b"SORT (DATE) UTF-8 SUBJECT {7+}\r\n" + "Grüße".encode(), b"* SORT 1", b"* SORT 1"),
    "sorting with another": (b"SORT (DATE) ISO-8859-1 ALL", b"* SORT 1", b"x BAD "),  # RFC 6855 erratum 4029
    "with the charset of ASCII": (b"SEARCH CHARSET US-ASCII FROM nobody", b"* SEARCH", b"x BAD "),
}


@pytest.mark.parametrize(("command", "before", "after"), SEARCHES.values(), ids=SEARCHES)
async def test_searching_names_no_charset(post: Post, command: bytes, before: bytes, after: bytes) -> None:
    post.put(MESSAGE)
    client = await post.selected()
    async with closing(client):
        assert (await lines(client, command))[0] == before
    client = await enabled(post)
    async with closing(client):
        await client.ok("SELECT INBOX")
        assert (await lines(client, command))[0].startswith(after)


async def test_envelope_and_structure_are_as_they_came_for_who_has_asked(post: Post) -> None:
    post.put(MESSAGE)
    client = await enabled(post)
    async with closing(client):
        await client.ok("SELECT INBOX")
        answer = await client.ok("FETCH 1 (ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER])")
        envelope = answer.item("ENVELOPE")
        assert envelope[1] == "Grüße".encode()  # type: ignore[index]
        assert envelope[2] == (("Jörg".encode(), None, "jörg".encode(), "bücher.example".encode()),)  # type: ignore[index]
        assert "ä.txt".encode() in answer.item("BODYSTRUCTURE")[2]  # type: ignore[index]
        assert answer.item("BODY[HEADER]") == MESSAGE[: MESSAGE.index(b"\r\n\r\n") + 4]


async def test_and_ascii_for_who_has_not(post: Post) -> None:
    """RFC 6855 8, RFC 6858 2; what BODY[] gives is what was received."""
    post.put(MESSAGE)
    client = await post.selected()
    async with closing(client):
        answer = await client.ok("FETCH 1 (ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER])")
        envelope = answer.item("ENVELOPE")
        assert envelope[1] == words("Grüße")  # type: ignore[index]
        assert envelope[2] == ((words("Jörg"), None, *downgrade.INVALID),)  # type: ignore[index]
        assert envelope[5] == ((b"Ann", None, b"ann", b"far.example"),)  # type: ignore[index]
        assert answer.item("BODYSTRUCTURE")[2] == (b"charset", b"utf-8", b"name*", b"utf-8''%C3%A4.txt")  # type: ignore[index]
        assert answer.item("BODY[HEADER]") == MESSAGE[: MESSAGE.index(b"\r\n\r\n") + 4]


async def test_a_message_global_has_the_structure_of_a_message(post: Post) -> None:
    post.put(GLOBAL)
    client = await enabled(post)
    async with closing(client):
        await client.ok("SELECT INBOX")
        (line, _) = await lines(client, b"FETCH 1 BODYSTRUCTURE")
        assert b'("message" "global" NIL NIL NIL "7bit" ' in line
        assert b'"plain"' in line and "Grüße".encode() in line
    client = await post.selected()
    async with closing(client):
        (line, _) = await lines(client, b"FETCH 1 BODYSTRUCTURE")
        assert b'"plain"' not in line


def address(text: str) -> MailboxOrGroup:
    mailbox, _, host = text.rpartition("@")
    return MailboxOrGroup(None, None, mailbox.encode(), host.encode())


ADDRESSES: dict[str, tuple[MailboxOrGroup, MailboxOrGroup]] = {
    "ASCII": (address("a@b.example"), address("a@b.example")),
    "a local-part": (
        address("ä@b.example"),
        MailboxOrGroup(words("ä@b.example"), None, *downgrade.INVALID),
    ),
    "a domain": (
        address("a@ä.example"),
        MailboxOrGroup(words("a@ä.example"), None, *downgrade.INVALID),
    ),
    "a group": (
        MailboxOrGroup(None, None, "Büro".encode(), None),
        MailboxOrGroup(None, None, words("Büro"), None),
    ),
    "the end of one": (MailboxOrGroup(None, None, None, None), MailboxOrGroup(None, None, None, None)),
    "Latin, which is not UTF-8": (
        MailboxOrGroup(b"J\xf6rg", None, b"j", b"b.example"),
        MailboxOrGroup(b"J\xf6rg", None, b"j", b"b.example"),
    ),
}


@pytest.mark.parametrize(("came", "goes"), ADDRESSES.values(), ids=ADDRESSES)
def test_an_address(came: MailboxOrGroup, goes: MailboxOrGroup) -> None:
    assert downgrade.envelope(EnvelopeFields(to=(came,))).to == (goes,)


def test_what_is_encoded_words_already_stays_readable() -> None:
    fields = EnvelopeFields(subject="=?utf-8?q?Gr=C3=BC=C3=9Fe?= aus Köln".encode())
    assert downgrade.envelope(fields).subject == words("Grüße aus Köln")
