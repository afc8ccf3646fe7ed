"""A message's header in ASCII, for a client that has not said that it takes UTF-8. RFC 6856 2.1, after RFC 6858 3.

Octets above ASCII in the header become encoded words (RFC 2047): each word by itself, a quoted string as a whole, and an
address that has them becomes a group without members, for there is no other way to write it (RFC 6858 3). Lines that are
ASCII go through as they are, and so do those that are neither ASCII nor UTF-8: what was meant nobody can tell.

Pure; whole and byte-by-byte feeding give the same. What is held is at most LINE_OCTETS, a longer line is cut there.
Known limits: the headers of inner parts stay as they are; the sizes of LIST and STAT are those of the message as stored
(RFC 6856 2.1 lets them differ).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator

LINE_OCTETS = 64 * 1024
_WORD_OCTETS = 45  # 60 characters of base64: with what stands around them 72 of the 75 that RFC 2047 2 allows
_PIECES = re.compile(
    r'"(?P<quoted>(?:[^"\\]|\\.)*)"|<(?P<address>[^<>\s]*)>|[^\s<>",;()]+'  # a quoted string, an address, a word
)
_NAME = re.compile(rb"[!-9;-~]+:")


def downgraded(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same message with its header in ASCII."""
    line = b""
    in_header = True
    cut = False  # `line` goes on from one that was too long
    for piece in pieces:
        if not in_header:
            yield piece
            continue
        line += piece
        done = bytearray()
        while in_header and ((end := line.find(b"\n", 0, LINE_OCTETS) + 1) or len(line) > LINE_OCTETS):
            whole, line = line[: end or LINE_OCTETS], line[end or LINE_OCTETS :]
            in_header = cut or whole.strip(b"\r\n") != b""
            cut = not end
            done += _ascii(whole)
        if not in_header:
            done += line
            line = b""
        yield bytes(done)
    if line:
        yield _ascii(line) if in_header else line


def _ascii(line: bytes) -> bytes:
    if line.isascii():
        return line
    named = _NAME.match(line)
    start = named.end() if named else 0
    try:
        text = line[start:].decode()
    except UnicodeDecodeError:
        return line
    # What is left above ASCII stands where no word may be encoded, and no mail program of today writes it.
    return line[:start] + _PIECES.sub(_piece, text).encode("ascii", "replace")


def _piece(found: re.Match[str]) -> str:
    if found[0].isascii():
        return found[0]
    if found["quoted"] is not None:
        return _encoded(re.sub(r"\\(.)", r"\1", found["quoted"]))
    if found["address"] is not None:
        return _encoded(found["address"]) + " :;"
    return _encoded(found[0])


def _encoded(text: str) -> str:
    """No character is cut in two (RFC 2047 5)."""
    words, part = [], b""
    for character in text:
        octets = character.encode()
        if len(part) + len(octets) > _WORD_OCTETS:
            words.append(part)
            part = b""
        part += octets
    words.append(part)
    return "\r\n ".join(f"=?UTF-8?B?{base64.b64encode(word).decode()}?=" for word in words)
