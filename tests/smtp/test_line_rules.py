"""Command lines end with CR LF and nothing else, however they were cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.smtp.line_rules import MAX_COMMAND_OCTETS, LineFault, LineReader


def read_all(pieces: list[bytes], limit: int = MAX_COMMAND_OCTETS) -> list[bytes | LineFault]:
    reader = LineReader()
    lines: list[bytes | LineFault] = []
    for piece in pieces:
        reader.feed(piece)
        while (line := reader.next(limit)) is not None:
            lines.append(line)
    return lines


def octet_by_octet(data: bytes) -> list[bytes]:
    return [data[position : position + 1] for position in range(len(data))]


CASES = {
    "one": (b"NOOP\r\n", [b"NOOP"]),
    "two at once": (b"NOOP\r\nQUIT\r\n", [b"NOOP", b"QUIT"]),
    "empty": (b"\r\n", [b""]),
    "unfinished": (b"NOOP", []),
    "CR only at the end": (b"NOOP\r", []),
    "bare LF does not end a line": (b"NOOP\nQUIT\r\nRSET\r\n", [LineFault.MALFORMED, b"RSET"]),
    "bare CR does not end a line": (b"NOOP\rQUIT\r\nRSET\r\n", [LineFault.MALFORMED, b"RSET"]),
    "CR CR LF": (b"NOOP\r\r\nRSET\r\n", [LineFault.MALFORMED, b"RSET"]),
    "LF CR": (b"NOOP\n\r\nRSET\r\n", [LineFault.MALFORMED, b"RSET"]),
    "NUL": (b"NO\0OP\r\nRSET\r\n", [LineFault.MALFORMED, b"RSET"]),
    "as long as allowed": (b"x" * 2046 + b"\r\nRSET\r\n", [b"x" * 2046, b"RSET"]),
    "one too many": (b"x" * 2047 + b"\r\nRSET\r\n", [LineFault.TOO_LONG, b"RSET"]),
    "far too long": (b"x" * 100_000 + b"\r\nRSET\r\n", [LineFault.TOO_LONG, b"RSET"]),
    "too long is told first": (b"\n" * 3000 + b"\r\nRSET\r\n", [LineFault.TOO_LONG, b"RSET"]),
    "only CRs": (b"\r" * 3000 + b"\nRSET\r\n", [LineFault.TOO_LONG, b"RSET"]),
}


@pytest.mark.parametrize(("data", "lines"), CASES.values(), ids=CASES.keys())
def test_lines(data: bytes, lines: list[bytes | LineFault]) -> None:
    assert read_all([data]) == lines
    assert read_all(octet_by_octet(data)) == lines


@settings(max_examples=200, deadline=None)
@given(
    data=st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"\0", b"bcd"]), max_size=60).map(b"".join),
    cuts=st.lists(st.integers(0, 60), max_size=8),
)
def test_cuts_change_nothing(data: bytes, cuts: list[int]) -> None:
    """Whole, cut anywhere, or octet by octet: the same lines."""
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[start:end] for start, end in pairwise(edges)]
    assert read_all(pieces, 20) == read_all([data], 20) == read_all(octet_by_octet(data), 20)


def test_an_endless_line_is_not_kept() -> None:
    """What cannot become a command any more takes no memory."""
    reader = LineReader()
    for _ in range(100):
        reader.feed(b"x" * 10_000)
        assert reader.next() is None
        assert len(reader.take()) <= 1


def test_clear_forgets_a_line_that_was_too_long() -> None:
    reader = LineReader()
    reader.feed(b"x" * 5000)
    assert reader.next() is None
    reader.clear()
    reader.feed(b"EHLO a\r\n")
    assert reader.next() == b"EHLO a"
