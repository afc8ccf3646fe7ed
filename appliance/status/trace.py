"""The trace: what became of each message, kept in a database file of its own, `derived/trace.db`.

Promises: an idle appliance writes nothing; a busy one writes one small batch every 5 s or 200 events, without a flush;
the file stays below its bound; a damaged file is set aside and a new one begun; nothing here ever makes mail wait.
Does not promise that the last seconds survive a power cut: this is derived data (the store is where mail lives).

Layout: `steps(n, trace_id, events)`, one row for what one batch knows of one message, `events` being a JSON list;
`refusals(n, events)` likewise, one refusal a row. Rows are only added at the end and removed from the start, and there
is no index: a batch touches the last page and little else, and a search reads the whole file, which is small.
The rollback journal is kept in memory, so a process killed in the very middle of a batch can damage the file; then the
rule about damaged files holds. For batches of three messages SQLite hands 3.6 kB a message to the kernel, mostly the same
last page again, which reaches the card once; with a journal file it is 7.0 kB, with a WAL 2.7 kB on pages of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from .bus import Bus
from .events import Event, Refused
from .lines import to_json
from .own_writes import Meter
from .story import TRACED, Step, Story, TracedEvent, story_of, tell

__all__ = ["Step", "Story", "TraceReader", "TraceWriter", "tell"]

log = logging.getLogger("merpati.status")

WRITE_AFTER_S = 5.0
WRITE_AFTER_EVENTS = 200
WAITING_MOST = 10_000  # events that may wait when the card is too slow; what is more is not traced
REFUSALS_PER_BATCH = 50  # strangers choose how often they are refused; they do not choose how much we write
STEPS_MOST = 40_000  # rows: about 20,000 messages, at one row for coming in and one for going out
REFUSALS_MOST = 5_000
FILE_MOST_OCTETS = 32 * 1024 * 1024
FOUND_MOST = 100

_SCHEMA = """
CREATE TABLE IF NOT EXISTS steps (n INTEGER PRIMARY KEY, trace_id TEXT NOT NULL, events TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS refusals (n INTEGER PRIMARY KEY, events TEXT NOT NULL);
"""
_decoder: msgspec.json.Decoder[list[TracedEvent]] = msgspec.json.Decoder(list[TracedEvent])


class TraceFile:
    """The file, for its one writer. Blocking; call it off the event loop."""

    def __init__(
        self,
        path: Path,
        *,
        steps_most: int = STEPS_MOST,
        refusals_most: int = REFUSALS_MOST,
        file_most_octets: int = FILE_MOST_OCTETS,
    ) -> None:
        self._path = path
        self._most = {"steps": steps_most, "refusals": refusals_most}
        self._file_most_octets = file_most_octets
        self._connection: sqlite3.Connection | None = None
        self._turn = threading.Lock()

    def write(self, events: Iterable[TracedEvent]) -> None:
        """One batch in one transaction. What cannot be written is logged and forgotten."""
        batch = list(events)
        with self._turn:
            try:
                self._write(batch)
            except (sqlite3.Error, OSError) as fault:
                self._close()
                if not _is_damage(fault):
                    log.warning("the trace could not be written: %s", fault)
                    return
                set_aside(self._path, fault)
                with contextlib.suppress(sqlite3.Error, OSError):
                    self._write(batch)

    def close(self) -> None:
        with self._turn:
            self._close()

    def _write(self, batch: list[TracedEvent]) -> None:
        connection = self._connection = self._connection or _open_for_writing(self._path)
        by_trace: dict[str, list[TracedEvent]] = {}
        refusals = []
        for event in batch:
            if isinstance(event, Refused):
                refusals.append((to_json([event]).decode(),))
            else:
                by_trace.setdefault(event.trace_id, []).append(event)
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO steps (trace_id, events) VALUES (?, ?)",
                [(trace_id, to_json(events).decode()) for trace_id, events in by_trace.items()],
            )
            connection.executemany("INSERT INTO refusals (events) VALUES (?)", refusals)
            self._prune(connection)

    def _prune(self, connection: sqlite3.Connection) -> None:
        """Removes a tenth at a time, the oldest, so that it is seldom done. Freed pages are used again."""
        for table, most in self._most.items():
            first, last = _ends(connection, table)
            if last - first + 1 > most + most // 10:
                connection.execute(f"DELETE FROM {table} WHERE n <= ?", (last - most,))
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        if (pages - free) * size > self._file_most_octets:
            for table in self._most:
                first, last = _ends(connection, table)
                connection.execute(f"DELETE FROM {table} WHERE n < ?", (first + (last - first + 1) // 4,))

    def _close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None


class TraceWriter:
    """Listens on the bus and writes what it hears, in batches. A component: start, stop, health."""

    def __init__(self, path: Path, bus: Bus, *, write_after_s: float = WRITE_AFTER_S) -> None:
        self._file = TraceFile(path)
        self._meter = Meter()
        self._bus = bus
        self._write_after_s = write_after_s
        self._waiting: list[TracedEvent] = []
        self._refusals = 0
        self._lost = 0
        self._soon: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unsubscribe = bus.subscribe(self._hear)

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self._waiting:
            self._plan()

    async def stop(self) -> None:
        """Writes what is waiting, and closes the file."""
        self._unsubscribe()
        await self.sync()
        await asyncio.to_thread(self._file.close)
        self._loop = None

    def health(self) -> str | None:
        return None if self._loop is not None else "the trace is not being kept"

    async def sync(self, _: Mapping[str, Any] | None = None) -> None:
        """Returns when all that was heard so far is in the file: the verb `trace-sync`."""
        if self._soon:
            self._soon.cancel()
            self._soon = None
        async with self._turn:
            batch, self._waiting, self._refusals = self._waiting, [], 0
            if self._lost:
                log.warning("%d events were not traced: more happened than the card could take", self._lost)
                self._lost = 0
            if batch:
                await asyncio.to_thread(self._write, batch)

    @property
    def written_octets(self) -> int:
        """Since the start, as the kernel counts: for the card's budget."""
        return self._meter.octets

    def _write(self, batch: list[TracedEvent]) -> None:
        with self._meter.writing():
            self._file.write(batch)

    def _hear(self, event: Event) -> None:
        if not isinstance(event, TRACED):
            return
        if isinstance(event, Refused):
            self._refusals += 1
            if self._refusals > REFUSALS_PER_BATCH:
                return
        if len(self._waiting) >= WAITING_MOST:
            self._lost += 1
            return
        self._waiting.append(event)
        if self._loop is not None:
            self._plan()

    def _plan(self) -> None:
        assert self._loop is not None
        if len(self._waiting) >= WRITE_AFTER_EVENTS:
            if self._writing is None or self._writing.done():
                self._writing = self._loop.create_task(self.sync())
        elif self._soon is None:
            self._soon = self._loop.call_later(self._write_after_s, self._write_soon)

    def _write_soon(self) -> None:
        self._soon = None
        assert self._loop is not None
        if self._writing is None or self._writing.done():
            self._writing = self._loop.create_task(self.sync())
        elif self._waiting:
            self._plan()


class TraceReader:
    """For any process, while the keeper writes. Nothing is kept open between calls; a file that is not there, or
    cannot be read, is an empty trace. Blocking: a search reads the whole file, some tenths of a second on a small Pi.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, text: str, most: int = FOUND_MOST) -> list[Story]:
        """Stories by trace id, address, message-id (each with or without its angle brackets) or part of the subject, in
        upper or lower case. Newest first.
        """
        needle = text.strip().strip("<>").casefold()
        if not needle:
            return []
        with self._reading() as connection:
            connection.create_function("holds", 2, _holds, deterministic=True)
            escaped = to_json(needle).decode()[1:-1].casefold()
            # A line of JSON holds more than what is searched for (hosts, replies), so what it finds is looked at again.
            rows = connection.execute(
                "SELECT n, trace_id FROM steps WHERE holds(events, ?) OR trace_id = ?", (escaped, text)
            )
            ids: dict[str, int] = {trace_id: n for n, trace_id in rows}
            newest = sorted(ids, key=ids.__getitem__, reverse=True)
            stories: list[Story] = []
            for start in range(0, len(newest), most):
                some = self._stories(connection, newest[start : start + most])
                stories += [story for story in some if _is_about(story, needle)]
                if len(stories) >= most:
                    break
            refusals = connection.execute(
                "SELECT events FROM refusals WHERE holds(events, ?) ORDER BY n DESC LIMIT ?", (escaped, most)
            )
            stories += [s for (text,) in refusals if _is_about(s := story_of("", _decoder.decode(text)), needle)]
            return sorted(stories, key=lambda s: -s.at)[:most]
        return []

    def story(self, trace_id: str) -> Story | None:
        with self._reading() as connection:
            return next(iter(self._stories(connection, [trace_id])), None)
        return None

    def recent(self, limit: int) -> list[Story]:
        """The messages to which something happened last, newest first."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT trace_id FROM (SELECT trace_id, n FROM steps ORDER BY n DESC LIMIT ?) GROUP BY trace_id"
                " ORDER BY max(n) DESC LIMIT ?",
                (limit * 20, limit),
            )
            return self._stories(connection, [trace_id for (trace_id,) in rows])
        return []

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Swallows what says that there is nothing to read."""
        with contextlib.suppress(sqlite3.DatabaseError, msgspec.DecodeError):
            there = self._path.exists()
            where = f"{self._path.absolute().as_uri()}?mode=ro" if there else "file::memory:"
            with contextlib.closing(sqlite3.connect(where, uri=True, timeout=5)) as connection:
                if not there:
                    connection.executescript(_SCHEMA)
                yield connection

    def _stories(self, connection: sqlite3.Connection, trace_ids: list[str]) -> list[Story]:
        """In the order asked for; ids of which nothing is known are left out."""
        events: dict[str, list[TracedEvent]] = {trace_id: [] for trace_id in trace_ids}
        for start in range(0, len(trace_ids), 500):
            some = trace_ids[start : start + 500]
            marks = ",".join("?" * len(some))
            for trace_id, text in connection.execute(
                f"SELECT trace_id, events FROM steps WHERE trace_id IN ({marks}) ORDER BY n", some
            ):
                events[trace_id] += _decoder.decode(text)
        return [story_of(trace_id, heard) for trace_id, heard in events.items() if heard]


def set_aside(path: Path, why: Exception) -> None:
    """A damaged file is moved, never deleted; the one before it gives way, so that they do not gather."""
    damaged = path.with_name(f"{path.name}.damaged")
    log.error("the trace %s is damaged (%s); it was set aside as %s and a new one begun", path, why, damaged.name)
    with contextlib.suppress(OSError):
        os.replace(path, damaged)


def _open_for_writing(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=2, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=MEMORY").fetchone()
        connection.execute("PRAGMA synchronous=OFF")
        connection.executescript(_SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _ends(connection: sqlite3.Connection, table: str) -> tuple[int, int]:
    """The first and the last row number; (1, 0) when there is none."""
    first = connection.execute(f"SELECT min(n) FROM {table}").fetchone()[0]
    last = connection.execute(f"SELECT max(n) FROM {table}").fetchone()[0]
    return (1, 0) if first is None else (first, last)


def _is_damage(fault: Exception) -> bool:
    code = getattr(fault, "sqlite_errorcode", None)
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or str(fault).startswith("no such ")


def _holds(text: str, needle: str) -> bool:
    return needle in text.casefold()


def _is_about(story: Story, needle: str) -> bool:
    """The whole of an address, id or message-id; part of a subject."""
    names = {story.trace_id, story.reverse_path, *story.recipients, story.message_id.strip("<>")}
    for event in story.events:
        names |= {getattr(event, name, "") for name in ("recipient", "account", "report_trace_id")}
    return needle in {str(name).casefold() for name in names} or needle in story.subject.casefold()
