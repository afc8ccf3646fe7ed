"""How many at once: few connections for a burst, none to a host that is down, more when much waits."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.queue.concurrency import Concurrency, Limits


def test_a_small_burst_shares_one_connection() -> None:
    c = Concurrency()
    assert c.may_start("a.test", waiting=5, now=0)
    c.started("a.test")
    assert not c.may_start("a.test", waiting=4, now=0)
    c.ended("a.test", reachable=True, now=1)
    c.started("a.test")
    assert not c.may_start("a.test", waiting=3, now=1), "four in all are not worth a second connection"


def test_a_large_burst_gets_more_once_the_host_has_answered() -> None:
    c = Concurrency()
    c.started("a.test")
    assert not c.may_start("a.test", waiting=100, now=0), "it has not answered yet"
    c.ended("a.test", reachable=True, now=1)
    running = 0
    while c.may_start("a.test", waiting=100 - running, now=1):
        c.started("a.test")
        running += 1
    assert running == 2
    for _ in range(8):
        c.ended("a.test", reachable=True, now=2)
        c.started("a.test")
    while c.may_start("a.test", waiting=100, now=2):
        c.started("a.test")
        running += 1
    assert running == Limits().per_destination


def test_a_host_that_is_down_rests_and_is_then_tried_with_one() -> None:
    c = Concurrency(Limits(rest_s=60))
    c.started("a.test")
    c.ended("a.test", reachable=False, now=0)
    assert not c.may_start("a.test", waiting=10, now=59)
    assert c.next_change_at(59) == 60
    assert c.may_start("a.test", waiting=10, now=10, asked_for=True), "the owner may insist"
    assert c.may_start("a.test", waiting=10, now=60)
    c.started("a.test")
    assert not c.may_start("a.test", waiting=100, now=60)
    assert c.may_start("b.test", waiting=1, now=60), "others go on"


def test_there_is_a_limit_for_all_together() -> None:
    c = Concurrency(Limits(total=3))
    for name in "abc":
        assert c.may_start(name, waiting=1, now=0)
        c.started(name)
    assert not c.may_start("d", waiting=1, now=0)
    c.ended("a", reachable=None, now=0)
    assert c.may_start("d", waiting=1, now=0)


def test_a_clock_that_jumps_back_does_not_make_a_rest_longer() -> None:
    c = Concurrency(Limits(rest_s=60))
    c.started("a.test")
    c.ended("a.test", reachable=False, now=1_000_000)
    c.forget(0)
    assert c.may_start("a.test", waiting=1, now=0)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([True, False, None]), st.integers(0, 100)), max_size=60)
)
def test_limits_hold_whatever_happens(steps: list[tuple[str, bool | None, int]]) -> None:
    limits = Limits(per_destination=3, total=5, rest_s=60)
    c, now = Concurrency(limits), 0.0
    running: dict[str, int] = {}
    for name, reachable, passed_s in steps:
        now += passed_s
        c.forget(now)
        if c.may_start(name, waiting=50, now=now):
            c.started(name)
            running[name] = running.get(name, 0) + 1
        elif running.get(name):
            c.ended(name, reachable=reachable, now=now)
            running[name] -= 1
        assert all(0 <= count <= limits.per_destination for count in running.values())
        assert c.running == sum(running.values()) <= limits.total
