"""A signal and a time → lit or dark; and when that changes next. Pure.

`slow` is 0.5 Hz, `fast` 2.5 Hz (below the three flashes a second that WCAG 2.3.1 allows), a `flash` one wink of 120 ms.
Times are seconds since the signal began, so that each begins with light.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from .signals import Signal

WINK_S = 0.120
WINK_EVERY_S = 0.4  # winks that follow each other: 2.5 Hz, as `fast`
WINKS_WAITING_MOST = 5
BLINK_S = 0.2  # when numbers are blinked: lit, and dark, for so long
DIGIT_PAUSE_S = 1.2
ZERO_S = 1.0

# Half periods in a second. Integers, as k / n * n == k holds exactly for these, and 0.2 is no exact number.
_HALVES_PER_S = {Signal.SLOW: 1, Signal.FAST: 5}

Interval = tuple[float, float]
"""Lit from the first, dark from the second."""


def level(signal: Signal, t: float) -> bool:
    """Lit at `t`? A flash is lit once, at the beginning."""
    match signal:
        case Signal.OFF:
            return False
        case Signal.STEADY:
            return True
        case Signal.FLASH:
            return 0 <= t < WINK_S
        case Signal.SLOW | Signal.FAST:
            return math.floor(t * _HALVES_PER_S[signal]) % 2 == 0


def next_edge(signal: Signal, t: float) -> float | None:
    """The first time after `t` at which the level changes; None when it never does again."""
    match signal:
        case Signal.OFF | Signal.STEADY:
            return None
        case Signal.FLASH:
            return 0.0 if t < 0 else WINK_S if t < WINK_S else None
        case Signal.SLOW | Signal.FAST:
            halves = _HALVES_PER_S[signal]
            return (math.floor(t * halves) + 1) / halves


def edges(signal: Signal, t0: float, t1: float) -> list[tuple[float, bool]]:
    """Each change after `t0` up to and with `t1`: (time, lit from then on)."""
    changes = []
    t = next_edge(signal, t0)
    while t is not None and t <= t1:
        changes.append((t, level(signal, t)))
        t = next_edge(signal, t)
    return changes


@dataclass(slots=True, frozen=True)
class Winks:
    """Flashes to come, as their starting times. More than a few at once are not worth showing one by one."""

    starts: tuple[float, ...] = ()

    def add(self, count: int, now: float) -> Winks:
        starts = [start for start in self.starts if start + WINK_EVERY_S > now]
        waiting = sum(start > now for start in starts)
        for _ in range(min(count, WINKS_WAITING_MOST - waiting)):
            starts.append(max(now, starts[-1] + WINK_EVERY_S) if starts else now)
        return Winks(tuple(starts))

    def level(self, now: float) -> bool:
        return any(start <= now < start + WINK_S for start in self.starts)

    def next_edge(self, now: float) -> float | None:
        return next((edge for start in self.starts for edge in (start, start + WINK_S) if edge > now), None)


@dataclass(slots=True, frozen=True)
class Tune:
    """Something to play once, over the signals: for each LED when it is lit, in seconds from the start."""

    lit: dict[str, tuple[Interval, ...]]
    length_s: float

    def level(self, led: str, t: float) -> bool:
        return any(start <= t < end for start, end in self.lit.get(led, ()))

    def next_edge(self, t: float) -> float | None:
        times = [moment for intervals in self.lit.values() for interval in intervals for moment in interval]
        return min((moment for moment in (*times, self.length_s) if moment > t), default=None)


def number(digits: str, start: float = 0.0) -> tuple[Interval, ...]:
    """Decimal digits as blinks that can be counted: `3` is three short ones, `0` one long one, with pauses between."""
    return tuple(_number(digits, start))


def _number(digits: str, t: float) -> Iterator[Interval]:
    for digit in digits:
        if digit == "0":
            yield (t, t + ZERO_S)
            t += ZERO_S
        for _ in range(int(digit)):
            yield (t, t + BLINK_S)
            t += 2 * BLINK_S
        t += DIGIT_PAUSE_S
