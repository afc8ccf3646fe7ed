"""Large contents on their way into a segment, copied and synced beside the writer, which goes on meanwhile.

Promises: a change comes to the writer when its contents are on the card, in the order in which they lie in their
segment. Those that wait together share one sync, and durable changes that come meanwhile share their commit, unless a
very large one is under way: that leaves the card time for the flushes of others. An error of the disk is told to the
writer; what only lacks room refuses that change alone. Where contents may lie is the matter of `segments.py`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from . import segments as room
from .card_calls import push
from .database import connect_reader
from .segments import Place, SegmentFile, Segments, pieces_of, write_all
from .spool import SpooledContent

BATCH_OCTETS = 8 * 1024 * 1024  # that share a sync, unless one alone is larger
TAKE_ALONG_OCTETS = 8 * 1024 * 1024  # nobody waits for more of others
AHEAD_PIECES = 3  # on their way to the card: enough that it is never idle, and no commit waits long for its turn


class Job(Protocol):
    """A change that waits for its contents. places: where they lie by now, by `id(content)`. answered: is
    set when it is committed or refused."""

    contents: Sequence[SpooledContent]
    places: dict[int, list[Place]]
    answered: threading.Event


J = TypeVar("J", bound=Job)


class Copier(Generic[J]):
    """ready: takes jobs whose contents are on the card; refuse: takes one that did not come so far, and why."""

    def __init__(
        self,
        path: Path,
        segments: Segments,
        *,
        ready: Callable[[list[J]], None],
        refuse: Callable[[J, BaseException], None],
    ) -> None:
        self._path = path
        self._segments = segments
        self._ready = ready
        self._refuse = refuse
        self._changed = threading.Condition()
        self._waiting: deque[J] = deque()
        self._companions: list[J] = []
        self._taking = False
        self._closed = self._ended = False
        self._connection: sqlite3.Connection | None = None
        self._tail: SegmentFile | None = None
        self._at = 0  # where the next content goes in it
        self._thread: threading.Thread | None = None

    def submit(self, job: J) -> None:
        with self._changed:
            if not self._ended:
                if self._thread is None:
                    thread = threading.Thread(target=self._run, name="store-copier", daemon=True)
                    thread.start()
                    self._thread = thread
                self._waiting.append(job)
                self._changed.notify()
                return
        self._copy([job])

    def takes_along(self, job: J) -> bool:
        """Whether a durable change shares the commit of the large contents that are being copied. The card is busy with
        those anyway; commits in between would cost flushes, and would let in so many new ones that large ones wait long.
        """
        with self._changed:
            if self._taking:
                self._companions.append(job)
            return self._taking

    def close(self) -> None:
        """Waits until all that was submitted is ready or refused. What is submitted later is copied by its submitter."""
        with self._changed:
            self._closed = True
            self._ended = self._thread is None
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def let_go(self) -> None:
        """Of the segment, when nothing more will be submitted."""
        if self._tail is not None:
            self._tail.retire()
        if self._connection is not None:
            self._connection.close()

    def _run(self) -> None:
        while batch := self._gather():
            answered = [job.answered for job in batch]  # now: a job may come again, with another event
            self._copy(batch)
            for each in answered:  # or the next batch would stand before their commit in the card's queue
                each.wait()

    def _gather(self) -> list[J]:
        """Waits for a job, and takes what waits with it. Empty: this is the end."""
        batch: list[J] = []
        octets = 0
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            self._ended = not self._waiting
            while self._waiting and octets < BATCH_OCTETS:
                batch.append(self._waiting.popleft())
                octets += sum(content.stored_octets for content in batch[-1].contents)
            self._taking = 0 < octets <= TAKE_ALONG_OCTETS
        return batch

    def _copy(self, batch: list[J]) -> None:
        copied = [job for job in batch if self._copied(job)]
        try:
            for file in {place.file for job in copied for places in job.places.values() for place in places}:
                os.fdatasync(file.fd)
        except OSError as fault:
            for job in copied:
                self._refuse(job, fault)
            copied = []
        with self._changed:
            self._taking = False
            companions, self._companions = self._companions, []
        self._ready(copied + companions)

    def _copied(self, job: J) -> bool:
        try:
            for content in job.contents:
                self._copy_one(job, content)
        except BaseException as fault:  # whatever it is, this thread goes on, and nobody waits for ever
            self._refuse(job, fault)
            return False
        return True

    def _copy_one(self, job: J, content: SpooledContent) -> None:
        place = self._reserve(content.stored_octets)
        job.places.setdefault(id(content), []).append(place)
        ahead: deque[tuple[int, int]] = deque()
        for at, piece in pieces_of(content):
            start = place.position + at
            write_all(place.file.fd, piece, start)
            push(place.file.fd, start, len(piece), wait=False)
            ahead.append((start, len(piece)))
            if len(ahead) > AHEAD_PIECES:
                push(place.file.fd, *ahead.popleft(), wait=True)

    def _reserve(self, need: int) -> Place:
        if self._tail is None or (self._at and self._at + need > room.SEGMENT_OCTETS):
            if self._connection is None:
                self._connection = connect_reader(self._path)
            if self._tail is not None:
                self._tail.retire()
                self._tail = None
            self._tail, self._at = self._segments.take(self._connection, need)
        place = Place(self._tail, self._at, need)
        self._tail.use()
        self._at += need
        return place
