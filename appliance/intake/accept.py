"""Accepting mail: may it come in, where does each recipient live, and one durable change that says so.

Promises: a 250 is returned only when the message is on the card for every recipient, filed or queued; every refusal
is a `Reply` with its reason; a fault of our own is 4xx, never 5xx. Leaves the wire to smtp/, retries to queue/.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ..dsn.compose import Action, Original, Reported, compose_report
from ..mail.address import Address, AddressFault
from ..mail.content import Content
from ..mail.envelope import Envelope, Notify, Peer, Protocol, Recipient
from ..mail.reason import because
from ..mail.reply import Reply
from ..mime.encoded_words import decode as decode_words
from ..mime.headers import header_values
from ..route.destination import Local, Nowhere, Remote, belongs_to
from ..status.events import Accepted
from ..store.accounts import get_account
from ..store.changes.delivery import DeliveryPlan, Dispatch, Filing, Forwarding, deliver_in
from ..store.interface import Store
from ..store.quota import Rule, limits_of, use_of
from ..store.refusals import NoSuchAccount, OverQuota, StorageLow, StoreRefusal
from ..store.spool import Spool, SpooledContent
from ..store.transaction import Tx, WithContents
from . import trace_header
from .destinations import Destinations
from .trace_id import new_trace_id

log = logging.getLogger("merpati.intake")

HOPS_MOST = 50  # Received lines; RFC 5321 6.3 asks for at least 100 hops or good sense, Postfix takes 50
PLENTY_OCTETS = 256 * 1024 * 1024  # of free room; no card takes so much in the time that it is not asked again
ASK_ROOM_EVERY_S = 1.0

Sign = Callable[[str, bytes, Content], Awaitable[bytes]]
"""(domain of ours, header lines before the content, content) → DKIM-Signature lines, or b"" without a key."""


@dataclass(slots=True, frozen=True)
class IntakeSettings:
    """domains: ours, in A-labels; sends: whether mail may leave at all (outbound.mode is not off)."""

    hostname: str
    domains: tuple[str, ...]
    message_size: int
    sends: bool


class Intake:
    def __init__(self, settings: IntakeSettings, store: Store, sign: Sign) -> None:
        self.settings = settings  # replaced as a whole when the configuration changes
        self._store = store
        self._sign = sign
        self._destinations = Destinations(store)
        self._roomy_until = 0.0

    def open_spool(self) -> Spool:
        return self._store.open_spool()

    async def check_reverse_path(
        self, peer: Peer, reverse_path: Address | None, size_octets: int | None, smtputf8: bool
    ) -> Reply | None:
        """None: go on. A stranger may name any reverse-path; who has signed in only one of the account's own."""
        if size_octets is not None and size_octets > self.settings.message_size:
            return self.too_large()
        if self._store.failure is not None:
            return Reply(451, "3.0", because("storage-failed", what=self._store.failure))
        try:
            self._need_room(size_octets or 0)
        except StorageLow as low:
            return Reply(452, "3.1", low.reason)
        if peer.account_id is None:
            return None
        account_id = peer.account_id
        if reverse_path is None:  # anybody's; but the account may have been removed while its owner was signed in
            if self._store.read_now(lambda c: get_account(c, account_id)) is None:
                return Reply(553, "7.1", because("no-such-account", address=peer.account))
        elif not self._store.read_now(lambda c: belongs_to(c, self.settings.domains, reverse_path, account_id)):
            return Reply(553, "7.1", because("not-your-address", account=peer.account, address=reverse_path))
        return None

    async def check_recipient(
        self, peer: Peer, reverse_path: Address | None, recipient: Recipient, size_octets: int | None = None
    ) -> Reply | None:
        """None: go on. size_octets: what the peer said the message would have, if it did."""
        address = recipient.address
        if address.domain not in self.settings.domains:
            if peer.account_id is None:
                return Reply(550, "7.1", because("relay-denied", ip=peer.ip, address=address))
            return None if self.settings.sends else Reply(550, "7.1", because("outbound-off", address=address))
        destinations = self._destinations.of(self.settings.domains, address)
        match destinations[0]:
            case Nowhere(reason) if reason.id == "alias-loop":
                return Reply(550, "4.6", reason)
            case Nowhere(reason):
                return Reply(550, "1.1", reason)
        if not self.settings.sends and all(isinstance(destination, Remote) for destination in destinations):
            return Reply(450, "7.1", because("outbound-off", address=address))
        for destination in destinations:
            if isinstance(destination, Local):
                refusal = self._check_quota(destination, size_octets or 1)
                if refusal is not None:
                    return refusal
        return None

    def _check_quota(self, local: Local, size_octets: int) -> Reply | None:
        """The change that files the message asks again; here the others of the message are not refused with it."""

        def query(connection: sqlite3.Connection) -> Reply | None:
            limits = limits_of(connection, local.account_id, self._store.default_limits)
            if not limits.any or use_of(connection, local.account_id).with_more(size_octets, 1).fits(limits):
                return None
            never = limits.octets is not None and size_octets > limits.octets
            return _over_quota(OverQuota(local.account, never=never))

        return self._store.read_now(query)

    def _need_room(self, size_octets: int) -> None:
        """Raises StorageLow. A card with plenty of room is not asked again for a while that is too short to fill it."""
        if time.monotonic() < self._roomy_until and size_octets <= PLENTY_OCTETS // 2:
            return
        free, _, reserve = self._store.room()
        if free - size_octets < reserve:
            raise StorageLow
        if free - reserve > PLENTY_OCTETS:
            self._roomy_until = time.monotonic() + ASK_ROOM_EVERY_S

    async def accept(self, peer: Peer, envelope: Envelope, content: SpooledContent) -> Reply:
        """The reply to the end of DATA; the content is taken over and discarded, whatever comes of it. A recipient that
        went away since RCPT is put off with all the others: the peer will hear the truth when it comes again, and until
        then nothing is lost and nobody gets it twice. Durability: the message is on the card when it is 250."""
        try:
            return await self._accept(peer, envelope, content)
        except NoSuchAccount as gone:
            return Reply(450, "2.1", gone.reason)
        except StorageLow as low:
            return Reply(452, "3.1", low.reason)
        except OverQuota as over:
            return _over_quota(over)
        except StoreRefusal as refusal:
            return Reply(451, "3.0", refusal.reason)
        except Exception as fault:
            log.exception("a message could not be accepted")
            return Reply(451, "3.0", because("our-fault", what=fault))
        finally:
            content.discard()

    async def _accept(self, peer: Peer, envelope: Envelope, content: SpooledContent) -> Reply:
        if content.size > self.settings.message_size:
            return self.too_large()
        self._need_room(content.stored_octets)  # the peer may have said nothing of the size, or not the truth
        header = content.header
        # To count the word is quicker than to read all fields, and as a rule it is not there often enough.
        if header.lower().count(b"received") > HOPS_MOST and len(header_values(header, b"Received")) > HOPS_MOST:
            return Reply(554, "4.6", because("loop", limit=HOPS_MOST))
        trace_id = new_trace_id()
        now = datetime.now(UTC)
        completed = await self._complete(peer, content, header, trace_id, now)
        try:
            plan = _within_quotas(await self._plan(peer, envelope, completed, trace_id, now))
            accepted = _accepted(peer, envelope, plan)
            receipt = await self._receipt(envelope, plan, header, now)

            def change(tx: Tx) -> None:
                tx.tell(accepted)
                deliver_in(tx, plan)
                if receipt is not None:
                    deliver_in(tx, receipt)

            await self._store.write(WithContents((plan.content,), change))
        finally:
            completed.discard()
        return Reply(250, "0.0", because("accepted", id=trace_id))

    async def plan_report(self, message: bytes, recipient: Address) -> DeliveryPlan | None:
        """A report of ours (a DSN), routed but not yet stored: the queue stores it with the change that it reports.
        None when the recipient lives nowhere: a report about a report is never made (RFC 5321 6.1)."""
        content = self._store.spool_bytes(message)
        peer = Peer(ip="127.0.0.1", helo=self.settings.hostname, protocol=Protocol.LOCAL)
        envelope = Envelope(reverse_path=None, recipients=(Recipient(recipient),))
        try:
            return await self._plan(peer, envelope, content, new_trace_id(), datetime.now(UTC))
        except NoSuchAccount:
            content.discard()
            return None

    async def _receipt(
        self, envelope: Envelope, plan: DeliveryPlan, header: bytes, now: datetime
    ) -> DeliveryPlan | None:
        """What the reverse-path asked to hear once its message is in a mailbox here, stored in the same change."""
        asking = [to for to in envelope.recipients if Notify.SUCCESS in to.notify]
        if envelope.reverse_path is None or not asking:
            return None
        told = [
            to
            for to in asking
            if any(isinstance(d, Local) for d in self._destinations.of(self.settings.domains, to.address))
        ]
        if not told:
            return None
        fields = plan.content.structure.envelope
        report = compose_report(
            Action.DELIVERED,
            [Reported(str(to.address), "2.1.5", because("delivered").for_peer, orcpt=to.orcpt) for to in told],
            Original(
                accepted_at=now.timestamp(),
                subject=decode_words(fields.subject or b""),
                message_id=(fields.message_id or b"").decode("utf-8", "replace"),
                returned=plan.prefix + header,
                envid=envelope.envid,
                international=envelope.smtputf8,
            ),
            to=envelope.reverse_path,
            hostname=self.settings.hostname,
            message_id=f"{plan.trace_id}.delivered@{self.settings.hostname}",
            now=now,
        )
        return await self.plan_report(report, envelope.reverse_path)

    def too_large(self) -> Reply:
        return Reply(552, "3.4", because("too-large", limit=self.settings.message_size))

    async def _complete(
        self, peer: Peer, content: SpooledContent, header: bytes, trace_id: str, now: datetime
    ) -> SpooledContent:
        """Adds the header lines that a submission lacks; they become part of the content, as if its author had."""
        if peer.account_id is None:
            return content
        missing = trace_header.missing_headers(
            has_date=bool(header_values(header, b"Date")),
            has_message_id=bool(header_values(header, b"Message-ID")),
            hostname=self.settings.hostname,
            trace_id=trace_id,
            now=now,
        )
        if not missing:
            return content

        def spool_again() -> SpooledContent:
            spool = self._store.open_spool()
            try:
                spool.write(missing)
                for piece in content.pieces():
                    spool.write(piece)
                return spool.finish()
            except BaseException:
                spool.discard()
                raise

        return await asyncio.to_thread(spool_again)

    async def _plan(
        self, peer: Peer, envelope: Envelope, content: SpooledContent, trace_id: str, now: datetime
    ) -> DeliveryPlan:
        only = envelope.recipients[0].address if len(envelope.recipients) == 1 else None
        received = trace_header.received(
            peer, hostname=self.settings.hostname, trace_id=trace_id, only_recipient=only, now=now
        )
        filings, forwardings = self._route(envelope)
        dispatches: tuple[Dispatch, ...] = ()
        if forwardings:
            subject = content.structure.envelope.subject or b""
            dispatches = (
                Dispatch(
                    reverse_path=str(envelope.reverse_path or ""),
                    recipients=forwardings,
                    prefix=await self._signature(peer, received, content) + received,
                    account_id=peer.account_id,
                    eight_bit=envelope.eight_bit or content.structure.has_8bit,
                    smtputf8=envelope.smtputf8,
                    ret=envelope.ret,
                    envid=envelope.envid,
                    message_id_header=(content.structure.envelope.message_id or b"").decode("utf-8", "replace"),
                    subject=decode_words(subject),
                ),
            )
        return DeliveryPlan(
            trace_id=trace_id,
            content=content,
            prefix=trace_header.return_path(envelope.reverse_path) + received,
            internal_date=int(now.timestamp()),
            filings=filings,
            dispatches=dispatches,
            rule=Rule.NEVER,
        )

    def _route(self, envelope: Envelope) -> tuple[tuple[Filing, ...], tuple[Forwarding, ...]]:
        """Each account and each outside address once, however many recipients lead there. Raises NoSuchAccount for a
        recipient that lives nowhere any more."""
        if not envelope.recipients:  # what is kept for nobody must not be answered 250
            raise ValueError("an envelope without a recipient")
        filings: dict[int, Filing] = {}
        forwardings: dict[str, Forwarding] = {}
        for to in envelope.recipients:
            destinations = self._destinations.of(self.settings.domains, to.address)
            if isinstance(destinations[0], Nowhere):
                raise NoSuchAccount(str(to.address))
            for destination in destinations:
                match destination:
                    case Local(account_id, account):
                        filings.setdefault(account_id, Filing(account_id, account, str(to.address)))
                    case Remote(address):
                        forwardings.setdefault(
                            str(address),
                            Forwarding(
                                str(address),
                                address.domain,
                                orcpt=to.orcpt or (None if address == to.address else f"rfc822;{to.address}"),
                                notify=",".join(sorted(to.notify)),
                            ),
                        )
        return tuple(filings.values()), tuple(forwardings.values())

    async def _signature(self, peer: Peer, received: bytes, content: SpooledContent) -> bytes:
        """DKIM for what our own people send, and for our own reports; what we only pass on is not ours to sign."""
        if peer.account_id is None and peer.protocol is not Protocol.LOCAL:
            return b""
        domain = self.settings.domains[0]
        if peer.account is not None:
            try:
                domain = Address.parse(peer.account).domain
            except AddressFault:
                log.error("the account %r has no address to sign for", peer.account)
        return await self._sign(domain, b"", content)


def _within_quotas(plan: DeliveryPlan) -> DeliveryPlan:
    """What comes in keeps to the quotas; reports of ours do not, for nobody could be told that they were refused."""
    alone = len(plan.filings) == 1 and not plan.dispatches
    return replace(plan, rule=Rule.FITS if alone else Rule.NOT_FULL)


def _over_quota(over: OverQuota) -> Reply:
    """RFC 3463 3.3: a full mailbox can be emptied, so the peer comes again; what is too large for it never fits."""
    return Reply(552, "2.3", over.reason) if over.never else Reply(452, "2.2", over.reason)


def _accepted(peer: Peer, envelope: Envelope, plan: DeliveryPlan) -> Accepted:
    fields = plan.content.structure.envelope
    return Accepted(
        at=time.time(),
        trace_id=plan.trace_id,
        reverse_path=str(envelope.reverse_path or ""),
        recipients=tuple(str(to.address) for to in envelope.recipients),
        size_octets=plan.content.size,
        ip=peer.ip,
        helo=peer.helo,
        protocol=str(peer.protocol),
        tls=peer.tls,
        account=peer.account,
        message_id=(fields.message_id or b"").decode("utf-8", "replace"),
        subject=decode_words(fields.subject or b""),
    )
