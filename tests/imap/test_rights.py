"""The letters of RFC 4314, as pure functions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.imap import rights
from appliance.imap.rights import RightsFault, grantable, in_order, parse, reads_only, settable_flags, shown
from appliance.store import sharing
from appliance.store.flags import ANSWERED, DELETED, DRAFT, EVERY_FLAG, FLAGGED, SEEN, within

PARSED = {
    "some": ("lrs", ("=", "lrs")),
    "in another order": ("slr", ("=", "lrs")),
    "none": ("", ("=", "")),
    "more": ("+wt", ("+", "wt")),
    "fewer": ("-x", ("-", "x")),
    "more of nothing": ("+", ("+", "")),
    "one twice": ("ll", ("=", "l")),
    "create of RFC 2086": ("lrc", ("=", "lrkx")),
    "delete of RFC 2086": ("d", ("=", "te")),
    "both ways of saying it": ("+cdkt", ("+", "kxte")),
}


@pytest.mark.parametrize(("text", "expected"), PARSED.values(), ids=PARSED)
def test_rights_are_read(text: str, expected: tuple[str, str]) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["lrQswicda", "lrqswicda", "l r", "lr0", "é", "++l", "l+", "-+l"])
def test_what_is_no_right_is_refused(text: str) -> None:
    with pytest.raises(RightsFault):
        parse(text)


SHOWN = {"": "", "lrs": "lrs", "lrsk": "lrskc", "lx": "lxc", "lt": "ltd", "le": "led", "kxte": "kxtecd"}


@pytest.mark.parametrize(("held", "expected"), SHOWN.items())
def test_old_rights_are_shown_beside_any_of_theirs(held: str, expected: str) -> None:
    assert shown(held) == expected


def test_what_is_granted_in_listrights_stands_there_once() -> None:
    assert sorted(grantable()) == sorted(set("lrswipkxteacd"))
    assert rights.ALL == sharing.ORDER
    assert not set(rights.NEW) & set("lrswipacd0123456789")  # RFC 4314 2.2
    assert set(rights.NEW) >= set("texk")  # RFC 4314 5.1.1


FLAGS = {"": 0, "s": SEEN, "t": DELETED, "w": ANSWERED | FLAGGED | DRAFT, "swt": EVERY_FLAG, "lrie": 0}


@pytest.mark.parametrize(("held", "expected"), FLAGS.items())
def test_which_flags_may_be_set(held: str, expected: int) -> None:
    assert settable_flags(held) == expected


# RFC 4314 5.2, its examples among them
READ_ONLY = {"lr": True, "lrkxa": True, "rset": False, "rit": False, "lrs": False, "lre": False, "lrp": True}


@pytest.mark.parametrize(("held", "expected"), READ_ONLY.items())
def test_when_select_is_read_only(held: str, expected: bool) -> None:
    assert reads_only(held) is expected


@settings(max_examples=100, deadline=None)
@given(st.sets(st.sampled_from(rights.ALL)))
def test_what_is_shown_reads_back_as_at_least_what_is_held(held: set[str]) -> None:
    letters = in_order(held)
    assert set(parse(shown(letters))[1]) >= held
    assert parse(letters) == ("=", letters)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 31), st.integers(0, 31), st.integers(0, 31))
def test_flags_that_may_not_be_set_stay(settable: int, had: int, wanted: int) -> None:
    flags, keywords = within(settable, had, "$a", wanted, "$b")
    assert flags & settable == wanted & settable
    assert flags & ~settable == had & ~settable
    assert keywords == ("$b" if settable & (ANSWERED | FLAGGED | DRAFT) else "$a")
