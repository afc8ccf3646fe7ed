"""What the commands mean: aiosmtpd's hooks, answered by `intake/`, and told on the bus when the answer is no.

Promises: the store step belongs to no connection – a hang-up, a deadline or the end of the session cannot stop it; a
message whose answer was lost is answered again, not stored again; whatever breaks in here is 451. The hooks are given
and give back values of ours (`MailCommand`, `Recipient`, `Reply`) where aiosmtpd's have strings.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import Generic

from aiosmtpd.smtp import Session

from ..mail.envelope import Envelope, Peer, Recipient
from ..mail.reply import Reply
from ..status.bus import Bus
from ..status.events import Refused
from .connection import Connection
from .doors import Finished, Intake, Spool
from .parameters import MailCommand
from .peer import peer_of
from .repeats import Fingerprint, RepeatWindow
from .replies import our_fault, render
from .settings import Listener
from .transaction import Transaction

log = logging.getLogger("merpati.smtp")


class Handler(Generic[Finished]):
    """One for each listener. storing: the messages between their last octet and their reply."""

    def __init__(self, intake: Intake[Finished], bus: Bus, repeats: RepeatWindow) -> None:
        self._intake = intake
        self._bus = bus
        self._repeats = repeats
        self.storing: set[asyncio.Task[Reply]] = set()

    def open_spool(self) -> Spool[Finished]:
        return self._intake.open_spool()

    async def handle_MAIL(
        self, server: Connection, session: Session, envelope: Transaction, command: MailCommand
    ) -> Reply | None:
        """None: accepted."""
        refusal = await self._intake.check_reverse_path(
            peer_of(server), command.reverse_path, command.size_octets, command.smtputf8
        )
        return None if refusal is None or refusal.ok else refusal

    async def handle_RCPT(
        self, server: Connection, session: Session, envelope: Transaction, recipient: Recipient
    ) -> Reply | None:
        """None: accepted."""
        assert envelope.mail is not None
        refusal = await self._intake.check_recipient(
            peer_of(server), envelope.mail.reverse_path, recipient, envelope.mail.size_octets
        )
        return None if refusal is None or refusal.ok else refusal

    async def handle_DATA(
        self, server: Connection, session: Session, envelope: Transaction, content: Finished, spool: Spool[Finished]
    ) -> Reply:
        """The whole content is here. Durability: the message is on the card when the reply is 250."""
        peer = peer_of(server)
        complete = envelope.envelope()
        fingerprint = Fingerprint.of(peer, complete, content)
        earlier = self._repeats.take(fingerprint)
        if earlier is not None:
            server.if_unheard(partial(self._repeats.unheard, fingerprint, earlier))
            await asyncio.wait((earlier,))
            if not earlier.cancelled() and earlier.exception() is None and earlier.result().ok:
                log.info("%s sent again what it had not heard the reply to: %s", peer.ip, earlier.result())
                spool.discard()
                return earlier.result()
        task = asyncio.get_running_loop().create_task(self._store(peer, complete, content, spool))
        self.storing.add(task)
        task.add_done_callback(self.storing.discard)
        server.if_unheard(partial(self._repeats.unheard, fingerprint, task))
        return await asyncio.shield(task)

    async def _store(self, peer: Peer, envelope: Envelope, content: Finished, spool: Spool[Finished]) -> Reply:
        try:
            return await self._intake.accept(peer, envelope, content)
        except Exception as error:
            log.exception("a message could not be accepted")
            return our_fault(repr(error))
        finally:
            spool.discard()

    async def handle_exception(self, error: Exception) -> str:
        """aiosmtpd's last resort, which would be `500` and the exception's text: a full card would bounce mail."""
        log.error("a command failed", exc_info=error)
        return str(our_fault(repr(error)))

    def refused(self, server: Connection, reply: Reply, *, recipient: str = "") -> None:
        """Tells the owner."""
        mail = server.transaction.mail
        reverse_path = str(mail.reverse_path or "") if mail is not None else ""
        self._bus.publish(refusal_event(server.ip, server.listener, reply, reverse_path, recipient))


def refusal_event(ip: str, listener: Listener, reply: Reply, reverse_path: str = "", recipient: str = "") -> Refused:
    return Refused(
        at=time.time(),
        ip=ip,
        listener=str(listener),
        reverse_path=reverse_path,
        recipient=recipient,
        reply=render(reply).decode().rstrip(),
        reason=reply.reason.id,
        sentence=reply.reason.for_owner,
    )
