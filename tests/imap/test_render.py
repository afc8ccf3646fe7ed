"""What is written reads back, on the server's side and on the client's."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.imap import render
from appliance.imap.grammar.cursor import Cursor
from appliance.imap.grammar.fetch import Section, SectionText, section
from appliance.imap.view import RECENT, Exists, Expunged, FlagsNow, KeywordsNow, RecentCount
from appliance.mime.structure import StructureScanner, decode, encode
from tests.support import imap_responses as responses
from tests.support.corpus import corpus
from tests.support.imap_responses import Reader

LINES = {
    "tagged": (render.tagged("a1", "OK", "Done", "UIDNEXT 4"), b"a1 OK [UIDNEXT 4] Done\r\n"),
    "untagged": (render.untagged("BYE", "Goodbye"), b"* BYE Goodbye\r\n"),
    "words that are not ASCII": (render.tagged("a", "NO", "Kein Entwürfe\r\n* BYE"), b"a NO Kein Entw?rfe??* BYE\r\n"),
    "no words": (render.tagged("a", "NO", ""), b"a NO -\r\n"),
    "continuation": (render.continuation("Go on"), b"+ Go on\r\n"),
    "flags": (render.flags(1 | 16 | RECENT, "$Junk a"), b"(\\Seen \\Draft \\Recent $Junk a)"),
    "no flags": (render.flags(0, ""), b"()"),
    "permanent flags": (
        render.permanent_flags(("a",), read_only=False),
        b"* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft a \\*)] Flags that are kept\r\n",
    ),
    "no permanent flags": (
        render.permanent_flags(("a",), read_only=True),
        b"* OK [PERMANENTFLAGS ()] Flags that are kept\r\n",
    ),
    "a mailbox": (render.listed("LIST", ("\\HasNoChildren",), b"INBOX"), b'* LIST (\\HasNoChildren) "/" INBOX\r\n'),
    "a mailbox with a space": (render.listed("LSUB", (), render.mailbox("a b")), b'* LSUB () "/" "a b"\r\n'),
    "a mailbox called NIL": (render.listed("LIST", (), render.mailbox("nil")), b'* LIST () "/" "nil"\r\n'),
    "the root": (render.listed("LIST", ("\\Noselect",), b'""'), b'* LIST (\\Noselect) "/" ""\r\n'),
    "what is below it": (
        render.listed("LIST", (), b"a", child_info=("SUBSCRIBED",)),
        b'* LIST () "/" a ("CHILDINFO" ("SUBSCRIBED"))\r\n',
    ),
    "its old name": (render.listed("LIST", (), b"b", old_name=b"a"), b'* LIST () "/" b ("OLDNAME" (a))\r\n'),
    "a mailbox in UTF-7": (render.listed("LIST", (), render.mailbox("ü&")), b'* LIST () "/" &APw-&-\r\n'),
    "status": (render.status(b"a", [("MESSAGES", 3), ("UNSEEN", 0)]), b"* STATUS a (MESSAGES 3 UNSEEN 0)\r\n"),
    "changes": (
        render.changes([KeywordsNow(("a",)), FlagsNow(2, 5, 1, "a", 9), Expunged(3, 7), Exists(2), RecentCount(0)]),
        b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft a)\r\n* 2 FETCH (UID 5 FLAGS (\\Seen a))\r\n"
        b"* 3 EXPUNGE\r\n* 2 EXISTS\r\n* 0 RECENT\r\n",
    ),
}


@pytest.mark.parametrize(("written", "expected"), LINES.values(), ids=LINES)
def test_a_response(written: bytes, expected: bytes) -> None:
    assert written == expected


@given(st.binary(max_size=2000).map(lambda octets: octets.replace(b"\0", b"")))
@settings(max_examples=200, deadline=None)
def test_any_string_reads_back(octets: bytes) -> None:
    written = render.string(octets)
    assert Cursor(written).string() == octets
    reader = Reader(written)
    assert reader.string() == octets
    reader.end()
    assert Cursor(render.astring(octets)).astring() == octets


def test_nul_fits_into_no_string() -> None:
    assert render.string(b"a\0b") == b"{2}\r\nab"


@given(st.integers(0, 4_000_000_000))
@settings(max_examples=100, deadline=None)
def test_internal_dates_read_back(epoch_s: int) -> None:
    written = render.internal_date(epoch_s)
    assert Cursor(written).date_time() == datetime.datetime.fromtimestamp(epoch_s, datetime.UTC)


parts = st.lists(st.integers(1, 999), max_size=4).map(tuple)
fields = st.lists(st.binary(min_size=1, max_size=12).map(lambda o: o.replace(b"\0", b"x")), min_size=1, max_size=4).map(
    tuple
)
partials = st.none() | st.tuples(st.integers(0, 99), st.integers(1, 99))


@st.composite
def wanted_sections(draw: st.DrawFn) -> Section:
    part = draw(parts)
    text = draw(st.sampled_from([each for each in SectionText if part or each is not SectionText.MIME]))
    with_fields = text in (SectionText.HEADER_FIELDS, SectionText.HEADER_FIELDS_NOT)
    return Section(part, text, draw(fields) if with_fields else (), draw(partials))


@given(wanted_sections())
@settings(max_examples=200, deadline=None)
def test_a_section_is_named_as_it_was_asked_for(wanted: Section) -> None:
    name = render.section(wanted)
    assert name.startswith(b"BODY[")
    origin = b"" if wanted.partial is None else b"<%d.%d>" % wanted.partial
    asked = name[len(b"BODY") : name.rindex(b"]") + 1] + origin
    read = section(Cursor(asked), peek=False)
    assert read == wanted


@pytest.mark.parametrize("sample", [s for s in corpus() if len(s.message) < 200_000], ids=lambda s: s.name)
def test_every_structure_is_one_that_a_strict_client_understands(sample: object) -> None:
    scanner = StructureScanner()
    scanner.feed(sample.message)  # type: ignore[attr-defined]
    structure = decode(encode(scanner.finish()))
    for extended in (False, True):
        reader = Reader(render.body_structure(structure.root, extended=extended))
        responses.body(reader.value(), extended=extended)
        reader.end()
    reader = Reader(render.envelope(structure.envelope))
    responses.envelope(reader.value())
    reader.end()


MESSAGE = (
    b"Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n"
    b'From: "Doe, \\"J\\"" <j@a.example>\r\n'
    b"Reply-To: Team: a@x.example, B <b@y.example>;\r\n"
    b"To: =?utf-8?q?=C3=BC?= <u@a.example>\r\n"
    b"Subject: Gr\xfc\xdfe\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n'
    b"\r\n"
    b"--b\r\n\r\nhi\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\ny\r\n"
    b'--b\r\nContent-Type: image/png; name="a.png"\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <i@x>\r\n'
    b"Content-Disposition: attachment; filename=a.png\r\nContent-Language: id, en\r\n\r\nAAAA\r\n"
    b"--b--\r\n"
)


def test_an_envelope_and_a_structure_word_for_word() -> None:
    scanner = StructureScanner()
    scanner.feed(MESSAGE)
    structure = scanner.finish()
    assert render.envelope(structure.envelope) == (
        b'("Fri, 21 Nov 1997 09:55:06 -0600" {5}\r\nGr\xfc\xdfe (("Doe, \\"J\\"" NIL "j" "a.example"))'
        b' (("Doe, \\"J\\"" NIL "j" "a.example"))'
        b' ((NIL NIL "Team" NIL)(NIL NIL "a" "x.example")("B" NIL "b" "y.example")(NIL NIL NIL NIL))'
        b' (("=?utf-8?q?=C3=BC?=" NIL "u" "a.example")) NIL NIL NIL NIL)'
    )
    assert render.body_structure(structure.root, extended=True) == (
        b'(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 2 0 NIL NIL NIL NIL)'
        b'("message" "rfc822" NIL NIL NIL "7bit" 19 (NIL "in" NIL NIL NIL NIL NIL NIL NIL NIL)'
        b' ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 4 1 NIL NIL NIL NIL) 3 NIL NIL NIL NIL)'
        b'("image" "png" ("name" "a.png") "<i@x>" NIL "base64" 4 NIL ("attachment" ("filename" "a.png"))'
        b' ("id" "en") NIL)'
        b' "mixed" ("boundary" "b") NIL NIL NIL)'
    )
    assert b"attachment" not in render.body_structure(structure.root, extended=False)
