"""Opening store.db: the settings that every connection needs, writer and readers alike."""

from __future__ import annotations

import sqlite3
from pathlib import Path

FILE_NAME = "store.db"
BUSY_WAIT_S = 20  # for another process's transaction; the longest is the copying of one large message


def connect_writer(path: Path) -> sqlite3.Connection:
    """4 KiB pages and a WAL; synchronous is set by the writer before each transaction."""
    connection = sqlite3.connect(path, timeout=BUSY_WAIT_S, isolation_level=None, check_same_thread=False)
    connection.executescript(
        "PRAGMA page_size = 4096;"
        "PRAGMA journal_mode = WAL;"
        "PRAGMA synchronous = FULL;"
        # The WAL stays as long as it became (a growing one doubles the flushes). A commit that finds 4 MB in it
        # checkpoints, without waiting for readers; the next one then begins the WAL anew.
        "PRAGMA wal_autocheckpoint = 1000;"
        "PRAGMA journal_size_limit = -1;"
        "PRAGMA foreign_keys = OFF;"
        "PRAGMA temp_store = MEMORY;"
        "PRAGMA cache_size = -4096;"
    )
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_WAIT_S, isolation_level=None, check_same_thread=False)
    connection.executescript("PRAGMA query_only = 1; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -2048;")
    return connection
