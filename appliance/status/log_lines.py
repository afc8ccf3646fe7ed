"""What the log says: one function per kind of line, so that a line reads the same wherever it comes from.

A line is key=value after one plain word, on one line: what strangers send is shown without control characters and cut,
so that nobody can forge a line or fill the log. No line holds a password, a token or a message's content; events carry
none. Leaves where lines go to `log_stream.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from .bus import Bus
from .events import (
    Accepted,
    AccessEnded,
    AccountsChanged,
    Attempted,
    Bounced,
    ConfigChanged,
    Event,
    Filed,
    ListenerChanged,
    ListenerClosed,
    Outcome,
    PhaseChanged,
    ProblemFound,
    ProblemSolved,
    QueueVerb,
    Refused,
    Severity,
    SignedIn,
)

VALUE_MOST = 300
Line = tuple[int, str]
"""(logging level, text)."""


def accepted(e: Accepted) -> Line:
    words = _pairs(
        trace=e.trace_id,
        reverse_path=e.reverse_path or "<>",
        to=", ".join(e.recipients),
        octets=e.size_octets,
        ip=e.ip,
        helo=e.helo,
        protocol=e.protocol,
        tls=e.tls,
        account=e.account,
        message_id=e.message_id,
    )
    return logging.INFO, f"accepted {words}"


def refused(e: Refused) -> Line:
    words = _pairs(
        ip=e.ip, listener=e.listener, reverse_path=e.reverse_path, to=e.recipient, reason=e.reason, reply=e.reply
    )
    return logging.INFO, f"refused {words}"


def filed(e: Filed) -> Line:
    return (
        logging.INFO,
        f"filed {_pairs(trace=e.trace_id, to=e.recipient, account=e.account, mailbox=e.mailbox, uid=e.uid)}",
    )


def attempted(e: Attempted) -> Line:
    level = logging.INFO if e.outcome is Outcome.DELIVERED else logging.WARNING
    words = _pairs(trace=e.trace_id, to=e.recipient, host=e.host, tls=e.tls, reply=e.reply)
    return level, f"{e.outcome} {words}"


def bounced(e: Bounced) -> Line:
    return logging.WARNING, f"bounced {_pairs(trace=e.trace_id, to=e.recipient, report=e.report_trace_id)}"


def queue_verb(e: QueueVerb) -> Line:
    return logging.INFO, f"queue {_pairs(verb=e.verb, trace=e.trace_id)}"


def signed_in(e: SignedIn) -> Line:
    word = "signed-in" if e.ok else "sign-in-failed"
    level = logging.INFO if e.ok else logging.WARNING
    return level, f"{word} {_pairs(account=e.account, protocol=e.protocol, ip=e.ip)}"


def accounts_changed(e: AccountsChanged) -> Line:
    return logging.INFO, "accounts changed"


def access_ended(e: AccessEnded) -> Line:
    return logging.INFO, f"access-ended {_pairs(account_id=e.account_id)}"


def config_changed(e: ConfigChanged) -> Line:
    return logging.INFO, "configuration changed"


def phase_changed(e: PhaseChanged) -> Line:
    return logging.INFO, f"phase {e.phase}"


def problem_found(e: ProblemFound) -> Line:
    level = logging.ERROR if e.severity is Severity.DANGER else logging.WARNING
    return level, f"problem {_pairs(id=e.id)} {_clean(e.what)} {_clean(e.do)}"


def problem_solved(e: ProblemSolved) -> Line:
    return logging.INFO, f"solved {_pairs(id=e.id)}"


def listener_changed(e: ListenerChanged) -> Line:
    word = "listening" if e.ok else "not-listening"
    return logging.INFO if e.ok else logging.ERROR, f"{word} {_pairs(name=e.name, port=e.port, detail=e.detail)}"


def listener_closed(e: ListenerClosed) -> Line:
    return logging.INFO, f"closed {_pairs(name=e.name)}"


LINES: dict[type[Event], Callable[..., Line]] = {
    Accepted: accepted,
    Refused: refused,
    Filed: filed,
    Attempted: attempted,
    Bounced: bounced,
    QueueVerb: queue_verb,
    SignedIn: signed_in,
    AccountsChanged: accounts_changed,
    AccessEnded: access_ended,
    ConfigChanged: config_changed,
    PhaseChanged: phase_changed,
    ProblemFound: problem_found,
    ProblemSolved: problem_solved,
    ListenerChanged: listener_changed,
    ListenerClosed: listener_closed,
}
"""Events that have no line here (a flag changed, the queue was counted) happen too often to be news."""


class LogListener:
    """Logs what is published on the bus."""

    def __init__(self, bus: Bus, logger: logging.Logger | None = None) -> None:
        self._log = logger or logging.getLogger("merpati.events")
        self.close = bus.subscribe(self._hear)

    def _hear(self, event: Event) -> None:
        line = LINES.get(type(event))
        if line is not None:
            level, text = line(event)
            self._log.log(level, "%s", text)


def _pairs(**values: object) -> str:
    """`a=1 b="two words"`; what is empty is left out."""
    return " ".join(f"{name}={_value(value)}" for name, value in values.items() if value not in (None, ""))


def _value(value: object) -> str:
    text = _clean(str(value))
    if any(c in text for c in ' "='):
        return '"' + text.replace('"', "'") + '"'
    return text


def _clean(text: str) -> str:
    cut = text if len(text) <= VALUE_MOST else text[: VALUE_MOST - 1] + "…"
    return cut if cut.isprintable() else "".join(c if c.isprintable() else "?" for c in cut)
