"""store.db and its log as pages, whatever state they are in; nothing is written, and SQLite is not asked.

What the log holds counts before what the file holds, as SQLite has it. Where the log itself is damaged SQLite stops
believing it; here each page of it is judged alone, and older versions of a page are kept as `others`: better a row twice
than none. A page that the card does not give back is one that is not there.

Cost: a page in memory at a time, and a note for each page.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .card_calls import read_beside_damage
from .database import PAGE_OCTETS
from .sqlite_pages import (
    FILE_HEADER_OCTETS,
    FRAME_HEADER_OCTETS,
    INDEX_INTERIOR,
    INDEX_LEAF,
    LOG_HEADER_OCTETS,
    TABLE_INTERIOR,
    TABLE_LEAF,
    Cell,
    Frame,
    Page,
    Value,
    log_header,
    parse_page,
    read_frame,
    record,
)

DEPTH_MOST = 20  # of a tree; four levels hold a million messages
_FRAME_OCTETS = FRAME_HEADER_OCTETS + PAGE_OCTETS
_MAGIC = b"SQLite format 3\0"


@dataclass(slots=True)
class Tree:
    """One table or index. hurt: a part of it could not be read, so that rows of it may be missing."""

    root: int
    indexed: bool  # an index, or a table without rowid
    hurt: bool = False
    pages: set[int] = field(default_factory=set)


@dataclass(slots=True, frozen=True)
class Other:
    """A page as it once was, or may have become. in_log: or else in the file."""

    number: int
    position: int
    in_log: bool


class DatabaseFile:
    def __init__(self, fd: int, wal: Path) -> None:
        """fd: of store.db, and it stays the caller's. Raises OSError when the log cannot be opened."""
        self._fd = fd
        self._log_fd = -1
        self._in_log: dict[int, int] = {}  # page → where its newest version lies in the log
        self.others: list[Other] = []
        self.log_is_hurt = False
        self.log_goes_on = False  # behind a place where it is hurt, with something that was committed
        self.unread_pages = 0
        self.size_octets = os.fstat(fd).st_size
        try:
            self._log_fd = os.open(wal, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            pass
        else:
            self.size_octets += os.fstat(self._log_fd).st_size
            self._read_log()
        self.pages = max([-(-os.fstat(fd).st_size // PAGE_OCTETS), *self._in_log])

    def close(self) -> None:
        if self._log_fd >= 0:
            os.close(self._log_fd)
            self._log_fd = -1

    def page(self, number: int) -> bytes | None:
        """As it is now. None: the card does not give it back."""
        position = self._in_log.get(number)
        if position is not None:
            return self._read(self._log_fd, position)
        return self._read(self._fd, (number - 1) * PAGE_OCTETS)

    def other(self, other: Other) -> bytes | None:
        return self._read(self._log_fd if other.in_log else self._fd, other.position)

    def header(self) -> bytes | None:
        """The first octets of the file, if they are those of an SQLite database."""
        octets = self.page(1)
        return octets[:FILE_HEADER_OCTETS] if octets is not None and octets.startswith(_MAGIC) else None

    def layout(self) -> int | None:
        """Which step of the schema the database is at; None where it does not say."""
        header = self.header()
        return int.from_bytes(header[60:64], "big") if header is not None else None

    def roots(self) -> dict[str, int] | None:
        """Name of each table and index → its first page. None where the list of them cannot be read whole."""
        if self.header() is None:
            return None
        found: dict[str, int] = {}
        tree = Tree(1, indexed=False)
        for cell in self.cells(tree):
            payload, whole = self.payload(cell)
            try:
                values, _ = record(payload)
                _, name, _, root = values[:4]
            except ValueError:
                return None
            if not whole or not isinstance(name, str) or not isinstance(root, int) or not 1 < root <= self.pages:
                return None
            found[name] = root
        return None if tree.hurt else found

    def cells(self, tree: Tree) -> Iterator[Cell]:
        """Every row that can be come at from the tree's root, in order. Marks the tree as hurt on the way."""
        kinds = (INDEX_INTERIOR, INDEX_LEAF) if tree.indexed else (TABLE_INTERIOR, TABLE_LEAF)
        todo = [(tree.root, 0)]
        while todo:
            number, depth = todo.pop()
            page = self._tree_page(tree, number) if depth < DEPTH_MOST else None
            if page is None or page.kind not in kinds:
                tree.hurt = True
                continue
            tree.hurt |= page.broken > 0
            tree.pages.add(number)
            todo += [(child, depth + 1) for child in reversed(page.children)]
            yield from page.cells

    def _tree_page(self, tree: Tree, number: int) -> Page | None:
        if not 0 < number <= self.pages or number in tree.pages:
            return None
        octets = self.page(number)
        return parse_page(octets, number) if octets is not None else None

    def payload(self, cell: Cell) -> tuple[bytes, bool]:
        """(what of it can be read, whether it is all)."""
        pieces, missing, number = [cell.payload], cell.octets - len(cell.payload), cell.overflow
        seen: set[int] = set()
        while missing > 0:
            octets = self.page(number) if 1 < number <= self.pages and number not in seen else None
            if octets is None:
                return b"".join(pieces), False
            seen.add(number)
            pieces.append(octets[4 : 4 + missing])
            missing -= len(pieces[-1])
            number = int.from_bytes(octets[:4], "big")
        return b"".join(pieces), True

    def values(self, cell: Cell) -> tuple[list[Value], bool]:
        """(the row's values, whether they are all). Raises ValueError."""
        payload, whole = self.payload(cell)
        values, enough = record(payload)
        return values, whole and enough

    def free_pages(self) -> set[int]:
        """Those that the file says are in no use, as far as its list of them can be followed."""
        header = self.header()
        free: set[int] = set()
        trunk = int.from_bytes(header[32:36], "big") if header is not None else 0
        while 1 < trunk <= self.pages and trunk not in free:
            free.add(trunk)
            octets = self.page(trunk)
            if octets is None:
                break
            count = min(int.from_bytes(octets[4:8], "big"), PAGE_OCTETS // 4 - 2)
            free.update(int.from_bytes(octets[8 + 4 * n : 12 + 4 * n], "big") for n in range(count))
            trunk = int.from_bytes(octets[:4], "big")
        return free

    def _read(self, fd: int, position: int) -> bytes | None:
        try:
            octets = read_beside_damage(fd, PAGE_OCTETS, position)
        except OSError:
            self.unread_pages += 1
            return None
        return octets if len(octets) == PAGE_OCTETS else None

    # -- the log

    def _read_log(self) -> None:
        frames = list(self._frames())
        ours = [at for at, frame in enumerate(frames) if frame.ours]
        if not ours:
            return
        # SQLite writes whole frames: what ends within one was longer.
        cut_short = (os.fstat(self._log_fd).st_size - LOG_HEADER_OCTETS) % _FRAME_OCTETS > 0 and ours[-1] == len(
            frames
        ) - 1
        frames = frames[: ours[-1] + 1]
        first_broken = next((at for at, frame in enumerate(frames) if not frame.whole), len(frames))
        self.log_is_hurt = cut_short or first_broken < len(frames)
        # What a frame holds is checked with what the head of the one before says; where that head is gone it is believed.
        taken = [f.whole or (f.ours and not (at and frames[at - 1].ours)) for at, f in enumerate(frames)]
        last_commit = max((at for at, frame in enumerate(frames) if taken[at] and frame.commit), default=-1)
        self.log_goes_on = last_commit > first_broken
        for at, frame in enumerate(frames):
            if taken[at] and at <= last_commit:
                if self.log_is_hurt:
                    self._keep_as_other(frame.page)
                self._in_log[frame.page] = frame.position
        if self.log_is_hurt:
            self.others.reverse()  # the newest first
            # What is after the last whole commit may never have been answered for; what is broken may be broken in one
            # octet. Nobody knows, so both are looked through for what is nowhere else.
            self.others[:0] = [
                Other(frame.page, frame.position, in_log=True)
                for at, frame in reversed(list(enumerate(frames)))
                if frame.ours and (at > last_commit or not taken[at])
            ]

    def _keep_as_other(self, number: int) -> None:
        before = self._in_log.get(number)
        if before is not None:
            self.others.append(Other(number, before, in_log=True))
        else:
            self.others.append(Other(number, (number - 1) * PAGE_OCTETS, in_log=False))

    def _frames(self) -> Iterator[Frame]:
        size = os.fstat(self._log_fd).st_size
        head = self._read_some(0, LOG_HEADER_OCTETS)
        header = log_header(head)
        if header is None:
            salts = self._salts_of_frames(size)
            order, before = b"<", (0, 0)
        else:
            order, salts, before = header
        for position in range(LOG_HEADER_OCTETS, size - _FRAME_OCTETS + 1, _FRAME_OCTETS):
            octets = self._read_some(position, _FRAME_OCTETS)
            if len(octets) < _FRAME_OCTETS:
                yield Frame(0, position, commit=False, ours=False, whole=False)
                continue
            frame, before = read_frame(octets, position, order, salts, before)
            yield frame

    def _salts_of_frames(self, size: int) -> bytes:
        """Frames say of which log they are, too. The newest begins at the front; where two neighbours agree, both are whole."""
        earlier = b""
        for position in range(LOG_HEADER_OCTETS, size - _FRAME_OCTETS + 1, _FRAME_OCTETS):
            salts = self._read_some(position, FRAME_HEADER_OCTETS)[8:16]
            if salts == earlier and salts != bytes(len(salts)):
                break
            earlier = salts
        return earlier

    def _read_some(self, position: int, octets: int) -> bytes:
        try:
            return read_beside_damage(self._log_fd, octets, position)
        except OSError:
            self.unread_pages += 1
            return b""
