"""The bus: whoever has something to tell publishes an event, whoever wants to hear it subscribes. In one process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator

from .events import Event

log = logging.getLogger("merpati.status")

Listener = Callable[[Event], None]


class Bus:
    """Listeners are called at once, in the order they subscribed, on the event loop's thread; they must not block.

    `publish` may be called from any thread; before `attach` (or without a loop, as in the command line) it calls the
    listeners where it stands.
    """

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def publish(self, *events: Event) -> None:
        loop = self._loop
        if loop is None or loop.is_closed() or _running_loop() is loop:
            self._tell(events)
        else:
            with contextlib.suppress(RuntimeError):  # the loop closed meanwhile: nobody is left to hear it
                loop.call_soon_threadsafe(self._tell, events)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Returns the function that unsubscribes."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @contextlib.contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        unsubscribe = self.subscribe(listener)
        try:
            yield
        finally:
            unsubscribe()

    def _tell(self, events: tuple[Event, ...]) -> None:
        for event in events:
            for listener in tuple(self._listeners):
                try:
                    listener(event)
                except Exception:
                    log.exception("a listener failed on %r", event)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
