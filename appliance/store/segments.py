"""Segment files: where contents too large for the database are appended. `blobs/NNNNNNNN.seg`, 64 MiB each.

A content is written and synced before the commit that refers to it, so it costs its size once, not twice as in a WAL.
What a crash leaves behind the recorded end of a segment is written over by the next content. All of it runs on the
writer's thread, inside its transaction (which also keeps a second process out). A content that is no longer referred to
has its blocks given back by punching a hole, after a grace in which a reader may finish.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import sqlite3
from pathlib import Path

from .refusals import StorageFailed
from .spool import SpooledContent

SEGMENT_OCTETS = 64 * 1024 * 1024
COPY_OCTETS = 1024 * 1024
_KEEP_SIZE, _PUNCH_HOLE = 1, 2

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


class Segments:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._dirty: dict[int, int] = {}  # segment id → open file, to be synced before the commit

    def path(self, segment_id: int) -> Path:
        return self.folder / f"{segment_id:08d}.seg"

    def append(self, connection: sqlite3.Connection, content: SpooledContent) -> tuple[int, int]:
        """(segment id, position). Raises OSError. Durability: not yet; `sync` must come before the commit."""
        need = content.stored_octets
        row = connection.execute("SELECT id, used_octets FROM segments ORDER BY id DESC LIMIT 1").fetchone()
        if row is None or row[1] + need > max(SEGMENT_OCTETS, need):
            segment_id, position = self._new_segment(connection, row[0] + 1 if row else 1, need), 0
        else:
            segment_id, position = row
        fd = self._open(segment_id)
        at = 0
        while at < need:
            piece = content.read(at, min(COPY_OCTETS, need - at))
            if not piece:
                raise StorageFailed("the spooled message ended early")
            at += _write_all(fd, piece, position + at)
        connection.execute(
            "UPDATE segments SET used_octets = ?, live_octets = live_octets + ? WHERE id = ?",
            (position + need, need, segment_id),
        )
        return segment_id, position

    def sync(self) -> None:
        """Raises OSError: then nothing written since the last sync may be relied on."""
        for fd in self._dirty.values():
            os.fdatasync(fd)
        self.forget()

    def forget(self) -> None:
        for fd in self._dirty.values():
            os.close(fd)
        self._dirty.clear()

    def give_back(self, connection: sqlite3.Connection, upto: int) -> int:
        """Gives blocks back that no content lies in: the rows of `freed` up to `upto`, whose commits are on the card and
        whose readers are gone, and the files that are empty by now. Returns the last row there is, for the next time.

        Raises OSError, sqlite3.Error. Doing it again after a crash does no harm: a place is never written twice.
        """
        rows = connection.execute("SELECT id, segment_id, position, stored_octets FROM freed ORDER BY id").fetchall()
        for row_id, segment_id, position, stored_octets in rows:
            if row_id <= upto:
                self._punch(segment_id, position, stored_octets)
        empty = [
            segment_id
            for (segment_id,) in connection.execute(
                "SELECT id FROM segments WHERE live_octets = 0 AND id < (SELECT max(id) FROM segments)"
                " AND id NOT IN (SELECT segment_id FROM freed WHERE id > ?)",
                (upto,),
            )
        ]
        if empty or (rows and rows[0][0] <= upto):
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.execute("DELETE FROM freed WHERE id <= ?", (upto,))
                connection.executemany("DELETE FROM segments WHERE id = ?", [(segment_id,) for segment_id in empty])
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise
        for segment_id in empty:
            self.path(segment_id).unlink(missing_ok=True)
        return rows[-1][0] if rows else upto

    def _punch(self, segment_id: int, position: int, stored_octets: int) -> None:
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(self.path(segment_id), os.O_WRONLY | os.O_CLOEXEC)
            try:  # a file system that cannot punch holes keeps the blocks until the segment is empty
                _libc.fallocate(fd, _KEEP_SIZE | _PUNCH_HOLE, position, stored_octets)
            finally:
                os.close(fd)

    def _new_segment(self, connection: sqlite3.Connection, segment_id: int, need: int) -> int:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._close(segment_id)
        fd = os.open(self.path(segment_id), os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, max(SEGMENT_OCTETS, need))
        except OSError as fault:
            if fault.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                os.close(fd)
                self.path(segment_id).unlink(missing_ok=True)
                raise
        self._dirty[segment_id] = fd
        os.fsync(fd)
        sync_folder(self.folder)
        sync_folder(self.folder.parent)
        connection.execute("INSERT INTO segments (id, used_octets, live_octets) VALUES (?, 0, 0)", (segment_id,))
        return segment_id

    def _close(self, segment_id: int) -> None:
        """The file of a segment that a refused change of this same transaction began; it is begun again."""
        fd = self._dirty.pop(segment_id, None)
        if fd is not None:
            os.close(fd)

    def _open(self, segment_id: int) -> int:
        if segment_id not in self._dirty:
            self._dirty[segment_id] = os.open(self.path(segment_id), os.O_RDWR | os.O_CLOEXEC)
        return self._dirty[segment_id]


def sync_folder(folder: Path) -> None:
    """So that a new file's name is on the card."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_all(fd: int, piece: bytes, position: int) -> int:
    done = 0
    while done < len(piece):
        done += os.pwrite(fd, piece[done:], position + done)
    return done
