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
                raise OSError(errno.EIO, "the spooled message ended early")
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

    def free(self, segment_id: int, position: int, stored_octets: int, whole: bool) -> None:
        """Give the blocks back, once the commit that dropped the content is on the card and its readers are gone."""
        if whole:
            self.path(segment_id).unlink(missing_ok=True)
            return
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(self.path(segment_id), os.O_WRONLY | os.O_CLOEXEC)
            try:  # a file system that cannot punch holes keeps the blocks until the segment is empty
                _libc.fallocate(fd, _KEEP_SIZE | _PUNCH_HOLE, position, stored_octets)
            finally:
                os.close(fd)

    def _new_segment(self, connection: sqlite3.Connection, segment_id: int, need: int) -> int:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        fd = os.open(self.path(segment_id), os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, max(SEGMENT_OCTETS, need))
        except OSError as fault:
            if fault.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                os.close(fd)
                self.path(segment_id).unlink(missing_ok=True)
                raise
        os.fsync(fd)
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._dirty[segment_id] = fd
        connection.execute("INSERT INTO segments (id, used_octets, live_octets) VALUES (?, 0, 0)", (segment_id,))
        return segment_id

    def _open(self, segment_id: int) -> int:
        if segment_id not in self._dirty:
            self._dirty[segment_id] = os.open(self.path(segment_id), os.O_RDWR | os.O_CLOEXEC)
        return self._dirty[segment_id]


def _write_all(fd: int, piece: bytes, position: int) -> int:
    done = 0
    while done < len(piece):
        done += os.pwrite(fd, piece[done:], position + done)
    return done
