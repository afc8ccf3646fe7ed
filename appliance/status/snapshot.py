"""The state of the appliance as one frozen value, and how each event changes it.

`fold` is pure: the same events give the same snapshot, whoever counts. `as_of` is what time alone changes. Nothing here
knows LEDs, sockets or the store; `board.py` keeps the current value, `socket.py` hands it out as one line of JSON.
Known limit: the counters begin anew when the mail process does.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from .card import Card
from .card_words import PROBLEMS, troubles
from .events import (
    AddressKnown,
    Attempted,
    Bounced,
    CardMeasured,
    Event,
    Filed,
    ListenerChanged,
    ListenerClosed,
    Outcome,
    Phase,
    PhaseChanged,
    ProblemFound,
    ProblemSolved,
    QueueChanged,
    Severity,
    StorageMeasured,
)
from .problems import found, in_words

KEPT_DELIVERIES = 50
STUCK_AFTER_S = 30 * 60
BOUNCE_SHOWN_S = 24 * 3600
LOW_RESERVES = 2  # storage is low, though mail still comes in, below this many times the reserve


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """See `ProblemFound`. `since` is when it was found first."""

    id: str
    what: str
    do: str
    severity: Severity
    since: float
    params: dict[str, str] = {}
    until: float | None = None


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """Recipients waiting (deferred ones among them) and held. `moved_at`: when one left, or the first began to wait."""

    waiting: int = 0
    deferred: int = 0
    held: int = 0
    stuck: bool = False
    moved_at: float | None = None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One recipient's delivery: into a mailbox here, or one attempt at another server (`where`)."""

    at: float
    trace_id: str
    direction: Literal["in", "out"]
    recipient: str
    where: str
    outcome: Outcome


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    port: int
    ok: bool
    detail: str = ""


class Storage(msgspec.Struct, frozen=True, kw_only=True):
    free_octets: int
    total_octets: int


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="type"):
    """`at`: when this was true, seconds since the epoch. `mail_flashes` only grows: one for each message delivered,
    in or out. `deliveries`: newest first."""

    at: float
    started_at: float
    phase: Phase = Phase.STARTING
    queue: Queue = Queue()
    mail_flashes: int = 0
    delivered_at: float | None = None
    deliveries: tuple[Delivery, ...] = ()
    problems: tuple[Problem, ...] = ()
    listeners: tuple[Listener, ...] = ()
    storage: Storage | None = None
    card: Card | None = None
    address: str | None = None


def first_snapshot(now: float) -> Snapshot:
    return Snapshot(at=now, started_at=now)


def as_of(snapshot: Snapshot, now: float) -> Snapshot:
    """The same, seen at `now`: problems whose time is over are gone, and a queue that did not move may be stuck."""
    queue = snapshot.queue
    stuck = _still(queue, now)
    problems = tuple(p for p in snapshot.problems if p.until is None or p.until > now)
    if stuck and not queue.stuck:
        queue = msgspec.structs.replace(queue, stuck=True)
    return msgspec.structs.replace(snapshot, at=now, queue=queue, problems=problems)


def fold(snapshot: Snapshot, event: Event) -> Snapshot:
    """The snapshot after the event; the very same object when the event changes nothing that is shown."""
    match event:
        case Filed():
            delivery = Delivery(
                at=event.at,
                trace_id=event.trace_id,
                direction="in",
                recipient=event.recipient,
                where=event.mailbox,
                outcome=Outcome.DELIVERED,
            )
            return _delivered(snapshot, delivery)
        case Attempted():
            delivery = Delivery(
                at=event.at,
                trace_id=event.trace_id,
                direction="out",
                recipient=event.recipient,
                where=event.host,
                outcome=event.outcome,
            )
            return _delivered(snapshot, delivery)
        case QueueChanged():
            return _with(snapshot, event.at, queue=_queue(snapshot.queue, event))
        case Bounced():
            problem = found("bounced", event.at, until=event.at + BOUNCE_SHOWN_S, recipient=event.recipient)
            return _with(snapshot, event.at, problems=_add(snapshot.problems, problem))
        case PhaseChanged():
            return _with(snapshot, event.at, phase=event.phase)
        case ProblemFound():
            return _with(snapshot, event.at, problems=_add(snapshot.problems, event))
        case ProblemSolved():
            return _with(snapshot, event.at, problems=_drop(snapshot.problems, event.id))
        case ListenerChanged():
            return _listener(snapshot, event)
        case ListenerClosed():
            others = tuple(other for other in snapshot.listeners if other.name != event.name)
            return _with(
                snapshot, event.at, listeners=others, problems=_drop(snapshot.problems, f"listener:{event.name}")
            )
        case StorageMeasured():
            return _storage(snapshot, event)
        case CardMeasured():
            return _card(snapshot, event)
        case AddressKnown():
            return _with(snapshot, event.at, address=event.address)
        case _:
            return snapshot


def _with(snapshot: Snapshot, at: float, **changes: object) -> Snapshot:
    return msgspec.structs.replace(snapshot, at=max(snapshot.at, at), **changes)


def _delivered(snapshot: Snapshot, delivery: Delivery) -> Snapshot:
    changes: dict[str, object] = {"deliveries": (delivery, *snapshot.deliveries[: KEPT_DELIVERIES - 1])}
    if delivery.outcome is Outcome.DELIVERED:
        if delivery.direction == "out":
            changes["queue"] = msgspec.structs.replace(snapshot.queue, moved_at=delivery.at, stuck=False)
        if not _counted(snapshot, delivery):
            changes |= {"mail_flashes": snapshot.mail_flashes + 1, "delivered_at": delivery.at}
    return _with(snapshot, delivery.at, **changes)


def _counted(snapshot: Snapshot, delivery: Delivery) -> bool:
    """A message for several recipients is one message: it flashes once in each direction."""
    return any(
        d.trace_id == delivery.trace_id and d.direction == delivery.direction and d.outcome is Outcome.DELIVERED
        for d in snapshot.deliveries
    )


def _queue(before: Queue, event: QueueChanged) -> Queue:
    moved_at = before.moved_at
    if event.waiting == 0:
        moved_at = None
    elif before.waiting == 0 or moved_at is None:
        moved_at = event.at  # the first to wait: the queue has its 30 minutes from now on
    after = Queue(waiting=event.waiting, deferred=event.deferred, held=event.held, moved_at=moved_at)
    return msgspec.structs.replace(after, stuck=event.waiting > 0 and (event.stuck or _still(after, event.at)))


def _still(queue: Queue, now: float) -> bool:
    return queue.waiting > 0 and queue.moved_at is not None and now - queue.moved_at >= STUCK_AFTER_S


def _add(problems: tuple[Problem, ...], event: ProblemFound) -> tuple[Problem, ...]:
    """The new one at the end, or in the place of the one with its id, which keeps its age. Danger stands first."""
    since = next((p.since for p in problems if p.id == event.id), event.at)
    problem = Problem(
        id=event.id,
        what=event.what,
        do=event.do,
        severity=event.severity,
        since=since,
        params=event.params,
        until=event.until,
    )
    kept = [problem if p.id == event.id else p for p in problems]
    if problem not in kept:
        kept.append(problem)
    return tuple(sorted(kept, key=lambda p: p.severity is not Severity.DANGER))


def _drop(problems: tuple[Problem, ...], *ids: str) -> tuple[Problem, ...]:
    return tuple(p for p in problems if p.id not in ids)


def _listener(snapshot: Snapshot, event: ListenerChanged) -> Snapshot:
    listener = Listener(name=event.name, port=event.port, ok=event.ok, detail=event.detail)
    others = [other for other in snapshot.listeners if other.name != event.name]
    problems = _drop(snapshot.problems, f"listener:{event.name}")
    if not event.ok:
        problem = found("listener", event.at, key=event.name, name=event.name, port=event.port, detail=event.detail)
        problems = _add(snapshot.problems, problem)
    return _with(snapshot, event.at, listeners=(*others, listener), problems=problems)


def _storage(snapshot: Snapshot, event: StorageMeasured) -> Snapshot:
    id = None
    if event.free_octets <= event.reserve_octets:
        id = "storage-full"
    elif event.free_octets <= LOW_RESERVES * event.reserve_octets:
        id = "storage-low"
    problems = _drop(snapshot.problems, *({"storage-full", "storage-low"} - {id}))
    if id:
        problems = _add(problems, found(id, event.at, free=in_words(event.free_octets)))
    storage = Storage(free_octets=event.free_octets, total_octets=event.total_octets)
    return _with(snapshot, event.at, storage=storage, problems=problems)


def _card(snapshot: Snapshot, event: CardMeasured) -> Snapshot:
    wrong = troubles(event.card)
    problems = _drop(snapshot.problems, *(set(PROBLEMS) - wrong.keys()))
    for id, named in wrong.items():
        problems = _add(problems, found(id, event.at, key="", until=None, **named))
    return _with(snapshot, event.at, card=event.card, problems=problems)
