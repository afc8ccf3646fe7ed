"""BDAT: a message in chunks of a known size, without dots and without an end marker.

Promises: exactly the announced octets of each chunk are consumed, whether the message is still wanted or not, so that
both sides stay in step. The same things must not be in it as in DATA: BINARYMIME is not announced, so that content is
lines that end with CR LF. RFC 3030 2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .data_scanner import ContentFault, faults_in

_BDAT = re.compile(r"([0-9]{1,20})(?: +(LAST))? *", re.IGNORECASE | re.ASCII)


@dataclass(slots=True, frozen=True)
class Chunk:
    """The argument of BDAT: how many octets follow the CR LF, and whether they are the last."""

    size_octets: int
    last: bool


def parse_bdat(argument: str) -> Chunk | None:
    """`bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ] CR LF`; None when malformed."""
    found = _BDAT.fullmatch(argument)
    if found is None:
        return None
    return Chunk(int(found[1]), found[2] is not None)


class ChunkScanner:
    """The content of one message over all its chunks: `open` a chunk, then `feed` at least once and until `done`."""

    def __init__(self) -> None:
        self._left_octets = 0
        self._cr_held = False
        self._last = False
        self.fault = ContentFault.NONE
        self.rest = b""

    @property
    def done(self) -> bool:
        """Whether the open chunk is complete."""
        return self._left_octets == 0

    def open(self, chunk: Chunk) -> None:
        self._left_octets = chunk.size_octets
        self._last = chunk.last
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """The content in `data`; once `done`, `rest` is what follows the chunk. A final CR waits for its LF, in the
        next chunk if need be; after the last chunk nothing is held."""
        mine, self.rest = data[: self._left_octets], data[self._left_octets :]
        self._left_octets -= len(mine)
        content = b"\r" + mine if self._cr_held else mine
        self._cr_held = content.endswith(b"\r") and not (self._last and self.done)
        if self._cr_held:
            content = content[:-1]
        self.fault |= faults_in(content)
        return content
