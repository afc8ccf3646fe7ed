"""What an open dashboard is told while it is open: one follower of the mail process for all of them.

Each stream keeps a thread of the web server, so there are only a few; whoever comes after asks every few seconds instead.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from appliance.status.snapshot import Snapshot

from ..deps import StatusDoor

MOST_STREAMS = 3
HEARTBEAT_S = 10.0
LOOK_EVERY_S = 1.0
LONGEST_S = 600.0  # a stream ends now and then, and the browser opens the next: none is forgotten open
CLOSED_WITHIN_S = 2.0
GATHER_S = 0.3  # between two words to a browser
_SNAPSHOTS = ("Snapshot",)


class Feed:
    def __init__(self, status: StatusDoor) -> None:
        self._status = status
        self._news = threading.Condition()
        self._version = 0
        self._snapshot: Snapshot | None = None
        self._open = 0
        self._following = False
        self._closed = False

    def join(self) -> bool:
        """Takes a place; False when all are taken. Whoever got one must `follow` or `leave`."""
        with self._news:
            if self._closed or self._open >= MOST_STREAMS:
                return False
            self._open += 1
            if not self._following:
                self._following = True
                threading.Thread(target=self._listen, name="web-follower", daemon=True).start()
            return True

    def leave(self) -> None:
        with self._news:
            self._open -= 1
            self._news.notify_all()

    def close(self, within_s: float = CLOSED_WITHIN_S) -> None:
        """Ends every stream and waits for them, so that none writes into a server that is gone."""
        with self._news:
            self._closed = True
            self._news.notify_all()
            self._news.wait_for(lambda: self._open == 0, within_s)

    def follow(self, gone: Callable[[], bool] = lambda: False) -> Iterator[Snapshot | None]:
        """The state, at once, whenever it changes, and at least every HEARTBEAT_S; None: nobody answers. Blocks.

        gone: whether the browser has left; asked every LOOK_EVERY_S, so that its place is free soon after.
        """
        seen = -1
        until = time.monotonic() + LONGEST_S
        yield self._status.snapshot()
        while time.monotonic() < until:
            if not self._await_news(seen, gone):
                return
            with self._news:
                seen, snapshot = self._version, self._snapshot
            yield snapshot if seen else self._status.snapshot()
            with self._news:
                self._news.wait_for(lambda: self._closed, GATHER_S)

    def _await_news(self, seen: int, gone: Callable[[], bool]) -> bool:
        """False: there is no more to tell, or nobody to tell it to."""
        until = time.monotonic() + HEARTBEAT_S
        with self._news:
            while not self._closed and self._version == seen and time.monotonic() < until:
                if gone():
                    return False
                self._news.wait(min(LOOK_EVERY_S, HEARTBEAT_S))
            return not self._closed

    def _listen(self) -> None:
        """Runs while somebody looks. The mail process gives a sign of life every few seconds, so this ends soon after."""
        while self._somebody_looks():
            for heard in self._status.events(types=_SNAPSHOTS):
                if isinstance(heard, Snapshot):
                    self._tell(heard)
                if not self._somebody_looks(stop_if_not=False):
                    break
            else:
                self._tell(None)
                with self._news:
                    self._news.wait_for(lambda: self._open == 0, 2.0)

    def _tell(self, snapshot: Snapshot | None) -> None:
        with self._news:
            if snapshot is None and self._snapshot is None and self._version:
                return
            self._snapshot = snapshot
            self._version += 1
            self._news.notify_all()

    def _somebody_looks(self, *, stop_if_not: bool = True) -> bool:
        with self._news:
            if self._open == 0 and stop_if_not:
                self._following = False
                self._snapshot, self._version = None, 0
            return self._open > 0


@contextlib.contextmanager
def place(feed: Feed) -> Iterator[None]:
    """Gives the place back, however the stream ends."""
    try:
        yield
    finally:
        feed.leave()
