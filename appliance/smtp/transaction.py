"""One mail transaction: what MAIL and RCPT have said so far. It is the envelope object that aiosmtpd's hooks are
given. RFC 5321 3.3, RFC 3030 2."""

from __future__ import annotations

from typing import Any

from aiosmtpd.smtp import Envelope as AiosmtpdEnvelope

from ..mail.envelope import Envelope, Recipient
from .arrival import Arrival
from .chunking import ChunkScanner
from .parameters import MailCommand


class Transaction(AiosmtpdEnvelope):
    """mail: None until MAIL was accepted; arrival: the message while it comes; chunks: set once BDAT has begun;
    chunks_refused: such a message was refused and the rest of its chunks may still be on the way; refused: MAIL, a
    recipient or a chunk was refused, so that what the peer had pipelined after it may be out of order."""

    def __init__(self) -> None:
        super().__init__()
        self.mail: MailCommand | None = None
        self.recipients: list[Recipient] = []
        self.arrival: Arrival[Any] | None = None
        self.chunks: ChunkScanner | None = None
        self.chunks_refused = False
        self.refused = False

    def discard(self) -> None:
        """The transaction is over; what has arrived of its message is forgotten."""
        if self.arrival is not None:
            self.arrival.discard()
            self.arrival = None

    def envelope(self) -> Envelope:
        assert self.mail is not None and self.recipients
        return Envelope(
            reverse_path=self.mail.reverse_path,
            recipients=tuple(self.recipients),
            eight_bit=self.mail.eight_bit,
            smtputf8=self.mail.smtputf8,
            ret=self.mail.ret,
            envid=self.mail.envid,
        )
