"""How the octets of a message lie in the store: frames of up to 256 KiB, each compressed on its own.

A stored content is a sequence of `raw length (4 octets, big endian), stored length (4), zstd frame`. Frames make any
place in a large message reachable without unpacking what stands before it, and bound the memory that packing and
unpacking need. Each zstd frame carries its own checksum, so damage is noticed when it is read.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import zstandard

from .refusals import Damaged

FRAME_OCTETS = 256 * 1024
LEVEL = 3
_HEAD = struct.Struct(">II")


class Packer:
    """Compresses frames; one for each thread that packs."""

    def __init__(self) -> None:
        self._zstd = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, write_content_size=True)

    def frame(self, raw: bytes | bytearray) -> bytes:
        packed = self._zstd.compress(raw)
        return _HEAD.pack(len(raw), len(packed)) + packed


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
        unpack = zstandard.ZstdDecompressor()
        at = offset = 0
        while at < end:
            head = self.read(offset, _HEAD.size)
            if len(head) != _HEAD.size:
                raise Damaged(self.blob_id)
            raw_octets, packed_octets = _HEAD.unpack(head)
            if not 0 < raw_octets <= FRAME_OCTETS or offset + _HEAD.size + packed_octets > self.stored_octets:
                raise Damaged(self.blob_id)
            if at + raw_octets > start:
                raw = self._unpack(unpack, self.read(offset + _HEAD.size, packed_octets), raw_octets)
                yield raw[max(0, start - at) : end - at]
            at += raw_octets
            offset += _HEAD.size + packed_octets

    def _unpack(self, unpack: zstandard.ZstdDecompressor, packed: bytes, raw_octets: int) -> bytes:
        try:
            # Asked first: a damaged frame may claim any size, and the memory for it would be taken at once; or that it
            # has no checksum.
            says = zstandard.get_frame_parameters(packed)
            if says.content_size != raw_octets or not says.has_checksum:
                raise Damaged(self.blob_id)
            raw = unpack.decompress(packed)
        except zstandard.ZstdError as fault:
            raise Damaged(self.blob_id) from fault
        if len(raw) != raw_octets:
            raise Damaged(self.blob_id)
        return raw


def from_memory(blob_id: int, size: int, data: bytes) -> StoredContent:
    return StoredContent(blob_id, size, len(data), lambda offset, length: data[offset : offset + length])


def from_file(blob_id: int, size: int, path: Path, position: int, stored_octets: int) -> StoredContent:
    """Opens the file at each read, so that a content may be kept for as long as one likes."""

    def read(offset: int, length: int) -> bytes:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as fault:
            raise Damaged(blob_id) from fault
        try:
            return os.pread(fd, length, position + offset)
        finally:
            os.close(fd)

    return StoredContent(blob_id, size, stored_octets, read)
