"""A message while it arrives: pieces go to the spool, and the first thing that is wrong with it is remembered.

Promises: after a refusal nothing is kept, but reading goes on to the end, so that the peer hears the refusal where
SMTP has a place for it; `too_much` says when even reading on is too much to ask. A fault of the spool (a full runtime
folder) is 451, never 5xx. Knows nothing of DATA or BDAT: their scanners do.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Generic

from ..mail.reply import Reply
from .data_scanner import ContentFault
from .doors import Finished, Spool
from .limits import drain_limit
from .replies import LINE_ENDS_BROKEN, NUL_IN_MESSAGE, our_fault, too_large

log = logging.getLogger("merpati.smtp")

PIECE_OCTETS = 128 * 1024  # handed to the spool at once, on a thread
INLINE_OCTETS = 32 * 1024  # a message up to here is packed in about the time that a thread takes to be told


class Arrival(Generic[Finished]):
    """limit_octets: the largest message accepted; begun_at: on the loop's clock; arrived_octets: how much came, kept or
    not; refusal: what the peer is to hear in the end, None while all is well. One that was refused beforehand needs no
    spool."""

    def __init__(
        self, spool: Spool[Finished] | None, limit_octets: int, begun_at: float, refusal: Reply | None = None
    ) -> None:
        assert spool is not None or refusal is not None
        self.spool = spool
        self.begun_at = begun_at
        self._limit_octets = limit_octets
        self.arrived_octets = 0
        self.refusal = refusal
        self._waiting: list[bytes] = []
        self._waiting_octets = 0

    @property
    def too_much(self) -> bool:
        return self.arrived_octets > drain_limit(self._limit_octets)

    async def write(self, content: bytes, fault: ContentFault) -> None:
        """fault: what the scanner has found so far."""
        self.arrived_octets += len(content)
        if self.refusal is None:
            self.refusal = self._refuse(fault)
            if self.refusal is not None:
                self.discard()
        if self.refusal is not None or self.spool is None:
            return
        self._waiting.append(content)
        self._waiting_octets += len(content)
        if self._waiting_octets < PIECE_OCTETS:
            return
        try:
            await asyncio.to_thread(self._spool_waiting, self.spool)
        except Exception as error:
            log.exception("the spool failed")
            self.discard()
            self.refusal = our_fault(repr(error))

    async def finish(self) -> Finished | Reply:
        if self.refusal is not None:
            return self.refusal
        assert self.spool is not None
        try:
            if self.arrived_octets <= INLINE_OCTETS:
                return self._finish(self.spool)
            return await asyncio.to_thread(self._finish, self.spool)
        except Exception as error:
            log.exception("the spool failed")
            self.discard()
            return our_fault(repr(error))

    def _finish(self, spool: Spool[Finished]) -> Finished:
        self._spool_waiting(spool)
        return spool.finish()

    def _spool_waiting(self, spool: Spool[Finished]) -> None:
        waiting, self._waiting, self._waiting_octets = self._waiting, [], 0
        octets = waiting[0] if len(waiting) == 1 else b"".join(waiting)
        for start in range(0, len(octets), PIECE_OCTETS):
            spool.write(octets[start : start + PIECE_OCTETS])

    def discard(self) -> None:
        """To be called in the end, whatever has happened."""
        self._waiting.clear()
        if self.spool is not None:
            self.spool.discard()

    def _refuse(self, fault: ContentFault) -> Reply | None:
        if self.arrived_octets > self._limit_octets:
            return too_large(self._limit_octets)
        if ContentFault.BARE_LINE_END in fault:
            return LINE_ENDS_BROKEN
        if ContentFault.NUL in fault:
            return NUL_IN_MESSAGE
        return None
