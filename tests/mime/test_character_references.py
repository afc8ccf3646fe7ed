"""A reference becomes its character, and no reference at all becomes an exception."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.mime.character_references import unescape


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a &amp; b &lt;c&gt;", "a & b <c>", id="named"),
        pytest.param("&#8364;&#x20ac;&#X20AC;", "€€€", id="by number"),
        pytest.param("&#0000065;", "A", id="zeros before it"),
        pytest.param("&#xD800;&#0;&#1114112;", "\ufffd\ufffd\ufffd", id="no characters"),
        pytest.param("&#99999999999;", "\ufffd", id="beyond Unicode"),
        pytest.param("a&#" + "9" * 5000 + ";b", "a\ufffdb", id="5000 digits"),
        pytest.param("&#" + "0" * 5000 + "65;", "\ufffd", id="5000 zeros"),
        pytest.param("&#x" + "f" * 5000 + ";", "\ufffd", id="5000 hexadecimal digits"),
        pytest.param("&&#&#;&#x;&xyzzy;", "&&#&#;&#x;&xyzzy;", id="no references"),
    ],
)
def test_what_stands_for_what(text: str, expected: str) -> None:
    assert unescape(text) == expected


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["&", "#", "x", ";", "9" * 4301, "65", "amp", "lt", "D800"]), max_size=8).map("".join))
def test_whatever_is_written_text_comes_out(text: str) -> None:
    unescape(text).encode()
