"""The same message again, because our 250 was not heard: it is answered once more, not stored once more.

A peer that hung up after the whole content had come, but before it had our answer, must send again (RFC 5321 4.5.4.1
and 6.1); without this window its recipients would have the message twice. Only messages whose answer was lost are
kept here, for an hour, in memory: a restart forgets them, and the recipient may then see one message twice, never
none. Two messages are the same when their octets, reverse-path, recipients and account are.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from ..mail.envelope import Envelope, Peer
from ..mail.reply import Reply
from .doors import SpooledContent

KEEP_S = 3600.0
MOST = 256


@dataclass(slots=True, frozen=True)
class Fingerprint:
    digest: bytes
    size_octets: int
    reverse_path: str
    recipients: frozenset[str]
    account_id: int | None

    @classmethod
    def of(cls, peer: Peer, envelope: Envelope, content: SpooledContent) -> Fingerprint:
        return cls(
            digest=content.digest,
            size_octets=content.size,
            reverse_path=str(envelope.reverse_path or ""),
            recipients=frozenset(str(recipient.address) for recipient in envelope.recipients),
            account_id=peer.account_id,
        )


class RepeatWindow:
    """clock: seconds that never go back."""

    def __init__(self, clock: Callable[[], float], *, keep_s: float = KEEP_S, most: int = MOST) -> None:
        self._clock = clock
        self._keep_s = keep_s
        self._most = most
        self._unheard: OrderedDict[Fingerprint, tuple[float, asyncio.Future[Reply]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._unheard)

    def unheard(self, fingerprint: Fingerprint, outcome: asyncio.Future[Reply]) -> None:
        """The peer has gone; `outcome` is or will be the reply it did not hear."""
        self._unheard[fingerprint] = (self._clock() + self._keep_s, outcome)
        self._unheard.move_to_end(fingerprint)
        while len(self._unheard) > self._most:
            self._unheard.popitem(last=False)

    def take(self, fingerprint: Fingerprint) -> asyncio.Future[Reply] | None:
        """The reply that this message had already, or is about to have; None: it is new. It is handed out once: if it
        is not heard this time either, say `unheard` again."""
        now = self._clock()
        while self._unheard and next(iter(self._unheard.values()))[0] <= now:
            self._unheard.popitem(last=False)
        found = self._unheard.pop(fingerprint, None)
        return found[1] if found is not None else None
