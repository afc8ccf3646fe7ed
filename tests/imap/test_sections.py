"""Where the parts of a message lie."""

from __future__ import annotations

import pytest

from appliance.imap import sections
from appliance.imap.grammar.cursor import Cursor
from appliance.imap.grammar.fetch import section
from appliance.mime.structure import StructureScanner

MIXED = (
    b"Subject: outer\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n'
    b"\r\n"
    b"preamble\r\n"
    b"--b\r\n"
    b"Content-Type: text/plain\r\n"
    b"\r\n"
    b"first\r\n"
    b"--b\r\n"
    b"Content-Type: message/rfc822\r\n"
    b"\r\n"
    b"Subject: inner\r\n"
    b'Content-Type: multipart/alternative; boundary="c"\r\n'
    b"\r\n"
    b"--c\r\n"
    b"\r\n"
    b"plain\r\n"
    b"--c\r\n"
    b"Content-Type: text/html\r\n"
    b"\r\n"
    b"<b>html</b>\r\n"
    b"--c--\r\n"
    b"--b\r\n"
    b"Content-Type: message/rfc822\r\n"
    b"\r\n"
    b"Subject: simple\r\n"
    b"\r\n"
    b"text of it\r\n"
    b"--b--\r\n"
)
SINGLE = b"Subject: s\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
PREFIX = b"Received: x\r\n"


def found(message: bytes, wanted: str) -> bytes | None:
    scanner = StructureScanner()
    scanner.feed(message)
    root = scanner.finish().root
    asked = section(Cursor(f"[{wanted}]".encode()), peek=True)
    span = sections.span_of(asked, root, len(message))
    if span is None:
        return None
    octets = (PREFIX if span.prefixed else b"") + message[span.start : span.end]
    return sections.chosen_fields(asked, octets) if asked.fields else octets


def between(message: bytes, first: bytes, last: bytes) -> bytes:
    start = message.index(first)
    return message[start : message.index(last, start) + len(last)]


INNER = between(MIXED, b"Subject: inner", b"--c--")
SECTIONS = {
    "": PREFIX + MIXED,
    "HEADER": PREFIX + between(MIXED, b"Subject: outer", b"\r\n\r\n"),
    "TEXT": MIXED[MIXED.index(b"preamble") :],
    "HEADER.FIELDS (SUBJECT)": b"Subject: outer\r\n\r\n",
    "HEADER.FIELDS (Nothing)": b"\r\n",
    "HEADER.FIELDS.NOT (Content-Type)": PREFIX + b"Subject: outer\r\n\r\n",
    "1": b"first",
    "1.MIME": b"Content-Type: text/plain\r\n\r\n",
    "1.HEADER": None,
    "1.TEXT": None,
    "1.1": None,
    "2": INNER,
    "2.MIME": b"Content-Type: message/rfc822\r\n\r\n",
    "2.HEADER": between(INNER, b"Subject", b"\r\n\r\n"),
    "2.HEADER.FIELDS (subject)": b"Subject: inner\r\n\r\n",
    "2.TEXT": INNER[INNER.index(b"--c") :],
    "2.1": b"plain",
    "2.1.MIME": b"\r\n",
    "2.2": b"<b>html</b>",
    "2.2.MIME": b"Content-Type: text/html\r\n\r\n",
    "2.3": None,
    "3": b"Subject: simple\r\n\r\ntext of it",
    "3.1": b"text of it",
    "3.1.MIME": b"Subject: simple\r\n\r\n",
    "3.HEADER": b"Subject: simple\r\n\r\n",
    "3.TEXT": b"text of it",
    "3.2": None,
    "4": None,
}


@pytest.mark.parametrize(("wanted", "octets"), SECTIONS.items(), ids=SECTIONS)
def test_a_section_of_a_multipart(wanted: str, octets: bytes | None) -> None:
    assert found(MIXED, wanted) == octets


SINGLES = {
    "": PREFIX + SINGLE,
    "TEXT": b"hello\r\n",
    "1": b"hello\r\n",
    "1.MIME": PREFIX + SINGLE[: SINGLE.index(b"hello")],
    "1.1": None,
    "2": None,
}


@pytest.mark.parametrize(("wanted", "octets"), SINGLES.items(), ids=SINGLES)
def test_a_message_that_is_no_multipart_has_one_part(wanted: str, octets: bytes | None) -> None:
    assert found(SINGLE, wanted) == octets


def test_a_whole_message_that_is_another_message() -> None:
    message = b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody\r\n"
    assert found(message, "1") == b"Subject: in\r\n\r\nbody\r\n"
    assert found(message, "1.1") == b"body\r\n"
    assert found(message, "1.HEADER") == b"Subject: in\r\n\r\n"


def test_a_part_of_octets() -> None:
    assert sections.cut(b"abcdef", None) == b"abcdef"
    assert sections.cut(b"abcdef", (2, 3)) == b"cde"
    assert sections.cut(b"abcdef", (4, 99)) == b"ef"
    assert sections.cut(b"abcdef", (9, 1)) == b""
