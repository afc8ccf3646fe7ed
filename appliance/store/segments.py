"""Segment files: where contents too large for the database are appended. `blobs/NNNNNNNN.seg`, 64 MiB each.

A content is written and synced before the commit that refers to it, so it costs its size once, not twice as in a WAL.
A segment is appended to by whoever holds its file's lock (flock), one process and one thread at a time, and contents of
one segment are committed in the order in which they lie there. So `used_octets` is all that must be recorded: what lies
behind it belongs to nobody and is written over by the next holder; what a content leaves out before it (another's that
was refused) is put into `freed` by the same commit. No crash leaves a place that nobody knows of.

A content that is no longer referred to has its blocks given back by punching a hole, after a grace in which a reader may
finish.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .card_calls import punch_hole
from .refusals import StorageFailed
from .spool import SpooledContent

SEGMENT_OCTETS = 64 * 1024 * 1024
COPY_OCTETS = 1024 * 1024
_TRY_FIRST = 8  # segments with room; each process appends to one


class SegmentFile:
    """A segment that nobody else appends to until we let go of it. Its users are contents whose commit has yet to come:
    before that nobody else knows where the free part begins."""

    def __init__(self, segment_id: int, fd: int) -> None:
        self.id = segment_id
        self.fd = fd
        self._users = 0
        self._retired = False
        self._lock = threading.Lock()

    def use(self) -> None:
        with self._lock:
            self._users += 1

    def release(self) -> None:
        with self._lock:
            self._users -= 1
            self._close_if_done()

    def retire(self) -> None:
        """Another one is appended to from now on; this one is let go of when its last user has done so."""
        with self._lock:
            self._retired = True
            self._close_if_done()

    def _close_if_done(self) -> None:
        if self._retired and self._users == 0 and self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


@dataclass(slots=True, frozen=True)
class Place:
    """Where a content lies or is about to."""

    file: SegmentFile
    position: int
    stored_octets: int


class Segments:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, segment_id: int) -> Path:
        return self.folder / f"{segment_id:08d}.seg"

    def record(self, connection: sqlite3.Connection, place: Place) -> None:
        """In the transaction that refers to the content: it is there, and what nobody took before it is given back."""
        used = self._used(connection, place.file.id)
        if used is None:
            connection.execute("INSERT INTO segments (id, used_octets, live_octets) VALUES (?, 0, 0)", (place.file.id,))
            used = 0
        if place.position < used:  # never: or it would lie where another one lies
            raise StorageFailed(f"segment {place.file.id} was appended to by somebody else")
        if place.position > used:
            connection.execute(
                "INSERT INTO freed (segment_id, position, stored_octets) VALUES (?, ?, ?)",
                (place.file.id, used, place.position - used),
            )
        connection.execute(
            "UPDATE segments SET used_octets = ?, live_octets = live_octets + ? WHERE id = ?",
            (place.position + place.stored_octets, place.stored_octets, place.file.id),
        )

    def take(self, connection: sqlite3.Connection, need: int) -> tuple[SegmentFile, int]:
        """A segment with room that nobody else appends to, else a new one; and where its free part begins.

        Raises OSError, sqlite3.Error. Durability: file and name of a new one are on the card.
        """
        with self._choosing():
            for (segment_id,) in connection.execute(
                "SELECT id FROM segments WHERE used_octets + ? <= ? ORDER BY id DESC LIMIT ?",
                (need, SEGMENT_OCTETS, _TRY_FIRST),
            ).fetchall():
                fd = _held(self.path(segment_id))
                if fd is None:
                    continue
                used = self._used(connection, segment_id)  # again, now that nobody else changes it
                if used is not None and used + need <= SEGMENT_OCTETS:
                    return SegmentFile(segment_id, fd), used
                os.close(fd)
            return self._new_segment(connection, need), 0

    def give_back(self, connection: sqlite3.Connection, upto: int) -> int:
        """Gives blocks back that no content lies in: the rows of `freed` up to `upto`, whose commits are on the card and
        whose readers are gone, and the files that are empty by now. Returns the last row there is, for the next time.

        Raises OSError, sqlite3.Error. Doing it again after a crash does no harm: a place is never written twice.
        """
        rows = connection.execute("SELECT id, segment_id, position, stored_octets FROM freed ORDER BY id").fetchall()
        for row_id, segment_id, position, stored_octets in rows:
            if row_id <= upto:
                self._punch(segment_id, position, stored_octets)
        if (rows and rows[0][0] <= upto) or self._empty(connection, upto) or self._left(connection):
            self._clear(connection, upto)
        return rows[-1][0] if rows else upto

    def _clear(self, connection: sqlite3.Connection, upto: int) -> None:
        """The rows that are done with; then files in which no content lies and that nobody appends to."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            with self._choosing(), contextlib.ExitStack() as held:
                connection.execute("DELETE FROM freed WHERE id <= ?", (upto,))
                gone = [each for each in self._empty(connection, upto) if self._hold(each, held)]
                connection.executemany("DELETE FROM segments WHERE id = ?", [(each,) for each in gone])
                gone += [
                    each
                    for each in self._left(connection)
                    if each not in gone and self._hold(each, held) and not self._referred_to(connection, each)
                ]
                connection.execute("COMMIT")
                for segment_id in gone:
                    self.path(segment_id).unlink(missing_ok=True)
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    @staticmethod
    def _empty(connection: sqlite3.Connection, upto: int) -> list[int]:
        """The segment with the highest id stays, so that no id is given twice."""
        found = connection.execute(
            "SELECT id FROM segments WHERE live_octets = 0 AND id < (SELECT max(id) FROM segments)"
            " AND id NOT IN (SELECT segment_id FROM freed WHERE id > ?)",
            (upto,),
        )
        return [segment_id for (segment_id,) in found]

    def _left(self, connection: sqlite3.Connection) -> list[int]:
        """Files whose row is gone: a crash came between the two."""
        known = {segment_id for (segment_id,) in connection.execute("SELECT id FROM segments")}
        return [each for each in self._files() if each not in known and each < max(known, default=0)]

    def _hold(self, segment_id: int, held: contextlib.ExitStack) -> bool:
        """False when somebody appends to it."""
        path = self.path(segment_id)
        fd = _held(path)
        if fd is not None:
            held.callback(os.close, fd)
        return fd is not None or not path.exists()

    def _punch(self, segment_id: int, position: int, stored_octets: int) -> None:
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(self.path(segment_id), os.O_WRONLY | os.O_CLOEXEC)
            try:
                punch_hole(fd, position, stored_octets)
            finally:
                os.close(fd)

    def _new_segment(self, connection: sqlite3.Connection, need: int) -> SegmentFile:
        """Its row is made by the first commit that refers to it. A file that a crash left without one is taken first."""
        (newest,) = connection.execute("SELECT coalesce(max(id), 0) FROM segments").fetchone()
        files = self._files()
        for segment_id in files:
            if segment_id > newest:
                fd = _held(self.path(segment_id))
                if fd is not None and not self._referred_to(connection, segment_id):
                    return self._prepared(segment_id, fd, need)
                if fd is not None:
                    os.close(fd)
        segment_id = max([newest, *files]) + 1
        fd = os.open(self.path(segment_id), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return self._prepared(segment_id, fd, need)

    def _prepared(self, segment_id: int, fd: int, need: int) -> SegmentFile:
        try:
            os.posix_fallocate(fd, 0, max(SEGMENT_OCTETS, need))
        except OSError as fault:
            if fault.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                self.path(segment_id).unlink(missing_ok=True)
                os.close(fd)
                raise
        os.fsync(fd)
        sync_folder(self.folder)
        sync_folder(self.folder.parent)
        return SegmentFile(segment_id, fd)

    @contextlib.contextmanager
    def _choosing(self) -> Iterator[None]:
        """One at a time, in all processes: whoever makes, takes or removes a segment."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _files(self) -> list[int]:
        return sorted(int(path.stem) for path in self.folder.glob("*.seg") if path.stem.isdecimal())

    @staticmethod
    def _used(connection: sqlite3.Connection, segment_id: int) -> int | None:
        row = connection.execute("SELECT used_octets FROM segments WHERE id = ?", (segment_id,)).fetchone()
        return None if row is None else row[0]

    @staticmethod
    def _referred_to(connection: sqlite3.Connection, segment_id: int) -> bool:
        """Looks at every row, which only a file without a row of its own is worth: never trust what counts say alone."""
        row = connection.execute("SELECT 1 FROM blobs WHERE segment_id = ? LIMIT 1", (segment_id,)).fetchone()
        return row is not None


def pieces_of(content: SpooledContent) -> Iterator[tuple[int, bytes]]:
    """(offset, stored octets). Raises StorageFailed, ValueError once the content was discarded."""
    at = 0
    while at < content.stored_octets:
        piece = content.read(at, min(COPY_OCTETS, content.stored_octets - at))
        if not piece:
            raise StorageFailed("the spooled message ended early")
        yield at, piece
        at += len(piece)


def write_all(fd: int, piece: bytes, position: int) -> None:
    done = 0
    while done < len(piece):
        done += os.pwrite(fd, piece[done:], position + done)


def sync_folder(folder: Path) -> None:
    """So that a new file's name is on the card."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _held(path: Path) -> int | None:
    """The open file, locked for us; None when somebody else has it or it is not there."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd
