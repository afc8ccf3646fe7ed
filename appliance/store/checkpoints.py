"""Moving what the log (the WAL) holds into the database, beside the writer: a thousand pages for which nobody waits.

A pass runs on a thread and a connection of its own while commits go on; what was committed meanwhile is moved by a short
second pass on the writer's thread, and the next commit begins the log anew. So the log keeps its length: a growing one
costs each commit a second flush. A reader that holds an old snapshot, or a card that is too slow for what comes in, may
let it grow for a while; from BLOCK_PAGES on the writer waits for the pass.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from .card_calls import push
from .database import CHECKPOINT_PAGES, PAGE_OCTETS, connect_checkpointer

AGAIN_PAGES = CHECKPOINT_PAGES // 4  # between two passes that both found a reader in their way
BLOCK_PAGES = 3 * CHECKPOINT_PAGES
PIECE_OCTETS = 512 * 1024
_HEADER, _FRAME_HEADER = 32, 24


class Log:
    """How much the log holds, read in the file itself: SQLite does not tell whether a commit wrote anything."""

    def __init__(self, wal: Path) -> None:
        self._wal = wal
        self._fd = -1
        self._salts = b""
        self.pages = 0

    def look(self) -> tuple[bytes, int]:
        """(which log this is, how many pages were appended to it so far). Raises OSError."""
        fd = self._file()
        if fd < 0:
            return b"", 0
        salts = os.pread(fd, 8, 16)
        if salts != self._salts:  # begun anew
            self._salts, self.pages = salts, 0
        at = _HEADER + self.pages * (_FRAME_HEADER + PAGE_OCTETS)
        while True:
            header = os.pread(fd, _FRAME_HEADER, at)
            # A frame of an earlier log has other salts; where none was yet there are zeros.
            if len(header) < _FRAME_HEADER or header[8:16] != salts or header[:4] == bytes(4):
                return salts, self.pages
            self.pages += 1
            at += _FRAME_HEADER + PAGE_OCTETS

    def sync(self) -> None:
        """Raises OSError."""
        fd = self._file()
        if fd >= 0:
            os.fdatasync(fd)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _file(self) -> int:
        if self._fd < 0:
            with contextlib.suppress(FileNotFoundError):  # nobody has written yet
                self._fd = os.open(self._wal, os.O_RDONLY | os.O_CLOEXEC)
        return self._fd


class Checkpoints:
    """failed: is told of an error, on whichever thread it came."""

    def __init__(self, path: Path, failed: Callable[[BaseException], None]) -> None:
        self._path = path
        self._failed = failed
        self._thread: threading.Thread | None = None
        self._next_at = CHECKPOINT_PAGES
        self._pages = 0

    def after_commit(self, connection: sqlite3.Connection, pages: int) -> None:
        """On the writer's thread. pages: how many the log holds."""
        if pages < self._pages:  # begun anew
            self._next_at = CHECKPOINT_PAGES
        self._pages = pages
        try:
            if self._thread is not None:
                if self._thread.is_alive() and pages < BLOCK_PAGES:
                    return
                self.wait()
                self._next_at = pages + AGAIN_PAGES
                self._pass(connection)
            elif pages >= self._next_at:
                self._next_at = pages + AGAIN_PAGES
                self._thread = self._started()
        except Exception as fault:
            self._failed(fault)

    def wait(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _started(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, name="store-checkpoint", daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        try:
            connection = connect_checkpointer(self._path)
            try:
                for _ in range(2):  # the second is for what came during the first: then little is left to the writer
                    self._pass(connection)
                    self._write_out()
            finally:
                connection.close()
        except Exception as fault:
            self._failed(fault)

    @staticmethod
    def _pass(connection: sqlite3.Connection) -> None:
        """Waits for nobody: where another process is at it, it is done anyway. Raises sqlite3.Error."""
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _write_out(self) -> None:
        """What the pass left in the kernel's memory goes to the card, a piece at a time, so that a commit's flush finds
        its turn in between. SQLite syncs the database only with the last page of the log: all at once, and in the
        writer's pass. Raises OSError.

        The descriptor is SQLite's own: were we to open one of ours, closing it would drop SQLite's locks.
        """
        fd = _descriptor_of(self._path)
        if fd is not None:
            for start in range(0, os.fstat(fd).st_size, PIECE_OCTETS):
                push(fd, start, PIECE_OCTETS, wait=True)


def _descriptor_of(path: Path) -> int | None:
    wanted = os.path.realpath(path)
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # closed meanwhile
            if os.readlink(f"/proc/self/fd/{name}") == wanted:
                return int(name)
    return None
