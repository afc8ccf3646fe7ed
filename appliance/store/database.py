"""Opening store.db: the settings that every connection needs, writer and readers alike."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

FILE_NAME = "store.db"
PAGE_OCTETS = 4096
CHECKPOINT_PAGES = 2000  # in the WAL when they are moved into the database (measured: docs/decisions/0007)
WAL_OCTETS = (CHECKPOINT_PAGES + 1000) * 4120  # with what is committed while they are moved
BUSY_WAIT_S = 20  # for another process's transaction; the longest is the copying of one large message


def connect_writer(path: Path) -> sqlite3.Connection:
    """4 KiB pages and a WAL; synchronous is set by the writer before each transaction. Raises sqlite3.Error."""
    return _connect(
        path,
        "PRAGMA page_size = 4096;"
        "PRAGMA journal_mode = WAL;"
        "PRAGMA synchronous = FULL;"
        # The WAL stays as long as it became (a growing one doubles the flushes). The writer has it checkpointed
        # (checkpoints.py); SQLite's own checkpoint, for which a commit waits, is for connections that nobody looks after.
        f"PRAGMA wal_autocheckpoint = {4 * CHECKPOINT_PAGES};"
        "PRAGMA journal_size_limit = -1;"
        "PRAGMA foreign_keys = OFF;"
        "PRAGMA temp_store = MEMORY;"
        "PRAGMA cache_size = -4096;",
    )


def connect_reader(path: Path) -> sqlite3.Connection:
    """Raises sqlite3.Error."""
    return _connect(path, "PRAGMA query_only = 1; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -2048;")


def connect_checkpointer(path: Path) -> sqlite3.Connection:
    """Raises sqlite3.Error."""
    connection = _connect(path, "PRAGMA synchronous = FULL; PRAGMA cache_size = 0;")
    connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()  # before that it does not know of the WAL
    return connection


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

    To be called inside a write transaction, so that nobody appends meanwhile. Cost: WAL_OCTETS written, one flush.
    """
    fd = os.open(wal, os.O_WRONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        if size < WAL_OCTETS:
            os.pwrite(fd, bytes(WAL_OCTETS - size), size)
            os.fsync(fd)
    finally:
        os.close(fd)
