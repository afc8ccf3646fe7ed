"""The events of Merpati, one frozen struct each. On the status socket each is one line of JSON with a `type`.

`at` is seconds since the epoch, UTC. `trace_id` names one accepted message from its acceptance to its last delivery.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from .card import Card


class Event(msgspec.Struct, frozen=True, tag=True, tag_field="type", kw_only=True):
    at: float


class Accepted(Event, frozen=True):
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


class Refused(Event, frozen=True):
    """A command or a message was refused; `sentence` is the owner's."""

    ip: str
    listener: str
    reverse_path: str
    recipient: str
    reply: str
    reason: str
    sentence: str


class Filed(Event, frozen=True):
    trace_id: str
    recipient: str
    account: str
    mailbox: str
    uid: int


class Queued(Event, frozen=True):
    trace_id: str
    recipient: str


class Outcome(StrEnum):
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"


class Attempted(Event, frozen=True):
    """One try to deliver to one recipient; `reply` is the other server's own words, or what kept us from it."""

    trace_id: str
    recipient: str
    host: str
    outcome: Outcome
    reply: str
    sentence: str
    tls: str | None = None
    next_attempt_at: float | None = None


class Bounced(Event, frozen=True):
    """The reverse-path was told that a recipient cannot be reached; the report has a trace of its own."""

    trace_id: str
    recipient: str
    report_trace_id: str


class QueueVerb(Event, frozen=True):
    """The owner held, released, flushed or removed a queued message."""

    trace_id: str
    verb: str


class MailboxChanged(Event, frozen=True):
    """A mailbox is not what it was. The tuples hold UIDs; `whole` means: look at everything again."""

    account_id: int
    mailbox_id: int
    modseq: int
    appended: tuple[int, ...] = ()
    flagged: tuple[int, ...] = ()
    expunged: tuple[int, ...] = ()
    whole: bool = False


class MailboxListChanged(Event, frozen=True):
    """An account's mailboxes were created, renamed, deleted or (un)subscribed."""

    account_id: int


class AnnotationsChanged(Event, frozen=True):
    """What is noted on a mailbox is not what it was: account_id is its owner; both are 0 for what is noted on the server.
    `entries` under /private are those of `changed_by`."""

    account_id: int
    mailbox_id: int
    changed_by: int
    entries: tuple[str, ...]


class AccountsChanged(Event, frozen=True):
    """Accounts or aliases were added, changed or removed."""


class AccessEnded(Event, frozen=True):
    """The account was removed or has another password: who is signed in to it is no longer."""

    account_id: int


class QueueChanged(Event, frozen=True):
    """Something was put into, taken out of or changed in the queue. All are numbers of recipients."""

    waiting: int = 0
    deferred: int = 0
    held: int = 0
    stuck: bool = False


class SignedIn(Event, frozen=True):
    account: str
    protocol: str
    ip: str
    ok: bool


class ConfigChanged(Event, frozen=True):
    """merpati.yaml was written anew: look at it again."""


class Phase(StrEnum):
    STARTING = "starting"
    UNCLAIMED = "unclaimed"
    RUNNING = "running"
    UPDATING = "updating"
    STOPPING = "stopping"


class PhaseChanged(Event, frozen=True):
    phase: Phase


class Severity(StrEnum):
    """needs-you: the owner should look when there is time; danger: mail is at risk now."""

    NEEDS_YOU = "needs-you"
    DANGER = "danger"


class ProblemFound(Event, frozen=True):
    """Something needs the owner. A second one of the same id takes the place of the first. `do` is what helps;
    `params` is what the two sentences name, for the translator; `until`: it solves itself then, if nobody else does."""

    id: str
    what: str
    do: str
    severity: Severity = Severity.NEEDS_YOU
    params: dict[str, str] = {}
    until: float | None = None


class ProblemSolved(Event, frozen=True):
    """It is over, or the owner has seen it."""

    id: str


class ListenerChanged(Event, frozen=True):
    """A port was opened, or could not be; `detail` says why not."""

    name: str
    port: int
    ok: bool
    detail: str = ""


class ListenerClosed(Event, frozen=True):
    """A port was closed on purpose, or is no longer wanted."""

    name: str


class StorageMeasured(Event, frozen=True):
    """What the card has left. Below `reserve_octets` no new mail is accepted."""

    free_octets: int
    total_octets: int
    reserve_octets: int


class CardMeasured(Event, frozen=True):
    """What is written to the card, and how long it lasts: once a minute."""

    card: Card


class CardWritten(Event, frozen=True):
    """Another of our processes has caused so many octets more to be written to disks."""

    process: str
    octets: int


class AddressKnown(Event, frozen=True):
    """The IP address under which the owner reaches the appliance; the LEDs blink its last number on request."""

    address: str


AnyEvent = (
    Accepted
    | Refused
    | Filed
    | Queued
    | Attempted
    | Bounced
    | QueueVerb
    | MailboxChanged
    | MailboxListChanged
    | AnnotationsChanged
    | AccountsChanged
    | AccessEnded
    | QueueChanged
    | SignedIn
    | ConfigChanged
    | PhaseChanged
    | ProblemFound
    | ProblemSolved
    | ListenerChanged
    | ListenerClosed
    | StorageMeasured
    | CardMeasured
    | CardWritten
    | AddressKnown
)
