"""Room set aside for the day the card is full: a file that holds blocks and nothing in them, given up piece by piece.

New mail is refused long before (`Store.need_room`), but others may fill the card to its last block, and even deleting has
to write: the WAL when it is made anew or grows, the database when it is longer than before. Any process may give up
what it needs; the one that serves for long takes it back when there is room. Neither writes data or flushes.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from .database import WAL_OCTETS

PIECE_OCTETS = 1024 * 1024
OCTETS = WAL_OCTETS + 8 * PIECE_OCTETS


class Ballast:
    def __init__(self, home: Path) -> None:
        self._path = home / "ballast"

    def keep(self, *, reserve_octets: int) -> None:
        """All of it, unless that would touch the reserve. No promise: it may not be had."""
        missing = OCTETS - self._octets()
        if missing <= 0 or self.free() < missing + reserve_octets:
            return
        with contextlib.suppress(OSError):
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, OCTETS)
            finally:
                os.close(fd)

    def give_up(self, octets: int = PIECE_OCTETS) -> bool:
        """Whether there was any: then what found no block is worth another try."""
        have = self._octets()
        if have:
            try:
                os.truncate(self._path, max(0, have - octets))
            except OSError:
                return False
        return have > 0

    def free(self) -> int:
        """Octets on the card that anybody may take."""
        card = os.statvfs(self._path.parent)
        return card.f_bavail * card.f_frsize

    def _octets(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0
