"""A stored content: frames of up to 256 KiB one after the other, each packed on its own as `layout.py` says.

Frames make any place in a large message reachable without unpacking what stands before it, and bound the memory that
packing and unpacking need. Damage is noticed when it is read.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import layout
from .card_calls import read_beside_damage
from .layout import HEAD_OCTETS
from .refusals import Damaged


@dataclass(slots=True, frozen=True)
class StoredContent:
    """A `mail.content.Content` over a stored one. `read(offset, length)` gives stored octets."""

    blob_id: int
    size: int
    stored_octets: int
    read: Callable[[int, int], bytes]

    def pieces(self, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Raises Damaged. Cost: one frame in memory."""
        end = self.size if length is None else min(self.size, start + length)
        if start >= end:
            return
        at = offset = 0
        while at < end:
            wanted = None
            try:
                kind, octets, packed_octets = layout.read_head(self.read(offset, HEAD_OCTETS))
                offset += HEAD_OCTETS
                if offset + packed_octets > self.stored_octets:
                    raise layout.Broken
                if at + octets > start:
                    wanted = layout.unpack(kind, self.read(offset, packed_octets), octets)[
                        max(0, start - at) : end - at
                    ]
            except layout.Broken as fault:
                raise Damaged(self.blob_id) from fault
            if wanted is not None:
                yield wanted
            at += octets
            offset += packed_octets


def from_memory(blob_id: int, size: int, data: bytes) -> StoredContent:
    return StoredContent(blob_id, size, len(data), lambda offset, length: data[offset : offset + length])


def from_file(blob_id: int, size: int, path: Path, position: int, stored_octets: int) -> StoredContent:
    """Opens the file at each read, so that a content may be kept for as long as one likes."""

    def read(offset: int, length: int) -> bytes:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                return read_beside_damage(fd, length, position + offset)
            finally:
                os.close(fd)
        except OSError as fault:
            if fault.errno in (errno.EIO, errno.ENOENT):
                raise Damaged(blob_id) from fault
            raise

    return StoredContent(blob_id, size, stored_octets, read)
