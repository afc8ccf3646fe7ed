"""Command lines: what ends one, how long it may be, what it may not hold.

Promises: only CR LF ends a line; a line that holds a bare CR, a bare LF or a NUL, or that is too long, is one fault,
told after its CR LF, so that both sides stay in step; the same lines come out however the octets were cut. Leaves the
rule for message content to `data_scanner.py`. RFC 5321 2.3.8, 4.1.1, 4.5.3.1.4.

Known limit: a peer that ends its lines with a bare LF is not answered until it sends CR LF or its time is up. To
answer earlier would make LF a line end.
"""

from __future__ import annotations

from enum import Enum

# RFC 5321 4.5.3.1.4 asks for 512 octets and for more with each extension; Postfix takes 2048 (line_length_limit).
MAX_COMMAND_OCTETS = 2048
MAX_SIGN_IN_OCTETS = 12288  # RFC 4954 4, for what answers a challenge


class LineFault(Enum):
    TOO_LONG = "too long"
    MALFORMED = "bare CR, bare LF or NUL"


class LineReader:
    """Feed octets, take lines. Holds at most what was fed and not yet taken."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skipping = False

    def __bool__(self) -> bool:
        return bool(self._buffer) or self._skipping

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self, limit: int = MAX_COMMAND_OCTETS) -> bytes | LineFault | None:
        """The next line without its CR LF, or what is wrong with it; None: need more. `limit` counts the CR LF."""
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if self._skipping or len(self._buffer) >= limit:
                self._skipping = True
                del self._buffer[: -1 if self._buffer.endswith(b"\r") else None]
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        if self._skipping or end + 2 > limit:
            self._skipping = False
            return LineFault.TOO_LONG
        if b"\r" in line or b"\n" in line or b"\0" in line:
            return LineFault.MALFORMED
        return line

    def take(self) -> bytes:
        """Everything fed so far that belongs to no line yet: it is content."""
        taken = bytes(self._buffer)
        self._buffer.clear()
        return taken

    def clear(self) -> None:
        """Forget everything, as STARTTLS asks. RFC 3207 4.2."""
        self._buffer.clear()
        self._skipping = False
