"""Frames and contents found in octets that nothing says the order of any more: segments without rows, damaged contents.

A frame says how long it is and has checksums, so that one which unpacks is one that was packed. A content ends with the
first frame that is not full; one of exactly so many full frames cannot be told from what follows it, and comes out as one
with that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .blobs import StoredContent
from .layout import FRAME_OCTETS, HEAD_OCTETS
from .refusals import Damaged

Read = Callable[[int, int], bytes]  # (position, octets) → what is there, less where it ends or cannot be read

PACKED_MOST = FRAME_OCTETS + 64 * 1024  # zstd makes nothing much longer than it was
_ZSTD = b"\x28\xb5\x2f\xfd"
_BEFORE_ZSTD = (HEAD_OCTETS, HEAD_OCTETS + 4)  # of a plain frame, of one with runs
_LOOK_OCTETS = 64 * 1024
_HEADER_LINE = re.compile(rb"[!-9;-~]{1,76}[ \t]*:|>?From ")


@dataclass(slots=True, frozen=True)
class FoundFrame:
    """position, stored_octets: head and all; octets: what it unpacks to."""

    position: int
    stored_octets: int
    octets: bytes


@dataclass(slots=True, frozen=True)
class FoundContent:
    """whole: it begins as a message does and has an end."""

    position: int
    stored_octets: int
    whole: bool


def frames(read: Read, start: int, end: int) -> Iterator[FoundFrame]:
    """Those between the two positions that are whole, in order. Cost: what is not a frame is read once, and each place
    in it that looks like one is tried."""
    at = start
    while at < end:
        frame = _frame(read, at, end)
        if frame is None:
            found = _next(read, at + 1, end)
            if found is None:
                return
            frame = found
        yield frame
        at = frame.position + frame.stored_octets


def contents(read: Read, start: int, end: int) -> Iterator[FoundContent]:
    """Runs of frames that belong together. Cost: a frame in memory."""
    first = last = None
    begins = False
    for frame in frames(read, start, end):
        if first is not None and last is not None and frame.position != last.position + last.stored_octets:
            yield _content(first, last, begins)
            first = None
        if first is None:
            first, begins = frame, _HEADER_LINE.match(frame.octets) is not None
        last = frame
        if len(frame.octets) < FRAME_OCTETS:
            yield _content(first, last, begins)
            first = None
    if first is not None and last is not None:
        yield _content(first, last, begins)


def _content(first: FoundFrame, last: FoundFrame, begins: bool) -> FoundContent:
    whole = begins and len(last.octets) < FRAME_OCTETS
    return FoundContent(first.position, last.position + last.stored_octets - first.position, whole)


def _frame(read: Read, at: int, end: int) -> FoundFrame | None:
    """As a content of this frame alone, so that nobody has to know what frames are like but `layout.py`."""
    head = read(at, HEAD_OCTETS)
    octets, packed_octets = int.from_bytes(head[1:4], "big"), int.from_bytes(head[4:8], "big")
    stored_octets = HEAD_OCTETS + packed_octets
    if not 0 < octets <= FRAME_OCTETS or packed_octets > PACKED_MOST or at + stored_octets > end:
        return None
    alone = StoredContent(0, octets, stored_octets, lambda offset, length: read(at + offset, length))
    try:
        return FoundFrame(at, stored_octets, b"".join(alone.pieces()))
    except Damaged:
        return None


def _next(read: Read, at: int, end: int) -> FoundFrame | None:
    """The first frame that begins at `at` or behind it."""
    base = at
    while base < end:
        piece = read(base, min(_LOOK_OCTETS, end - base) + len(_ZSTD) - 1)
        found = piece.find(_ZSTD)
        while found >= 0:
            for before in _BEFORE_ZSTD:
                start = base + found - before
                frame = _frame(read, start, end) if start >= at else None
                if frame is not None:
                    return frame
            found = piece.find(_ZSTD, found + 1)
        base += _LOOK_OCTETS
    return None
