"""OBJECTID, RFC 8474, of messages: EMAILID and THREADID."""

from __future__ import annotations

import re

import pytest

from appliance.imap.message_ids import first_message_id, message_ids
from appliance.imap.object_ids import email_id, thread_id
from appliance.mime.parts import EnvelopeFields
from tests.imap.conftest import Post, closing

ROOT = b"Message-ID: <root@x.example>\r\nSubject: a\r\n\r\nroot\r\n"
ANSWER = b"Message-ID: <a@x.example>\r\nIn-Reply-To: <root@x.example>\r\nSubject: Re: a\r\n\r\nanswer\r\n"
LATER = b"Message-ID: <b@x.example>\r\nReferences: <root@x.example>\r\n <a@x.example>\r\n\r\nlater\r\n"
OTHER = b"Message-ID: <other@x.example>\r\n\r\nother\r\n"
NAMELESS = b"Subject: nameless\r\n\r\n%d\r\n"


def id_of(value: object) -> str:
    """RFC 8474 7: "EMAILID" SP "(" objectid ")"."""
    assert isinstance(value, tuple) and len(value) == 1
    text = value[0].decode()
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,255}", text)
    return text


async def test_the_ids_of_messages(post: Post) -> None:
    for message in (ROOT, ANSWER, LATER, OTHER, ROOT, NAMELESS % 1, NAMELESS % 2):
        post.put(message)
    client = await post.selected()
    async with closing(client):
        answer = await client.ok("FETCH 1:* (EMAILID THREADID)")
        emails = [id_of(each.items["EMAILID"]) for each in answer.fetched]
        threads = [id_of(each.items["THREADID"]) for each in answer.fetched]
        # The same content of the same date is the same email; nothing else is.
        assert emails[0] == emails[4]
        assert len(set(emails)) == 6
        assert threads[0] == threads[1] == threads[2] == threads[4]
        assert len(set(threads)) == 4
        assert set(emails).isdisjoint(threads)

        for number, (email, thread) in enumerate(zip(emails, threads, strict=True), 1):
            same_email = [other for other, each in enumerate(emails, 1) if each == email]
            same_thread = [other for other, each in enumerate(threads, 1) if each == thread]
            assert (await client.ok(f"SEARCH EMAILID {email}")).searched == same_email
            assert (await client.ok(f"UID SEARCH THREADID {thread} {number}")).searched == [number]
            assert (await client.ok(f"SEARCH THREADID {thread}")).searched == same_thread
        assert (await client.ok("SEARCH OR EMAILID X1 THREADID X2")).searched == []
        assert (await client.ok(f"SEARCH NOT THREADID {threads[0]}")).searched == [4, 6, 7]


async def test_they_stay_when_it_is_copied_moved_flagged_or_fetched_again(post: Post) -> None:
    post.put(ROOT)
    client = await post.selected()
    async with closing(client):
        items = "(EMAILID THREADID)"
        first = (await client.ok(f"FETCH 1 {items}")).fetched[0].items
        await client.ok("CREATE there")
        await client.ok("COPY 1 there")
        await client.ok("STORE 1 +FLAGS (\\Flagged)")
        await client.ok("MOVE 1 there")
        await client.ok("SELECT there")
        for fetched in (await client.ok(f"FETCH 1:2 {items}")).fetched:
            assert fetched.items == first
        await client.ok("RENAME there elsewhere")
        await client.ok("SELECT elsewhere")
        assert [each.items for each in (await client.ok(f"FETCH 1:2 {items}")).fetched] == [first, first]
        assert (await client.ok("UID FETCH 1 THREADID")).item("THREADID") == first["THREADID"]


def test_an_email_is_its_content_our_lines_and_its_date() -> None:
    ids = {email_id(b"d", b"p", 5), email_id(b"e", b"p", 5), email_id(b"d", b"q", 5), email_id(b"d", b"p", 6)}
    assert len(ids) == 4
    assert email_id(b"d", b"p", 5) in ids


ROOTS = {
    "the first of References": (b"<r@x> <s@x>", b"<t@x>", b"<u@x>", b"r@x"),
    "else In-Reply-To": (b"", b"your message of Monday <t@x>", b"<u@x>", b"t@x"),
    "what is no Message-ID does not count": (b"r@x", b"<t>", b"<u@x>", b"u@x"),
    "else its own": (b"", None, b"<u@x>", b"u@x"),
}


@pytest.mark.parametrize(("references", "in_reply_to", "own", "root"), ROOTS.values(), ids=ROOTS)
def test_what_a_thread_is_named_after(references: bytes, in_reply_to: bytes | None, own: bytes, root: bytes) -> None:
    fields = EnvelopeFields(in_reply_to=in_reply_to, message_id=own)
    assert thread_id(fields, references, "M1") == thread_id(EnvelopeFields(message_id=b"<%b>" % root), b"", "M2")


def test_a_message_without_any_name_is_a_thread_of_its_own() -> None:
    assert thread_id(EnvelopeFields(), b"", "M1") != thread_id(EnvelopeFields(), b"", "M2")
    assert thread_id(EnvelopeFields(), b"", "M1") == thread_id(EnvelopeFields(), b"", "M1")


MESSAGE_IDS = {
    "several": (b"<a@x> <b@y>\r\n <c@z>", [b"a@x", b"b@y", b"c@z"]),
    "without space between them": (b"<a@x><b@y>", [b"a@x", b"b@y"]),
    "quoted": (b'<"01KF8JCEOCBS0045PS"@xxx.yyy.com>', [b"01KF8JCEOCBS0045PS@xxx.yyy.com"]),
    "a quoted quotation mark": (b'<"a\\"b"@x>', [b'a"b@x']),
    "a literal address": (b"<a@[127.0.0.1]>", [b"a@[127.0.0.1]"]),
    "words around it": (b"Your message <a@x> of yesterday", [b"a@x"]),
    "no domain": (b"<a> <b@>", []),
    "one in another": (b"<a <b@x>", [b"b@x"]),
    "folded inside": (b"<a@\r\n x>", [b"a@x"]),
    "nothing": (b"", []),
    "open to the end": (b'<"' + b"x" * 1000, []),
}


@pytest.mark.parametrize(("field", "expected"), MESSAGE_IDS.values(), ids=MESSAGE_IDS)
def test_message_ids(field: bytes, expected: list[bytes]) -> None:
    assert list(message_ids(field)) == expected
    assert first_message_id(field) == (expected[0] if expected else None)
