"""Answers remembered for as long as they are true, and no more of them than there is room for.

Promises: never gives an answer older than its TTL; holds at most `most` of them. The clock is given, so that nothing
here waits. What was asked least recently goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

LONGEST_S = 3600.0  # a name server may promise a week, but owners change their zones and want to see it work


class Cache(Generic[K, V]):
    def __init__(self, clock: Callable[[], float], most: int = 1000) -> None:
        self._clock = clock
        self._most = most
        self._kept: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K) -> tuple[V, float] | None:
        """(the answer, seconds for which it stays true)."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        until, value = kept
        left_s = until - self._clock()
        if left_s <= 0:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return value, left_s

    def put(self, key: K, value: V, ttl_s: float) -> None:
        if ttl_s <= 0:
            return
        self._kept[key] = (self._clock() + min(ttl_s, LONGEST_S), value)
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        self._kept.clear()
