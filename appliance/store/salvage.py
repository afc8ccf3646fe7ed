"""Rows out of a damaged database into a new, empty one: everything that can still be read, and nothing judged yet.

Where each row is looked for, best first; the first that has a key is believed:
  1. the tree of its table, as the file and its log hold it now;
  2. if that tree is hurt: pages that hang on no tree any more and hold rows of that table, by their looks;
  3. if the log is hurt: pages as they were before, and as broken pages of the log would have them;
  4. accounts and mailboxes: their indexes, which know name and id.
Rows from 2 to 4 may be old: `uncertain` tells, for messages and mailboxes, which came that way. What the rows mean
together is the matter of `mend.py`.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .changes.mailboxes import FIRST_MAILBOXES
from .migrate import migrate, steps
from .sqlite_file import DatabaseFile, Tree
from .sqlite_pages import INDEX_LEAF, TABLE_LEAF, Cell, parse_page
from .tables import Table, tables

NO_PASSWORD = "!"  # matches none


@dataclass(slots=True)
class Salvage:
    """What was noticed on the way. hurt: tables of which rows may be missing; highest: table → highest id met;
    uncertain_mailboxes: whose UIDNEXT may be an old one; without_password: accounts known by their id and address alone."""

    hurt: set[str] = field(default_factory=set)
    log_is_hurt: bool = False
    rows: int = 0
    rows_left_out: int = 0
    unread_pages: int = 0
    highest: dict[str, int] = field(default_factory=dict)
    uncertain_mailboxes: set[int] = field(default_factory=set)
    without_password: set[int] = field(default_factory=set)


def make_new(path: Path, layout: int | None) -> sqlite3.Connection:
    """An empty database of that layout, or the newest; with a table of messages that are not certain. Raises
    sqlite3.Error. Durability: none, before `finish_new`."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(
        "PRAGMA page_size = 4096; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY;"
        "PRAGMA cache_size = -8192;"
    )
    known = [number for number, _ in steps()]
    migrate(connection, upto=layout if layout in known else None)
    connection.execute(
        "CREATE TEMP TABLE uncertain (mailbox_id INTEGER, uid INTEGER, PRIMARY KEY (mailbox_id, uid)) WITHOUT ROWID"
    )
    connection.execute("BEGIN")
    return connection


def salvage(file: DatabaseFile, new: sqlite3.Connection) -> Salvage:
    """Cost: every page of the database is read once, or twice where it is hurt."""
    return _Salvager(file, new).run()


class _Salvager:
    def __init__(self, file: DatabaseFile, new: sqlite3.Connection) -> None:
        self._file = file
        self._new = new
        self._tables = tables(new)
        self._found = Salvage()
        self._first_roots = {
            name: root for name, root in new.execute("SELECT name, rootpage FROM main.sqlite_master WHERE rootpage > 0")
        }

    def run(self) -> Salvage:
        said = self._file.roots()
        roots = said if said is not None else self._first_roots  # the same steps put them at the same place
        seen: set[int] = set()
        for name, table in self._tables.items():
            tree = Tree(roots.get(name, 0), indexed=table.clustered)
            fits = self._take(table, self._file.cells(tree), certain=True)
            if tree.hurt:
                self._found.hurt.add(name)
            if fits or said is not None:
                seen |= tree.pages
        self._read_sequence(roots)
        if self._file.log_is_hurt or self._found.hurt:
            self._take_strays(seen)
        if self._file.log_is_hurt:
            self._found.log_is_hurt = True
            self._take_others()
        self._read_indexes(roots)
        if self._file.log_is_hurt:
            self._found.uncertain_mailboxes |= {id for (id,) in self._new.execute("SELECT id FROM mailboxes")}
        self._found.unread_pages = self._file.unread_pages
        return self._found

    def _take(self, table: Table, cells: Iterable[Cell], *, certain: bool) -> bool:
        """Whether every row made sense."""
        fits = True
        for cell in cells:
            row = self._row(table, cell)
            if row is not None:
                self._insert(table, row, certain=certain)
                continue
            fits = False
            if certain:
                self._found.rows_left_out += 1
                self._found.hurt.add(table.name)
        return fits

    def _row(self, table: Table, cell: Cell) -> tuple[object, ...] | None:
        try:
            values, whole = self._file.values(cell)
        except ValueError:
            return None
        if not whole:
            if table.name != "blobs" or len(values) < 4:
                return None
            # The rest is in pages that are gone. The row still says what has been lost.
            values += [None] * (len(table.columns) - len(values))
            for at, instead in ((4, ""), (5, b""), (6, b""), (8, 0), (9, 0)):
                values[at] = instead if values[at] is None else values[at]
        return table.row(cell.rowid, values)

    def _insert(self, table: Table, row: tuple[object, ...], *, certain: bool) -> None:
        names = ", ".join(column.name for column in table.columns[: len(row)])
        marks = ",".join("?" * len(row))
        try:
            made = self._new.execute(f"INSERT OR IGNORE INTO {table.name} ({names}) VALUES ({marks})", row).rowcount
        except sqlite3.IntegrityError:
            made = 0
        if table.rowid is not None and isinstance(id := row[table.rowid], int):
            self._found.highest[table.name] = max(id, self._found.highest.get(table.name, 0))
        if not made:
            return
        self._found.rows += 1
        if certain:
            return
        if table.name == "messages":
            self._new.execute("INSERT OR IGNORE INTO uncertain VALUES (?, ?)", row[:2])
        elif table.name == "mailboxes" and isinstance(row[0], int):
            self._found.uncertain_mailboxes.add(row[0])

    def _take_strays(self, seen: set[int]) -> None:
        """Where the log is hurt, a page may be an older one than those below it, as may the list of the free ones: a tree that
        looks whole does not lead to all of its pages then."""
        if self._file.log_is_hurt:
            hurt, free = list(self._tables.values()), set()
        else:
            hurt, free = [self._tables[name] for name in self._found.hurt], self._file.free_pages()
        for number in range(2, self._file.pages + 1):
            if number not in seen and number not in free:
                self._take_page(number, self._file.page(number), hurt)

    def _take_others(self) -> None:
        for other in self._file.others:
            self._take_page(other.number, self._file.other(other), list(self._tables.values()))

    def _take_page(self, number: int, octets: bytes | None, of: list[Table]) -> None:
        """By its looks: it is of the table that most of its rows fit, if they fit no other as well. (What a message holds
        can never look like such a page: it lies in pages that begin with the number of the next one.)"""
        page = parse_page(octets, number) if octets is not None else None
        if page is None or page.kind not in (TABLE_LEAF, INDEX_LEAF):
            return
        fits = [
            (sum(self._row(table, cell) is not None for cell in page.cells), table)
            for table in of
            if table.clustered == (page.kind == INDEX_LEAF)
        ]
        fits.sort(key=lambda each: each[0], reverse=True)
        if fits and fits[0][0] and (len(fits) == 1 or fits[0][0] > fits[1][0]):
            self._take(fits[0][1], page.cells, certain=False)

    def _read_sequence(self, roots: dict[str, int]) -> None:
        """The highest ids ever given, so that none is given twice."""
        root = roots.get("sqlite_sequence")
        for name, highest in self._index_rows(root, 2, indexed=False) if root else ():
            if isinstance(name, str) and isinstance(highest, int) and name in self._tables:
                self._found.highest[name] = max(highest, self._found.highest.get(name, 0))

    def _read_indexes(self, roots: dict[str, int]) -> None:
        for address, id in self._index_rows(roots.get("sqlite_autoindex_accounts_1"), 2):
            if isinstance(address, str) and isinstance(id, int) and "@" in address and id > 0:
                made = self._new.execute(
                    "INSERT OR IGNORE INTO accounts (id, address, password_hash, created_at) VALUES (?, ?, ?, ?)",
                    (id, address, NO_PASSWORD, int(time.time())),
                ).rowcount
                if made:
                    self._found.without_password.add(id)
        uses = dict(FIRST_MAILBOXES)
        for account_id, name, id in self._index_rows(roots.get("sqlite_autoindex_mailboxes_1"), 3):
            if (
                isinstance(account_id, int)
                and isinstance(name, str)
                and isinstance(id, int)
                and id > 0
                and account_id > 0
            ):
                made = self._new.execute(
                    "INSERT OR IGNORE INTO mailboxes (id, account_id, name, uidvalidity, special_use) VALUES (?, ?, ?, 0, ?)",
                    (id, account_id, name, uses.get(name)),
                ).rowcount
                if made:
                    self._found.uncertain_mailboxes.add(id)
                    self._found.hurt.add("mailboxes")

    def _index_rows(self, root: int | None, columns: int, *, indexed: bool = True) -> Iterator[list[object]]:
        if root is None:
            return
        for cell in self._file.cells(Tree(root, indexed)):
            try:
                values, whole = self._file.values(cell)
            except ValueError:
                continue
            if whole and len(values) == columns:
                yield [*values]
