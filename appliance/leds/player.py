"""The lamps, told by one ticker when to be lit: signals, winks, and tunes over both.

`Player` keeps no time of its own and starts no thread: whoever owns it calls `tick(now)` and sleeps until the time that
it returns. A lamp is what gpiozero calls an LED: `on()` and `off()`. One that fails is left alone from then on and said
in the log; the others play on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from .button import Stage
from .rhythm import Tune, Winks, level, next_edge, number
from .signals import Signal, Signals, most_urgent

log = logging.getLogger("merpati.leds")

FOUR = ("power", "queue", "mail", "alert")
SINGLE = "single"
LAMP_TEST_S = 1.0
_AHEAD_S = 1e-6


class Lamp(Protocol):
    def on(self) -> None: ...

    def off(self) -> None: ...


@dataclass(slots=True)
class _Voice:
    """What one lamp plays: a signal since a time."""

    signal: Signal = Signal.OFF
    since: float = 0.0

    def set(self, signal: Signal, now: float) -> None:
        if signal is not self.signal:
            self.signal, self.since = signal, now

    def level(self, now: float) -> bool:
        return level(self.signal, now - self.since)

    def next_edge(self, now: float) -> float | None:
        edge = next_edge(self.signal, now - self.since)
        return None if edge is None else self.since + edge


class Player:
    """lamps: by name, of `power queue mail alert` those that are wired, or `single` alone."""

    def __init__(self, lamps: Mapping[str, Lamp]) -> None:
        self._lamps = dict(lamps)
        self._lit: dict[str, bool | None] = dict.fromkeys(lamps)  # None: not told anything yet
        self._voices = {name: _Voice() for name in lamps}
        self._held = {name: _Voice() for name in lamps}  # what the button shows, when it shows something
        self._stage = Stage.IDLE
        self._stage_since = 0.0
        self._winks = Winks()
        self._tune: Tune | None = None
        self._tune_since = 0.0

    def show(self, signals: Signals, now: float) -> None:
        """A signal that did not change keeps its rhythm. Flashes are told by `wink`."""
        for name, voice in self._voices.items():
            signal = most_urgent(signals) if name == SINGLE else getattr(signals, name)
            if signal is Signal.FLASH:
                signal = Signal.OFF
            voice.set(signal, now)

    def wink(self, count: int, now: float) -> None:
        """So many messages were delivered."""
        self._winks = self._winks.add(count, now)

    def play(self, tune: Tune, now: float) -> None:
        """Once, in place of everything else."""
        self._tune, self._tune_since = tune, now

    def press(self, stage: Stage, now: float) -> None:
        """The button as it stands: anything but idle shows in place of everything else."""
        if stage is not self._stage:
            self._stage, self._stage_since = stage, now
            if stage is not Stage.IDLE:
                self._tune = None
        for name, voice in self._held.items():
            voice.set(_STAGE_SIGNALS[stage].get(name, Signal.OFF), now)

    def tick(self, now: float) -> float | None:
        """Tells each lamp what it has to do at `now`. Returns when to call again; None when nothing will change."""
        # Called exactly at an edge, since + edge - since may come out a hair before it: look a moment ahead.
        ahead = now + _AHEAD_S
        if self._tune is not None and ahead - self._tune_since >= self._tune.length_s:
            self._tune = None
        for name in list(self._lamps):
            self._tell(name, self._level(name, ahead))
        return self._next_edge(ahead)

    def dark(self) -> None:
        """The end: everything off."""
        for name in list(self._lamps):
            self._tell(name, False)

    def _level(self, name: str, now: float) -> bool:
        if self._tune is not None:
            return self._tune.level(name, now - self._tune_since)
        if self._stage is not Stage.IDLE:
            if name == SINGLE and self._stage in _STAGE_COUNTS:
                return _STAGE_COUNTS[self._stage].level(SINGLE, (now - self._stage_since) % COUNT_EVERY_S)
            return self._held[name].level(now)
        lit = self._voices[name].level(now)
        if name == "mail":
            return lit or self._winks.level(now)
        if name == SINGLE and self._voices[name].signal in (Signal.OFF, Signal.STEADY):
            return lit != self._winks.level(now)  # on a lamp that is lit, a flash is a moment of darkness
        return lit

    def _next_edge(self, now: float) -> float | None:
        if self._tune is not None:
            edge = self._tune.next_edge(now - self._tune_since)
            return None if edge is None else self._tune_since + edge
        if self._stage is not Stage.IDLE:
            edges = [voice.next_edge(now) for voice in self._held.values()]
            if self._stage in _STAGE_COUNTS and SINGLE in self._lamps:
                t = (now - self._stage_since) % COUNT_EVERY_S
                edge = _STAGE_COUNTS[self._stage].next_edge(t)
                edges.append(now + (COUNT_EVERY_S if edge is None else edge) - t)
            return min((edge for edge in edges if edge is not None), default=None)
        edges = [self._winks.next_edge(now), *(voice.next_edge(now) for voice in self._voices.values())]
        return min((edge for edge in edges if edge is not None), default=None)

    def _tell(self, name: str, lit: bool) -> None:
        if self._lit[name] is lit:
            return
        self._lit[name] = lit
        tell: Callable[[], None] = self._lamps[name].on if lit else self._lamps[name].off
        try:
            tell()
        except Exception as fault:
            log.warning("the LED %s does not work and is left alone: %s", name, fault)
            del self._lamps[name], self._lit[name], self._voices[name], self._held[name]


# While the button is held: one lamp, two lamps, all of them; after 20 s let go (all lit), then press again (all fast).
_STAGE_SIGNALS: dict[Stage, dict[str, Signal]] = {
    Stage.IDLE: {},
    Stage.PRESSED: {},
    Stage.FLUSH: {"power": Signal.STEADY},
    Stage.CLAIM: {"power": Signal.STEADY, "queue": Signal.STEADY},
    Stage.RESET: dict.fromkeys((*FOUR, SINGLE), Signal.STEADY),
    Stage.ARMED: dict.fromkeys((*FOUR, SINGLE), Signal.FAST),
}
COUNT_EVERY_S = 2.0
_STAGE_COUNTS = {  # a single lamp counts instead
    Stage.FLUSH: Tune({SINGLE: number("1")}, COUNT_EVERY_S),
    Stage.CLAIM: Tune({SINGLE: number("2")}, COUNT_EVERY_S),
}


def lamp_test(address: str | None) -> Tune:
    """All lamps lit for a second; then the last number of the address, digit by digit, on all of them."""
    last = address.rpartition(".")[2] if address and "." in address else ""
    blinks = number(last, LAMP_TEST_S + 1.0) if last.isdecimal() else ()
    lit = ((0.0, LAMP_TEST_S), *blinks)
    return Tune(dict.fromkeys((*FOUR, SINGLE), lit), lit[-1][1] + 1.0)


DONE = Tune(dict.fromkeys((*FOUR, SINGLE), ((0.0, 1.0),)), 1.2)
"""The wish was carried out: everything lit for a second."""

REFUSED = Tune({"alert": number("3"), SINGLE: number("3")}, 1.4)
"""It was not: three blinks of `alert`."""
