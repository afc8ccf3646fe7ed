"""How many deliveries may run at once, in all and for each destination. It backs off and recovers.

Promises: a burst for one destination mostly shares one connection, and opens more only when much is waiting; one that
cannot be reached is left alone for `rest_s` and then tried with one message at a time until it answers again. The clock
is given. What is remembered is bounded: a destination that nothing was sent to for `rest_s` is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Limits:
    """messages_per_connection: how many must wait for each connection beyond the first to be worth its handshake."""

    per_destination: int = 4
    total: int = 20
    rest_s: float = 60.0
    messages_per_connection: int = 5


@dataclass(slots=True)
class _Destination:
    running: int = 0
    window: int = 1  # how many it has shown to bear
    rests_until: float = 0.0
    ended_at: float = 0.0


class Concurrency:
    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._known: dict[str, _Destination] = {}

    @property
    def running(self) -> int:
        return sum(each.running for each in self._known.values())

    def may_start(self, destination: str, *, waiting: int, now: float, asked_for: bool = False) -> bool:
        """waiting: batches for it that are due and not running; asked_for: the owner wants it now, rest or no rest."""
        if self.running >= self._limits.total:
            return False
        known = self._known.get(destination)
        if known is None:
            return True
        if known.rests_until > now and not asked_for:
            return False
        worth = 1 + (waiting + known.running - 1) // self._limits.messages_per_connection
        return known.running < min(known.window, worth)

    def started(self, destination: str) -> None:
        self._known.setdefault(destination, _Destination()).running += 1

    def ended(self, destination: str, *, reachable: bool | None, now: float) -> None:
        """reachable: None when the attempt has shown nothing about it."""
        known = self._known[destination]
        known.running -= 1
        known.ended_at = now
        if reachable:
            known.window = min(known.window + 1, self._limits.per_destination)
            known.rests_until = 0
        elif reachable is False:
            known.window = 1
            known.rests_until = now + self._limits.rest_s

    def next_change_at(self, now: float) -> float | None:
        """When the next rest is over."""
        return min((each.rests_until for each in self._known.values() if each.rests_until > now), default=None)

    def forget(self, now: float) -> None:
        """What is long ago, and what a clock that was wrong has put into the future."""
        for name, known in list(self._known.items()):
            if known.rests_until > now + self._limits.rest_s:
                known.rests_until = now
            if not known.running and not 0 <= now - known.ended_at < self._limits.rest_s:
                del self._known[name]
