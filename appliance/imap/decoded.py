"""A part of a message out of its transfer encoding, read piece by piece; its size is known only when it was decoded once.

Promises: no more than one piece is in memory; reading on where one stopped, as clients do that fetch a large part in
portions, costs what is read and not the way there again. Pure, but for reading the content: not for the event loop.
RFC 3516 4.2, RFC 9051 6.4.5 (BINARY).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

from ..mail.content import Content
from ..mime.charsets import TransferDecoder
from ..mime.parts import Part

IDENTITY = frozenset((b"7bit", b"8bit", b"binary"))
KNOWN = IDENTITY | {b"base64", b"quoted-printable"}

_MARK_EVERY = 1024 * 1024  # octets of the encoded part


class UnknownEncoding(Exception):
    """RFC 3516 4.3: what is encoded by we do not know whom cannot be decoded."""


def encoding_of(part: Part) -> bytes:
    """Raises UnknownEncoding. What holds parts is encoded in its parts (RFC 2045 6.4)."""
    if part.children:
        return b"binary"
    if part.encoding not in KNOWN:
        raise UnknownEncoding
    return part.encoding


class Decoded:
    """A `mail.content.Content`: content[start:end] decoded."""

    def __init__(self, content: Content, start: int, end: int, encoding: bytes) -> None:
        self._content = content
        self._end = end
        # Places from which it can be decoded: (octets before it when decoded, where it is in the content, the decoder).
        self._marks = [(0, start, TransferDecoder(encoding))]
        self._size: int | None = end - start if encoding in IDENTITY else None
        self.decoded_octets = 0  # in all so far, which is work that was done

    @property
    def size(self) -> int:
        """Cost: once, that of decoding all of it."""
        if self._size is None:
            for _ in self._from(self._marks[-1]):
                pass
        assert self._size is not None
        return self._size

    def reach(self, offset: int) -> int:
        """`offset`, or the size where that is less. Decodes no further than it has to."""
        if self._size is None:
            done = self._marks[-1][0]
            for piece in self._from(self._marks[-1]):
                done += len(piece)
                if done >= offset:
                    return offset
        return min(offset, self.size)

    def pieces(self, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Ends early, or fails as the content does, where that does not read back."""
        mark = next(mark for mark in reversed(self._marks) if mark[0] <= start)
        at = mark[0]
        end = None if length is None else start + length
        if length == 0:
            return
        for piece in self._from(mark):
            wanted = piece[max(0, start - at) : None if end is None else max(0, end - at)]
            at += len(piece)
            if wanted:
                yield wanted
            if end is not None and at >= end:
                return

    def _from(self, mark: tuple[int, int, TransferDecoder]) -> Iterator[bytes]:
        done, place, decoder = mark[0], mark[1], copy.copy(mark[2])
        for encoded in self._content.pieces(place, self._end - place):
            piece = decoder.feed(encoded)
            place += len(encoded)
            done += len(piece)
            self.decoded_octets += len(encoded)
            if place - self._marks[-1][1] >= _MARK_EVERY:
                self._marks.append((done, place, copy.copy(decoder)))
            yield piece
        rest = decoder.finish()
        self._size = done + len(rest)
        yield rest


class LastDecoded:
    """The part that was asked for last is what is asked for next, as a rule: its size, or more of it."""

    def __init__(self) -> None:
        self._of: tuple[int, int, int] | None = None
        self._decoded: Decoded | None = None

    def get(self, blob_id: int, content: Content, start: int, end: int, encoding: bytes) -> Decoded:
        of = (blob_id, start, end)
        if self._decoded is None or self._of != of:
            self._of, self._decoded = of, Decoded(content, start, end, encoding)
        return self._decoded
