"""When each signal is lit, to the edge."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.leds.rhythm import WINK_EVERY_S, WINK_S, WINKS_WAITING_MOST, Tune, Winks, edges, level, next_edge, number
from appliance.leds.signals import Signal

LEVELS = {
    "off": (Signal.OFF, [(0.0, False), (5.0, False)]),
    "steady": (Signal.STEADY, [(0.0, True), (5.0, True)]),
    "slow: 1 s lit, 1 s dark": (Signal.SLOW, [(0.0, True), (0.999, True), (1.0, False), (1.999, False), (2.0, True)]),
    "fast: 0.2 s lit, 0.2 s dark": (Signal.FAST, [(0.0, True), (0.199, True), (0.2, False), (0.4, True), (0.6, False)]),
    "flash: 120 ms once": (Signal.FLASH, [(-0.001, False), (0.0, True), (0.119, True), (0.12, False), (2.0, False)]),
}


@pytest.mark.parametrize("name", LEVELS)
def test_a_signal_is_lit_when_its_rhythm_says(name: str) -> None:
    signal, levels = LEVELS[name]
    assert [(t, level(signal, t)) for t, _ in levels] == levels


EDGES = {
    "off never": (Signal.OFF, 0.0, 100.0, []),
    "steady never": (Signal.STEADY, 0.0, 100.0, []),
    "slow": (Signal.SLOW, 0.0, 3.0, [(1.0, False), (2.0, True), (3.0, False)]),
    "slow, the beginning excluded": (Signal.SLOW, 1.0, 2.5, [(2.0, True)]),
    "fast": (Signal.FAST, 0.0, 0.8, [(0.2, False), (0.4, True), (0.6, False), (0.8, True)]),
    "flash": (Signal.FLASH, -1.0, 5.0, [(0.0, True), (0.12, False)]),
    "flash, over": (Signal.FLASH, 0.12, 5.0, []),
}


@pytest.mark.parametrize("name", EDGES)
def test_edges_are_every_change_and_nothing_else(name: str) -> None:
    signal, t0, t1, changes = EDGES[name]
    assert edges(signal, t0, t1) == changes


@given(st.sampled_from([Signal.SLOW, Signal.FAST]), st.integers(0, 10_000_000))
@settings(max_examples=200, deadline=None)
def test_the_level_changes_exactly_at_each_edge_however_long_it_runs(signal: Signal, k: int) -> None:
    t = k / {Signal.SLOW: 1, Signal.FAST: 5}[signal]
    edge = next_edge(signal, t)
    assert edge is not None and edge > t
    assert level(signal, t) is (k % 2 == 0)
    assert level(signal, edge) is not level(signal, t)


@pytest.mark.parametrize("signal", list(Signal))
def test_nothing_flashes_more_than_three_times_a_second(signal: Signal) -> None:
    lit = [t for t, on in edges(signal, -1.0, 60.0) if on]
    assert all(len([u for u in lit if t <= u < t + 1.0]) <= 3 for t in lit)


def winked(winks: Winks, t1: float) -> list[tuple[float, bool]]:
    changes: list[tuple[float, bool]] = []
    t: float | None = -1.0
    while (t := winks.next_edge(t)) is not None and t <= t1:
        changes.append((round(t, 3), winks.level(t)))
    return changes


WINKS = {
    "none": (Winks(), []),
    "one": (Winks().add(1, 10.0), [(10.0, True), (10.12, False)]),
    "two at once follow each other": (
        Winks().add(2, 10.0),
        [(10.0, True), (10.12, False), (10.4, True), (10.52, False)],
    ),
    "one soon after another waits its turn": (
        Winks().add(1, 10.0).add(1, 10.1),
        [(10.0, True), (10.12, False), (10.4, True), (10.52, False)],
    ),
    "one much later comes at once": (Winks().add(1, 10.0).add(1, 20.0), [(20.0, True), (20.12, False)]),
}


@pytest.mark.parametrize("name", WINKS)
def test_each_message_winks_once(name: str) -> None:
    winks, changes = WINKS[name]
    assert winked(winks, 100.0) == changes


def test_a_flood_winks_as_long_as_it_lasts_and_little_longer() -> None:
    winks = Winks()
    for n in range(1000):
        winks = winks.add(3, n * 0.01)
        assert len(winks.starts) <= WINKS_WAITING_MOST + 2
    gaps = [b - a for a, b in zip(winks.starts, winks.starts[1:], strict=False)]
    assert all(gap >= WINK_EVERY_S - 1e-9 for gap in gaps)
    assert winks.starts[-1] + WINK_S < 9.99 + (WINKS_WAITING_MOST + 1) * WINK_EVERY_S


NUMBERS = {
    "3": [(0.0, 0.2), (0.4, 0.6), (0.8, 1.0)],
    "0": [(0.0, 1.0)],
    "10": [(0.0, 0.2), (1.6, 2.6)],
    "": [],
}


@pytest.mark.parametrize("digits", NUMBERS)
def test_digits_are_blinks_that_can_be_counted(digits: str) -> None:
    assert [(round(a, 3), round(b, 3)) for a, b in number(digits)] == NUMBERS[digits]


def test_a_tune_lights_each_led_in_its_time_and_ends() -> None:
    tune = Tune({"power": ((0.0, 1.0),), "alert": ((0.5, 2.0),)}, 3.0)
    assert [tune.level("power", t) for t in (0.0, 0.9, 1.0)] == [True, True, False]
    assert [tune.level("alert", t) for t in (0.0, 0.5, 2.0)] == [False, True, False]
    assert not tune.level("mail", 0.7)
    assert [tune.next_edge(t) for t in (-1, 0.0, 0.5, 1.0, 2.0, 3.0)] == [0.0, 0.5, 1.0, 2.0, 3.0, None]
