"""Where recipients live, asked once for RCPT and again at the end of DATA: the second time from memory.

Promises: what is remembered is at most KEEP_S old, and forgotten as soon as an account or alias changes. Only what exists
is remembered, and nothing rests on it: the change that files a message finds out for itself that an account is gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ..mail.address import Address
from ..route.destination import Destination, Nowhere, resolve
from ..status.events import AccountsChanged, Event
from ..store.interface import Store

KEEP_S = 5.0
MOST = 256


class Destinations:
    """For the event loop's thread. A look-up takes a few rows by their keys, which lie in memory: less than the way to a
    reader's thread and back."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[tuple[Sequence[str], Address], tuple[float, tuple[Destination, ...]]] = {}
        store.bus.subscribe(self._hear)

    def of(self, domains: Sequence[str], recipient: Address) -> tuple[Destination, ...]:
        """As `route.destination.resolve` has it."""
        known = self._known.get((domains, recipient))
        if known is not None and known[0] > self._clock():
            return known[1]
        found = self._store.read_now(lambda c: resolve(c, domains, recipient))
        if not isinstance(found[0], Nowhere):
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[domains, recipient] = self._clock() + KEEP_S, found
        return found

    def _hear(self, event: Event) -> None:
        if isinstance(event, AccountsChanged):
            self._known.clear()
