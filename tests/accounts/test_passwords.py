"""Passwords are kept as argon2id, checked without surprises, and refused when they are easily guessed."""

from __future__ import annotations

import pytest

from appliance.accounts import passwords
from appliance.accounts.passwords import LONGEST, NOBODY, SHORTEST, hash_password, verify, weakness
from appliance.store.accounts import Account

GOOD = "correct horse battery"


def test_a_hash_is_argon2id_and_different_each_time() -> None:
    first, second = hash_password(GOOD), hash_password(GOOD)
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first != second
    assert verify(first, GOOD)
    assert not verify(first, GOOD + " ")


@pytest.mark.parametrize(
    "broken",
    ["", "x", "$argon2id$", "$argon2id$v=19$m=19456,t=2,p=1$YWJj$", pytest.param(NOBODY[:-3], id="cut"), "$2b$12$x"],
)
def test_what_is_no_hash_fits_no_password(broken: str) -> None:
    assert not verify(broken, "")
    assert not verify(broken, GOOD)


def test_nobody_has_a_password_that_could_be_an_accounts() -> None:
    """A guess at an account that does not exist must not be right by accident, and its hash costs the same."""
    assert weakness("nobody") is not None
    assert NOBODY.split("$")[3] == hash_password(GOOD).split("$")[3]


@pytest.mark.parametrize(
    ("typed", "again", "same"),
    [
        ("pässword älso", "pa\u0308ssword a\u0308lso", True),  # composed by one keyboard, decomposed by another
        ("sandi rahasia 1", "sandi rahasia 1", True),
        ("sandi rahasia 1", "Sandi rahasia 1", False),
        ("with nul\0 inside", "with nul", False),
        ("with nul\0 inside", "with nul\0 inside", True),
        ("half a pair \udc80", "half a pair \udc80", True),
        ("half a pair \udc80", "half a pair ?", False),
        ("half a pair \udc80", "half a pair \udc81", False),
    ],
)
def test_one_password_is_one_password_on_any_keyboard(typed: str, again: str, same: bool) -> None:
    """RFC 8265 4.2."""
    assert verify(hash_password(typed), again) is same


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        (GOOD, None),
        ("a" * 6 + "bcde", None),
        ("", "password-short"),
        ("abcdefg"[: SHORTEST - 1], "password-short"),
        (("üöäë" * 9)[: SHORTEST - 1], "password-short"),
        ("abcd" + "x" * LONGEST, "password-long"),
        ("abcd" + "ü" * (LONGEST // 2), "password-long"),
        ("a" * 20, "password-plain"),
        ("abababababab", "password-plain"),
        ("long enough\0", "password-plain"),
        ("abcd" + "x" * (LONGEST - 4), None),
    ],
)
def test_a_new_password_is_long_and_not_plain(password: str, reason: str | None) -> None:
    found = weakness(password)
    assert (found.id if found else None) == reason
    if found:
        assert found.for_owner and "{" not in found.for_owner


def test_the_shortest_that_is_allowed_is_named_in_the_refusal() -> None:
    found = weakness("short")
    assert found is not None and str(SHORTEST) in found.for_owner


def test_no_hash_shows_in_a_repr() -> None:
    account = Account(1, "a@b.c", "", 0, passwords.NOBODY)
    assert passwords.NOBODY not in repr(account)
