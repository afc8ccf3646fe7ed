"""Sequence sets and mailbox names in modified UTF-7."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.imap import render
from appliance.imap.grammar.cursor import Cursor, GrammarFault
from appliance.imap.values import (
    STAR,
    MailboxNameFault,
    SequenceSet,
    decode_mailbox,
    encode_mailbox,
    sequence_set,
)

NAMES = {
    "ASCII stands for itself": ("Sent Items", b"Sent Items"),
    "an ampersand": ("A & B", b"A &- B"),
    "the RFC's example": ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
    "an accent": ("Entwürfe", b"Entw&APw-rfe"),
    "beyond the first plane": ("\U0001f4ec", b"&2D3c7A-"),
    "a control character": ("a\tb", b"a&AAk-b"),
    "nothing": ("", b""),
    "only an ampersand": ("&", b"&-"),
    "ampersand next to what is encoded": ("ü&ü", b"&APw-&-&APw-"),
}


@pytest.mark.parametrize(("name", "wire"), NAMES.values(), ids=NAMES)
def test_a_name_has_one_spelling_on_the_wire(name: str, wire: bytes) -> None:
    assert encode_mailbox(name) == wire
    assert decode_mailbox(wire) == name


DAMAGED = {
    "an open shift": b"a&APw",
    "no base64": b"a&!-",
    "half a character": b"a&AA-",
    "a lone surrogate": b"&2D0-",
    "neither UTF-7 nor UTF-8": b"a\xff",
}


@pytest.mark.parametrize("wire", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_name_is_refused(wire: bytes) -> None:
    with pytest.raises(MailboxNameFault):
        decode_mailbox(wire)


def test_a_name_in_utf_8_is_taken_for_what_it_means() -> None:
    assert decode_mailbox("Entwürfe".encode()) == "Entwürfe"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
@settings(max_examples=200, deadline=None)
def test_every_name_comes_back(name: str) -> None:
    assert decode_mailbox(encode_mailbox(name)) == name


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_octets_are_a_name_or_a_fault(wire: bytes) -> None:
    try:
        name = decode_mailbox(wire)
    except MailboxNameFault:
        return
    assert decode_mailbox(encode_mailbox(name)) == name


UIDS = [3, 5, 9, 12]
IN_UIDS = {
    "one": ("5", [1]),
    "one that is not there": ("4", []),
    "a range with gaps": ("4:10", [1, 2]),
    "backwards": ("10:4", [1, 2]),
    "all": ("1:*", [0, 1, 2, 3]),
    "the last": ("*", [3]),
    "from above the last on, which names the last": ("100:*", [3]),
    "overlapping": ("3:9,5:12,3", [0, 1, 2, 3]),
    "out of order": ("12,3", [0, 3]),
}


@pytest.mark.parametrize(("text", "places"), IN_UIDS.values(), ids=IN_UIDS)
def test_the_uids_that_a_set_names(text: str, places: list[int]) -> None:
    assert Cursor(text.encode()).sequence_set().in_uids(UIDS) == places


IN_NUMBERS = {
    "one": ("2", 3, [1]),
    "all": ("1:*", 3, [0, 1, 2]),
    "beyond the last": ("4", 3, None),
    "a range beyond the last": ("2:4", 3, None),
    "the last": ("*", 3, [2]),
    "all of nothing": ("1:*", 0, []),
    "one of nothing": ("1", 0, None),
    "touching ranges": ("1:2,3", 3, [0, 1, 2]),
}


@pytest.mark.parametrize(("text", "count", "places"), IN_NUMBERS.values(), ids=IN_NUMBERS)
def test_the_sequence_numbers_that_a_set_names(text: str, count: int, places: list[int] | None) -> None:
    assert Cursor(text.encode()).sequence_set().in_numbers(count) == places


def test_overlapping_ranges_cost_no_more_than_the_mailbox() -> None:
    wanted = SequenceSet(((1, STAR),) * 20_000)
    assert len(wanted.in_uids(range(1, 10_001))) == 10_000


@given(st.lists(st.integers(1, 60), min_size=1, max_size=30))
@settings(max_examples=200, deadline=None)
def test_a_set_that_was_written_reads_back(numbers: list[int]) -> None:
    read = Cursor(sequence_set(numbers).encode()).sequence_set()
    assert [n for low, high in read.ranges for n in range(low, high + 1)] == numbers
    assert Cursor(str(read).encode()).sequence_set() == read


@given(st.text(max_size=40))
def test_a_utf8_name_reads_back(name: str) -> None:
    name = name.encode("utf-8", "ignore").decode()
    rendered = render.mailbox(name, utf8=True)
    if b"\0" in name.encode() or b"\n" in name.encode() or b"\r" in name.encode():
        return  # no mailbox has such a name
    assert Cursor(rendered, utf8_names=True).mailbox() == name


def test_a_utf8_name_that_is_none_is_refused() -> None:
    with pytest.raises(GrammarFault, match="not UTF-8"):
        Cursor(b'"\xff"', utf8_names=True).mailbox()
