"""Readers: snapshots of the store that neither wait for the writer nor hold it up.

A query is a function of a connection; all it reads belongs to one instant. Each thread has a connection of its own.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from .database import connect_reader
from .refusals import StorageFailed

THREADS = 3  # a Zero has four slow cores, and one is the writer's

T = TypeVar("T")
Query = Callable[[sqlite3.Connection], T]


class Readers:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._closed = False
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="store-reader")

    def submit(self, query: Query[T]) -> Future[T]:
        return self._pool.submit(self.run, query)

    def run(self, query: Query[T]) -> T:
        """On the calling thread. Raises what the query raises, or StorageFailed once the store is closed."""
        connection = self._connection()
        connection.execute("BEGIN")
        try:
            return query(connection)
        finally:
            if connection.in_transaction:  # an error of the disk has ended it already
                connection.execute("ROLLBACK")

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
