"""Where octets hold lines of base64 that decode and encode again to just themselves, and both ways quickly.

A run is LINES_LEAST or more lines that follow each other, all of one length (a multiple of 4, from 56 to 996), all with
one line end (CRLF or LF), and of nothing but the 64 letters of RFC 4648 4; a line with padding is not of it. Such lines
and the octets they decode to stand for each other one to one, so nothing needs to be compared to know that the way back
is exact. Attachments are this but for their last line, whoever wrote them: RFC 2045 6.8 asks for 76 letters at most,
some mail programs write 72, PEM and OpenPGP 64.

Time grows in line with the octets, whatever they are: after MISSES_MOST places that begin like a run and are none, the
rest counts as text.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import msgspec

LINES_LEAST = 4
RUNS_MOST = 64
MISSES_MOST = 8
LETTERS = (56, 996)  # in a line, the least and the most; no text in words has 56 letters in a row

_LINE = re.compile(rb"\n[A-Za-z0-9+/]{56,996}+\r?\n")
_NO_LETTER = re.compile(rb"[^A-Za-z0-9+/\r\n]")
_BLOCK_LINES = 64  # so many are cut or put together by one call
# Two or three times as quick as binascii, and takes nothing but the alphabet.
_JSON = msgspec.json.Decoder(bytes)


@dataclass(slots=True, frozen=True)
class Shape:
    """What a run's lines look like. letters: in a line; end_octets: 2 for CRLF, 1 for LF."""

    lines: int
    letters: int
    end_octets: int

    @property
    def octets(self) -> int:
        return self.lines * (self.letters + self.end_octets)

    @property
    def decoded_octets(self) -> int:
        return self.lines * (self.letters // 4 * 3)

    def is_legal(self) -> bool:
        return (
            self.lines >= LINES_LEAST
            and LETTERS[0] <= self.letters <= LETTERS[1]
            and self.letters % 4 == 0
            and self.end_octets in (1, 2)
        )


@dataclass(slots=True, frozen=True)
class Run:
    start: int
    shape: Shape
    decoded: bytes

    @property
    def end(self) -> int:
        return self.start + self.shape.octets


def find(octets: bytes) -> list[Run]:
    """The runs, in order. Each begins after a LF: what stands before the first LF is of none."""
    runs: list[Run] = []
    misses = at = 0
    while len(runs) < RUNS_MOST and misses < MISSES_MOST and (line := _LINE.search(octets, at)):
        run = _run_at(octets, line.start() + 1, line.end())
        if run is not None:
            runs.append(run)
            at = run.end - 1
        else:
            misses += 1
            at = line.end() - 1
    return runs


def _run_at(octets: bytes, start: int, line_end: int) -> Run | None:
    end_octets = 2 if octets[line_end - 2] == 0x0D else 1
    step = line_end - start
    # How many lines there are whose ends stand where they should; this looks at the ends alone.
    last = octets[line_end - 1 :: step]
    lines = len(last) - len(last.lstrip(b"\n"))
    if end_octets == 2:
        before_last = octets[line_end - 2 :: step]
        lines = min(lines, len(before_last) - len(before_last.lstrip(b"\r")))
    shape = Shape(lines, step - end_octets, end_octets)
    if not shape.is_legal():
        return None
    decoded = _decode(octets[start : start + shape.octets], shape)
    if decoded is None:  # something else within a line, as a rule the padding of a last line that is as long as all
        other = _NO_LETTER.search(octets, start, start + shape.octets)
        shape = Shape((other.start() - start) // step if other else 0, shape.letters, end_octets)
        decoded = _decode(octets[start : start + shape.octets], shape) if shape.is_legal() else None
    return Run(start, shape, decoded) if decoded is not None else None


def _decode(lines: bytes, shape: Shape) -> bytes | None:
    """None if there is anything but letters in the lines: then there is no decoding, or it gives less than three octets
    for four letters."""
    text = bytearray(b'"%b"' % lines)
    for more in reversed(range(shape.end_octets)):  # the last octet of each line's end first
        step = shape.letters + more + 1
        del text[step : shape.lines * step + 1 : step]
    try:
        decoded = _JSON.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return decoded if len(decoded) == shape.decoded_octets else None


def encode(decoded: bytes, shape: Shape) -> bytes:
    """The run's lines again."""
    letters = msgspec.json.encode(decoded)
    whole = shape.lines // _BLOCK_LINES * _BLOCK_LINES * shape.letters
    cut = _lines(shape.letters).iter_unpack(memoryview(letters)[1 : 1 + whole])
    rest = [letters[at : at + shape.letters] for at in range(1 + whole, len(letters) - 1, shape.letters)]
    return (b"\r\n" if shape.end_octets == 2 else b"\n").join([*chain.from_iterable(cut), *rest, b""])


@lru_cache(maxsize=8)
def _lines(letters: int) -> struct.Struct:
    return struct.Struct(f"{letters}s" * _BLOCK_LINES)
