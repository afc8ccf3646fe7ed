"""BDAT: sizes are exact, and the same octets are refused as in DATA."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.smtp.chunking import Chunk, ChunkScanner, parse_bdat
from appliance.smtp.data_scanner import ContentFault

ARGUMENTS = {
    "10": Chunk(10, False),
    "0 LAST": Chunk(0, True),
    "10 last": Chunk(10, True),
    "10  LAST ": Chunk(10, True),
    "": None,
    "-1": None,
    "1.5": None,
    "LAST": None,
    "10 LATE": None,
    "10 LAST LAST": None,
    "10LAST": None,
    "٣": None,
    "9" * 21: None,
}


@pytest.mark.parametrize(("argument", "chunk"), ARGUMENTS.items())
def test_argument(argument: str, chunk: Chunk | None) -> None:
    assert parse_bdat(argument) == chunk


def scan(chunks: list[bytes], cut: int) -> tuple[bytes, ContentFault]:
    """Feeds the chunks one after the other in pieces of `cut` octets."""
    scanner = ChunkScanner()
    content = b""
    for number, chunk in enumerate(chunks):
        scanner.open(Chunk(len(chunk), number == len(chunks) - 1))
        wire = chunk + b"NEXT"
        position = 0
        content += scanner.feed(b"")
        while not scanner.done:
            content += scanner.feed(wire[position : position + cut])
            position += cut
        if chunk:
            assert scanner.rest + wire[position:] == b"NEXT"
    return content, scanner.fault


CASES = {
    "plain": ([b"a\r\n"], ContentFault.NONE),
    "dots are left alone": ([b"..\r\n.\r\n"], ContentFault.NONE),
    "CRLF cut by chunks": ([b"a\r", b"\nb\r\n"], ContentFault.NONE),
    "CRLF cut by an empty chunk": ([b"a\r", b"", b"\n"], ContentFault.NONE),
    "CR at the very end": ([b"a\r"], ContentFault.BARE_LINE_END),
    "CR and then an empty last chunk": ([b"a\r", b""], ContentFault.BARE_LINE_END),
    "bare LF": ([b"a\n.\r\n"], ContentFault.BARE_LINE_END),
    "bare CR cut by chunks": ([b"a\r", b"b\r\n"], ContentFault.BARE_LINE_END),
    "NUL": ([b"a\0\r\n"], ContentFault.NUL),
    "nothing": ([b""], ContentFault.NONE),
}


@pytest.mark.parametrize(("chunks", "fault"), CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("cut", [1, 2, 1000])
def test_chunks(chunks: list[bytes], fault: ContentFault, cut: int) -> None:
    assert scan(chunks, cut) == (b"".join(chunks), fault)


@settings(max_examples=100, deadline=None)
@given(
    chunks=st.lists(
        st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"a"])).map(b"".join), min_size=1, max_size=5
    ),
    cut=st.integers(1, 9),
)
def test_cuts_change_nothing(chunks: list[bytes], cut: int) -> None:
    whole = b"".join(chunks)
    content, fault = scan(chunks, cut)
    assert content == whole
    bare = whole.replace(b"\r\n", b"")
    assert (fault is ContentFault.BARE_LINE_END) is (b"\r" in bare or b"\n" in bare)
