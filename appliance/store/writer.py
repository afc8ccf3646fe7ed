"""The one writer of a process: group commit. One flush serves every change that gathered while the last one ran.

Promises: a durable change is on the card before its future is done; a lazy one is visible at once and on the card
within LAZY_S, or earlier with the next durable one (a WAL is ordered: a lazy change can be lost by a power cut, but
never alone and never in the middle). Changes run in the order they came, those that bring large contents when these are
on the card (`copying.py`). A change that raises is undone alone; a commit that fails undoes the whole batch. After an
error of the disk nothing more is promised: every later change is refused; what only lacked room, memory or its turn is
refused once and may be tried again. Nobody waits for a timer. Events are published after the commit. Several processes
may each have a writer.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..status.bus import Bus
from ..status.events import Event
from .ballast import Ballast
from .checkpoints import Checkpoints, Log
from .copying import Copier
from .database import connect_writer
from .quota import NO_LIMITS
from .refusals import StorageFailed, StorageLow, StoreRefusal
from .segments import Place, Segments
from .spool import SpooledContent
from .transaction import IN_DATABASE_OCTETS, Change, T, Tx, WithContents

log = logging.getLogger("merpati.store")

LAZY_S = 5.0
BATCH_MOST = 200  # changes in one transaction
RUNS_MOST = 4  # of one change: for its contents, and for want of room
FREE_AFTER_S = 120.0  # a reader that holds a dropped content has this long to finish, and up to twice that

# What passes: no room, no memory, no descriptors left, or another process had the database for too long.
_PASSING = (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
_PASSING_SQLITE = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
)
# What is only a fault of the change itself, such as a duplicate key or bad SQL.
_OF_THE_CHANGE = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG)


_NOBODY_WAITS = threading.Event()


@dataclass(slots=True, eq=False)
class _Job:
    """loop: that of `answer`, an asyncio future; None: it is one for threads."""

    change: Change[Any]
    durable: bool
    answer: Future[Any] | asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop | None
    contents: Sequence[SpooledContent] = ()  # the large ones
    places: dict[int, list[Place]] = field(default_factory=dict)
    answered: threading.Event = _NOBODY_WAITS  # one of its own for those with contents
    runs: int = 0

    def no_longer_under_way(self) -> None:
        """The contents that were copied for it, so that others may append after them and the next be copied."""
        for places in self.places.values():
            for place in places:
                place.file.release()
        self.places = {}
        self.answered.set()


@dataclass(slots=True)
class _Outcome:
    job: _Job
    result: Any = None
    fault: BaseException | None = None
    events: Sequence[Event] = ()


class Writer:
    def __init__(self, path: Path, segments: Segments, bus: Bus, ballast: Ballast) -> None:
        self._connection = connect_writer(path)
        self._ballast = ballast
        self._segments = segments
        self._bus = bus
        self._log = Log(path.with_name(path.name + "-wal"))
        self._checkpoints = Checkpoints(path, self._checkpoint_failed)
        self._jobs: queue.SimpleQueue[list[_Job] | None] = queue.SimpleQueue()
        self._copier = Copier[_Job](path, segments, ready=self._jobs.put, refuse=self._not_copied)
        self._lazy_since: float | None = None  # monotonic time of the oldest change that no flush has covered
        self._synchronous = "FULL"
        self._free_at = time.monotonic() + FREE_AFTER_S
        self._free_upto = 0
        self._closed = False
        self._closing = threading.Lock()
        self.failure: str | None = None  # set once the disk has failed us
        self.default_limits = NO_LIMITS  # replaced as a whole when the configuration changes
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, change: Change[T], *, durable: bool = True) -> Future[T]:
        """The future holds the change's result, or what it raised, or StorageFailed."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # from here on it cannot be called back
        self._take(_Job(change, durable, future, None))
        return future

    def submit_async(self, change: Change[T], *, durable: bool = True) -> asyncio.Future[T]:
        """The same for a task of the running loop. When it is cancelled, the change is made all the same."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._take(_Job(change, durable, answer, loop))
        return answer

    def close(self) -> None:
        """Waits for what was submitted, makes it durable and tidies the WAL away."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self._copier.close()
        self._jobs.put(None)
        self._thread.join()

    def _take(self, job: _Job) -> None:
        if isinstance(job.change, WithContents):
            job.contents = [each for each in job.change.contents if each.stored_octets > IN_DATABASE_OCTETS]
        with self._closing:
            if self._closed:
                _answer([_Outcome(job, fault=StorageFailed("the store is closed"))])
            elif self.failure is not None:
                _answer([_Outcome(job, fault=StorageFailed(self.failure))])
            elif job.contents:
                self._copy(job, job.contents)
            elif not (job.durable and self._copier.takes_along(job)):
                self._jobs.put([job])

    def _copy(self, job: _Job, contents: Sequence[SpooledContent]) -> None:
        job.contents = contents
        job.answered = threading.Event()
        try:
            self._copier.submit(job)
        except Exception as fault:  # no thread to be had
            self._not_copied(job, fault)

    def _run(self) -> None:
        more = True
        while more or not self._jobs.empty():
            batch, more = self._gather()
            if batch:
                self._commit(batch)
            if self._lazy_since is not None and time.monotonic() - self._lazy_since >= LAZY_S:
                self._flush_lazy()
            if time.monotonic() >= self._free_at:
                self._free_blocks()
        self._flush_lazy()
        self._checkpoints.wait()
        self._copier.let_go()
        self._connection.close()
        self._log.close()

    def _gather(self) -> tuple[list[_Job], bool]:
        """Waits for one job (or for the next deadline), then takes whatever else has gathered."""
        batch: list[_Job] = []
        try:
            jobs = self._jobs.get(timeout=self._patience_s())
            while jobs is not None:
                batch += jobs
                if len(batch) >= BATCH_MOST:
                    return batch, True
                jobs = self._jobs.get_nowait()
        except queue.Empty:
            return batch, True
        return batch, False

    def _patience_s(self) -> float:
        until = self._free_at
        if self._lazy_since is not None:
            until = min(until, self._lazy_since + LAZY_S)
        return max(0.0, until - time.monotonic())

    def _commit(self, batch: list[_Job]) -> None:
        if self.failure is not None:
            _answer([_Outcome(job, fault=StorageFailed(self.failure)) for job in batch])
            return
        durable = any(job.durable for job in batch)
        outcomes: list[_Outcome] = []
        again: list[tuple[_Job, Sequence[SpooledContent]]] = []
        try:
            self._set_synchronous("FULL" if durable else "NORMAL")
            self._connection.execute("BEGIN IMMEDIATE")
            before = self._log.look()
            version = self._others_version()
            for job in batch:
                large = self._apply(job, outcomes)
                if large:
                    again.append((job, large))
            made = any(each.fault is None for each in outcomes)
            self._connection.execute("COMMIT" if made else "ROLLBACK")
            wrote = self._log.look() != before
            ours_alone = self._others_version() == version
        except BaseException as fault:  # whatever it is, this thread goes on, and nobody waits for ever
            if _lacks_room(fault) and self._ballast.give_up():
                self._take_back()
                self._commit(batch)
            else:
                self._undo(batch, outcomes, fault)
            return
        if wrote and not durable:
            self._lazy_since = self._lazy_since or time.monotonic()
        elif wrote and ours_alone:  # then the flush was ours as well
            self._lazy_since = None
        # Everybody has heard of the changes before their callers go on.
        self._bus.publish(*(event for each in outcomes for event in each.events))
        _answer(outcomes)
        for job, large in again:
            job.no_longer_under_way()
            self._copy(job, large)
        self._checkpoints.after_commit(self._connection, self._log.pages)

    def _apply(self, job: _Job, outcomes: list[_Outcome]) -> Sequence[SpooledContent]:
        """Adds to the outcomes, or returns the contents that must be copied before the change runs again."""
        tx = Tx(self._connection, self._segments, job.places, self.default_limits)
        job.runs += 1
        self._connection.execute("SAVEPOINT change")
        try:
            result = job.change(tx)
            if tx.not_copied and job.runs > RUNS_MOST:
                raise StorageFailed("a change brings other contents each time it runs")
        except BaseException as fault:
            if not self._connection.in_transaction or (_of_the_disk(fault) and not _lacks_room(fault)):
                raise
            self._take_back_one()
            outcomes.append(_Outcome(job, fault=StorageLow() if _lacks_room(fault) else fault))
            return ()
        if tx.not_copied:
            self._take_back_one()
            return tx.large
        self._connection.execute("RELEASE change")
        outcomes.append(_Outcome(job, result, events=tx.events))
        return ()

    def _take_back_one(self) -> None:
        self._connection.execute("ROLLBACK TO change")
        self._connection.execute("RELEASE change")

    def _undo(self, batch: list[_Job], outcomes: list[_Outcome], fault: BaseException) -> None:
        """The whole batch is as if it had never come."""
        log.error("a change could not be written to the card: %s", fault)
        self._take_back()
        if not _passing(fault):
            self.failure = str(fault)
        refused = {id(each.job): each for each in outcomes if each.fault is not None}
        _answer([refused.get(id(job)) or _Outcome(job, fault=_refusal(fault)) for job in batch])

    def _take_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("ROLLBACK")

    def _not_copied(self, job: _Job, fault: BaseException) -> None:
        """On the copier's thread: nothing that refers to its contents was written."""
        if _of_the_disk(fault):
            log.error("a message could not be written to the card: %s", fault)
            if not _passing(fault):
                self.failure = str(fault)
            fault = _refusal(fault)
        _answer([_Outcome(job, fault=fault)])

    def _checkpoint_failed(self, fault: BaseException) -> None:
        """What was committed is in the log still, and on the card. But a card that cannot write one page will hardly
        write the next."""
        if _lacks_room(fault) and self._ballast.give_up():
            return  # the next pass has room
        log.error("the log could not be moved into the database: %s", fault)
        if _of_the_disk(fault) and not _passing(fault):
            self.failure = str(fault)

    def _others_version(self) -> int:
        """Changes with each commit of another connection. Only asked where it decides something."""
        if self._lazy_since is None:
            return 0
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def _set_synchronous(self, level: str) -> None:
        if level != self._synchronous:
            self._connection.execute(f"PRAGMA synchronous = {level}")
            self._synchronous = level

    def _flush_lazy(self) -> None:
        if self._lazy_since is None:
            return
        self._lazy_since = None
        try:
            self._log.sync()
        except OSError as fault:
            self.failure = str(fault)
            log.error("a lazy change could not be flushed to the card: %s", fault)

    def _free_blocks(self) -> None:
        """What was dropped before the last time, which is FREE_AFTER_S ago; by whichever process."""
        self._free_at = time.monotonic() + FREE_AFTER_S
        self._flush_lazy()
        if self.failure is not None:  # then nobody knows which of the commits that dropped something are on the card
            return
        try:
            self._free_upto = self._segments.give_back(self._connection, self._free_upto)
        except (OSError, sqlite3.Error) as fault:
            log.warning("the blocks of deleted messages could not be given back: %s", fault)


def _answer(outcomes: Sequence[_Outcome]) -> None:
    """The contents that were copied for a change are no longer under way, then its caller goes on; one hop for each loop."""
    hops: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}
    for each in outcomes:
        each.job.no_longer_under_way()
        if each.job.loop is None:
            _settle([each])
        else:
            hops.setdefault(each.job.loop, []).append(each)
    for loop, some in hops.items():
        with contextlib.suppress(RuntimeError):  # the loop closed meanwhile: nobody is left to hear it
            loop.call_soon_threadsafe(_settle, some)


def _settle(outcomes: Sequence[_Outcome]) -> None:
    for each in outcomes:
        if each.job.answer.done():  # whoever asked has given up
            continue
        if each.fault is not None:
            each.job.answer.set_exception(each.fault)
        else:
            each.job.answer.set_result(each.result)


def _refusal(fault: BaseException) -> StoreRefusal:
    return StorageLow() if _lacks_room(fault) else StorageFailed(str(fault))


def _of_the_disk(fault: BaseException) -> bool:
    """Rather than of the change that met it: then the whole transaction is in doubt."""
    if isinstance(fault, sqlite3.Error):
        code = getattr(fault, "sqlite_errorcode", None)  # None: raised by Python's own module, for a wrong use of it
        return code is not None and code & 0xFF not in _OF_THE_CHANGE
    return isinstance(fault, OSError)


def _lacks_room(fault: BaseException) -> bool:
    """In a segment, which is put right by undoing that change, or (SQLITE_FULL, which ends the transaction) in the WAL."""
    if isinstance(fault, OSError):
        return fault.errno in (errno.ENOSPC, errno.EDQUOT)
    return getattr(fault, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _passing(fault: BaseException) -> bool:
    if isinstance(fault, OSError):
        return fault.errno in _PASSING
    code = getattr(fault, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _PASSING_SQLITE
