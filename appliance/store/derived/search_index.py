"""The search index of the accounts: a folder for each, in it files of some hundred messages (`chunk.py`).

Promises: what it says of a message is right, and of whatever it cannot answer for it says nothing: a file that is
damaged, deleted, of another version or of another state of the store counts as never written. One process writes; many
threads may ask meanwhile. Nothing is changed in place: a file is written beside, flushed, and gets its name, so that a
power cut leaves it whole or not at all; what is superseded is deleted after that.
Leaves what there is to index, and when, to `imap/text_index.py`.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import shutil
import sqlite3
import threading
import time
from array import array
from collections import deque
from collections.abc import Collection, Sequence, Set
from pathlib import Path

from ...status.own_writes import Meter
from .chunk import Chunk, ChunkBuilder, ChunkDamaged, OpenChunk, Question

log = logging.getLogger("merpati.store")

FOLDER = Path("derived", "search")  # in the data folder
_SUFFIX, _UNFINISHED = ".index", ".part"
MARK_OCTETS = 8


class SearchIndex:
    """home: the data folder."""

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER
        self._accounts: dict[int, AccountIndex] = {}
        self._lock = threading.Lock()
        self.meter = Meter()

    def of(self, account_id: int) -> AccountIndex:
        with self._lock:
            found = self._accounts.get(account_id)
            if found is None:
                found = self._accounts[account_id] = AccountIndex(self._folder / str(account_id), self.meter)
            return found

    def accounts(self) -> list[int]:
        """Those that have files."""
        try:
            return sorted(int(name) for name in os.listdir(self._folder) if name.isdecimal())
        except OSError:
            return []

    def drop(self, account_id: int) -> None:
        with self._lock:
            self._accounts.pop(account_id, None)
        shutil.rmtree(self._folder / str(account_id), ignore_errors=True)


def drop_all(home: Path) -> None:
    """For when ids of contents may have changed. No process may have the index in use."""
    shutil.rmtree(home / FOLDER, ignore_errors=True)


class AccountIndex:
    def __init__(self, folder: Path, meter: Meter) -> None:
        self._folder = folder
        self._meter = meter
        self._lock = threading.Lock()
        self._chunks: tuple[Chunk, ...] | None = None
        self._marked: dict[Path, int] = {}  # up to which blob id a file is known to be of this store
        self._next = 1

    def chunks(self) -> tuple[Chunk, ...]:
        """Blocks: at the first time every file's directory is read."""
        with self._lock:
            if self._chunks is None:
                self._chunks = tuple(self._load())
            return self._chunks

    def blob_ids(self) -> set[int]:
        """Of everything that is indexed. Cost: 50 ns for each."""
        found: set[int] = set()
        found.update(*(chunk.blob_ids for chunk in self.chunks()))
        return found

    def answer(
        self,
        connection: sqlite3.Connection,
        among: Set[int],
        questions: Sequence[Question],
        left: deque[Chunk] | None = None,
        for_s: float = math.inf,
    ) -> tuple[set[int], list[set[int]]]:
        """(blob ids that were asked for and are indexed, for each question all of the files' that match). connection: to
        the store, in whose state the question is asked. left: the files to ask, all of them unless given; taken out of
        it until `for_s` is over, but for one at least. Blocks: some 0.3 ms for 500 messages and a question, more for needles of several words."""
        known: set[int] = set()
        matching: list[set[int]] = [set() for _ in questions]
        if left is None:
            left = deque(self.chunks())
        until = time.monotonic() + for_s
        while left:
            chunk = left.popleft()
            here = among & set(chunk.blob_ids)
            found = self._found(connection, chunk, max(here), questions) if here else None
            if found is not None:
                known |= here
                for matches, bits in zip(matching, found, strict=True):
                    if bits:
                        matches.update(_of(chunk.blob_ids, bits))
            if time.monotonic() >= until:
                break
        return known, matching

    def _found(
        self, connection: sqlite3.Connection, chunk: Chunk, largest: int, questions: Sequence[Question]
    ) -> list[int] | None:
        """Bits of its messages for each question; None where it cannot answer for those up to `largest`."""
        try:
            with chunk.open() as opened:
                if opened.blob_ids != chunk.blob_ids:
                    raise ChunkDamaged("another file has its name")
                if not self._is_of_this_store(connection, chunk, opened, largest):
                    return None
                return [opened.found(question) for question in questions]
        except (ChunkDamaged, ValueError) as fault:
            self.throw_away(chunk, str(fault))
            return None

    def _is_of_this_store(self, connection: sqlite3.Connection, chunk: Chunk, opened: OpenChunk, blob_id: int) -> bool:
        """Whether up to that id it has the contents that the store has; False: who knows, that one is gone. Raises
        ChunkDamaged where it is of another state."""
        if self._marked.get(chunk.path, 0) < blob_id:
            mark = _mark_of(connection, blob_id)
            if mark is None:
                return False
            if mark != opened.mark(chunk.blob_ids.index(blob_id)):
                raise ChunkDamaged("of another state of the store")
            self._marked[chunk.path] = blob_id
        return True

    def write(self, builder: ChunkBuilder, instead_of: Collection[Chunk] = ()) -> None:
        """One more file, in place of some; nothing written if nothing was built. Raises OSError. Blocks. Durability:
        whole or not there at all."""
        made: list[Chunk] = []
        if builder.blob_ids:
            octets = builder.pack()
            with self._meter.writing():
                made.append(Chunk(self._written(octets)))
        with self._lock:
            kept = [chunk for chunk in self._chunks or () if chunk not in instead_of]
            self._chunks = (*kept, *made)
        for chunk in instead_of:
            self._delete(chunk)

    def _written(self, octets: bytes) -> Path:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{self._next:08}{_SUFFIX}"
        self._next += 1
        beside = path.with_suffix(_UNFINISHED)
        try:
            fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(fd, "wb") as file:
                file.write(octets)
                file.flush()
                os.fsync(file.fileno())
            os.rename(beside, path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
        return path

    def _load(self) -> list[Chunk]:
        found: list[Chunk] = []
        try:
            names = sorted(os.listdir(self._folder))
        except OSError:  # there is none, or the card does not give it
            names = []
        for name in names:
            path = self._folder / name
            if path.suffix == _UNFINISHED:
                with contextlib.suppress(OSError):
                    path.unlink()
            elif path.suffix == _SUFFIX and path.stem.isdecimal():
                self._next = max(self._next, int(path.stem) + 1)
                try:
                    found.append(Chunk(path))
                except (ChunkDamaged, ValueError) as fault:
                    self._told(path, str(fault))
        return found

    def throw_away(self, chunk: Chunk, why: str) -> None:
        with self._lock:
            if chunk not in (self._chunks or ()):  # superseded while it was read
                return
            self._chunks = tuple(each for each in self._chunks or () if each is not chunk)
        self._told(chunk.path, why)

    def _told(self, path: Path, why: str) -> None:
        log.warning("a part of the search index is of no use and will be made anew: %s", why)
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)

    def _delete(self, chunk: Chunk) -> None:
        self._marked.pop(chunk.path, None)
        with contextlib.suppress(OSError):
            chunk.path.unlink(missing_ok=True)


def _mark_of(connection: sqlite3.Connection, blob_id: int) -> bytes | None:
    """Ids are given in the order of time and never twice, so one content that is the same means that all before it
    are. None: there is no such content any more."""
    row = connection.execute("SELECT digest FROM blobs WHERE id = ? AND refs > 0", (blob_id,)).fetchone()
    return None if row is None else bytes(row[0])[:MARK_OCTETS]


def _of(blob_ids: array[int], bits: int) -> list[int]:
    return [blob_id for number, blob_id in enumerate(blob_ids) if bits >> number & 1]
