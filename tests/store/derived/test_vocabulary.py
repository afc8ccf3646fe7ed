"""Which texts contain a needle, from their words alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.store.derived.vocabulary import TEXTS_MOST, Vocabulary, VocabularyBuilder, numbers

TEXTS = (
    b"a red harbour, a boat",
    b"harbourmaster",
    b"the old harbour",
    b"",
    b"gr\xc3\xb6\xc3\x9fe -- 42",
    b"red, boat",
)


def vocabulary(texts: tuple[bytes, ...] | list[bytes]) -> Vocabulary:
    builder = VocabularyBuilder()
    for number, text in enumerate(texts):
        builder.add(number, text)
    return builder.pack()


@pytest.mark.parametrize(
    ("needle", "texts", "exact"),
    [
        (b"harbour", {0, 1, 2}, True),
        (b"arbo", {0, 1, 2}, True),
        (b"harbourm", {1}, True),
        (b"a", {0, 1, 2, 5}, True),
        (b"2", {4}, True),
        (b"\xc3\xb6", {4}, True),
        (b"zebra", set(), True),
        (b"a harbour", {0}, False),
        (b"d harbour", {0, 2}, False),
        (b"zebra harbour", set(), True),
        (b"harbour, a", {0}, False),
        (b"red boat", {0, 5}, False),  # candidates: somebody has to look
        (b" harbour ", {0, 2}, False),
        (b" harbour", {0, 1, 2}, False),
        (b", ", {0, 1, 2, 3, 4, 5}, False),
        (b"", {0, 1, 2, 3, 4, 5}, True),
    ],
)
def test_needles(needle: bytes, texts: set[int], exact: bool) -> None:
    found, sure = vocabulary(TEXTS).texts_with(needle, (1 << len(TEXTS)) - 1)
    assert (set(numbers(found)), sure) == (texts, exact)


def test_many_texts_are_told_by_bits_and_few_by_numbers() -> None:
    texts = [b"all" + (b" half" if n % 2 else b"") + (b" few" if n % 100 == 7 else b"") for n in range(TEXTS_MOST)]
    every = (1 << TEXTS_MOST) - 1
    packed = vocabulary(texts)
    assert packed.texts_with(b"all", every) == (every, True)
    assert set(numbers(packed.texts_with(b"half", every)[0])) == set(range(1, TEXTS_MOST, 2))
    assert set(numbers(packed.texts_with(b"few", every)[0])) == set(range(7, TEXTS_MOST, 100))


OCTETS = st.lists(st.sampled_from(b"abc .\n-\xc3\xa9\x00\xff"), max_size=40).map(bytes)


@settings(max_examples=300, deadline=None)
@given(st.lists(OCTETS, min_size=1, max_size=50), st.lists(OCTETS, min_size=1, max_size=8))
def test_none_is_missed_and_what_is_exact_is_exact(texts: list[bytes], needles: list[bytes]) -> None:
    packed = vocabulary(texts)
    for needle in needles:
        found, exact = packed.texts_with(needle, (1 << len(texts)) - 1)
        containing = {number for number, text in enumerate(texts) if needle in text}
        assert containing <= set(numbers(found))
        if exact:
            assert containing == set(numbers(found))


def test_a_damaged_list_of_places_is_no_answer() -> None:
    whole = vocabulary(TEXTS)
    last = whole.words.split(b"\n")[-1]
    with pytest.raises(ValueError, match="without places"):
        Vocabulary(whole.words, whole.groups, lambda: whole.places()[:-2]).texts_with(last, 63)
