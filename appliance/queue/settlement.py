"""From the outcomes of one attempt to one change of the store: who leaves the queue, who stays, who is told.

Promises: rows, owed reports and the events about them are one transaction; `judge` itself is pure. Leaves the writing to
`runner.py` and the words of reports to `reports.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ..dsn.compose import Action
from ..mail.reason import because
from ..status.events import Attempted, Bounced, Outcome
from ..store.changes.delivery import DeliveryPlan
from ..store.changes.queue import PutOff, settle
from ..store.queue_rows import QueuedMessage, QueuedRecipient
from ..store.transaction import Change, Tx
from ..transport.interpret import RecipientOutcome
from .reports import News, Report, wanted
from .retry_schedule import DAY_S, Delivered, GiveUp, Schedule, TryAgain, after_attempt

log = logging.getLogger("merpati.queue")


@dataclass(slots=True)
class Verdict:
    """What is to be written down and told after one batch."""

    gone: list[int] = field(default_factory=list)
    put_off: list[PutOff] = field(default_factory=list)
    news: list[News] = field(default_factory=list)
    attempted: list[Attempted] = field(default_factory=list)

    @property
    def warned(self) -> list[int]:
        return [each.recipient.id for each in self.news if each.action is Action.DELAYED]

    def without_reports(self, next_attempt_at: float) -> Verdict:
        """Who is owed word of a failure stays queued and is tried once more; other news is not that important."""
        owed = [each for each in self.news if each.action is Action.FAILED]
        ids = {each.recipient.id for each in owed}
        stay = [PutOff(each.recipient.id, each.sentence, each.outcome.host, next_attempt_at) for each in owed]
        return Verdict([id for id in self.gone if id not in ids], self.put_off + stay, [], self.attempted)


def judge(
    message: QueuedMessage,
    recipients: Sequence[QueuedRecipient],
    outcomes: Sequence[RecipientOutcome],
    *,
    now: float,
    schedule: Schedule,
    jitter: Callable[[], float],
) -> Verdict:
    """What follows for each recipient from its outcome; outcomes in the order of the recipients."""
    verdict = Verdict()
    for recipient, outcome in zip(recipients, outcomes, strict=True):
        what_next = after_attempt(
            outcome.outcome,
            attempts=recipient.attempts + 1,
            accepted_at=message.accepted_at,
            delay_warned=recipient.delay_warned,
            now=now,
            jitter=jitter(),
            schedule=schedule,
        )
        reason, told = outcome.reason, outcome.outcome
        next_attempt_at: float | None = None
        match what_next:
            case Delivered():
                verdict.gone.append(recipient.id)
                if not outcome.reports_passed_on:
                    verdict.news.append(News(Action.RELAYED, recipient, outcome, reason.for_peer))
            case TryAgain(next_at, warn):
                next_attempt_at = next_at
                reply = outcome.reply or reason.for_peer
                verdict.put_off.append(PutOff(recipient.id, reply, outcome.host, next_at))
                if warn:
                    verdict.news.append(News(Action.DELAYED, recipient, outcome, reason.for_peer))
            case GiveUp(expired):
                verdict.gone.append(recipient.id)
                told = Outcome.FAILED
                if expired:
                    outcome = replace(outcome, status=_expired_status(outcome.status))
                    days = max(1, round((now - message.accepted_at) / DAY_S))
                    reason = because("gave-up", days=days, why=reason.for_peer)
                verdict.news.append(News(Action.FAILED, recipient, outcome, reason.for_peer))
                if not wanted(message, recipient, Action.FAILED):
                    log.info("nobody is told that %s did not reach %s", message.trace_id, recipient.address)
        verdict.attempted.append(
            Attempted(
                at=now,
                trace_id=message.trace_id,
                recipient=recipient.address,
                host=outcome.host,
                outcome=told,
                reply=outcome.reply or outcome.reason.for_peer,
                sentence=reason.for_owner,
                tls=outcome.tls,
                next_attempt_at=next_attempt_at,
            )
        )
    return verdict


def settlement(
    message: QueuedMessage, verdict: Verdict, plans: Sequence[tuple[Report, DeliveryPlan]], now: float
) -> Change[None]:
    """Rows, reports and what is told of them, in one transaction."""
    settled = settle(
        gone=verdict.gone, put_off=verdict.put_off, warned=verdict.warned, reports=[plan for _, plan in plans]
    )

    def change(tx: Tx) -> None:
        for attempted in verdict.attempted:
            tx.tell(attempted)
        settled(tx)
        for report, plan in plans:
            if report.action is Action.FAILED:
                for address in report.about:
                    tx.tell(
                        Bounced(at=now, trace_id=message.trace_id, recipient=address, report_trace_id=plan.trace_id)
                    )

    return change


def _expired_status(status: str) -> str:
    """RFC 3463 3.5: X.4.7, delivery time expired; what it is put off for is said in words."""
    return "5.4.7" if status.startswith("4.") else status
