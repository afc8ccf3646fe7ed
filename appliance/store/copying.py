"""Large contents on their way into a segment, copied and synced beside the writer: nobody waits for another's attachment.

Promises: a change comes to the writer when its contents are on the card, in the order in which they lie in their
segment. Those that wait together share one sync. A very large one leaves the card time for the flushes of small commits.
An error of the disk is told to the writer; what only lacks room refuses that change alone. Where contents may lie is the
matter of `segments.py`.
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
TAKE_ALONG_OCTETS = 8 * 1024 * 1024  # nobody small waits for more
AHEAD_PIECES = 3  # on their way to the card: enough that it is never idle, and no commit waits long for its turn


class Job(Protocol):
    """A change that waits for its contents. places: where they lie by now, by `id(content)`. answered: is
    set when it is committed or refused."""

    contents: Sequence[SpooledContent]
    places: dict[int, Place]
    answered: threading.Event | None


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
        self._closed = False
        self._connection: sqlite3.Connection | None = None
        self._tail: SegmentFile | None = None
        self._at = 0  # where the next content goes in it
        self._thread: threading.Thread | None = None

    def submit(self, job: J) -> None:
        with self._changed:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="store-copier", daemon=True)
                thread.start()
                self._thread = thread
            self._waiting.append(job)
            self._changed.notify()

    def takes_along(self, job: J) -> bool:
        """Whether a small message may share the commit of the large ones that are being copied. The card is busy with
        those anyway; commits in between would cost flushes, and would let in so many new ones that large ones wait long.
        """
        with self._changed:
            if self._taking:
                self._companions.append(job)
            return self._taking

    def close(self) -> None:
        """Waits until all that was submitted is ready or refused."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while batch := self._gather():
            self._copy(batch)
        if self._tail is not None:
            self._tail.retire()
        if self._connection is not None:
            self._connection.close()

    def _gather(self) -> list[J]:
        """Waits for a job, and takes what waits with it. Empty: this is the end."""
        batch: list[J] = []
        octets = 0
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            while self._waiting and octets < BATCH_OCTETS:
                batch.append(self._waiting.popleft())
                octets += sum(content.stored_octets for content in batch[-1].contents)
            self._taking = 0 < octets <= TAKE_ALONG_OCTETS
        return batch

    def _copy(self, batch: list[J]) -> None:
        copied = [job for job in batch if self._copied(job)]
        try:
            for file in {place.file for job in copied for place in job.places.values()}:
                os.fdatasync(file.fd)
        except OSError as fault:
            for job in copied:
                self._refuse(job, fault)
            copied = []
        with self._changed:
            self._taking = False
            companions, self._companions = self._companions, []
        self._ready(copied + companions)
        for job in copied:  # or the next batch would stand before their commit in the card's queue
            if job.answered is not None:
                job.answered.wait()

    def _copied(self, job: J) -> bool:
        try:
            for content in job.contents:
                if id(content) not in job.places:  # one that is added twice has its second copy made in its turn
                    self._copy_one(job, content)
        except BaseException as fault:  # whatever it is, this thread goes on, and nobody waits for ever
            self._refuse(job, fault)
            return False
        return True

    def _copy_one(self, job: J, content: SpooledContent) -> None:
        place = self._reserve(content.stored_octets)
        job.places[id(content)] = place
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
