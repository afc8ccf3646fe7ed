"""The one writer of a process: group commit. One flush serves every change that gathered while the last one ran.

Promises: a durable change is on the card before its future is done; a lazy one is visible at once and on the card
within LAZY_S, or earlier with the next durable one (a WAL is ordered: a lazy change can be lost by a power cut, but
never alone and never in the middle). Changes run in the order they came. A change that raises is undone alone; a commit
that fails undoes the whole batch. After an error of the disk nothing more is promised: every later change is refused;
what only lacked room, memory or its turn is refused once and may be tried again. Nobody waits for a timer. Events are
published after the commit. Several processes may each have a writer.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import queue
import sqlite3
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..status.bus import Bus
from .database import connect_writer
from .refusals import StorageFailed, StorageLow, StoreRefusal
from .segments import Segments
from .transaction import Change, T, Tx

log = logging.getLogger("merpati.store")

LAZY_S = 5.0
BATCH_MOST = 200  # changes in one transaction
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


@dataclass(slots=True)
class _Job:
    change: Change[Any]
    durable: bool
    future: Future[Any] = field(default_factory=Future)


class Writer:
    def __init__(self, path: Path, segments: Segments, bus: Bus) -> None:
        self._connection = connect_writer(path)
        self._segments = segments
        self._bus = bus
        self._wal = path.with_name(path.name + "-wal")
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lazy_since: float | None = None  # monotonic time of the oldest change that no flush has covered
        self._synchronous = "FULL"
        self._free_at = time.monotonic() + FREE_AFTER_S
        self._free_upto = 0
        self._closed = False
        self._closing = threading.Lock()
        self.failure: str | None = None  # set once the disk has failed us
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, change: Change[T], *, durable: bool = True) -> Future[T]:
        """The future holds the change's result, or what it raised, or StorageFailed."""
        job = _Job(change, durable)
        job.future.set_running_or_notify_cancel()  # from here on it cannot be called back
        with self._closing:
            if self._closed:
                job.future.set_exception(StorageFailed("the store is closed"))
            else:
                self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """Waits for what was submitted, makes it durable and tidies the WAL away."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        more = True
        while more:
            batch, more = self._gather()
            if batch:
                self._commit(batch)
            if self._lazy_since is not None and time.monotonic() - self._lazy_since >= LAZY_S:
                self._flush_lazy()
            if time.monotonic() >= self._free_at:
                self._free_blocks()
        self._flush_lazy()
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        self._connection.close()

    def _gather(self) -> tuple[list[_Job], bool]:
        """Waits for one job (or for the next deadline), then takes whatever else has gathered."""
        try:
            first = self._jobs.get(timeout=self._patience_s())
        except queue.Empty:
            return [], True
        if first is None:
            return [], False
        batch = [first]
        while len(batch) < BATCH_MOST:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return batch, False
            batch.append(job)
        return batch, True

    def _patience_s(self) -> float:
        until = self._free_at
        if self._lazy_since is not None:
            until = min(until, self._lazy_since + LAZY_S)
        return max(0.0, until - time.monotonic())

    def _commit(self, batch: list[_Job]) -> None:
        if self.failure is not None:
            for job in batch:
                job.future.set_exception(StorageFailed(self.failure))
            return
        durable = any(job.durable for job in batch)
        done: list[tuple[_Job, Any, Tx]] = []
        try:
            self._set_synchronous("FULL" if durable else "NORMAL")
            self._connection.execute("BEGIN IMMEDIATE")
            for job in batch:
                self._apply(job, done)
            self._segments.sync()
            self._connection.execute("COMMIT")
        except BaseException as fault:  # whatever it is, this thread goes on, and nobody waits for ever
            self._undo(batch, fault)
            return
        if any(tx.wrote for _, _, tx in done):  # or the commit had nothing to do, and flushed nothing
            self._lazy_since = None if durable else self._lazy_since or time.monotonic()
        for job, result, tx in done:
            # Everybody has heard of a change before its caller goes on.
            if tx.events:
                self._bus.publish(*tx.events)
            job.future.set_result(result)

    def _apply(self, job: _Job, done: list[tuple[_Job, Any, Tx]]) -> None:
        tx = Tx(self._connection, self._segments)
        before = self._connection.total_changes
        self._connection.execute("SAVEPOINT change")
        try:
            result = job.change(tx)
        except BaseException as fault:
            if not self._connection.in_transaction or (_of_the_disk(fault) and not _lacks_room(fault)):
                raise
            self._refuse(job, StorageLow() if _lacks_room(fault) else fault)
            return
        self._connection.execute("RELEASE change")
        tx.wrote = self._connection.total_changes != before
        done.append((job, result, tx))

    def _refuse(self, job: _Job, fault: BaseException) -> None:
        self._connection.execute("ROLLBACK TO change")
        self._connection.execute("RELEASE change")
        job.future.set_exception(fault)

    def _undo(self, batch: list[_Job], fault: BaseException) -> None:
        """The whole batch is as if it had never come."""
        log.error("a change could not be written to the card: %s", fault)
        self._segments.forget()
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("ROLLBACK")
        if not _passing(fault):
            self.failure = str(fault)
        refusal: StoreRefusal = StorageLow() if _lacks_room(fault) else StorageFailed(str(fault))
        for job in batch:
            if not job.future.done():
                job.future.set_exception(refusal)

    def _set_synchronous(self, level: str) -> None:
        if level != self._synchronous:
            self._connection.execute(f"PRAGMA synchronous = {level}")
            self._synchronous = level

    def _flush_lazy(self) -> None:
        if self._lazy_since is None:
            return
        self._lazy_since = None
        try:
            fd = os.open(self._wal, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fdatasync(fd)
            finally:
                os.close(fd)
        except FileNotFoundError:
            pass  # another process checkpointed all of it and was the last to close
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
