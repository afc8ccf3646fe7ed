"""The one writer of a process: group commit. One flush serves every change that gathered while the last one ran.

Promises: a durable change is on the card before its future is done; a lazy one is visible at once and on the card
within LAZY_S, or earlier with the next durable one (a WAL is ordered: a lazy change can be lost by a power cut, but
never alone and never in the middle). Changes run in the order they came. A change that raises is undone alone; a commit
that fails undoes the whole batch. After an error of the disk nothing more is promised: every later change is refused.
Nobody waits for a timer. Events are published after the commit. Several processes may each have a writer.
"""

from __future__ import annotations

import contextlib
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
from .refusals import StorageFailed, StoreRefusal
from .segments import Segments
from .transaction import Change, T, Tx

log = logging.getLogger("merpati.store")

LAZY_S = 5.0
BATCH_MOST = 200  # changes in one transaction
CHECKPOINT_PAGES = 1000  # 4 MB of WAL; checkpointed between two batches
FREE_AFTER_S = 120.0  # a reader that holds a dropped content has this long to finish


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
        self._to_free: list[tuple[float, tuple[int, int, int]]] = []
        self._closed = False
        self._closing = threading.Lock()
        self.failure: str | None = None  # set once the disk has failed us
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, change: Change[T], *, durable: bool = True) -> Future[T]:
        """The future holds the change's result, or what it raised, or StorageFailed."""
        job = _Job(change, durable)
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
            self._free_blocks()
        self._flush_lazy()
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        self._connection.close()

    def _gather(self) -> tuple[list[_Job], bool]:
        """Waits for one job (or for the lazy deadline), then takes whatever else has gathered."""
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

    def _patience_s(self) -> float | None:
        deadlines = [at for at, _ in self._to_free[:1]]
        if self._lazy_since is not None:
            deadlines.append(self._lazy_since + LAZY_S)
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

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
        except Exception as fault:
            self._undo(batch, fault)
            return
        if durable:
            self._lazy_since = None
        elif self._lazy_since is None and done:
            self._lazy_since = time.monotonic()
        for job, result, tx in done:
            job.future.set_result(result)
            if tx.events:
                self._bus.publish(*tx.events)
            self._to_free += [(time.monotonic() + FREE_AFTER_S, freed) for freed in tx.freed]
        self._checkpoint_when_long()

    def _apply(self, job: _Job, done: list[tuple[_Job, Any, Tx]]) -> None:
        tx = Tx(self._connection, self._segments)
        self._connection.execute("SAVEPOINT change")
        try:
            result = job.change(tx)
        except (OSError, sqlite3.OperationalError, sqlite3.DatabaseError) as fault:
            if not isinstance(fault, OSError) and isinstance(fault, (sqlite3.IntegrityError, sqlite3.ProgrammingError)):
                self._refuse(job, fault)
                return
            raise
        except BaseException as fault:
            self._refuse(job, fault)
            return
        self._connection.execute("RELEASE change")
        done.append((job, result, tx))

    def _refuse(self, job: _Job, fault: BaseException) -> None:
        self._connection.execute("ROLLBACK TO change")
        self._connection.execute("RELEASE change")
        job.future.set_exception(fault)

    def _undo(self, batch: list[_Job], fault: Exception) -> None:
        """The whole batch is as if it had never come. A full or busy database is passing; all else is final."""
        log.error("a change could not be written to the card: %s", fault)
        self._segments.forget()
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("ROLLBACK")
        if not _passing(fault):
            self.failure = str(fault)
        refusal: StoreRefusal = StorageFailed(str(fault))
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

    def _checkpoint_when_long(self) -> None:
        try:
            if self._wal.stat().st_size < CHECKPOINT_PAGES * 4096:
                return
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except FileNotFoundError:
            pass
        except sqlite3.Error as fault:
            log.error("the write-ahead log could not be checkpointed: %s", fault)

    def _free_blocks(self) -> None:
        now = time.monotonic()
        while self._to_free and (self._to_free[0][0] <= now):
            segment_id, position, stored_octets = self._to_free.pop(0)[1]
            try:
                self._segments.free(segment_id, position, stored_octets, self._drop_empty_segment(segment_id))
            except OSError as fault:
                log.warning("the blocks of a deleted message could not be given back: %s", fault)

    def _drop_empty_segment(self, segment_id: int) -> bool:
        """True when the whole file can go: nothing in it is referred to and it is not the one written to."""
        if self.failure is not None:
            return False
        gone = self._connection.execute(
            "DELETE FROM segments WHERE id = ? AND live_octets = 0 AND id < (SELECT max(id) FROM segments)",
            (segment_id,),
        ).rowcount
        return bool(gone)


def _passing(fault: Exception) -> bool:
    if isinstance(fault, OSError):
        return fault.errno in (28, 122)  # ENOSPC, EDQUOT
    code = getattr(fault, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
