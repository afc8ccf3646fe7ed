"""DATA carries every octet, only the end is the end, and a bare CR or LF never goes out."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.transport.dot_stuffing import BareLineEnd, DotStuffer

LINES = st.lists(st.sampled_from([b"", b".", b"..", b".\tx", b"text", b"a.b", b"x."]), max_size=12)


def stuffed(*pieces: bytes) -> bytes:
    stuffer = DotStuffer()
    return b"".join(stuffer.feed(piece) for piece in pieces) + stuffer.finish()


def as_a_server_reads_it(wire: bytes) -> bytes:
    lines = wire.split(b"\r\n")
    end = lines.index(b".")
    assert lines[end + 1 :] == [b""], "something follows the end of the message"
    return b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[:end])


@settings(max_examples=300, deadline=None)
@given(LINES, st.lists(st.integers(0, 60), max_size=5), st.booleans())
def test_undoing_it_gives_the_same_octets_wherever_it_is_cut(
    lines: list[bytes], cuts: list[int], final_end: bool
) -> None:
    content = b"\r\n".join(lines) + (b"\r\n" if final_end else b"")
    places = sorted({0, *(min(cut, len(content)) for cut in cuts), len(content)})
    wire = stuffed(*(content[a:b] for a, b in itertools.pairwise(places)))
    complete = content if not content or content.endswith(b"\r\n") else content + b"\r\n"
    assert as_a_server_reads_it(wire) == complete


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"a\nb\r\n"], id="bare LF"),
        pytest.param([b"a\rb\r\n"], id="bare CR"),
        pytest.param([b"a\r\n.\n", b"MAIL FROM:<x@y>\r\n"], id="smuggling with LF"),
        pytest.param([b"a\n.\r\n"], id="smuggling with LF before the dot"),
        pytest.param([b"a\r", b"b"], id="a CR at a cut"),
        pytest.param([b"a", b"\nb"], id="an LF at a cut"),
        pytest.param([b"\n"], id="an LF first"),
        pytest.param([b"a\r"], id="a CR last"),
        pytest.param([b"a\r\r\n"], id="CR CR LF"),
    ],
)
def test_a_bare_line_end_is_refused(pieces: list[bytes]) -> None:
    with pytest.raises(BareLineEnd):
        stuffed(*pieces)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([b"\r", b"\n", b".", b"a"]), max_size=12).map(b"".join))
def test_whatever_goes_out_has_no_bare_line_end(content: bytes) -> None:
    whole = content.replace(b"\r\n", b"")
    try:
        wire = stuffed(*(content[at : at + 1] for at in range(len(content))))
    except BareLineEnd:
        assert b"\r" in whole or b"\n" in whole
    else:
        assert b"\r" not in whole
        assert b"\n" not in whole
        as_a_server_reads_it(wire)
