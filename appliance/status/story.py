"""One message's story: the events that bear its trace id, told in order and in plain words. Pure.

`tell` gives each step twice: a sentence for the owner, and a technical line with the other server's own words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from ..mail.reason import because
from .events import Accepted, Attempted, Bounced, Event, Filed, Outcome, Queued, QueueVerb, Refused

TracedEvent = Accepted | Filed | Queued | Attempted | Bounced | QueueVerb | Refused
TRACED = (Accepted, Filed, Queued, Attempted, Bounced, QueueVerb, Refused)

# At one moment acceptance comes first, then filing and queuing, whatever order the rooms told them in.
_ORDER: dict[type[Event], int] = {Accepted: 0, Filed: 1, Queued: 1}
_VERBS = frozenset({"hold", "release", "flush", "remove"})


@dataclass(slots=True, frozen=True)
class Step:
    at: float
    sentence: str
    technical: str


@dataclass(slots=True, frozen=True)
class Story:
    """trace_id is empty for what was refused: it never became a message here. The rest is empty when it was forgotten."""

    trace_id: str
    at: float
    reverse_path: str
    recipients: tuple[str, ...]
    message_id: str
    subject: str
    events: tuple[TracedEvent, ...]


def story_of(trace_id: str, events: Iterable[TracedEvent]) -> Story:
    ordered = tuple(sorted(events, key=lambda e: (e.at, _ORDER.get(type(e), 2))))
    # Acceptance is told after the commit, with a later time than the filing it led to: it opens the story all the same.
    ordered = tuple(sorted(ordered, key=lambda e: not isinstance(e, Accepted)))
    match ordered:
        case (Accepted() as first, *_):
            return Story(
                trace_id, first.at, first.reverse_path, first.recipients, first.message_id, first.subject, ordered
            )
        case (Refused() as refused, *_):
            named = (refused.recipient,) if refused.recipient else ()
            return Story(trace_id, refused.at, refused.reverse_path, named, "", "", ordered)
        case _:
            known = tuple(dict.fromkeys(e.recipient for e in ordered if not isinstance(e, (Accepted, QueueVerb))))
            return Story(trace_id, ordered[0].at if ordered else 0.0, "", known, "", "", ordered)


def tell(story: Story) -> list[Step]:
    """The story step by step, oldest first."""
    return [_step(event, story) for event in story.events]


def _step(event: TracedEvent, story: Story) -> Step:
    match event:
        case Accepted():
            return _accepted(event)
        case Filed():
            sentence = _say("trace-filed", recipient=event.recipient, mailbox=event.mailbox, account=event.account)
            return Step(event.at, sentence, f"UID {event.uid} in {event.mailbox} of {event.account}")
        case Queued():
            return Step(event.at, _say("trace-queued", recipient=event.recipient), "")
        case Attempted():
            return _attempted(event)
        case Bounced():
            sentence = _say("trace-bounced", recipient=event.recipient, reverse_path=story.reverse_path or "the sender")
            return Step(event.at, sentence, f"the report is {event.report_trace_id}")
        case QueueVerb():
            known = event.verb in _VERBS
            return Step(event.at, _say(f"trace-{event.verb}") if known else event.verb, "")
        case Refused():
            technical = f"{event.listener}, from [{event.ip}]: {event.reply}"
            return Step(event.at, _say("trace-refused", sentence=event.sentence), technical)


def _accepted(event: Accepted) -> Step:
    recipients = ", ".join(event.recipients)
    size = f"{event.size_octets} octets"
    if event.account:
        sentence = _say("trace-sent", account=event.account, recipients=recipients)
    elif event.reverse_path:
        sentence = _say("trace-received", reverse_path=event.reverse_path, recipients=recipients)
    else:
        sentence = _say("trace-report-received", recipients=recipients)
    pieces = [f"{event.protocol} from {event.helo or 'unknown'} [{event.ip}]", event.tls or "no TLS", size]
    if event.message_id:
        pieces.append(event.message_id)
    return Step(event.at, sentence, ", ".join(pieces))


def _attempted(event: Attempted) -> Step:
    match event.outcome:
        case Outcome.DELIVERED:
            sentence = _say("trace-delivered", recipient=event.recipient, host=event.host or "The next server")
        case Outcome.DEFERRED:
            sentence = _say("trace-deferred", recipient=event.recipient, sentence=event.sentence)
        case Outcome.FAILED:
            sentence = _say("trace-failed", recipient=event.recipient, sentence=event.sentence)
    pieces = [piece for piece in (event.host, event.tls or "no TLS" if event.host else "") if piece]
    technical = f"{', '.join(pieces)}: {event.reply}" if pieces else event.reply
    if event.next_attempt_at is not None:
        technical += f" (next try {_time(event.next_attempt_at)})"
    return Step(event.at, sentence, technical)


def _say(id: str, **params: object) -> str:
    return because(id, **params).for_owner


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
