"""A new store.db with everything that can still be had out of a damaged one. Nothing that was there is written over.

`sqlite_pages.py` and `sqlite_file.py` read pages, `salvage.py` makes rows of them, `mend.py` a consistent store of those,
`set_aside.py` puts it in place. A power cut before the last of these leaves the store as it was, one in it is made good
when the store is next opened; beginning again does no harm.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from .check import wrong_in
from .database import FILE_NAME
from .derived.search_index import drop_all
from .losses import Report
from .mend import Mender
from .migrate import SchemaTooNew, migrate, steps
from .salvage import make_new, salvage
from .segments import sync_folder
from .set_aside import NEW, alone_with, exchange
from .sqlite_file import DatabaseFile

_WAL, _KEPT_LOG = f"{FILE_NAME}-wal", f"{FILE_NAME}-wal.kept"
SPARE_OCTETS = 32 * 1024 * 1024  # beyond the size of what is there: what is recovered besides, and a log to go on with


class NoRoom(Exception):
    """need_octets are needed beside the damaged store, free_octets are there."""

    def __init__(self, need_octets: int, free_octets: int) -> None:
        super().__init__(f"{need_octets} octets are needed, {free_octets} are free")
        self.need_octets = need_octets
        self.free_octets = free_octets


def log_goes_on(home: Path) -> bool:
    """Whether committed changes lie behind a place where the log is hurt. SQLite would leave them out, and forget them as
    soon as it opens the store. (What is only torn at its end is as a power cut leaves it.) Raises StoreInUse, OSError."""
    with alone_with(home) as fd, contextlib.closing(DatabaseFile(fd, home / _WAL)) as file:
        return file.log_goes_on


def keep_log(home: Path) -> None:
    """Under a second name, before SQLite opens the store and may drop it. Raises OSError."""
    forget_kept_log(home)
    with contextlib.suppress(FileNotFoundError):
        os.link(home / _WAL, home / _KEPT_LOG)


def put_log_back(home: Path) -> None:
    """What SQLite has moved into the database meanwhile is the same as what the log says. Raises OSError."""
    if not (home / _WAL).exists() and (home / _KEPT_LOG).exists():
        os.rename(home / _KEPT_LOG, home / _WAL)
    forget_kept_log(home)


def forget_kept_log(home: Path) -> None:
    (home / _KEPT_LOG).unlink(missing_ok=True)


def recover(home: Path, *, scratch: Path, recovered_to: str | None = None) -> Report:
    """recovered_to: key of the account that gets mail whose owner is not known; None: it is exported to `home/recovered`.

    Raises StoreInUse, NoRoom, SchemaTooNew, OSError, sqlite3.Error; then the store is as it was.
    Durability: durable. Cost: reads all of the store; as much room as store.db and its log take, while the old ones stay.
    """
    with alone_with(home) as fd, contextlib.closing(DatabaseFile(fd, home / _WAL)) as file:
        _need_room(home, file.size_octets)
        layout = file.layout()
        newest = steps()[-1][0]
        if layout is not None and newest < layout < newest + 100 and file.roots() is not None:
            raise SchemaTooNew(f"the mail store has layout {layout}, this version knows layouts up to {newest}")
        path = home / NEW
        path.unlink(missing_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            report = _make(path, file, layout, home, scratch, recovered_to)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        drop_all(home)  # contents may have other ids from now on; it is made anew when it is needed
        when = time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime())
        report.set_aside = exchange(home, when)
    return report


def _make(
    path: Path, file: DatabaseFile, layout: int | None, home: Path, scratch: Path, recovered_to: str | None
) -> Report:
    connection = make_new(path, layout)
    try:
        noticed = salvage(file, connection)
        connection.execute("COMMIT")
        migrate(connection)  # what an older version left has all the tables now
        connection.execute("BEGIN")
        mender = Mender(
            connection,
            noticed,
            segments=home / "blobs",
            scratch=scratch,
            export=home / "recovered",
            recovered_to=recovered_to,
        )
        report = mender.run()
        connection.execute("COMMIT")
        report.notes += wrong_in(connection)  # a fault of ours, and better said than hidden
    finally:
        connection.close()
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    sync_folder(home)
    return report


def _need_room(home: Path, size_octets: int) -> None:
    card = os.statvfs(home)
    free = card.f_bavail * card.f_frsize
    if free < size_octets + SPARE_OCTETS:
        raise NoRoom(size_octets + SPARE_OCTETS, free)
