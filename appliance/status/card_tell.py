"""Tells the mail process what another process of ours has written, so that the card's budget knows whose it was.

A process may read its own counters and nobody else's. What is told is only what came since the last time; when nobody
listens it is told next time, and a process that ends untold has its writes counted with the rest of the system.
"""

from __future__ import annotations

import threading
import time

import msgspec

from .client import StatusClient
from .events import CardWritten
from .own_writes import OwnWrites

TELL_EVERY_S = 60.0


class WriteTeller:
    def __init__(self, client: StatusClient, process: str, own: OwnWrites | None = None) -> None:
        self._client, self._process, self._own = client, process, own or OwnWrites()
        self._told = 0

    def tell(self) -> None:
        """Says nothing when nothing was written. Blocking."""
        octets = self._own.octets()
        if octets <= self._told:
            return
        event = CardWritten(at=time.time(), process=self._process, octets=octets - self._told)
        answer = self._client.ask("event", event=msgspec.to_builtins(event))
        if answer is not None and answer["ok"]:
            self._told = octets

    def keep_telling(self, ended: threading.Event, every_s: float = TELL_EVERY_S) -> None:
        """Until it has ended, which a daemon thread may leave to its process."""
        while not ended.wait(every_s):
            self.tell()
