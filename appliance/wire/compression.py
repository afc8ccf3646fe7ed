"""DEFLATE on a connection, both ways, in little memory. RFC 4978, RFC 1951.

Promises: `inflate` gives no more octets at once than it is asked for, however small what it is made from; what is written
can be read whole by the peer at once (each `deflate` ends with a flush). Cost: some 70 KiB a connection (measured: 200 of
them in use, PSS), more than half of it for the peer's window, which may be the largest that there is.
"""

from __future__ import annotations

import zlib

# Ours is small: a window of 4 KiB holds an answer's own repetitions. With zlib's defaults, envelopes were 2 % smaller on
# the wire, at 190 KiB a connection and three times the work.
_WINDOW_BITS = 12
_MEMORY_LEVEL = 4
_LEVEL = 3
_PEERS_WINDOW_BITS = 15


class NotDeflate(Exception):
    """The peer sends what no deflater has made."""


class Inflater:
    """What `feed` was given and is not inflated yet stays as small as it came."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(-_PEERS_WINDOW_BITS)
        self._waiting = bytearray()
        self._has_more = False

    def feed(self, octets: bytes) -> None:
        self._waiting += octets

    @property
    def has_more(self) -> bool:
        """There is something to inflate, or it may be that some is left from the last time."""
        return bool(self._waiting) or self._has_more

    def inflate(self, most: int) -> bytes:
        """So many octets at most. Raises NotDeflate."""
        if not self.has_more:
            return b""
        try:
            octets = self._inflate.decompress(bytes(self._waiting), most)
        except zlib.error:
            raise NotDeflate from None
        if self._inflate.eof:  # RFC 4978 3: there is one stream, as long as the connection
            raise NotDeflate
        self._waiting[:] = self._inflate.unconsumed_tail
        self._has_more = len(octets) == most
        return octets


class Deflater:
    def __init__(self) -> None:
        self._deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -_WINDOW_BITS, _MEMORY_LEVEL)

    def deflate(self, octets: bytes | bytearray | memoryview) -> bytes:
        return self._deflate.compress(octets) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
