"""A message on its way in: compressed as it arrives, its structure read as it passes, never whole in memory.

Up to MEMORY_OCTETS of compressed content stay in memory; what is larger goes to a file without a name in the runtime
folder, which is not the card. The store copies it from there once, into the transaction that files it.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from ..mime import structure as mime_structure
from .blobs import FRAME_OCTETS, Packer, StoredContent

MEMORY_OCTETS = 128 * 1024
DIGEST_OCTETS = 16


class Spool:
    """Write the content's octets, then `finish` or `discard`."""

    def __init__(self, folder: Path) -> None:
        self.size = 0
        self._folder = folder
        self._digest = blake2b(digest_size=DIGEST_OCTETS)
        self._scanner = mime_structure.StructureScanner()
        self._packer = Packer()
        self._raw = bytearray()
        self._packed: list[bytes] = []
        self._packed_octets = 0
        self._file: BinaryIO | None = None

    def write(self, piece: bytes) -> None:
        self.size += len(piece)
        self._digest.update(piece)
        self._scanner.feed(piece)
        self._raw += piece
        while len(self._raw) >= FRAME_OCTETS:
            self._pack(self._raw[:FRAME_OCTETS])
            del self._raw[:FRAME_OCTETS]

    def finish(self) -> SpooledContent:
        if self._raw:
            self._pack(self._raw)
            self._raw = bytearray()
        return SpooledContent(
            size=self.size,
            digest=self._digest.digest(),
            structure=self._scanner.finish(),
            packed=b"".join(self._packed) if self._file is None else None,
            file=self._file,
            stored_octets=self._packed_octets,
        )

    def discard(self) -> None:
        """May be called at any time, also after `finish` and more than once."""
        self._raw.clear()
        self._packed.clear()
        if self._file is not None:
            self._file.close()

    def _pack(self, raw: bytes | bytearray) -> None:
        frame = self._packer.frame(raw)
        self._packed_octets += len(frame)
        if self._file is None and self._packed_octets > MEMORY_OCTETS:
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 closed by discard()
            for earlier in self._packed:
                _write_all(self._file, earlier)
            self._packed.clear()
        if self._file is None:
            self._packed.append(frame)
        else:
            _write_all(self._file, frame)


class SpooledContent:
    """A whole message, ready to be stored; a `mail.content.Content` as well.

    digest: BLAKE2b-128 of the content; structure: what `mime/` read in it; stored_octets: its compressed size.
    """

    def __init__(
        self,
        *,
        size: int,
        digest: bytes,
        structure: mime_structure.Structure,
        packed: bytes | None,
        file: BinaryIO | None,
        stored_octets: int,
    ) -> None:
        self.size = size
        self.digest = digest
        self.structure = structure
        self.packed = packed
        self.stored_octets = stored_octets
        self._file = file
        self._lock = threading.Lock()  # between a copy into the store and a discard by whoever gave up on it

    def pieces(self, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        return StoredContent(0, self.size, self.stored_octets, self.read).pieces(start, length)

    def read(self, offset: int, length: int) -> bytes:
        """Stored octets, for copying them into the store. Raises ValueError once the content was discarded."""
        if self.packed is not None:
            return self.packed[offset : offset + length]
        assert self._file is not None
        with self._lock:
            return os.pread(self._file.fileno(), length, offset)

    def discard(self) -> None:
        if self._file is not None:
            with self._lock:
                self._file.close()


def _write_all(file: BinaryIO, frame: bytes) -> None:
    """A file without a buffer takes what fits and says how much; the next write then tells why. Raises OSError."""
    done = 0
    while done < len(frame):
        done += file.write(frame[done:])


def spool_bytes(folder: Path, message: bytes) -> SpooledContent:
    """A message that is in memory anyway, such as a report of ours."""
    spool = Spool(folder)
    spool.write(message)
    return spool.finish()
