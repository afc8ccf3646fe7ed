"""Opening store.db: the settings that every connection needs, writer and readers alike."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

FILE_NAME = "store.db"
WAL_OCTETS = 5 * 1024 * 1024  # a little more than what is in it when it is checkpointed
BUSY_WAIT_S = 20  # for another process's transaction; the longest is the copying of one large message


def connect_writer(path: Path) -> sqlite3.Connection:
    """4 KiB pages and a WAL; synchronous is set by the writer before each transaction. Raises sqlite3.Error."""
    return _connect(
        path,
        "PRAGMA page_size = 4096;"
        "PRAGMA journal_mode = WAL;"
        "PRAGMA synchronous = FULL;"
        # The WAL stays as long as it became (a growing one doubles the flushes). A commit that finds 4 MB in it
        # checkpoints, without waiting for readers; the next one then begins the WAL anew.
        "PRAGMA wal_autocheckpoint = 1000;"
        "PRAGMA journal_size_limit = -1;"
        "PRAGMA foreign_keys = OFF;"
        "PRAGMA temp_store = MEMORY;"
        "PRAGMA cache_size = -4096;",
    )


def connect_reader(path: Path) -> sqlite3.Connection:
    """Raises sqlite3.Error."""
    return _connect(path, "PRAGMA query_only = 1; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -2048;")


def _connect(path: Path, settings: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_WAIT_S, isolation_level=None, check_same_thread=False)
    try:
        connection.executescript(settings)
    except sqlite3.Error:  # a damaged database says so here
        connection.close()
        raise
    return connection


def lengthen_wal(wal: Path) -> None:
    """Gives a new WAL its full length at once, in zeros, which SQLite takes for its end. As long as the file grows, each
    commit costs a second flush, for ext4's note of its size.

    To be called inside a write transaction, so that nobody appends meanwhile. Cost: 5 MiB written, one flush.
    """
    fd = os.open(wal, os.O_WRONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        if size < WAL_OCTETS:
            os.pwrite(fd, bytes(WAL_OCTETS - size), size)
            os.fsync(fd)
    finally:
        os.close(fd)
