"""The examples of RFC 4013 3, and what each of its tables is for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.sasl.saslprep import saslprep

CASES = {
    "RFC 4013 3: a soft hyphen": ("I\u00adX", "IX"),
    "RFC 4013 3: no change": ("user", "user"),
    "RFC 4013 3: case stays": ("USER", "USER"),
    "RFC 4013 3: an ordinal": ("\u00aa", "a"),
    "RFC 4013 3: a numeral": ("\u2168", "IX"),
    "RFC 4013 3: a control character": ("\u0007", None),
    "RFC 4013 3: two directions": ("\u06271", None),
    "nothing": ("", ""),
    "only what goes away": ("\u00ad", ""),
    "another space": ("a\u3000b", "a b"),
    "one direction": ("\u06271\u0628", "\u06271\u0628"),
    "letters of both": ("\u0627a\u0628", None),
    "a private character": ("\ue000", None),
    "a surrogate": ("\ud800", None),
    "a tag": ("\U000e0041", None),
    "no character": ("\uffff", None),
    "newer than Unicode 3.2": ("\U0001f98a", "\U0001f98a"),
}


@pytest.mark.parametrize(("text", "prepared"), CASES.values(), ids=CASES.keys())
def test_saslprep(text: str, prepared: str | None) -> None:
    assert saslprep(text) == prepared


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=20))
def test_twice_is_the_same(text: str) -> None:
    prepared = saslprep(text)
    if prepared is not None:
        assert saslprep(prepared) == prepared
