"""The board: the current snapshot, kept up to date by what is published on the bus."""

from __future__ import annotations

import time
from collections.abc import Callable

from .bus import Bus
from .events import Event
from .snapshot import Snapshot, as_of, first_snapshot, fold


class Board:
    """Belongs to the event loop's thread, as all listeners of the bus do."""

    def __init__(self, bus: Bus, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._snapshot = first_snapshot(clock())
        self._unsubscribe = bus.subscribe(self._hear)

    @property
    def snapshot(self) -> Snapshot:
        """As of now."""
        self._snapshot = as_of(self._snapshot, self._clock())
        return self._snapshot

    def close(self) -> None:
        self._unsubscribe()

    def _hear(self, event: Event) -> None:
        self._snapshot = fold(self._snapshot, event)
