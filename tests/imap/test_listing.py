"""Which mailboxes a pattern means."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.imap.grammar.list import List
from appliance.imap.listing import Listed, listed, matches, subscribed

MATCHES = [
    ("*", "a/b", True),
    ("%", "a", True),
    ("%", "a/b", False),
    ("%/%", "a/b", True),
    ("a/*", "a/b/c", True),
    ("a/%", "a/b/c", False),
    ("a/%", "a", False),
    ("a*", "a", True),
    ("*b", "a/b", True),
    ("%b", "a/b", False),
    ("INBOX", "INBOX", True),
    ("inbox", "INBOX", True),
    ("inbox/%", "INBOX/x", True),
    ("inb*", "INBOX", False),
    ("%*%", "a/b", True),
    ("a**b%%c", "a/x/bc", True),
    ("", "a", False),
    ("", "", True),
    ("a.b", "axb", False),
]


@pytest.mark.parametrize(("pattern", "name", "expected"), MATCHES)
def test_a_pattern_matches(pattern: str, name: str, expected: bool) -> None:
    assert matches(pattern, name) is expected


@given(st.text("ab/*%", max_size=8), st.text("ab/", max_size=8))
@settings(max_examples=500, deadline=None)
def test_patterns_mean_what_a_regular_expression_would(pattern: str, name: str) -> None:
    expression = "".join({"*": ".*", "%": "[^/]*"}.get(character, re.escape(character)) for character in pattern)
    assert matches(pattern, name) is (re.fullmatch(expression, name) is not None)


def test_a_pattern_made_to_hurt_takes_no_time() -> None:
    before = time.process_time()
    assert not matches("*a" * 200 + "b", "a" * 1000)
    assert time.process_time() - before < 2


NAMES = {"INBOX": None, "Sent": "\\Sent", "a/b": None, "a/b/c": None}


def plain(pattern: str) -> list[Listed]:
    return listed(NAMES, set(), List("", (pattern,)), modern=False)


def test_a_level_that_holds_others_is_listed_even_if_it_is_no_mailbox() -> None:
    assert plain("%") == [
        Listed("INBOX", ("\\HasNoChildren",)),
        Listed("Sent", ("\\HasNoChildren", "\\Sent")),
        Listed("a", ("\\Noselect", "\\HasChildren")),
    ]
    assert [each.name for each in plain("*")] == ["INBOX", "Sent", "a", "a/b", "a/b/c"]
    assert plain("a/b") == [Listed("a/b", ("\\HasChildren",))]


def test_lsub_names_levels_above_only_for_percent() -> None:
    names = {"INBOX", "a/b", "x/y/z"}
    assert subscribed(names, "*") == [Listed("INBOX", ()), Listed("a/b", ()), Listed("x/y/z", ())]
    assert subscribed(names, "%") == [Listed("INBOX", ()), Listed("a", ("\\Noselect",)), Listed("x", ("\\Noselect",))]
    assert subscribed(names, "x/%") == [Listed("x/y", ("\\Noselect",))]
