"""The structure of a message: what its parts are, where they lie, and that chunks and limits change nothing else."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from appliance.mime import structure as scanner_module
from appliance.mime.structure import Part, Structure, StructureScanner, decode, encode

from .strategies import cuts, mail_like


def scan(*chunks: bytes) -> Structure:
    scanner = StructureScanner()
    for chunk in chunks:
        scanner.feed(chunk)
    return scanner.finish()


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode("utf-8", "surrogateescape")


def body(message: bytes, part: Part) -> bytes:
    return message[part.body_start : part.end]


def header(message: bytes, part: Part) -> bytes:
    return message[part.header_start : part.body_start]


def outline(part: Part) -> object:
    """`type/subtype`, or that and the children."""
    name = f"{part.type.decode()}/{part.subtype.decode()}"
    return (name, *map(outline, part.children)) if part.children else name


def walk(part: Part) -> Iterator[Part]:
    yield part
    for child in part.children:
        yield from walk(child)


SIMPLE = crlf("""\
From: John Doe <jdoe@machine.example>
To: Mary Smith <mary@example.net>
Subject: Saying Hello
Date: Fri, 21 Nov 1997 09:55:06 -0600
Message-ID: <1234@local.machine.example>

This is a message just to say hello.
So, "Hello".
""")

# RFC 2046 5.1.1
RFC_2046 = crlf("""\
From: Nathaniel Borenstein <nsb@bellcore.com>
To: Ned Freed <ned@innosoft.com>
Date: Sun, 21 Mar 1993 23:56:48 -0800 (PST)
Subject: Sample message
MIME-Version: 1.0
Content-type: multipart/mixed; boundary="simple boundary"

This is the preamble.  It is to be ignored, though it
is a handy place for composition agents to include an
explanatory note to non-MIME conformant readers.

--simple boundary

This is implicitly typed plain US-ASCII text.
It does NOT end with a linebreak.
--simple boundary
Content-type: text/plain; charset=us-ascii

This is explicitly typed plain US-ASCII text.
It DOES end with a linebreak.

--simple boundary--

This is the epilogue.  It is also to be ignored.
""")

# RFC 2049 A, somewhat shortened
COMPLEX = crlf("""\
MIME-Version: 1.0
From: Nathaniel Borenstein <nsb@nsb.fv.com>
To: Ned Freed <ned@innosoft.com>
Date: Fri, 07 Oct 1994 16:15:05 -0700 (PDT)
Subject: A multipart example
Content-Type: multipart/mixed;
             boundary=unique-boundary-1

This is the preamble area of a multipart message.

--unique-boundary-1

  ... Some text appears here ...

--unique-boundary-1
Content-type: text/plain; charset=US-ASCII

This could have been part of the previous part.

--unique-boundary-1
Content-Type: multipart/parallel; boundary=unique-boundary-2

--unique-boundary-2
Content-Type: audio/basic
Content-Transfer-Encoding: base64

AAAA

--unique-boundary-2
Content-Type: image/jpeg
Content-Transfer-Encoding: base64

BBBB

--unique-boundary-2--

--unique-boundary-1
Content-type: text/enriched

This is <bold><italic>enriched.</italic></bold>

--unique-boundary-1
Content-Type: message/rfc822

From: (mailbox in US-ASCII)
To: (address in US-ASCII)
Subject: (subject in US-ASCII)
Content-Type: Text/plain; charset=ISO-8859-1
Content-Transfer-Encoding: Quoted-printable

  ... Additional text in ISO-8859-1 goes here ...

--unique-boundary-1--
""")


def test_a_simple_message() -> None:
    structure = scan(SIMPLE)
    root = structure.root
    assert outline(root) == "text/plain"
    assert root.params == ((b"charset", b"us-ascii"),)
    assert (root.header_start, root.end) == (0, len(SIMPLE))
    assert body(SIMPLE, root).startswith(b"This is a message")
    assert header(SIMPLE, root).endswith(b"machine.example>\r\n\r\n")
    assert (root.lines, root.encoding, root.size_octets) == (2, b"7bit", 52)
    assert structure.lines == 8
    assert structure.preview == 'This is a message just to say hello. So, "Hello".'
    assert structure.header_date == 880127706.0
    assert not structure.has_8bit
    envelope = structure.envelope
    assert envelope.subject == b"Saying Hello"
    assert envelope.date == b"Fri, 21 Nov 1997 09:55:06 -0600"
    assert envelope.message_id == b"<1234@local.machine.example>"
    assert [item.address for item in envelope.from_] == [b"jdoe@machine.example"]
    assert [item.name for item in envelope.to] == [b"Mary Smith"]
    assert envelope.sender == envelope.reply_to == envelope.from_
    assert (envelope.cc, envelope.bcc, envelope.in_reply_to) == ((), (), None)


def test_rfc_2046_example() -> None:
    root = scan(RFC_2046).root
    assert outline(root) == ("multipart/mixed", "text/plain", "text/plain")
    first, second = root.children
    assert header(RFC_2046, first) == b"\r\n"
    assert body(RFC_2046, first) == (
        b"This is implicitly typed plain US-ASCII text.\r\nIt does NOT end with a linebreak."
    )
    assert body(RFC_2046, second) == (
        b"This is explicitly typed plain US-ASCII text.\r\nIt DOES end with a linebreak.\r\n"
    )
    assert (first.lines, second.lines) == (1, 2)
    assert body(RFC_2046, root).startswith(b"This is the preamble.")
    assert root.end == len(RFC_2046)


def test_rfc_2049_example() -> None:
    root = scan(COMPLEX).root
    assert outline(root) == (
        "multipart/mixed",
        "text/plain",
        "text/plain",
        ("multipart/parallel", "audio/basic", "image/jpeg"),
        "text/enriched",
        ("message/rfc822", "text/plain"),
    )
    parallel, message = root.children[2], root.children[4]
    assert body(COMPLEX, parallel).endswith(b"--unique-boundary-2--\r\n")
    [embedded] = message.children
    assert message.envelope is None
    assert embedded.envelope is not None
    assert embedded.envelope.subject == b"(subject in US-ASCII)"
    assert message.body_start == embedded.header_start
    assert (message.end, message.lines) == (embedded.end, 7)
    assert embedded.encoding == b"quoted-printable"
    assert body(COMPLEX, embedded) == b"  ... Additional text in ISO-8859-1 goes here ...\r\n"


def test_every_descriptive_field_is_kept() -> None:
    message = crlf("""\
Content-Type: Application/PDF; Name="my \\"file\\".pdf"; x-unix-mode=0644 (comment)
Content-Transfer-Encoding: BASE64
Content-ID: <part1@example>
Content-Description: =?utf-8?q?caf=C3=A9?=
Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==
Content-Disposition: Attachment; FileName=my file.pdf
Content-Language: de, en-GB
Content-Location: http://example.org/x
References: <1@a>
 <2@b>
In-Reply-To: <2@b>

QUJD
""")
    structure = scan(message)
    part = structure.root
    assert (part.type, part.subtype, part.encoding) == (b"application", b"pdf", b"base64")
    assert part.params == ((b"name", b'my "file".pdf'), (b"x-unix-mode", b"0644"))
    assert part.id == b"<part1@example>"
    assert part.description == b"=?utf-8?q?caf=C3=A9?="
    assert part.md5 == b"Q2hlY2sgSW50ZWdyaXR5IQ=="
    assert part.disposition == (b"attachment", ((b"filename", b"my file.pdf"),))
    assert part.language == (b"de", b"en-GB")
    assert part.location == b"http://example.org/x"
    assert structure.references == b"<1@a> <2@b>"
    assert structure.envelope.in_reply_to == b"<2@b>"
    assert structure.preview == ""


MIXED = "Content-Type: multipart/mixed; boundary=a\n\n"


@pytest.mark.parametrize(
    ("text", "expected", "bodies"),
    [
        pytest.param("", "text/plain", [""], id="nothing at all"),
        pytest.param("\n", "text/plain", [""], id="an empty line only"),
        pytest.param("Subject: x\n\n", "text/plain", [""], id="empty body"),
        pytest.param("Subject: x\n", "text/plain", [""], id="header only"),
        pytest.param("Subject: x", "text/plain", [""], id="header without line end"),
        pytest.param("\nbody", "text/plain", ["body"], id="no header, no final line end"),
        pytest.param(
            MIXED + "--a\n\none\n--a\n\ntwo\n", ("multipart/mixed", "text/plain", "text/plain"), ["one", "two\n"],
            id="no close delimiter",
        ),
        pytest.param(
            MIXED + "--a\n\none\n--a--", ("multipart/mixed", "text/plain"), ["one"], id="no line end after the last",
        ),
        pytest.param(
            MIXED + "--a\n\none\n--a", ("multipart/mixed", "text/plain", "text/plain"), ["one", ""],
            id="cut off after a delimiter",
        ),
        pytest.param(
            MIXED + "--a\n\none\n--a--\n--a\n\nnot a part\n", ("multipart/mixed", "text/plain"), ["one"],
            id="no parts after the close delimiter",
        ),
        pytest.param(MIXED + "--a\n--a\n\nx\n--a--\n", ("multipart/mixed", "text/plain", "text/plain"), ["", "x"],
            id="a part without anything"),
        pytest.param(
            MIXED + "--a\nContent-Type: text/html\n--a\n\nx\n--a--\n", ("multipart/mixed", "text/html", "text/plain"),
            ["", "x"], id="a header that a delimiter ends",
        ),
        pytest.param(MIXED + "--a\n\n\n--a--\n", ("multipart/mixed", "text/plain"), [""], id="empty body before a delimiter"),
        pytest.param(MIXED + "--a\n\n--a--\n", ("multipart/mixed", "text/plain"), [""], id="no body before a delimiter"),
        pytest.param(MIXED + "--a  \t\n\nx\n--a-- \n", ("multipart/mixed", "text/plain"), ["x"], id="white space after"),
        pytest.param(
            MIXED + "--a\n\n--ab\n -- a\n--\n--a-\n--a--b\nx --a\n--a--\n", ("multipart/mixed", "text/plain"),
            ["--ab\n -- a\n--\n--a-\n--a--b\nx --a"], id="lines that only look like delimiters",
        ),
        pytest.param(
            MIXED + "--a\nContent-Type: multipart/alternative; boundary=ab\n\n--ab\n\n1\n--ab\n\n2\n--ab--\n--a\n\n3\n--a--\n",
            ("multipart/mixed", ("multipart/alternative", "text/plain", "text/plain"), "text/plain"), ["1", "2", "3"],
            id="the outer boundary is a prefix of the inner",
        ),
        pytest.param(
            "Content-Type: multipart/mixed; boundary=ab\n\n--ab\nContent-Type: multipart/mixed; boundary=a\n\n--a\n\n1\n--a--\n--ab\n\n2\n--ab--\n",
            ("multipart/mixed", ("multipart/mixed", "text/plain"), "text/plain"), ["1", "2"],
            id="the inner boundary is a prefix of the outer",
        ),
        pytest.param(
            MIXED + '--a\nContent-Type: multipart/mixed; boundary="a--"\n\n--a--\n\n1\n--a----\n--a\n\n2\n--a--\n',
            ("multipart/mixed", ("multipart/mixed", "text/plain"), "text/plain"), ["1", "2"],
            id="the inner delimiter looks like the outer's close",
        ),
        pytest.param(
            MIXED + "--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n1\n--a\n\n2\n--a--\n",
            ("multipart/mixed", ("multipart/mixed", "text/plain"), "text/plain"), ["1", "2"],
            id="an inner multipart that is not closed",
        ),
        pytest.param(
            MIXED + "--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n1\n--b--\nepilogue\n--a\n\n2\n--a--\n",
            ("multipart/mixed", ("multipart/mixed", "text/plain"), "text/plain"), ["1", "2"], id="inner epilogue",
        ),
        pytest.param(
            MIXED + "--a\nContent-Type: multipart/mixed; boundary=a\n\n--a\n\n1\n--a--\n--a\n\n2\n--a--\n",
            ("multipart/mixed", ("multipart/mixed", "text/plain"), "text/plain"), ["1", "2"], id="the same boundary twice",
        ),
        pytest.param(
            MIXED + "--a\nContent-Type: message/rfc822\n\nSubject: in\n\ninner\n--a\n\nouter\n--a--\n",
            ("multipart/mixed", ("message/rfc822", "text/plain"), "text/plain"), ["inner", "outer"], id="embedded message",
        ),
        pytest.param(
            MIXED + "--a\nContent-Type: message/rfc822\n--a--\n", ("multipart/mixed", ("message/rfc822", "text/plain")), [""],
            id="embedded message without anything",
        ),
        pytest.param("Content-Type: message/global\n\nSubject: ü\n\nx", ("message/global", "text/plain"), ["x"], id="global"),
        pytest.param(
            "Content-Type: multipart/digest; boundary=a\n\n--a\n\nSubject: 1\n\none\n--a\nContent-Type: text/plain\n\ntwo\n--a--\n",
            ("multipart/digest", ("message/rfc822", "text/plain"), "text/plain"), ["one", "two"],
            id="message/rfc822 is the default in a digest",
        ),
        pytest.param("Content-Type: text/plain; boundary=a\n\n--a\n\nx\n", "text/plain", ["--a\n\nx\n"],
            id="a boundary on what is no multipart"),
        pytest.param("Content-Type: multipart/mixed\n\n--a\n\nx\n", "text/plain", ["--a\n\nx\n"], id="no boundary"),
        pytest.param("Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nx\n", "text/plain", ["--\n\nx\n"],
            id="empty boundary"),
        pytest.param(MIXED + "no delimiter\n", "text/plain", ["no delimiter\n"], id="no part"),
        pytest.param("Content-Type: multipart/mixed; boundary=" + "b" * 201 + "\n\n--" + "b" * 201 + "\n\nx\n", "text/plain",
            ["--" + "b" * 201 + "\n\nx\n"], id="boundary too long"),
        pytest.param("Content-Type: text\n\nx", "text/plain", ["x"], id="no subtype"),
        pytest.param("Content-Type: ;;\n\nx", "text/plain", ["x"], id="no type"),
        pytest.param("Content-Type:\n\nx", "text/plain", ["x"], id="empty type"),
        pytest.param("Content-Type: Text/HTML\n\nx", "text/html", ["x"], id="capitals"),
        pytest.param("Content-Type : text/html\n\nx", "text/html", ["x"], id="space before the colon"),
        pytest.param("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\neA==\n", "application/octet-stream",
            ["eA==\n"], id="an encoded message is not opened"),
        pytest.param("From x@y Mon Jan  1 00:00:00 2024\nContent-Type: text/html\n\nx", "text/html", ["x"], id="mbox line"),
        pytest.param("no colon\n indeed\nContent-Type: text/html\n\nx", "text/html", ["x"], id="a line without colon"),
        pytest.param("Content-Type: multipart/mixed;\n boundary*0=a;\n boundary*1=b\n\n--ab\n\nx\n--ab--\n",
            ("multipart/mixed", "text/plain"), ["x"], id="RFC 2231 boundary"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"], ids=["CRLF", "LF"])
def test_shapes(text: str, expected: object, bodies: list[str], line_end: bytes) -> None:
    message = text.encode().replace(b"\n", line_end)
    root = scan(message).root
    assert outline(root) == expected
    leaves = [body(message, part) for part in walk(root) if not part.children]
    assert leaves == [leaf.encode().replace(b"\n", line_end) for leaf in bodies]
    check_tree(message, scan(message))


def test_the_header_of_a_part_ends_with_its_empty_line() -> None:
    message = crlf(MIXED + "--a\nContent-Type: text/html\n\nx\n--a\nContent-ID: <y>\n--a--\n")
    first, second = scan(message).root.children
    assert header(message, first) == b"Content-Type: text/html\r\n\r\n"
    assert header(message, second) == b"Content-ID: <y>\r\n"


@pytest.mark.parametrize(
    ("text", "lines"),
    [("", 0), ("x", 0), ("x\n", 1), ("x\ny", 1), ("\n\n", 2)],
)
def test_lines_are_line_ends(text: str, lines: int) -> None:
    """As in the example of RFC 3501 7.4.2: 4554 octets of base64 in 73 full lines and a last one without line end."""
    assert scan(crlf("Subject: x\n\n" + text)).root.lines == lines
    [part] = scan(crlf(MIXED + "--a\n\n" + text + "\n--a--\n")).root.children
    assert part.lines == lines


def test_several_fields_of_recipients_are_one_list_and_the_first_of_others_counts() -> None:
    envelope = scan(crlf("To: a@x\nTo: b@x\nSubject: one\nSubject: two\nSender: s@x\nFrom: f@x\n\n")).envelope
    assert [item.mailbox for item in envelope.to] == [b"a", b"b"]
    assert envelope.subject == b"one"
    assert [item.mailbox for item in envelope.sender] == [b"s"]
    assert [item.mailbox for item in envelope.reply_to] == [b"f"]


def test_8_bit_header_and_body_are_noticed() -> None:
    assert scan("Subject: ü\r\n\r\nx".encode()).envelope.subject == "ü".encode()
    assert scan("Subject: ü\r\n\r\nx".encode()).has_8bit
    assert scan("Subject: x\r\n\r\nü".encode()).has_8bit


@pytest.mark.parametrize(
    ("text", "preview"),
    [
        pytest.param(
            "Content-Type: multipart/alternative; boundary=a\n\n--a\nContent-Type: text/html\n\n<b>H</b>tml\n--a\n"
            "Content-Type: text/plain\n\nPlain\n--a--\n",
            "Plain", id="plain text comes first",
        ),
        pytest.param(
            "Content-Type: multipart/alternative; boundary=a\n\n--a\n\n \n--a\nContent-Type: text/html\n\n<b>H</b>tml\n--a--\n",
            "Html", id="unless it is empty",
        ),
        pytest.param(
            MIXED + "--a\nContent-Disposition: attachment\n\nno\n--a\nContent-Type: text/plain; charset=utf-8\n"
            "Content-Transfer-Encoding: base64\n\nR3LDvMOfZQ==\n--a--\n",
            "Grüße", id="not from an attachment, decoded",
        ),
        pytest.param("Content-Type: image/png\n\nx", "", id="no text"),
        pytest.param(MIXED + "--a\n\nHello\n--a\n\nWorld\n--a--\n", "Hello", id="the first text only"),
    ],
)  # fmt: skip
def test_preview(text: str, preview: str) -> None:
    assert scan(crlf(text)).preview == preview


def check_tree(message: bytes, structure: Structure) -> None:
    """What parts.py promises of every tree."""
    assert structure.root.header_start == 0
    assert structure.root.end == len(message)
    assert structure.lines == message.count(b"\n")
    for part in walk(structure.root):
        assert 0 <= part.header_start <= part.body_start <= part.end <= len(message)
        assert part.lines == message.count(b"\n", part.body_start, part.end)
        assert part.is_multipart <= bool(part.children)
        assert bool(part.children) <= (part.type in (b"multipart", b"message"))
        if part.type == b"message" and part.subtype in (b"rfc822", b"global"):
            [embedded] = part.children
            assert embedded.envelope is not None
            assert part.is_message
            assert (embedded.header_start, embedded.end) == (part.body_start, part.end)
        position = part.body_start
        for child in part.children:
            assert position <= child.header_start
            assert child.end <= part.end
            position = child.end
    assert decode(encode(structure)) == structure


@given(mail_like)
@settings(max_examples=400, deadline=None)
@example(b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: message/rfc822\r\n\r\n--a--\r\n")
def test_any_octets_have_a_sound_tree(message: bytes) -> None:
    check_tree(message, scan(message))


@given(st.data(), mail_like)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch, data: st.DataObject, message: bytes) -> None:
    whole = scan(message)
    monkeypatch.setattr(scanner_module, "_BLOCK", 1)  # look at every chunk at once
    try:
        assert scan(*data.draw(cuts(message))) == whole
        assert scan(*(bytes([octet]) for octet in message)) == whole
    finally:
        monkeypatch.undo()


@given(st.data(), mail_like)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_chunks_do_not_matter_at_the_limits(
    monkeypatch: pytest.MonkeyPatch, data: st.DataObject, message: bytes
) -> None:
    limits = dict(HEADER_OCTETS=60, HEADERS_OCTETS=200, PARTS_MOST=5, DEPTH_MOST=3, DASHED_LINES_MOST=4, _LINE_OCTETS=8)
    for name, value in limits.items():
        monkeypatch.setattr(scanner_module, name, value)
    try:
        whole = scan(message)
        check_tree(message, whole)
        monkeypatch.setattr(scanner_module, "_BLOCK", 1)
        assert scan(*data.draw(cuts(message))) == whole
        assert scan(*(bytes([octet]) for octet in message)) == whole
    finally:
        monkeypatch.undo()


@pytest.mark.parametrize("message", [SIMPLE, RFC_2046, COMPLEX], ids=["simple", "RFC 2046", "RFC 2049"])
def test_every_cut_of_the_examples(message: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = scan(message)
    monkeypatch.setattr(scanner_module, "_BLOCK", 1)
    for place in range(len(message) + 1):
        assert scan(message[:place], message[place:]) == whole


# Limits


def test_parts_beyond_the_limit_are_not_taken_apart() -> None:
    message = crlf(MIXED + "--a\n\nx\n" * 1500 + "--a--\n")
    structure = scan(message)
    assert sum(1 for _ in walk(structure.root)) == scanner_module.PARTS_MOST
    check_tree(message, structure)


@pytest.mark.parametrize(
    ("nest", "innermost"),
    [
        pytest.param(
            lambda n: "".join(f"Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\n" for i in range(n)),
            "text/plain",
            id="multiparts",
        ),
        pytest.param(lambda n: "Content-Type: message/rfc822\n\n" * n, "application/octet-stream", id="messages"),
    ],
)
def test_depth_beyond_the_limit_is_not_taken_apart(nest: object, innermost: str) -> None:
    assert callable(nest)
    message = crlf(nest(80))
    structure = scan(message)
    check_tree(message, structure)
    part, depth = structure.root, 0
    while part.children:
        part, depth = part.children[-1], depth + 1
    assert depth == scanner_module.DEPTH_MOST
    assert outline(part) == innermost


def test_a_header_beyond_the_limit_is_read_up_to_it() -> None:
    filler = "X-Filler: " + "x" * 68 + "\n"
    message = crlf("Subject: early\n" + filler * 5000 + "From: late@x\n\nbody\n")
    structure = scan(message)
    assert structure.envelope.subject == b"early"
    assert structure.envelope.from_ == ()
    assert body(message, structure.root) == b"body\r\n"
    check_tree(message, structure)


EVIL = {
    "dashes": crlf(MIXED + "--a\n") + b"\n--" * 500_000,
    "dashes in a header": crlf(MIXED + "--a\n") + b"--c\r\n" * 250_000,
    "short fields": b"a:\n" * 1_000_000,
    "one endless line": b"Subject: " + b"x" * 3_000_000,
    "endless continuation": b"To: a@b\r\n" + b" ,\r\n" * 700_000,
    "many parts": crlf(MIXED + "--a\n\nx\n" * 100_000),
    "many embedded lists": crlf(MIXED + ("--a\nContent-Type: message/rfc822\n\nTo: " + "," * 60_000 + "\n\nx\n") * 50),
    "many parameters": crlf(MIXED + ("--a\nContent-Type: text/plain" + "; a=b" * 3000 + "\n\nx\n") * 80),
    "unclosed quotes": crlf(MIXED + ('--a\nContent-Type: text/plain; a="' + '\\"; a="\\' * 1500 + "\n\nx\n") * 80),
    "spaces": crlf(MIXED + ("--a\nContent-Type: text/plain; a=" + " " * 15_000 + ")\n\nx\n") * 100),
    "deep": crlf("".join(f"Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\n" for i in range(30_000))),
    "carriage returns": crlf(MIXED + "--a\n\n") + b"\r" * 3_000_000,
    "line ends": crlf(MIXED + "--a\n\n") + b"\n" * 3_000_000,
}


@pytest.mark.parametrize("name", EVIL)
def test_mail_made_to_hurt_costs_little(name: str) -> None:
    """Some MB each. What would grow with the square of the size takes minutes; the bound is generous to a busy machine.
    Memory is measured on the beginning, which is larger than all that is kept of a header."""
    started = time.process_time()
    structure = _scan_in_pieces(EVIL[name])
    took_s = time.process_time() - started
    assert took_s < 5
    assert structure.root.end == len(EVIL[name])
    beginning = EVIL[name][:400_000]
    tracemalloc.start()
    try:
        _scan_in_pieces(beginning)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_500_000


def test_a_large_message_costs_little_memory() -> None:
    line = b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5eg==\r\n"
    tracemalloc.start()
    try:
        scanner = StructureScanner()
        scanner.feed(crlf(MIXED + "--a\nContent-Transfer-Encoding: base64\nContent-Type: application/zip\n\n"))
        piece = line * 850
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(400):  # some 25 MB
            scanner.feed(piece)
        scanner.feed(b"--a--\r\n")
        structure = scanner.finish()
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
    assert structure.root.children[0].lines == 400 * 850 - 1
    assert structure.root.end > 25_000_000


def _scan_in_pieces(message: bytes) -> Structure:
    scanner = StructureScanner()
    for start in range(0, len(message), 65536):
        scanner.feed(message[start : start + 65536])
    return scanner.finish()


def test_decode_refuses_what_encode_has_not_made() -> None:
    for data in (b"", b"\x90", b"\xff", encode(scan(SIMPLE))[:-1]):
        with pytest.raises(ValueError):
            decode(data)


_base64_lines = st.tuples(st.integers(2, 300), st.sampled_from([b"\r\n", b"\n"])).map(
    lambda of: (b"QUJD" * 19 + of[1]) * of[0]
)
_mail_pieces = st.lists(
    _base64_lines
    | st.sampled_from(
        [
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n",
            b"Content-Type: message/rfc822\r\n\r\n",
            b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n",
            b"\r\n--b\r\n",
            b"--b\r\n\r\n",
            b"--b--\r\n",
            b"\r\n",
            b"\n",
            b"words -- and\r\n--dashes\r\n",
            b"gr\xc3\xbcn\n",
        ]
    ),
    max_size=12,
)


@settings(max_examples=120, deadline=None)
@given(_mail_pieces)
def test_equal_lines_may_be_passed_over_quickly(pieces: list[bytes]) -> None:
    slow, quick = StructureScanner(), StructureScanner()
    before = b""
    for piece in [b"X: y\r\n", *pieces]:
        slow.feed(piece)
        if piece.startswith(b"QUJD") and before.endswith(b"\n"):
            quick.feed_lines(piece, piece.count(b"\n"))
        else:
            quick.feed(piece)
        before = piece
    assert quick.finish() == slow.finish()


def test_a_long_header_is_not_looked_through_for_each_few_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    real = StructureScanner._empty_line_end

    def counted(self: StructureScanner, data: bytes, position: int) -> int:
        nonlocal looks
        looks += 1
        return real(self, data, position)

    monkeypatch.setattr(StructureScanner, "_empty_line_end", counted)
    scanner = StructureScanner()
    scanner.feed(b"X-Long:\r\n" + b" words and words\r\n" * 8000)
    for _ in range(60):
        scanner.feed(b" words\r\n")
        scanner.feed_lines(b"QUJD" * 19 + b"\r\n" + b"QUJD" * 19 + b"\r\n", 2)
    assert scanner.finish().lines == 8001 + 60 * 3
    assert looks < 10
