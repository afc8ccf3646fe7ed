"""Message contents for tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

PIECE_OCTETS = 256 * 1024


@dataclass(slots=True, frozen=True)
class InMemory:
    """A `mail.content.Content` over octets, given in pieces of `piece_octets`."""

    octets: bytes
    piece_octets: int = PIECE_OCTETS

    @property
    def size(self) -> int:
        return len(self.octets)

    def pieces(self, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        end = self.size if length is None else min(self.size, start + length)
        for at in range(start, end, self.piece_octets):
            yield self.octets[at : min(end, at + self.piece_octets)]


@dataclass(slots=True, frozen=True)
class Repeated:
    """A large content that nobody holds: a header, then one line over and over."""

    header: bytes
    line: bytes
    times: int

    @property
    def size(self) -> int:
        return len(self.header) + len(self.line) * self.times

    def pieces(self, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        end = self.size if length is None else min(self.size, start + length)
        at = start
        while at < end:
            if at < len(self.header):
                piece = self.header[at:end]
            else:
                offset = (at - len(self.header)) % len(self.line)
                piece = (self.line * (PIECE_OCTETS // len(self.line) + 1))[offset:][: min(PIECE_OCTETS, end - at)]
            yield piece
            at += len(piece)
