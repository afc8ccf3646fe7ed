"""The one change that a message is accepted by: filed for each recipient here, queued for each one elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from ...status.events import Filed, QueueChanged, Queued
from ..mailboxes import INBOX, Mailbox, find_mailbox
from ..queue_rows import counts
from ..quota import Rule
from ..refusals import NoSuchAccount
from ..spool import SpooledContent
from ..transaction import Change, Tx, WithContents
from .messages import Placed, place


@dataclass(slots=True, frozen=True)
class Filing:
    """One copy for one account. recipient: as addressed; mailbox: where to; if it does not exist, INBOX."""

    account_id: int
    account: str
    recipient: str
    mailbox: str = INBOX
    flags: int = 0
    keywords: str = ""


@dataclass(slots=True, frozen=True)
class Forwarding:
    """One recipient elsewhere. orcpt, notify: RFC 3461, as in the queue's rows."""

    address: str
    domain: str
    orcpt: str | None = None
    notify: str = ""


@dataclass(slots=True, frozen=True)
class Dispatch:
    """What goes into the queue: one message for `recipients`. prefix: header lines to send before the content."""

    reverse_path: str
    recipients: tuple[Forwarding, ...]
    prefix: bytes
    account_id: int | None = None
    eight_bit: bool = False
    smtputf8: bool = False
    ret: str | None = None
    envid: str | None = None
    message_id_header: str = ""
    subject: str = ""


@dataclass(slots=True, frozen=True)
class DeliveryPlan:
    """prefix: header lines that stand before the content in mailboxes; internal_date: seconds since the epoch; rule: when it
    is too much for an account that gets it."""

    trace_id: str
    content: SpooledContent
    prefix: bytes
    internal_date: int
    filings: tuple[Filing, ...] = ()
    dispatches: tuple[Dispatch, ...] = field(default=())
    rule: Rule = Rule.FITS


def deliver(plan: DeliveryPlan) -> Change[None]:
    """Raises NoSuchAccount when an account went away since its recipient was accepted, OverQuota as the plan has it."""
    contents = (plan.content,) if plan.filings or plan.dispatches else ()
    return WithContents(contents, lambda tx: deliver_in(tx, plan))


def deliver_in(tx: Tx, plan: DeliveryPlan) -> None:
    refs = len(plan.filings) + len(plan.dispatches)
    if not refs:
        return
    mailboxes = [_mailbox_of(tx, filing) for filing in plan.filings]  # raises before anything is changed
    blob_id = tx.add_blob(plan.content, refs=refs, prefix=plan.prefix, trace_id=plan.trace_id)
    size = len(plan.prefix) + plan.content.size
    now = time.time()
    for filing, mailbox in zip(plan.filings, mailboxes, strict=True):
        placed = Placed(blob_id, filing.flags, filing.keywords, plan.internal_date, size)
        _, uids = place(tx, mailbox.id, [placed], plan.rule)
        tx.tell(
            Filed(
                at=now,
                trace_id=plan.trace_id,
                recipient=filing.recipient,
                account=filing.account,
                mailbox=mailbox.name,
                uid=uids[0],
            )
        )
    for dispatch in plan.dispatches:
        _enqueue(tx, plan, dispatch, blob_id, now)
    if plan.dispatches:
        waiting, deferred, held = counts(tx.connection)
        tx.tell(QueueChanged(at=now, waiting=waiting, deferred=deferred, held=held))


def _mailbox_of(tx: Tx, filing: Filing) -> Mailbox:
    for name in (filing.mailbox, INBOX):
        mailbox = find_mailbox(tx.connection, filing.account_id, name)
        if mailbox is not None:
            return mailbox
    raise NoSuchAccount(filing.account)


def _enqueue(tx: Tx, plan: DeliveryPlan, dispatch: Dispatch, blob_id: int, now: float) -> None:
    message_id = tx.connection.execute(
        "INSERT INTO queue_messages (trace_id, blob_id, prefix, reverse_path, account_id, accepted_at, size_octets,"
        " eight_bit, smtputf8, ret, envid, message_id_header, subject) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            plan.trace_id,
            blob_id,
            dispatch.prefix,
            dispatch.reverse_path,
            dispatch.account_id,
            now,
            plan.content.size,
            dispatch.eight_bit,
            dispatch.smtputf8,
            dispatch.ret,
            dispatch.envid,
            dispatch.message_id_header,
            dispatch.subject,
        ),
    ).lastrowid
    for to in dispatch.recipients:
        tx.connection.execute(
            "INSERT INTO queue_recipients (message_id, address, domain, orcpt, notify, next_attempt_at) VALUES (?,?,?,?,?,?)",
            (message_id, to.address, to.domain, to.orcpt, to.notify, now),
        )
        tx.tell(Queued(at=now, trace_id=plan.trace_id, recipient=to.address))
