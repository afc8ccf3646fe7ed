"""Connections, mistakes, octets and patience are counted right."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.smtp.limits import MIB, Budget, ConnectionLimits, drain_limit, too_slow


def test_connections_per_ip() -> None:
    limits = ConnectionLimits(total=10, per_ip=2)
    assert limits.enter("192.0.2.1") and limits.enter("192.0.2.1")
    assert not limits.enter("192.0.2.1")
    assert limits.enter("192.0.2.2")
    limits.leave("192.0.2.1")
    assert limits.enter("192.0.2.1")


def test_a_64_of_ipv6_is_one_peer() -> None:
    limits = ConnectionLimits(total=10, per_ip=2)
    assert limits.enter("2001:db8:1:2::1") and limits.enter("2001:db8:1:2:ffff::9")
    assert not limits.enter("2001:db8:1:2::3")
    assert limits.enter("2001:db8:1:3::1")


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1"])
def test_loopback_counts_in_the_total_only(ip: str) -> None:
    limits = ConnectionLimits(total=4, per_ip=2)
    assert [limits.enter(ip) for _ in range(5)] == [True] * 4 + [False]
    assert not limits.enter("192.0.2.1")
    limits.leave(ip)
    assert limits.enter("192.0.2.1")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from(["192.0.2.1", "192.0.2.2", "::1", "2001:db8::1", "2001:db8::2"])))
)
def test_whoever_comes_in_goes_out(moves: list[tuple[bool, str]]) -> None:
    """The count is that of a plain list, and ends at nothing."""
    limits = ConnectionLimits(total=6, per_ip=3)
    inside: list[str] = []
    for comes, ip in moves:
        if comes and limits.enter(ip):
            inside.append(ip)
        elif not comes and ip in inside:
            limits.leave(ip)
            inside.remove(ip)
        assert limits.open == len(inside) <= 6
        assert inside.count("192.0.2.1") <= 3
        assert inside.count("2001:db8::1") + inside.count("2001:db8::2") <= 3
    for ip in inside:
        limits.leave(ip)
    assert limits.open == 0


def test_budget() -> None:
    budget = Budget(3)
    assert [budget.spend() for _ in range(4)] == [False, False, True, True]
    budget.renew()
    assert [budget.spend() for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize(
    ("size", "drained"), [(1000, 2000), (50 * MIB, 100 * MIB), (64 * MIB, 128 * MIB), (200 * MIB, 264 * MIB)]
)
def test_how_much_is_read_to_be_thrown_away(size: int, drained: int) -> None:
    assert drain_limit(size) == drained


@pytest.mark.parametrize(
    ("octets", "elapsed_s", "slow"),
    [
        (0, 0, False),
        (0, 899, False),
        (1, 1000, True),
        (10_000, 1000, False),
        (9_999, 1000, True),
        (25 * MIB, 86_400, False),
        (1000, 3600, True),
    ],
)
def test_too_slow(octets: int, elapsed_s: float, slow: bool) -> None:
    assert too_slow(octets, elapsed_s) is slow
