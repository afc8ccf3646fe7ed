"""The one door to what is kept.

A *change* is a function of a `Tx`, handed to `write`; a *query* is a function of a connection, handed to `read`. Both
have a form for the event loop and one (`…_now`) for ordinary threads and the command line. Blobs are read through
`content`, messages come in through `open_spool`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sqlite3
import tempfile
import time
from pathlib import Path

from ..mail.content import Content
from ..status.bus import Bus
from ..status.problems import found
from .ballast import PIECE_OCTETS, Ballast
from .blobs import from_file, from_memory
from .database import FILE_NAME, WAL_OCTETS, connect_writer, lengthen_wal
from .migrate import migrate
from .quota import Limits
from .reader import Query, Readers
from .refusals import Damaged, NoSuchMessage, StorageFailed, StorageLow
from .segments import Segments, sync_folder
from .set_aside import finish_exchange
from .spool import Spool, SpooledContent, spool_bytes
from .transaction import Change, T
from .writer import Writer

RESERVE_OCTETS = 200 * 1024 * 1024
DAMAGED_MOST = 100  # contents that are remembered as damaged; a card with more of them needs no further telling
RESERVE_SHARE = 0.05


class Store:
    """home: the data folder (store.db and blobs/ lie in it); scratch: a folder that need not survive, for spools."""

    def __init__(self, home: Path, *, bus: Bus | None = None, scratch: Path | None = None) -> None:
        if not home.exists():
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_folder(home.parent)
        self.home = home
        self.bus = bus or Bus()
        self._scratch = scratch or Path(tempfile.gettempdir())
        self._path = home / FILE_NAME
        self._ballast = Ballast(home)
        if self._ballast.free() < PIECE_OCTETS:  # opening it makes files that it cannot do without
            self._ballast.give_up()
        _create(self._path)
        self._segments = Segments(home / "blobs")
        self._writer = Writer(self._path, self._segments, self.bus, self._ballast)
        self._readers = Readers(self._path, self._cannot_read)
        self._unread = False
        self._damaged: set[int] = set()

    async def write(self, change: Change[T], *, durable: bool = True) -> T:
        """Durability: as `durable` says, when this returns. Raises what the change raises, or StorageFailed.

        A caller that is cancelled gives up the answer, not the change.
        """
        return await self._writer.submit_async(change, durable=durable)

    def write_now(self, change: Change[T], *, durable: bool = True) -> T:
        return self._writer.submit(change, durable=durable).result()

    async def read(self, query: Query[T]) -> T:
        return await asyncio.wrap_future(self._readers.submit(query))

    def read_now(self, query: Query[T]) -> T:
        return self._readers.run(query)

    def content(self, blob_id: int) -> Content:
        """A stored content, as it was received. Blocks; raises NoSuchMessage, Damaged. It stays readable for two minutes
        after the last message that refers to it is gone."""
        return self.read_now(lambda connection: self.content_in(connection, blob_id))

    def content_in(self, connection: sqlite3.Connection, blob_id: int) -> Content:
        """The same inside a query, so that row and content belong to one instant."""
        row = connection.execute(
            "SELECT size_octets, segment_id, position, stored_octets, data FROM blobs WHERE id = ? AND refs > 0",
            (blob_id,),
        ).fetchone()
        if row is None:
            raise NoSuchMessage(f"content {blob_id}")
        size, segment_id, position, stored_octets, data = row
        if (segment_id is None and data is None) or blob_id in self._damaged:
            raise Damaged(blob_id)
        if segment_id is None:
            return from_memory(blob_id, size, data)
        return from_file(blob_id, size, self._segments.path(segment_id), position, stored_octets)

    async def prepare(self) -> None:
        """For a process that will write for long: what the first commits would have to wait for is done now. On a full
        card it is left, so that the server starts and its owner can delete; a broken one shows in `failure`."""
        wal = self._path.with_name(self._path.name + "-wal")
        with contextlib.suppress(StorageLow, StorageFailed):
            try:
                await self.write(lambda tx: lengthen_wal(wal), durable=False)
            except StorageLow:
                self._ballast.give_up(WAL_OCTETS)
                await self.write(lambda tx: lengthen_wal(wal), durable=False)
        self.keep_ballast()

    def keep_ballast(self) -> None:
        """What is set aside for a full card is made again when there is room. To be called now and then. Blocks shortly."""
        self._ballast.keep(reserve_octets=self.room()[2])

    def open_spool(self) -> Spool:
        return Spool(self._scratch)

    def spool_bytes(self, message: bytes) -> SpooledContent:
        return spool_bytes(self._scratch, message)

    def room(self) -> tuple[int, int, int]:
        """(free octets, all octets, octets of the reserve) of the card that the store lies on."""
        card = os.statvfs(self.home)
        total = card.f_blocks * card.f_frsize
        return card.f_bavail * card.f_frsize, total, min(RESERVE_OCTETS, int(total * RESERVE_SHARE))

    def need_room(self, size_octets: int = 0) -> None:
        """Raises StorageLow when `size_octets` more would touch the reserve, which is kept so that deleting works."""
        free, _, reserve = self.room()
        if free - size_octets < reserve:
            raise StorageLow

    def set_default_limits(self, limits: Limits) -> None:
        """What an account may keep that has no quota of its own; asked by every change of this process from now on."""
        self._writer.default_limits = limits

    @property
    def default_limits(self) -> Limits:
        return self._writer.default_limits

    @property
    def failure(self) -> str | None:
        """What the disk said when it failed us, or None while all is well."""
        return self._writer.failure

    def note_damaged(self, damage: Damaged) -> None:
        """A content did not read back. From now on it is refused at once, and not when half of it has been sent."""
        if damage.blob_id not in self._damaged and len(self._damaged) < DAMAGED_MOST:
            self._damaged.add(damage.blob_id)
            key = str(damage.blob_id)
            self.bus.publish(found("content-damaged", time.time(), key=key, what=f"content {key}"))

    def _cannot_read(self, what: str) -> None:
        """Told once: what does not read will not read again."""
        if not self._unread:
            self._unread = True
            self.bus.publish(found("store-damaged", time.time(), what=what))

    def close(self) -> None:
        self._writer.close()
        self._readers.close()


def _create(path: Path) -> None:
    """Also when several processes come at once: the lock keeps them from making the new file a WAL database together."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        finish_exchange(path.parent)
        new = not path.exists() or path.stat().st_size == 0
        if new:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = connect_writer(path)
        try:
            migrate(connection)
        finally:
            connection.close()
        if new:
            os.fsync(folder)
    finally:
        os.close(folder)
