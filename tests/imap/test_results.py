"""Which of the results are told, which are saved, and the response that tells them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.imap import results
from appliance.imap.grammar.search import Partial, Return

ALL, COUNT, MAX, MIN, PARTIAL, SAVE = (
    Return.ALL, Return.COUNT, Return.MAX, Return.MIN, Return.PARTIAL, Return.SAVE,
)  # fmt: skip

RESPONSES = {
    "search": (results.plain(b"SEARCH", [1, 3], 0), b"* SEARCH 1 3\r\n"),
    "search without result": (results.plain(b"SEARCH", [], 0), b"* SEARCH\r\n"),
    "search by MODSEQ": (results.plain(b"SEARCH", [2, 5], 917162500), b"* SEARCH 2 5 (MODSEQ 917162500)\r\n"),
    "sort": (results.plain(b"SORT", [3, 1], 7), b"* SORT 3 1 (MODSEQ 7)\r\n"),
    "esearch": (
        results.extended("a", [2, 3, 7], frozenset((ALL, COUNT, MAX, MIN)), None, by_uid=True),
        b'* ESEARCH (TAG "a") UID MIN 2 MAX 7 COUNT 3 ALL 2:3,7\r\n',
    ),
    "esearch without result": (
        results.extended("a", [], frozenset((ALL, COUNT, MAX, MIN)), None, by_uid=False),
        b'* ESEARCH (TAG "a") COUNT 0\r\n',
    ),
    "esearch by MODSEQ": (
        results.extended("a", [1, 2], frozenset((ALL,)), None, by_uid=False, modseq=9),
        b'* ESEARCH (TAG "a") ALL 1:2 MODSEQ 9\r\n',
    ),
    "a part": (
        results.extended("a", [2, 3, 7], frozenset((PARTIAL,)), Partial(1, 2), by_uid=True),
        b'* ESEARCH (TAG "a") UID PARTIAL (1:2 2:3)\r\n',
    ),
    "a part of nothing": (
        results.extended("a", [2], frozenset((PARTIAL,)), Partial(5, 9, True), by_uid=False),
        b'* ESEARCH (TAG "a") PARTIAL (-5:-9 NIL)\r\n',
    ),
    "only saved": (results.extended("a", [2], frozenset((SAVE,)), None, by_uid=False), b""),
    "in a sort's order": (
        results.extended("a", [9, 4, 5], frozenset((MIN, MAX, ALL)), None, by_uid=False),
        b'* ESEARCH (TAG "a") MIN 9 MAX 5 ALL 9,4:5\r\n',
    ),
    "a tag with a quotation mark's neighbour": (
        results.extended("a]", [], frozenset((COUNT,)), None, by_uid=False),
        b'* ESEARCH (TAG "a]") COUNT 0\r\n',
    ),
}


@pytest.mark.parametrize(("octets", "expected"), RESPONSES.values(), ids=RESPONSES)
def test_a_response(octets: bytes, expected: bytes) -> None:
    assert octets == expected


# The table of RFC 5182 2.4, with RFC 9394 3.2's; of the numbers 2, 3, 7, 9.
CHOSEN: dict[str, tuple[set[Return] | None, Partial | None, Sequence[int]]] = {
    "the old response": (None, None, [2, 3, 7, 9]),
    "SAVE": ({SAVE}, None, [2, 3, 7, 9]),
    "MIN": ({SAVE, MIN}, None, [2]),
    "MAX": ({SAVE, MAX}, None, [9]),
    "MIN MAX": ({SAVE, MIN, MAX}, None, [2, 9]),
    "COUNT": ({SAVE, COUNT}, None, [2, 3, 7, 9]),
    "ALL": ({SAVE, ALL}, None, [2, 3, 7, 9]),
    "MIN COUNT": ({SAVE, MIN, COUNT}, None, [2, 3, 7, 9]),
    "MAX ALL": ({SAVE, MAX, ALL}, None, [2, 3, 7, 9]),
    "PARTIAL": ({SAVE, PARTIAL}, Partial(2, 3), [3, 7]),
    "PARTIAL the other way round": ({SAVE, PARTIAL}, Partial(3, 2), [3, 7]),
    "PARTIAL from the end": ({SAVE, PARTIAL}, Partial(1, 2, True), [7, 9]),
    "PARTIAL beyond the end": ({SAVE, PARTIAL}, Partial(4, 9), [9]),
    "PARTIAL far beyond the end": ({SAVE, PARTIAL}, Partial(5, 9), []),
    "PARTIAL from the end, beyond the beginning": ({SAVE, PARTIAL}, Partial(3, 9, True), [2, 3]),
    "MIN PARTIAL": ({SAVE, MIN, PARTIAL}, Partial(2, 3), [2, 3, 7]),
    "MAX PARTIAL": ({SAVE, MAX, PARTIAL}, Partial(2, 3), [9, 3, 7]),
    "COUNT PARTIAL": ({SAVE, COUNT, PARTIAL}, Partial(2, 3), [2, 3, 7, 9]),
}


@pytest.mark.parametrize(("asked", "partial", "expected"), CHOSEN.values(), ids=CHOSEN)
def test_what_is_saved(asked: set[Return] | None, partial: Partial | None, expected: Sequence[int]) -> None:
    assert results.chosen([2, 3, 7, 9], None if asked is None else frozenset(asked), partial) == expected
    assert not results.chosen([], None if asked is None else frozenset(asked), partial)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 50), st.integers(1, 60), st.integers(1, 60), st.booleans())
def test_a_partial_is_what_counting_says(count: int, first: int, last: int, from_end: bool) -> None:
    numbers = list(range(100, 100 + count))
    counted = list(reversed(numbers)) if from_end else numbers
    expected = sorted(counted[min(first, last) - 1 : max(first, last)])
    assert numbers[Partial(first, last, from_end).of(count)] == expected
