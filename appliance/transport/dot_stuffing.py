"""A message's octets as DATA carries them: dots doubled at line starts, a lone dot at the end. Piece by piece.

Promises: undoing it gives the very octets that went in (and a CRLF, if the last line had no end); the only lone dot
between two CRLFs is the end. A bare CR or LF is refused: some servers would take one for a line's end and see a second
message that is not there. Pure. RFC 5321 4.5.2 (transparency), 2.3.8 (lines).
"""

from __future__ import annotations


class BareLineEnd(ValueError):
    """The content holds a CR or an LF that stands alone."""


class DotStuffer:
    def __init__(self) -> None:
        self._tail = b"\r\n"  # the last octets that went in; the start counts as the start of a line

    def feed(self, piece: bytes) -> bytes:
        """Raises BareLineEnd; what was given out before it is no whole message, as long as `finish` is not called."""
        if not piece:
            return b""
        tail, self._tail = self._tail, (self._tail + piece)[-2:]
        _refuse_bare(tail[-1:], piece)
        if tail == b"\r\n" and piece[:1] == b".":
            start = b"."
        elif tail[-1:] == b"\r" and piece[:2] == b"\n.":
            start, piece = b"\n.", piece[1:]
        else:
            start = b""
        return start + piece.replace(b"\r\n.", b"\r\n..")

    def finish(self) -> bytes:
        """The end of the message. Raises BareLineEnd when the last octet was a CR."""
        if self._tail[-1:] == b"\r":
            raise BareLineEnd
        return b".\r\n" if self._tail == b"\r\n" else b"\r\n.\r\n"


def _refuse_bare(before: bytes, piece: bytes) -> None:
    pairs = piece.count(b"\r\n")
    feeds, returns = piece.count(b"\n"), piece.count(b"\r")
    if piece[:1] == b"\n" and before == b"\r":
        feeds -= 1
    elif before == b"\r":
        raise BareLineEnd
    if piece[-1:] == b"\r":
        returns -= 1  # the next piece shows what follows
    if feeds != pairs or returns != pairs:
        raise BareLineEnd
