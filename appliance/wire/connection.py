"""One connection: `wait` for octets, `take` them, `write` and `drain`, each with a deadline; `start_tls`.

Promises: reading stops while more than READ_MOST octets lie unread, so a peer is slowed to our pace; `drain` returns only
when the peer has taken nearly all of what was written, so we are slowed to its pace; what lies unread when `start_tls` is
called is thrown away (a command injected before the handshake is never run: CVE-2011-0411 and its kin). After `compress`
both ways are DEFLATE, and `take` gives INFLATE_MOST octets at a time, however many a peer has packed into few.
Leaves the meaning of octets, and which deadline is fair, to the protocol.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from .compression import Deflater, Inflater, NotDeflate

__all__ = ["Connection", "ConnectionGone", "NotDeflate"]

READ_MOST = 128 * 1024
WRITE_MOST = 128 * 1024  # unsent octets above which `drain` waits
INFLATE_MOST = 64 * 1024


class ConnectionGone(Exception):
    """The peer hung up, or took nothing for so long that we did."""


class Connection(asyncio.Protocol):
    """on_made: called once, when the peer is there. hold: read nothing before `start_tls`, on a port that begins with TLS."""

    def __init__(self, on_made: Callable[[Connection], None], *, hold: bool = False) -> None:
        self._on_made = on_made
        self._hold = hold
        self._transport: asyncio.Transport | None = None
        self._unread = bytearray()
        self._woken = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._closed = asyncio.Event()
        self._ended = False
        self._paused = False
        self._inflater: Inflater | None = None
        self._deflater: Deflater | None = None

    # what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        transport.set_write_buffer_limits(WRITE_MOST)
        if self._hold:
            transport.pause_reading()
        self._on_made(self)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if len(self._unread) > READ_MOST and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._woken.set()

    def eof_received(self) -> bool:
        self._ended = True
        self._woken.set()
        # A peer may close its half and still want the answers; TLS knows no half-closed connection.
        return not self.is_tls

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._closed.set()
        self._woken.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # who it is

    @property
    def peer_ip(self) -> str:
        """Textual; an IPv4 address also where it came in through an IPv6 socket. A Unix socket counts as loopback."""
        name = self._info("peername")
        if not isinstance(name, tuple):
            return "127.0.0.1"
        return str(name[0]).partition("%")[0].removeprefix("::ffff:")

    @property
    def is_tls(self) -> bool:
        return self._info("ssl_object") is not None

    @property
    def ssl_object(self) -> ssl.SSLObject | None:
        found = self._info("ssl_object")
        return found if isinstance(found, ssl.SSLObject) else None

    @property
    def is_compressed(self) -> bool:
        """By `compress`, or by TLS, whose compression no modern library has."""
        ssl_object = self._info("ssl_object")
        by_tls = isinstance(ssl_object, ssl.SSLObject) and ssl_object.compression() is not None
        return self._deflater is not None or by_tls

    def _info(self, name: str) -> object:
        return None if self._transport is None else self._transport.get_extra_info(name)

    # reading

    @property
    def ended(self) -> bool:
        """The peer will send no more, and all that it sent has been taken."""
        return self._ended and not self._has_unread

    @property
    def _has_unread(self) -> bool:
        return bool(self._unread) or (self._inflater is not None and self._inflater.has_more)

    async def wait(self, timeout_s: float) -> None:
        """Until there are octets to take, the peer's end, or a `nudge`. Raises TimeoutError."""
        if self._has_unread or self._ended:
            if self._inflater is not None:
                await asyncio.sleep(0)  # a bomb's pieces come without waiting, and others have their turn between them
            return
        async with asyncio.timeout(timeout_s):
            await self._woken.wait()
        self._woken.clear()

    def take(self) -> bytes:
        """What has come since the last time; b"" when nothing has. Raises NotDeflate."""
        if self._inflater is not None:
            octets = self._inflated(self._inflater)
        else:
            octets = bytes(self._unread)
            self._unread.clear()
        self._woken.clear()
        if self._has_unread:  # it is still compressed: no more is read until it was taken
            return octets
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return octets

    def _inflated(self, inflater: Inflater) -> bytes:
        if not inflater.has_more:
            inflater.feed(bytes(self._unread))
            self._unread.clear()
        return inflater.inflate(INFLATE_MOST)

    def nudge(self) -> None:
        """Wakes a `wait`, from the event loop's thread."""
        self._woken.set()

    # writing

    def write(self, octets: bytes | bytearray | memoryview) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(octets if self._deflater is None else self._deflater.deflate(octets))

    async def drain(self, timeout_s: float) -> None:
        """Until the peer has taken nearly all that was written. Raises ConnectionGone.

        A peer that takes nothing at all for `timeout_s` is hung up on; a slow one is not.
        """
        while not self._writable.is_set():
            before = self._unsent()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._writable.wait()
            except TimeoutError:
                if self._unsent() >= before:
                    self.abort()
                    raise ConnectionGone("the peer takes nothing") from None
        if self._closed.is_set():
            raise ConnectionGone("the peer hung up")

    def _unsent(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def compress(self, rest: bytes) -> None:
        """From here on both ways. rest: octets that were taken already and are compressed. RFC 4978 3."""
        self._deflater, self._inflater = Deflater(), Inflater()
        self._inflater.feed(rest)

    # TLS and the end

    async def start_tls(self, context: ssl.SSLContext, timeout_s: float) -> None:
        """The server's side of a handshake, after the `write` of the last plain answer. Raises ConnectionGone."""
        transport = self._transport
        if transport is None or transport.is_closing():
            raise ConnectionGone("the peer hung up")
        transport.pause_reading()
        self._unread.clear()
        self._paused = False
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport, self, context, server_side=True, ssl_handshake_timeout=timeout_s
            )
        except OSError as fault:
            self.abort()
            raise ConnectionGone(f"the TLS handshake failed: {fault}") from None
        if secured is None:
            raise ConnectionGone("the peer hung up")
        self._transport = secured
        secured.set_write_buffer_limits(WRITE_MOST)

    def hang_up(self) -> None:
        """What was written is still sent."""
        if self._transport is not None:
            self._transport.close()

    async def closed(self, timeout_s: float) -> None:
        """After `hang_up`: until it is done. A peer that does not take the rest in time is cut off."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._closed.wait()
        except TimeoutError:
            self.abort()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
