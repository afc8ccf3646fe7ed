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
from ..mime.headers import header_end
from . import base64_runs, layout
from .blobs import StoredContent
from .layout import FRAME_OCTETS

MEMORY_OCTETS = 128 * 1024
DIGEST_OCTETS = 16


class Spool:
    """Write the content's octets, then `finish` or `discard`."""

    def __init__(self, folder: Path) -> None:
        self.size = 0
        self._folder = folder
        self._digest = blake2b(digest_size=DIGEST_OCTETS)
        self._scanner = mime_structure.StructureScanner()
        self._header = b""
        self._waiting: list[bytes] = []  # less than a frame
        self._waiting_octets = 0
        self._packed: list[bytes] = []
        self._packed_octets = 0
        self._file: BinaryIO | None = None

    def write(self, piece: bytes) -> None:
        self.size += len(piece)
        self._digest.update(piece)
        self._waiting.append(piece)
        self._waiting_octets += len(piece)
        if self._waiting_octets >= FRAME_OCTETS:
            octets = b"".join(self._waiting)
            whole = len(octets) - len(octets) % FRAME_OCTETS
            for start in range(0, whole, FRAME_OCTETS):
                self._pack(octets[start : start + FRAME_OCTETS])
            self._waiting = [octets[whole:]]
            self._waiting_octets -= whole

    def finish(self) -> SpooledContent:
        if self._waiting_octets:
            self._pack(b"".join(self._waiting))
            self._waiting, self._waiting_octets = [], 0
        return SpooledContent(
            size=self.size,
            digest=self._digest.digest(),
            header=self._header,
            structure=self._scanner.finish(),
            packed=b"".join(self._packed) if self._file is None else None,
            file=self._file,
            stored_octets=self._packed_octets,
        )

    def discard(self) -> None:
        """May be called at any time, also after `finish` and more than once."""
        self._waiting.clear()
        self._packed.clear()
        if self._file is not None:
            self._file.close()

    def _pack(self, octets: bytes) -> None:
        if not self._packed_octets:
            end = header_end(octets)
            self._header = octets[:end] if end >= 0 else octets
        runs = base64_runs.find(octets)
        at = 0
        for run in runs:
            self._scanner.feed(octets[at : run.start])
            self._scanner.feed_lines(octets[run.start : run.end], run.shape.lines)
            at = run.end
        self._scanner.feed(octets[at:] if at else octets)
        frame = layout.pack(octets, runs)
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

    digest: BLAKE2b-128 of the content; header: its header, or what of it stands in the first frame; structure: what
    `mime/` read in it; stored_octets: its compressed size.
    """

    def __init__(
        self,
        *,
        size: int,
        digest: bytes,
        header: bytes,
        structure: mime_structure.Structure,
        packed: bytes | None,
        file: BinaryIO | None,
        stored_octets: int,
    ) -> None:
        self.size = size
        self.digest = digest
        self.header = header
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
