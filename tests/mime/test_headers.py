"""Header fields: where the header ends, what it holds, and what is selected from it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.mime.headers import first_header, header_end, header_values, select_fields, split_headers, unfold

from .strategies import mail_like


@pytest.mark.parametrize(
    ("data", "end"),
    [
        pytest.param(b"", -1, id="nothing"),
        pytest.param(b"A: b", -1, id="no line end"),
        pytest.param(b"A: b\r\n", -1, id="no empty line"),
        pytest.param(b"A: b\r\n\r\nbody", 8, id="CRLF"),
        pytest.param(b"A: b\n\nbody", 6, id="LF"),
        pytest.param(b"A: b\n\r\nbody", 7, id="mixed"),
        pytest.param(b"A: b\r\n\nbody", 7, id="mixed, the other way"),
        pytest.param(b"\r\nbody", 2, id="no header"),
        pytest.param(b"\nbody", 1, id="no header, LF"),
        pytest.param(b"A: b\r\n \r\n\r\n", 11, id="a line of white space is a continuation"),
        pytest.param(b"A: b\r\r\n\r\n", 9, id="a stray CR"),
        pytest.param(b"A: b\r\rC: d\r\n", -1, id="CRs end no line"),
    ],
)
def test_header_end(data: bytes, end: int) -> None:
    assert header_end(data) == end


@pytest.mark.parametrize(
    ("block", "fields"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"A: b\r\nC: d\r\n\r\n", [(b"A", b" b"), (b"C", b" d")], id="two fields"),
        pytest.param(b"A: b\nC: d", [(b"A", b" b"), (b"C", b" d")], id="LF, no final line end"),
        pytest.param(b"A: b\r\n c\r\n\td\r\n", [(b"A", b" b\r\n c\r\n\td")], id="folded"),
        pytest.param(b"A:\r\n b\r\n", [(b"A", b"\r\n b")], id="folded at once"),
        pytest.param(b"A : b\r\n", [(b"A", b" b")], id="RFC 5322 4.5.8, space before the colon"),
        pytest.param(b"A:\r\n", [(b"A", b"")], id="empty"),
        pytest.param(b"A: b: c\r\n", [(b"A", b" b: c")], id="a second colon"),
        pytest.param(b" lost\r\nA: b\r\n", [(b"A", b" b")], id="continuation of nothing"),
        pytest.param(b" X: y\r\nA: b\r\n", [(b"A", b" b")], id="continuation of nothing, with a colon"),
        pytest.param(b"no colon\r\n X: y\r\nA: b\r\n", [(b"A", b" b")], id="no colon"),
        pytest.param(b"From a@b Mon Jan  1 00:00:00 2024\nA: b\n", [(b"A", b" b")], id="mbox"),
        pytest.param(b": b\r\nC: d\r\n", [(b"C", b" d")], id="no name"),
        pytest.param(b"\xfc: b\r\nC: d\r\n", [(b"C", b" d")], id="8-bit name"),
        pytest.param(b"A: \xfc\r\n", [(b"A", b" \xfc")], id="8-bit value"),
        pytest.param(b"A: b\r\n\r\nC: d\r\n", [(b"A", b" b")], id="the body is not looked at"),
        pytest.param(b"\r\nC: d\r\n", [], id="no header"),
        pytest.param(b"A: b\0c\rd\r\n", [(b"A", b" b\0c\rd")], id="control characters"),
    ],
)
def test_split_headers(block: bytes, fields: list[tuple[bytes, bytes]]) -> None:
    assert split_headers(block) == fields


BLOCK = b"Received: one\r\nSubject: a\r\n folded\r\n\tline \r\nRECEIVED:  two\r\n\r\nSubject: body\r\n"


def test_header_values_are_unfolded_and_in_order() -> None:
    assert header_values(BLOCK, b"received") == [b"one", b"two"]
    assert header_values(BLOCK, b"Subject") == [b"a folded\tline"]
    assert header_values(BLOCK, b"To") == []


def test_first_header() -> None:
    assert first_header(BLOCK, b"Received") == b"one"
    assert first_header(BLOCK, b"To") is None


@pytest.mark.parametrize(
    ("value", "line"),
    [(b" a\r\n b ", b"a b"), (b"a\n\tb", b"a\tb"), (b"\r\n a", b"a"), (b"a\r\n \r\n b", b"a  b"), (b"", b"")],
)
def test_unfold(value: bytes, line: bytes) -> None:
    assert unfold(value) == line


@pytest.mark.parametrize(
    ("block", "names", "invert", "selected"),
    [
        pytest.param(
            BLOCK, [b"SUBJECT"], False, b"Subject: a\r\n folded\r\n\tline \r\n\r\n", id="as written, with its folding"
        ),
        pytest.param(BLOCK, [b"subject"], True, b"Received: one\r\nRECEIVED:  two\r\n\r\n", id="all others"),
        pytest.param(BLOCK, [b"To"], False, b"\r\n", id="none"),
        pytest.param(BLOCK, [], True, BLOCK.split(b"\r\n\r\n")[0] + b"\r\n\r\n", id="all"),
        pytest.param(b"A: b\nC: d\n\nbody", [b"c"], False, b"C: d\n\n", id="LF"),
        pytest.param(b"A: b\r\nC: d", [b"C"], False, b"C: d\r\n\r\n", id="no final line end"),
        pytest.param(b"A: b\r\nC: d\r", [b"C"], False, b"C: d\r\n\r\n", id="half a line end"),
        pytest.param(b"no colon\r\nA: b\r\n\r\n", [b"A"], True, b"no colon\r\n\r\n", id="what is no field has no name"),
        pytest.param(b"no colon\r\nA: b\r\n\r\n", [b"no colon"], False, b"\r\n", id="and cannot be asked for"),
        pytest.param(b"A : b\r\n\r\n", [b"a"], False, b"A : b\r\n\r\n", id="space before the colon"),
        pytest.param(b"", [b"A"], False, b"\r\n", id="nothing"),
        pytest.param(b"\r\nA: b\r\n", [b"A"], False, b"\r\n", id="no header"),
    ],
)
def test_select_fields(block: bytes, names: list[bytes], invert: bool, selected: bytes) -> None:
    assert select_fields(block, names, invert) == selected


@given(mail_like | st.binary(max_size=200), st.lists(st.sampled_from([b"subject", b"From", b"x"]), max_size=2))
@settings(max_examples=300, deadline=None)
def test_any_octets_are_read(block: bytes, names: list[bytes]) -> None:
    """Nothing raises, and a selection and its complement hold each field once."""
    fields = split_headers(block)
    chosen, others = select_fields(block, names), select_fields(block, names, invert=True)
    assert header_end(chosen) == len(chosen)
    assert header_end(others) == len(others)
    assert sorted(split_headers(chosen) + split_headers(others)) == sorted(fields)
    end = header_end(block)
    if end >= 0:
        assert split_headers(block[:end]) == fields
        assert block[end - 1 : end] == b"\n"
    for name, _ in fields:
        assert header_values(block, name)
        assert b"\n" not in (first_header(block, name) or b"")
