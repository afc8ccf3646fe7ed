"""The events of Merpati, one frozen struct each. On the status socket each is one line of JSON with a `type`.

`at` is seconds since the epoch, UTC. `trace_id` names one accepted message from its acceptance to its last delivery.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Event(msgspec.Struct, frozen=True, tag=True, tag_field="type", kw_only=True):
    at: float


class Accepted(Event):
    """A message was answered 250: it is on the card."""

    trace_id: str
    reverse_path: str
    recipients: tuple[str, ...]
    size_octets: int
    ip: str
    helo: str
    protocol: str
    tls: str | None
    account: str | None
    message_id: str
    subject: str


class Refused(Event):
    """A command or a message was refused; `sentence` is the owner's."""

    ip: str
    listener: str
    reverse_path: str
    recipient: str
    reply: str
    reason: str
    sentence: str


class Filed(Event):
    trace_id: str
    recipient: str
    account: str
    mailbox: str
    uid: int


class Queued(Event):
    trace_id: str
    recipient: str


class Outcome(StrEnum):
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"


class Attempted(Event):
    """One try to deliver to one recipient; `reply` is the other server's own words, or what kept us from it."""

    trace_id: str
    recipient: str
    host: str
    outcome: Outcome
    reply: str
    sentence: str
    tls: str | None = None
    next_attempt_at: float | None = None


class Bounced(Event):
    """The reverse-path was told that a recipient cannot be reached; the report has a trace of its own."""

    trace_id: str
    recipient: str
    report_trace_id: str


class QueueVerb(Event):
    """The owner held, released, flushed or removed a queued message."""

    trace_id: str
    verb: str


class MailboxChanged(Event):
    """A mailbox is not what it was. The tuples hold UIDs; `whole` means: look at everything again."""

    account_id: int
    mailbox_id: int
    modseq: int
    appended: tuple[int, ...] = ()
    flagged: tuple[int, ...] = ()
    expunged: tuple[int, ...] = ()
    whole: bool = False


class MailboxListChanged(Event):
    """An account's mailboxes were created, renamed, deleted or (un)subscribed."""

    account_id: int


class AccountsChanged(Event):
    """Accounts or aliases were added, changed or removed."""


class QueueChanged(Event):
    """Something was put into, taken out of or changed in the queue."""

    waiting: int = 0
    deferred: int = 0
    stuck: bool = False


class SignedIn(Event):
    account: str
    protocol: str
    ip: str
    ok: bool


class ConfigChanged(Event):
    """merpati.yaml was written anew: look at it again."""


AnyEvent = (
    Accepted | Refused | Filed | Queued | Attempted | Bounced | QueueVerb | MailboxChanged | MailboxListChanged
    | AccountsChanged | QueueChanged | SignedIn | ConfigChanged
)
