"""A new database in the place of a damaged one, so that a power cut at any moment leaves the old one or the new one.

The new one is complete and on the card under NEW before PLAN is: from then on only names change, and whoever opens the
store next finishes that first (`finish_exchange`). The damaged files keep their octets: store.db becomes
store.db.damaged-WHEN, its log store.db.damaged-WHEN-wal, so that SQLite finds the two together.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from .database import FILE_NAME
from .segments import sync_folder

NEW = f"{FILE_NAME}.new"
PLAN = f"{FILE_NAME}.exchange"
_SHARED_FIRST, _SHARED_OCTETS = 0x40000002, 510  # where SQLite's connections hold their shared locks


class StoreInUse(Exception):
    """A process has the store open."""


@contextlib.contextmanager
def alone_with(home: Path) -> Iterator[int]:
    """A descriptor of store.db, which nobody else has open or can open meanwhile. Not from a process that has it open
    itself: SQLite's locks are a process's, and closing the descriptor ends them. Raises StoreInUse, OSError."""
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fd = -1
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        finish_exchange(home)
        fd = os.open(home / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, _SHARED_OCTETS, _SHARED_FIRST)
        except BlockingIOError:
            raise StoreInUse from None
        yield fd
    finally:
        if fd >= 0:
            os.close(fd)
        os.close(folder)


def exchange(home: Path, when: str) -> list[str]:
    """Puts NEW, which is on the card, in the place of store.db. Returns what the damaged files are called now.

    Raises OSError. Durability: durable; and once PLAN is there, it will be done whatever happens.
    """
    draft = home / f"{PLAN}.draft"
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "w", encoding="ascii") as file:
        file.write(when)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(home)
    os.replace(draft, home / PLAN)
    sync_folder(home)
    finish_exchange(home)
    return [name for name in _aside(when) if (home / name).exists()]


def finish_exchange(home: Path) -> None:
    """Whatever of it is left to do; without a plan, a new database that was never completed is thrown away. To be called
    by whoever holds the lock of the folder, before store.db is opened. Raises OSError."""
    new, plan, store = home / NEW, home / PLAN, home / FILE_NAME
    if not plan.exists():
        if new.exists():
            new.unlink()
        return
    if new.exists():
        database, log = (home / name for name in _aside(plan.read_text(encoding="ascii").strip()))
        wal = home / f"{FILE_NAME}-wal"
        if wal.exists():
            os.rename(wal, log)
        (home / f"{FILE_NAME}-shm").unlink(missing_ok=True)
        if store.exists():
            os.rename(store, database)
        os.rename(new, store)
        sync_folder(home)
    plan.unlink()
    sync_folder(home)


def _aside(when: str) -> tuple[str, str]:
    return f"{FILE_NAME}.damaged-{when}", f"{FILE_NAME}.damaged-{when}-wal"
