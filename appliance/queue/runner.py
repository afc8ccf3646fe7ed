"""The loop that empties the queue: whose turn is it, try, write down what became of it, tell.

Promises: a try and the next one are in the store before anybody is called; what was delivered leaves the queue, and a
report that is owed enters it, in one durable change; a report is never doubled and never lost. What was delivered but
could not be written down (a full card) is written down later and not sent again meanwhile. Crashing at any point costs
at worst one repeat of what was being sent just then. Leaves how a message is sent to transport/.

The try is noted lazily (on the card within 5 s) and so is a postponement: a power cut can only make a try come sooner.
It wakes when something is due, when the queue changes, when told to (`kick`), and every minute: another process may
have written, and the clock may have jumped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from ..dsn.compose import Action
from ..dsn.wanted import parse_notify
from ..mail.address import Address
from ..mail.content import Content
from ..mail.envelope import Recipient
from ..mail.reason import Reason, because
from ..status.bus import Bus
from ..status.events import Event, Outcome, QueueChanged, Queued, QueueVerb
from ..store import queue_rows
from ..store.changes.delivery import DeliveryPlan
from ..store.changes.queue import note_attempt
from ..store.interface import Store
from ..store.queue_rows import QueuedMessage, QueuedRecipient
from ..store.refusals import StoreDamaged, StoreRefusal
from ..store.transaction import Change
from ..transport.interpret import RecipientOutcome
from ..transport.transaction import Job
from .concurrency import Concurrency, Limits
from .due import Batch, batches
from .reports import News, Report, wanted, write_reports
from .retry_schedule import Schedule
from .settlement import judge, settlement

log = logging.getLogger("merpati.queue")

LOOK_EVERY_S = 60.0
READ_EVERY_S = 0.2  # while some of what was read last still waits for its turn
GRACE_S = 5.0  # for what is being sent when we are stopped
WRITE_AGAIN_S = 5.0
REPORT_AGAIN_S = 900.0

PlanReport = Callable[[bytes, Address], Awaitable[DeliveryPlan | None]]
"""intake's: a report and whom it is for → where it goes; None when that is nowhere."""


class Delivers(Protocol):
    """transport's `Deliverer`."""

    def destination(self, domain: str) -> str: ...
    async def deliver(self, job: Job) -> list[RecipientOutcome]: ...
    async def close(self) -> None: ...


class QueueRunner:
    """A component: start, stop, health. clock: seconds since the epoch; jitter: from 0 to 1."""

    def __init__(
        self,
        store: Store,
        deliverer: Delivers,
        plan_report: PlanReport,
        *,
        bus: Bus,
        hostname: str,
        schedule: Schedule | None = None,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._deliverer = deliverer
        self._plan_report = plan_report
        self._bus = bus
        self._hostname = hostname
        self._schedule = schedule or Schedule()
        self._concurrency = Concurrency(limits)
        self._clock = clock
        self._jitter = jitter
        self._busy: set[int] = set()  # ids of recipients in a batch that is under way
        self._batches: set[asyncio.Task[None]] = set()
        self._calling: set[asyncio.Task[None]] = set()  # those of them that may be interrupted
        self._backlog: list[Batch] = []  # read from the store as due, not begun yet
        self._next_due_at: float | None = None
        self._read_at = 0.0
        self._stale = True  # something has changed since the store was read
        self._kicked = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._stopping = False
        self._unread: str | None = None  # why the queue cannot be read
        self._unwritten: str | None = None  # why what was sent cannot be written down

    async def start(self) -> None:
        self._stopping = False
        self._unsubscribe = self._bus.subscribe(self._hear)
        self._loop = asyncio.create_task(self._run(), name="queue")

    async def stop(self) -> None:
        """What is being sent gets some seconds to end; what is not at its end by then stays queued."""
        self._stopping = True
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        if self._loop is not None:
            self._loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop
            self._loop = None
        if self._batches:
            await asyncio.wait(self._batches, timeout=GRACE_S)
        for task in self._calling & self._batches:
            task.cancel()
        if self._batches:
            await asyncio.wait(self._batches)
        await self._deliverer.close()

    def health(self) -> str | None:
        if self._loop is None or (self._loop.done() and not self._stopping):
            return "Mail is not being sent: the queue is not running."
        return self._unread or self._unwritten

    def kick(self) -> None:
        """Look now. For a change that another process has made."""
        self._stale = True
        self._kicked.set()

    def _hear(self, event: Event) -> None:
        if isinstance(event, Queued | QueueChanged | QueueVerb):
            self.kick()

    @staticmethod
    def _loop_time() -> float:
        return asyncio.get_running_loop().time()

    async def _run(self) -> None:
        while True:
            self._kicked.clear()
            try:
                wait_s = await self._begin_what_is_due()
                self._unread = None
            except Exception as fault:
                log.exception("the queue could not be looked at")
                self._unread = f"Mail is not being sent: the queue cannot be read ({fault})."
                wait_s = WRITE_AGAIN_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._kicked.wait()

    async def _begin_what_is_due(self) -> float:
        """Starts what may start; returns for how long there is nothing more to do."""
        now = self._clock()
        age_s = self._loop_time() - self._read_at
        if not self._backlog or age_s >= READ_EVERY_S:
            await self._read(now)
            age_s = 0.0
        self._concurrency.forget(now)
        waiting = Counter(batch.destination for batch in self._backlog)
        left = []
        for batch in self._backlog:
            if self._concurrency.may_start(
                batch.destination, waiting=waiting[batch.destination], now=now, asked_for=batch.asked_for
            ):
                waiting[batch.destination] -= 1
                self._begin(batch)
            else:
                left.append(batch)
        self._backlog = left
        rested_at = self._concurrency.next_change_at(now)
        waits_s = [LOOK_EVERY_S] if rested_at is None else [LOOK_EVERY_S, rested_at - now]
        if left and self._stale:
            waits_s.append(READ_EVERY_S - age_s)
        if self._next_due_at is not None:
            waits_s.append(max(self._next_due_at - now, READ_EVERY_S - age_s if left else 0.0))
        return min(waits_s)

    async def _read(self, now: float) -> None:
        """What is due, from the store."""
        self._stale = False
        longest_wait_s = self._schedule.longest_wait_s
        # Who is busy now may be done before the answer is here, and the answer not know of it: not to be tried again.
        busy = set(self._busy)
        recipients, self._next_due_at = await self._store.read(
            lambda c: (queue_rows.due_recipients(c, now, longest_wait_s), queue_rows.next_due_at(c, now))
        )
        self._backlog = batches(
            recipients,
            now=now,
            busy=busy | self._busy,
            destination=self._deliverer.destination,
            longest_wait_s=longest_wait_s,
        )
        self._read_at = self._loop_time()

    def _begin(self, batch: Batch) -> None:
        self._busy.update(batch.ids)
        self._concurrency.started(batch.destination)
        task = asyncio.create_task(self._attempt(batch), name=f"queue {batch.message_id}")
        self._batches.add(task)
        task.add_done_callback(lambda done: self._ended(done, batch))

    def _ended(self, task: asyncio.Task[None], batch: Batch) -> None:
        self._batches.discard(task)
        self._calling.discard(task)
        self._busy.difference_update(batch.ids)
        self._stale = True
        if not task.cancelled() and task.exception() is not None:
            log.error("a delivery ended in a fault of ours", exc_info=task.exception())
        self._kicked.set()

    async def _attempt(self, batch: Batch) -> None:
        """One batch from its note in the store to its settlement."""
        reachable: bool | None = None
        try:
            if self._stopping:
                return
            now = self._clock()
            least = min(recipient.attempts for recipient in batch.recipients) + 1
            next_at = now + self._schedule.wait_s(least, self._jitter())
            there = set(await self._store.write(note_attempt(batch.ids, next_at, now), durable=False))
            recipients = [recipient for recipient in batch.recipients if recipient.id in there]
            message = await self._store.read(lambda c: queue_rows.message(c, batch.message_id))
            if not recipients or message is None:
                return
            content, outcomes = await self._deliver(message, recipients)
            reachable = _reachable(outcomes)
            await self._settle(message, content, recipients, outcomes)
        finally:
            self._concurrency.ended(batch.destination, reachable=reachable, now=self._clock())

    async def _deliver(
        self, message: QueuedMessage, recipients: Sequence[QueuedRecipient]
    ) -> tuple[Content | None, list[RecipientOutcome]]:
        """(the content, if it can be read; an outcome for each recipient)"""
        task = asyncio.current_task()
        assert task is not None
        self._calling.add(task)
        content: Content | None = None
        to = tuple(_envelope(recipient) for recipient in recipients)
        try:
            content = await self._store.read(lambda c: self._store.content_in(c, message.blob_id))
            job = Job(
                domain=recipients[0].domain,
                reverse_path=Address.parse(message.reverse_path) if message.reverse_path else None,
                recipients=to,
                prefix=message.prefix,
                content=content,
                eight_bit=message.eight_bit,
                smtputf8=message.smtputf8,
                ret=message.ret,
                envid=message.envid,
            )
            return content, await self._deliverer.deliver(job)
        except StoreDamaged as damage:  # what it is of can be read again once the store is repaired, or never; wait
            log.error("%s cannot be sent now: %s", message.trace_id, damage)
            return None, _for_all(to, Outcome.DEFERRED, "4.3.0", damage.reason)
        except StoreRefusal as refusal:
            # Content that does not read back will not get better by waiting; who sent it may still have it.
            log.error("%s cannot be sent: %s", message.trace_id, refusal)
            return None, _for_all(to, Outcome.FAILED, "5.3.0", because("content-lost", what=refusal))
        except Exception as fault:
            log.exception("%s could not be sent by a fault of ours", message.trace_id)
            return content, _for_all(to, Outcome.DEFERRED, "4.3.0", because("our-fault", what=fault))
        finally:
            self._calling.discard(task)

    async def _settle(
        self,
        message: QueuedMessage,
        content: Content | None,
        recipients: Sequence[QueuedRecipient],
        outcomes: Sequence[RecipientOutcome],
    ) -> None:
        """Writes down, and tells once it is written. Not to be interrupted: `stop` waits for it."""
        now = self._clock()
        verdict = judge(message, recipients, outcomes, now=now, schedule=self._schedule, jitter=self._jitter)
        plans: list[tuple[Report, DeliveryPlan]] = []
        try:
            plans = await self._plan_reports(message, content, verdict.news, now)
            await self._write_down(settlement(message, verdict, plans, now), durable=bool(verdict.gone or plans))
        except Exception:
            # What was delivered must leave the queue whatever becomes of a report; who is owed one stays in it.
            log.exception("nobody could be told what became of %s", message.trace_id)
            kept = verdict.without_reports(now + REPORT_AGAIN_S)
            await self._write_down(settlement(message, kept, [], now), durable=bool(kept.gone))
        finally:
            for _, plan in plans:
                plan.content.discard()

    async def _plan_reports(
        self, message: QueuedMessage, content: Content | None, news: Sequence[News], now: float
    ) -> list[tuple[Report, DeliveryPlan]]:
        plans = []
        for report in await self._write_reports(message, content, news, now):
            plan = await self._plan_report(report.octets, report.to)
            if plan is not None:
                plans.append((report, _as_needed(plan, report, message)))
        return plans

    async def _write_reports(
        self, message: QueuedMessage, content: Content | None, news: Sequence[News], now: float
    ) -> list[Report]:
        if not any(wanted(message, each.recipient, each.action) for each in news):
            return []
        moment = datetime.fromtimestamp(now, UTC)
        ids = {
            action: f"{moment:%Y%m%d%H%M%S}.{message.trace_id}.{action}.{news[0].recipient.id}@{self._hostname}"
            for action in Action
        }

        def write(readable: Content | None) -> list[Report]:
            return write_reports(
                message,
                readable,
                news,
                hostname=self._hostname,
                ids=ids,
                now=moment,
                retry_until=message.accepted_at + self._schedule.give_up_after_s,
            )

        try:
            return await asyncio.to_thread(write, content)
        except (StoreRefusal, OSError) as fault:
            log.error("the header of %s cannot be returned: %s", message.trace_id, fault)
            return await asyncio.to_thread(write, None)

    async def _write_down(self, change: Change[None], *, durable: bool) -> None:
        """While the store refuses, the recipients stay busy, so that nothing is sent twice."""
        while True:
            try:
                await self._store.write(change, durable=durable)
                self._unwritten = None
                return
            except StoreRefusal as refusal:
                self._unwritten = f"What was sent cannot be written down: {refusal}"
                log.error("what was sent cannot be written down yet: %s", refusal)
                if self._stopping:
                    return
                await asyncio.sleep(WRITE_AGAIN_S)


def _envelope(recipient: QueuedRecipient) -> Recipient:
    return Recipient(Address.parse(recipient.address), parse_notify(recipient.notify), recipient.orcpt)


def _for_all(to: Sequence[Recipient], outcome: Outcome, status: str, reason: Reason) -> list[RecipientOutcome]:
    return [RecipientOutcome(recipient, outcome, status, "", reason) for recipient in to]


def _reachable(outcomes: Sequence[RecipientOutcome]) -> bool | None:
    if any(outcome.unreachable for outcome in outcomes):
        return False
    return True if any(outcome.host for outcome in outcomes) else None


def _as_needed(plan: DeliveryPlan, report: Report, message: QueuedMessage) -> DeliveryPlan:
    """An international report travels as such (RFC 6533 4)."""
    if not (message.smtputf8 or report.to.needs_smtputf8):
        return plan
    return replace(plan, dispatches=tuple(replace(each, smtputf8=True) for each in plan.dispatches))
