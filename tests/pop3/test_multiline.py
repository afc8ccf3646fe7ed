"""What is sent can be undone, however it was cut into pieces; TOP gives the header and so many lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.pop3.multiline import multiline

octets = st.lists(
    st.sampled_from([b".", b"\r\n", b"\n", b"\r", b"..", b"a", b"\xff", b"\0", b"\r\n.\r\n"]), max_size=20
).map(b"".join)


def pieces_of(message: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(message), *(cut for cut in cuts if cut < len(message))})
    return [message[start:end] for start, end in pairwise(places)]


def sent(message: bytes, lines: int | None = None) -> bytes:
    return b"".join(multiline([message], lines))


def undone(wire: bytes) -> bytes:
    """What a client reads that ends a line at any LF, the most lenient kind: up to the first lone dot."""
    message = b""
    while True:
        end = wire.index(b"\n") + 1
        line, wire = wire[:end], wire[end:]
        if line in (b".\r\n", b".\n"):
            assert wire == b"", "something stands behind the end"
            return message
        message += line[1:] if line.startswith(b".") else line


@settings(max_examples=200, deadline=None)
@given(octets, st.lists(st.integers(0, 40)))
def test_undoing_gives_the_message_back(message: bytes, cuts: list[int]) -> None:
    wire = b"".join(multiline(pieces_of(message, cuts), None))
    assert wire == sent(message)
    assert undone(wire) == (message if message.endswith(b"\r\n") or not message else message + b"\r\n")


@settings(max_examples=200, deadline=None)
@given(octets)
def test_a_client_that_knows_only_crlf_sees_the_same_end(message: bytes) -> None:
    wire = b"\r\n" + sent(message)
    assert wire.index(b"\r\n.\r\n") == len(wire) - 5


MESSAGES = {
    "empty": (b"", b".\r\n"),
    "no final line end": (b"a: b\r\n\r\nlast", b"a: b\r\n\r\nlast\r\n.\r\n"),
    "ends in a CR": (b"a\r", b"a\r\r\n.\r\n"),
    "ends in a bare LF": (b"a\n", b"a\n\r\n.\r\n"),
    "dot first": (b".", b"..\r\n.\r\n"),
    "a lone dot": (b"a\r\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n.\r\n"),
    "a lone dot after a bare LF": (b"a\n.\nb\r\n", b"a\n..\nb\r\n.\r\n"),
    "dots within lines": (b"a.b\r\n", b"a.b\r\n.\r\n"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_message(name: str) -> None:
    message, wire = MESSAGES[name]
    assert sent(message) == wire


def test_a_line_of_a_megabyte_passes_unchanged() -> None:
    line = bytes(range(128, 256)) * 8192
    assert sent(line + b"\r\n") == line + b"\r\n.\r\n"


HEADER = b"Subject: x\r\n y\r\n\r\n"
TOPS = {
    "header alone": (HEADER + b"one\r\ntwo\r\n", 0, HEADER),
    "one line": (HEADER + b"one\r\ntwo\r\n", 1, HEADER + b"one\r\n"),
    "all lines": (HEADER + b"one\r\ntwo\r\n", 2, HEADER + b"one\r\ntwo\r\n"),
    "more lines than there are": (HEADER + b"one\r\ntwo", 9_999_999_999, HEADER + b"one\r\ntwo\r\n"),
    "no body": (b"Subject: x\r\n", 5, b"Subject: x\r\n"),
    "no header": (b"\r\none\r\ntwo\r\n", 1, b"\r\none\r\n"),
    "a line that begins with a dot": (HEADER + b".one\r\ntwo\r\n", 1, HEADER + b".one\r\n"),
    "bare LFs": (b"a: b\n\none\ntwo\n", 1, b"a: b\n\none\n\r\n"),
    "a CR within a header line is no empty line": (b"a: b\r\n\rc: d\r\n\r\none\r\n", 0, b"a: b\r\n\rc: d\r\n\r\n"),
}


@pytest.mark.parametrize("name", TOPS)
def test_top(name: str) -> None:
    message, lines, top = TOPS[name]
    assert undone(sent(message, lines)) == top


@settings(max_examples=200, deadline=None)
@given(octets, st.integers(0, 6), st.lists(st.integers(0, 40)))
def test_top_of_any_pieces(message: bytes, lines: int, cuts: list[int]) -> None:
    """The header and the first empty line, then `lines` lines: the same, told about the message as a whole."""
    all_lines = re.findall(rb"[^\n]*\n|[^\n]+", message)
    empty = next((at for at, line in enumerate(all_lines) if line in (b"\r\n", b"\n")), len(all_lines))
    top = b"".join(all_lines[: empty + 1 + lines])
    assert b"".join(multiline(pieces_of(message, cuts), lines)) == sent(top)


def test_top_reads_no_more_than_it_needs() -> None:
    taken: list[bytes] = []

    def pieces() -> Iterator[bytes]:
        for piece in (HEADER, b"one\r\n", b"two\r\n", b"three\r\n"):
            taken.append(piece)
            yield piece

    assert undone(b"".join(multiline(pieces(), 2))) == HEADER + b"one\r\ntwo\r\n"
    assert taken == [
        HEADER,
        b"one\r\n",
        b"two\r\n",
    ]
