"""The content of DATA ends where RFC 5321 says and nowhere else; its octets come through unchanged."""

from __future__ import annotations

import re
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.smtp.data_scanner import ContentFault, DataScanner, faults_in

OK = ContentFault.NONE
BARE = ContentFault.BARE_LINE_END
NUL = ContentFault.NUL


def scan(pieces: list[bytes]) -> tuple[bytes, ContentFault, bytes | None]:
    """(content, faults, what follows; None when the end was not seen)."""
    scanner = DataScanner()
    content = b""
    for number, piece in enumerate(pieces):
        content += scanner.feed(piece)
        if scanner.done:
            return content, scanner.fault, scanner.rest + b"".join(pieces[number + 1 :])
    return content, scanner.fault, None


def octet_by_octet(data: bytes) -> list[bytes]:
    return [data[position : position + 1] for position in range(len(data))]


def stuff(content: bytes) -> bytes:
    """As a client sends it. RFC 5321 4.5.2."""
    return re.sub(rb"(\A|\r\n)\.", rb"\1..", content) + b".\r\n"


CASES = {
    "plain": (b"a\r\n.\r\n", b"a\r\n", OK, b""),
    "empty message": (b".\r\n", b"", OK, b""),
    "one empty line": (b"\r\n.\r\n", b"\r\n", OK, b""),
    "commands follow": (b"a\r\n.\r\nQUIT\r\n", b"a\r\n", OK, b"QUIT\r\n"),
    "dot taken out": (b"..a\r\n..\r\n.b\r\n.\r\n", b".a\r\n.\r\nb\r\n", OK, b""),
    "many dots": (b"....\r\n.\r\n", b"...\r\n", OK, b""),
    "dot inside a line": (b"a.\r\n.\r\n", b"a.\r\n", OK, b""),
    "8-bit": (b"\xff\xc3\xa4\r\n.\r\n", b"\xff\xc3\xa4\r\n", OK, b""),
    "dot and blank": (b". \r\n.\r\n", b" \r\n", OK, b""),
    # None of these ends the message; each is refused when its real end has come.
    "LF dot LF": (b"a\n.\nMAIL\r\n.\r\n", b"a\n.\nMAIL\r\n", BARE, b""),
    "LF dot CRLF": (b"a\n.\r\nMAIL\r\n.\r\n", b"a\n.\r\nMAIL\r\n", BARE, b""),
    "CR dot CR": (b"a\r.\rMAIL\r\n.\r\n", b"a\r.\rMAIL\r\n", BARE, b""),
    "CR dot CRLF": (b"a\r.\r\nMAIL\r\n.\r\n", b"a\r.\r\nMAIL\r\n", BARE, b""),
    "CRLF dot LF": (b"a\r\n.\nMAIL\r\n.\r\n", b"a\r\n\nMAIL\r\n", BARE, b""),
    "CRLF dot CR": (b"a\r\n.\rMAIL\r\n.\r\n", b"a\r\n\rMAIL\r\n", BARE, b""),
    "CR CRLF dot": (b"a\r\r\n..\r\n.\r\n", b"a\r\r\n.\r\n", BARE, b""),
    "LF CR dot": (b"a\n\r.\r\nMAIL\r\n.\r\n", b"a\n\r.\r\nMAIL\r\n", BARE, b""),
    "CRLF dot CR CRLF": (b"a\r\n.\r\r\nMAIL\r\n.\r\n", b"a\r\n\r\r\nMAIL\r\n", BARE, b""),
    "LF alone": (b"\n.\r\n\r\n.\r\n", b"\n.\r\n\r\n", BARE, b""),
    "NUL": (b"a\0b\r\n.\r\n", b"a\0b\r\n", NUL, b""),
    "CRLF dot NUL CRLF": (b"a\r\n.\0\r\nMAIL\r\n.\r\n", b"a\r\n\0\r\nMAIL\r\n", NUL, b""),
    "CRLF NUL dot CRLF": (b"a\r\n\0.\r\nMAIL\r\n.\r\n", b"a\r\n\0.\r\nMAIL\r\n", NUL, b""),
    "CR NUL LF": (b"a\r\0\n.\r\nMAIL\r\n.\r\n", b"a\r\0\n.\r\nMAIL\r\n", NUL | BARE, b""),
}


@pytest.mark.parametrize(("data", "content", "fault", "rest"), CASES.values(), ids=CASES.keys())
def test_content(data: bytes, content: bytes, fault: ContentFault, rest: bytes) -> None:
    assert scan([data]) == (content, fault, rest)
    assert scan(octet_by_octet(data)) == (content, fault, rest)


@pytest.mark.parametrize("data", [b"", b".", b".\r", b"a\r\n.\r", b"a\r\n.", b"a.\r\n", b"\n.\n", b"\r\n.\n"])
def test_no_end_yet(data: bytes) -> None:
    assert scan([data])[2] is None


LINES = st.lists(st.sampled_from([b"", b".", b"..", b".a", b"a.", b"abc", b"\xc3\xa4", b"x" * 70]), max_size=12)


@settings(max_examples=200, deadline=None)
@given(lines=LINES, cuts=st.lists(st.integers(0, 400), max_size=10), rest=st.sampled_from([b"", b"QUIT\r\n", b".\r\n"]))
def test_what_was_stuffed_comes_back(lines: list[bytes], cuts: list[int], rest: bytes) -> None:
    content = b"".join(line + b"\r\n" for line in lines)
    wire = stuff(content) + rest
    edges = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    pieces = [wire[start:end] for start, end in pairwise(edges)]
    assert scan(pieces) == (content, OK, rest)


@settings(max_examples=300, deadline=None)
@given(
    data=st.lists(st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\r\n.\r\n", b"a", b"\0"]), max_size=30).map(b"".join)
)
def test_only_crlf_dot_crlf_ends_it(data: bytes) -> None:
    """An independent, slow reading of RFC 5321 agrees, whole and octet by octet; a message that was not refused holds
    no bare CR, no bare LF and no NUL."""
    end = (b"\r\n" + data).find(b"\r\n.\r\n")
    content, fault, rest = scan([data])
    assert scan(octet_by_octet(data)) == (content, fault, rest)
    if end < 0:
        assert rest is None
        return
    assert rest == data[end + 3 :]
    assert content == b"".join(line[line.startswith(b".") :] for line in _lines(data[:end]))
    bare = re.search(rb"\r(?!\n)|(?<!\r)\n", data[:end]) is not None
    assert (BARE in fault) is bare
    assert (NUL in fault) is (b"\0" in data[:end])


@settings(max_examples=150, deadline=None)
@given(
    before=st.sampled_from([b"", b"76 letters\r\n", b"Subject: a\r\n\r\n"]),
    letters=st.sampled_from([0, 1, 2, 60, 76]),
    octets=st.sampled_from([20_000, 65_536]),
    after=st.sampled_from([b"", b"=\r\n", b"a"]),
    put=st.sampled_from([b"\r", b"\n", b"\r\n", b"\n\r", b"\0", b"", b"a"]),
    at=st.floats(0, 1),
    instead=st.booleans(),
)
def test_lines_of_one_length_are_looked_through_too(
    before: bytes, letters: int, octets: int, after: bytes, put: bytes, at: float, instead: bool
) -> None:
    """Whatever stands among them, wherever, is found as an independent, slow reading finds it."""
    line = b"x" * letters + b"\r\n"
    piece = before + line * (octets // len(line)) + after
    cut = int(at * len(piece))
    piece = piece[:cut] + put + piece[cut + (len(put) if instead else 0) :]
    bare = re.search(rb"\r(?!\n)|(?<!\r)\n", piece) is not None
    assert faults_in(piece) == (BARE if bare else OK) | (NUL if b"\0" in piece else OK)


def _lines(data: bytes) -> list[bytes]:
    return [line + b"\r\n" for line in data.split(b"\r\n")[:-1]]


@pytest.mark.parametrize(
    "line",
    [b"x" * 76 + b"\r\n", b"..\r\n", b"\r\n", b"\r\n.\r", b"y" * 1000],
    ids=["text", "dots", "empty", "nearly", "long"],
)
def test_cost_grows_with_the_message_only(line: bytes) -> None:
    """Four times the octets take about four times as long, whatever they are; the bound is loose for a busy machine."""

    def scan_s(octets: int) -> float:
        wire = line * (octets // len(line))
        best = 1e9
        for _ in range(3):
            scanner = DataScanner()
            started = time.thread_time()
            for start in range(0, len(wire), 65536):
                scanner.feed(wire[start : start + 65536])
            best = min(best, time.thread_time() - started)
        return best

    assert scan_s(2_000_000) < 16 * scan_s(500_000)


def test_feeding_after_the_end_is_a_mistake() -> None:
    scanner = DataScanner()
    scanner.feed(b".\r\n")
    with pytest.raises(ValueError, match="ended"):
        scanner.feed(b"a")
