"""What a peer has sent and nobody has read yet, for one reader at a time.

It stands where aiosmtpd has an `asyncio.StreamReader`, so that nothing reaches into private buffers: STARTTLS can
forget what came too early, a hang-up is told without cancelling what is under way, and a shutdown can wake a session
that waits. The peer is held back once HIGH_OCTETS wait here.
"""

from __future__ import annotations

import asyncio

HIGH_OCTETS = 64 * 1024


class Interrupted(Exception):
    """The wait was called off: the server is stopping."""


class Inbox:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pieces: list[bytes] = []
        self._octets = 0
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0  # of the waiter
        # One for all waits, that looks at the deadline when it rings: as a rule the peer speaks first, and a timer for
        # each line would be made and cancelled for nothing.
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.ReadTransport | None = None
        self._held_back = False

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def attach(self, transport: asyncio.ReadTransport) -> None:
        """To be called again when TLS puts another transport in the first one's place."""
        if self._held_back and self._transport is not None:
            self._transport.resume_reading()
            self._held_back = False
        self._transport = transport

    def feed(self, data: bytes) -> None:
        self._pieces.append(data)
        self._octets += len(data)
        if self._octets > HIGH_OCTETS and not self._held_back and self._transport is not None:
            self._transport.pause_reading()
            self._held_back = True
        self._wake()

    def end(self) -> None:
        """Nothing more will come. What came before can still be read."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        self._wake()

    def interrupt(self) -> None:
        """Whoever waits now gets Interrupted."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(Interrupted())

    def clear(self) -> None:
        self._pieces.clear()
        self._octets = 0

    def take(self) -> bytes:
        """What is there now, without waiting."""
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self.clear()
        if self._held_back and self._transport is not None:
            self._held_back = False
            if not self._transport.is_closing():
                self._transport.resume_reading()
        return data

    async def read(self, timeout_s: float) -> bytes:
        """Everything that has come, at least one octet; `b""` once the peer is done. Raises TimeoutError, Interrupted."""
        if not self._pieces and not self._ended:
            waiter = self._waiter = self._loop.create_future()
            self._deadline = self._loop.time() + timeout_s
            if self._timer is None or self._timer.when() > self._deadline:
                self._set_timer()
            try:
                await waiter
            finally:
                self._waiter = None
        return self.take()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() >= self._deadline:
            self._waiter.set_exception(TimeoutError())
        else:
            self._set_timer()
