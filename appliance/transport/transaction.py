"""One message for some recipients over one open connection: MAIL, RCPT for each, DATA, the content, the dot.

Promises: an outcome for every recipient, whatever happens; what a recipient was told at RCPT stands even when the line
breaks later; the content goes out octet by octet as it is, after the prefix. Says of each whether another host may be
tried: never after the dot, when nobody knows what became of the message (RFC 5321 4.2.5: it stays ours, at worst twice
delivered). RFC 5321 3.3, RFC 1870 6 (SIZE), RFC 6531 3.2 (SMTPUTF8).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass

from ..mail.address import Address
from ..mail.content import Content
from ..mail.envelope import Recipient
from ..mail.reason import Reason, because
from ..status.events import Outcome
from .connection import ConnectionFault, SmtpConnection
from .dot_stuffing import BareLineEnd, DotStuffer
from .interpret import RecipientOutcome, RemoteReply, Step, outcome_of, reason_of, status_of
from .parameters import mail_argument, rcpt_argument, size_limit

HEADER_OCTETS = 256 * 1024


@dataclass(slots=True, frozen=True)
class Job:
    """One message for recipients of one destination. prefix: header lines that go before the content."""

    domain: str
    reverse_path: Address | None
    recipients: tuple[Recipient, ...]
    prefix: bytes
    content: Content
    eight_bit: bool = False
    smtputf8: bool = False
    ret: str | None = None
    envid: str | None = None

    @property
    def size_octets(self) -> int:
        return len(self.prefix) + self.content.size


@dataclass(slots=True, frozen=True)
class Result:
    """outcome: as of now; elsewhere: another host may be asked for this recipient."""

    outcome: RecipientOutcome
    elsewhere: bool = False


async def transact(connection: SmtpConnection, job: Job, recipients: tuple[Recipient, ...]) -> list[Result]:
    """One result for each of `recipients`, in their order. The connection may be used again if it is still alive."""
    connection.uses += 1
    transaction = _Transaction(connection, job, recipients)
    try:
        await transaction.run()
    except ConnectionFault as fault:
        reason = because("host-broke-off", host=connection.target.host, why=fault.why)
        status = "4.4.2" if fault.step is Step.DOT else "4.4.1"
        transaction.settle_rest(Outcome.DEFERRED, status, "", reason, elsewhere=fault.step is not Step.DOT)
    return transaction.results()


class _Transaction:
    def __init__(self, connection: SmtpConnection, job: Job, recipients: tuple[Recipient, ...]) -> None:
        self._connection = connection
        self._job = job
        self._recipients = recipients
        self._settled: dict[int, Result] = {}  # index of the recipient → its result
        self._host = connection.target.host

    def results(self) -> list[Result]:
        return [self._settled[index] for index in range(len(self._recipients))]

    async def run(self) -> None:
        limit = size_limit(self._connection.extensions)
        if limit is not None and self._job.size_octets > limit:
            reason = because("too-large-for-host", host=self._host, limit=limit)
            self.settle_rest(Outcome.FAILED, "5.3.4", "", reason)
            return
        smtputf8 = self._job.smtputf8 and "smtputf8" in self._connection.extensions
        if self._job.smtputf8 and not smtputf8 and await asyncio.to_thread(_is_international, self._job):
            self.settle_rest(Outcome.FAILED, "5.6.7", "", because("host-not-international", host=self._host))
            return
        if await self._envelope(smtputf8):
            await self._content()
        elif self._connection.alive:
            await self._connection.rset()

    async def _envelope(self, smtputf8: bool) -> bool:
        """True when at least one recipient was accepted."""
        job, connection = self._job, self._connection
        reply = await connection.mail(
            mail_argument(
                job.reverse_path,
                connection.extensions,
                size_octets=job.size_octets,
                eight_bit=job.eight_bit,
                smtputf8=smtputf8,
                ret=job.ret,
                envid=job.envid,
            )
        )
        if not reply.ok:
            self._settle_by_reply(Step.MAIL, reply)
            return False
        for index, recipient in enumerate(self._recipients):
            reply = await connection.rcpt(rcpt_argument(recipient, connection.extensions))
            if outcome_of(Step.RCPT, reply) is not Outcome.DELIVERED:
                self._settle(index, Step.RCPT, reply)
            if reply.code == 421:  # the peer has closed: it takes nothing from nobody
                self._settle_by_reply(Step.RCPT, reply)
                return False
        return len(self._settled) < len(self._recipients)

    async def _content(self) -> None:
        reply = await self._connection.data()
        if reply.code != 354:
            self._settle_by_reply(Step.DATA, reply)
            return
        try:
            async with aclosing(_stuffed(self._job)) as pieces:
                reply, after_dot = await self._connection.content(pieces)
        except BareLineEnd:
            self.settle_rest(Outcome.FAILED, "5.6.0", "", because("bare-line-end"))
            return
        # A 2yz before the dot is no promise for a message that the peer has not seen whole.
        self._settle_by_reply(Step.DOT if after_dot else Step.DATA, reply)

    def settle_rest(self, outcome: Outcome, status: str, reply: str, reason: Reason, elsewhere: bool = False) -> None:
        for index in range(len(self._recipients)):
            if index not in self._settled:
                self._put(index, outcome, status, reply, reason, elsewhere)

    def _settle_by_reply(self, step: Step, reply: RemoteReply) -> None:
        for index in range(len(self._recipients)):
            if index not in self._settled:
                self._settle(index, step, reply)

    def _settle(self, index: int, step: Step, reply: RemoteReply) -> None:
        outcome = outcome_of(step, reply)
        # A host that answers about a recipient has answered for its domain; one that has no time has not.
        elsewhere = outcome is Outcome.DEFERRED and (step is Step.MAIL or (reply.code == 421 and step is not Step.DOT))
        self._put(
            index,
            outcome,
            status_of(step, reply, outcome),
            str(reply),
            reason_of(self._host, reply, outcome),
            elsewhere,
        )

    def _put(
        self, index: int, outcome: Outcome, status: str, reply: str, reason: Reason, elsewhere: bool = False
    ) -> None:
        self._settled[index] = Result(
            RecipientOutcome(
                recipient=self._recipients[index],
                outcome=outcome,
                status=status,
                reply=reply,
                reason=reason,
                host=self._host,
                ip=self._connection.target.ip,
                tls=self._connection.tls,
                reports_passed_on="dsn" in self._connection.extensions,
            ),
            elsewhere,
        )


async def _stuffed(job: Job) -> AsyncGenerator[bytes, None]:
    """The whole DATA, piece by piece; the disk is read on another thread. Raises BareLineEnd."""
    stuffer = DotStuffer()
    if job.prefix:
        yield stuffer.feed(job.prefix)
    pieces = iter(job.content.pieces())
    while (piece := await asyncio.to_thread(_next, pieces)) is not None:
        yield stuffer.feed(piece)
    yield stuffer.finish()


def _next(pieces: Iterator[bytes]) -> bytes | None:
    return next(pieces, None)


def _is_international(job: Job) -> bool:
    """Does it really need SMTPUTF8? Some programs ask for it always. RFC 6531 3.2, RFC 6532."""
    addresses = [job.reverse_path] if job.reverse_path else []
    addresses += [recipient.address for recipient in job.recipients]
    if any(address.needs_smtputf8 for address in addresses) or not job.prefix.isascii():
        return True
    tail = b""
    for piece in job.content.pieces(0, HEADER_OCTETS):
        end = (tail + piece).find(b"\r\n\r\n")
        if not (tail + piece if end < 0 else (tail + piece)[:end]).isascii():
            return True
        if end >= 0:
            return False
        tail = piece[-3:]
    return False
