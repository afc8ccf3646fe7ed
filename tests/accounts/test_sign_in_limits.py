"""Guessing gets slow; whoever belongs here does not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.accounts.sign_in_limits import (
    FORGET_AFTER_S,
    FREE,
    LONGEST_WAIT_S,
    REMEMBER_MOST,
    SignInLimits,
    network_of,
)

BOB, EVE = "bob@example.org", "eve@example.org"
HOUSE, ELSEWHERE = "203.0.113.7", "198.51.100.9"


def _guess(limits: SignInLimits, times: int, account: str = BOB, ip: str = HOUSE, now: float = 0.0) -> None:
    for _ in range(times):
        limits.failed(account, ip, now)


@pytest.mark.parametrize(
    ("failures", "wait_s"), [(0, 0), (4, 0), (5, 1), (6, 2), (7, 4), (10, 32), (14, 512), (15, 900), (19, 900)]
)
def test_each_failure_after_the_first_few_doubles_the_wait(failures: int, wait_s: float) -> None:
    limits = SignInLimits()
    _guess(limits, failures)
    assert limits.wait_s(BOB, HOUSE, 0.0) == wait_s
    assert limits.wait_s(BOB, HOUSE, wait_s / 2) == wait_s / 2
    assert limits.wait_s(BOB, HOUSE, wait_s) == 0


TABLE = [
    # (name, guesses [(times, account, ip)], who tries, from where, waits?)
    ("same account, same network", [(6, BOB, HOUSE)], BOB, HOUSE, True),
    ("same account, same /24", [(6, BOB, HOUSE)], BOB, "203.0.113.250", True),
    ("same account, another network", [(6, BOB, HOUSE)], BOB, ELSEWHERE, False),
    ("other account, same network", [(6, BOB, HOUSE)], EVE, HOUSE, False),
    ("one network, many accounts", [(1, f"{n}@example.org", HOUSE) for n in range(21)], EVE, HOUSE, True),
    ("many networks, one account", [(1, BOB, f"10.0.{n}.1") for n in range(201)], BOB, ELSEWHERE, True),
    ("many networks, another account", [(1, BOB, f"10.0.{n}.1") for n in range(201)], EVE, ELSEWHERE, False),
    ("same /64", [(6, BOB, "2001:db8:0:1::1")], BOB, "2001:db8:0:1:ffff::2", True),
    ("another /64", [(6, BOB, "2001:db8:0:1::1")], BOB, "2001:db8:0:2::1", False),
    ("IPv4 by way of IPv6", [(6, BOB, f"::ffff:{HOUSE}")], BOB, HOUSE, True),
]


@pytest.mark.parametrize(("guesses", "account", "ip", "waits"), [t[1:] for t in TABLE], ids=[t[0] for t in TABLE])
def test_who_has_to_wait(guesses: list[tuple[int, str, str]], account: str, ip: str, waits: bool) -> None:
    limits = SignInLimits()
    for times, name, address in guesses:
        _guess(limits, times, name, address)
    assert (limits.wait_s(account, ip, 0.0) > 0) is waits


def test_where_an_account_signed_in_before_guesses_from_elsewhere_and_at_others_do_not_keep_it_out() -> None:
    limits = SignInLimits()
    limits.succeeded(BOB, HOUSE)
    for n in range(300):
        limits.failed(BOB, f"10.{n // 256}.{n % 256}.1", 0.0)
        limits.failed(f"{n}@example.org", HOUSE, 0.0)
    assert limits.wait_s(BOB, HOUSE, 0.0) == 0
    assert limits.wait_s(BOB, ELSEWHERE, 0.0) > 0
    assert limits.wait_s(EVE, HOUSE, 0.0) > 0
    _guess(limits, 5)
    assert limits.wait_s(BOB, HOUSE, 0.0) > 0, "guesses at this account from this network do count"


def test_a_program_that_was_not_told_of_the_new_password_does_not_keep_the_house_out() -> None:
    limits = SignInLimits()
    for n in range(100):
        limits.failed(BOB, HOUSE, n * 60.0, b"the old one")
    assert limits.wait_s(BOB, HOUSE, 6000.0) == 0
    for n in range(5):
        limits.failed(BOB, HOUSE, 6000.0, b"guess %d" % n)
    assert limits.wait_s(BOB, HOUSE, 6000.0) > 0


def test_success_clears_the_pair_but_not_the_networks_count() -> None:
    """Or one account of one's own would cover guesses at all the others."""
    limits = SignInLimits()
    _guess(limits, 6)
    limits.succeeded(BOB, HOUSE)
    assert limits.wait_s(BOB, HOUSE, 0.0) == 0
    _guess(limits, 15, EVE)
    assert limits.wait_s("other@example.org", HOUSE, 0.0) > 0


def test_failures_are_forgotten_after_an_hour() -> None:
    limits = SignInLimits()
    _guess(limits, 19)
    assert limits.wait_s(BOB, HOUSE, FORGET_AFTER_S + 1) == 0
    limits.failed(BOB, HOUSE, FORGET_AFTER_S + 1)
    assert limits.wait_s(BOB, HOUSE, FORGET_AFTER_S + 1) == 0


def test_memory_is_bounded() -> None:
    limits = SignInLimits()
    for n in range(REMEMBER_MOST + 50):
        limits.failed(f"{n}@example.org", HOUSE, 0.0)
        limits.succeeded(f"{n}@example.org", HOUSE)
    assert len(limits._failures) <= REMEMBER_MOST
    assert len(limits._known) <= REMEMBER_MOST


def test_what_is_no_ip_address_is_a_network_of_its_own() -> None:
    assert network_of("unknown") == "unknown"
    assert network_of("fe80::1%eth0") == network_of("fe80::2%eth0")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["failed", "succeeded"]),
            st.sampled_from([BOB, EVE, ""]),
            st.sampled_from([HOUSE, ELSEWHERE, "::1"]),
            st.floats(0, 600),
        ),
        max_size=60,
    )
)
def test_no_wait_is_ever_longer_than_the_longest(steps: list[tuple[str, str, str, float]]) -> None:
    limits, now = SignInLimits(), 0.0
    for what, account, ip, after_s in steps:
        now += after_s
        if what == "failed":
            limits.failed(account, ip, now)
        else:
            limits.succeeded(account, ip)
            assert limits.wait_s(account, ip, now) == 0
        assert 0 <= limits.wait_s(account, ip, now) <= LONGEST_WAIT_S


def test_the_owner_has_some_tries_before_any_wait() -> None:
    assert FREE["pair"] >= 3
    assert FREE["network"] > FREE["pair"]
    assert FREE["account"] > FREE["network"]
