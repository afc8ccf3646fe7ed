"""A message as RETR and TOP send it: perhaps cut after some lines, dots doubled, a lone dot at the end. Piece by piece.

Promises: undoing it gives the very octets that went in, and a CRLF if they did not end in one (RFC 1939 3); lines of any
length and 8-bit octets pass unchanged; no more than one piece is held. Pure.
A dot is doubled after every LF, also after one that stands alone: many clients take that for a line's end, and a lone dot
after it for the end of the message. Such octets do not come over SMTP; a client may have put them here over IMAP.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .grammar import END


class DotStuffer:
    def __init__(self) -> None:
        self._tail = b"\r\n"  # the last two octets that went in; the status line has ended before them

    def feed(self, piece: bytes) -> bytes:
        if not piece:
            return b""
        start = b"." if self._tail[-1:] == b"\n" and piece[:1] == b"." else b""
        self._tail = (self._tail + piece[-2:])[-2:]
        return start + piece.replace(b"\n.", b"\n..")

    def finish(self) -> bytes:
        return END if self._tail == b"\r\n" else b"\r\n" + END


class TopCut:
    """Lets through the header, the empty line and `lines` lines of the body. RFC 1939 7, TOP."""

    def __init__(self, lines: int) -> None:
        self._lines = lines
        self._in_header = True
        self._line = b""  # the first octets of a header line that began in an earlier piece
        self.done = False

    def feed(self, piece: bytes) -> bytes:
        at = self._header_end(piece) if self._in_header else 0
        if self._in_header:
            return piece
        if self._lines > (more := piece.count(b"\n", at)):
            self._lines -= more
            return piece
        self.done = True
        for _ in range(self._lines):
            at = piece.index(b"\n", at) + 1
        self._lines = 0
        return piece[:at]

    def _header_end(self, piece: bytes) -> int:
        at = 0
        while (end := piece.find(b"\n", at)) >= 0:
            line = self._line + piece[at:end]
            self._line = b""
            at = end + 1
            if line in (b"", b"\r"):
                self._in_header = False
                break
        else:
            self._line = (self._line + piece[at : at + 2])[:2]
        return at


def multiline(pieces: Iterable[bytes], lines: int | None) -> Iterator[bytes]:
    """lines: of the body, None for the whole message. Reads no piece that it does not need."""
    stuffer = DotStuffer()
    cut = None if lines is None else TopCut(lines)
    for piece in pieces:
        yield stuffer.feed(piece if cut is None else cut.feed(piece))
        if cut is not None and cut.done:
            break
    yield stuffer.finish()
