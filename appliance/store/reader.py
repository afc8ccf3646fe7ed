"""Readers: snapshots of the store that neither wait for the writer nor hold it up.

A query is a function of a connection; all it reads belongs to one instant. Each thread has a connection of its own.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from .database import connect_reader
from .refusals import StorageFailed, StoreDamaged

log = logging.getLogger("merpati.store")

THREADS = 3  # a Zero has four slow cores, and one is the writer's

T = TypeVar("T")
Query = Callable[[sqlite3.Connection], T]


class Readers:
    """damaged: is told, on whichever thread it was noticed, what SQLite said when it could not read something."""

    def __init__(self, path: Path, damaged: Callable[[str], None] | None = None) -> None:
        self._path = path
        self._damaged = damaged
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._closed = False
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="store-reader")

    def submit(self, query: Query[T]) -> Future[T]:
        return self._pool.submit(self.run, query)

    def run(self, query: Query[T]) -> T:
        """On the calling thread. Raises what the query raises, or StorageFailed once the store is closed, StoreDamaged
        where something does not read: the next query may be of another part."""
        try:
            connection = self._connection()
            connection.execute("BEGIN")
            try:
                return query(connection)
            finally:
                if connection.in_transaction:  # an error of the disk has ended it already
                    connection.execute("ROLLBACK")
        except sqlite3.DatabaseError as fault:
            if not is_damage(fault):
                raise
            log.error("a part of the mail store cannot be read: %s", fault)
            if self._damaged is not None:
                self._damaged(str(fault))
            raise StoreDamaged(str(fault)) from fault

    def close(self) -> None:
        self._pool.shutdown(wait=True)
        with self._lock:
            self._closed = True
            for connection in self._all:
                connection.close()
            self._all.clear()

    def _connection(self) -> sqlite3.Connection:
        if self._closed:
            raise StorageFailed("the store is closed")
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = connect_reader(self._path)
            self._local.connection = connection
            with self._lock:
                self._all.append(connection)
        return connection


def is_damage(fault: sqlite3.Error) -> bool:
    """The card, or what it holds, rather than the question. Text that is no text is Python's to find, without a code."""
    code = getattr(fault, "sqlite_errorcode", None)
    if code is None:
        return str(fault).startswith("Could not decode to UTF-8")
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR)


def speaks_of_damage(sentence: str) -> bool:
    """Whether it is what SQLite says of a database that is malformed or none: SQLITE_CORRUPT, SQLITE_NOTADB."""
    return "malformed" in sentence or "not a database" in sentence
