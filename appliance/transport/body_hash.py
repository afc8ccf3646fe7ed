"""The DKIM body hash of a message that is too large to hold: the "relaxed" form, piece by piece.

Promises: the same digest as for the whole body at once, wherever it is cut; never holds more than a piece and an
unfinished line of it. Leaves the signature itself to `sign.py`. Pure. RFC 6376 3.4.4 (relaxed), 3.7 (what is hashed).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

_LONG_LINE_OCTETS = 64 * 1024


class RelaxedBody:
    """Feed it, then `finish`: what comes out is the body in its relaxed form, in pieces."""

    def __init__(self) -> None:
        self._unfinished = b""  # the last line so far, as it came
        self._pending_lines = 0  # CRLFs that count only if something follows them
        self._started = False

    def feed(self, piece: bytes) -> bytes:
        """What is certain so far."""
        data = self._unfinished + piece
        cut = data.rfind(b"\r\n") + 2
        if cut < 2:
            if len(data) < _LONG_LINE_OCTETS:
                self._unfinished = data
                return b""
            # A line that long: all but white space at its end (which may yet be cut off) is certain.
            cut = len(data.rstrip(b"\t \r"))
        whole, self._unfinished = data[:cut], data[cut:]
        return self._emit(_relaxed(whole))

    def finish(self) -> bytes:
        rest = b""
        if self._unfinished:
            # A body without a final CRLF gets one (RFC 6376 3.4.3); white space before it is at the line's end.
            rest = self._emit(_relaxed(self._unfinished + b"\r\n"))
        return rest + (b"\r\n" if self._started else b"")

    def _emit(self, relaxed: bytes) -> bytes:
        """Empty lines at the end are held back: at the end of the body they do not count."""
        end = len(relaxed)
        while end >= 2 and relaxed[end - 2 : end] == b"\r\n":
            end -= 2
        body, held_back = relaxed[:end], (len(relaxed) - end) // 2
        if not body:
            self._pending_lines += held_back
            return b""
        out = b"\r\n" * self._pending_lines + body
        self._pending_lines = held_back
        self._started = True
        return out


def _relaxed(lines: bytes) -> bytes:
    """Runs of white space become one space, and none stays before a line's end. `replace` and not a regular
    expression: with one 25 MB of prose took six times as long and, at its peak, 10 MB of memory."""
    lines = lines.replace(b"\t", b" ")
    while b"  " in lines:
        lines = lines.replace(b"  ", b" ")
    return lines.replace(b" \r\n", b"\r\n")


def relaxed_body_hash(pieces: Iterable[bytes]) -> bytes:
    """SHA-256 over the relaxed form."""
    hasher, body = hashlib.sha256(), RelaxedBody()
    for piece in pieces:
        hasher.update(body.feed(piece))
    hasher.update(body.finish())
    return hasher.digest()
