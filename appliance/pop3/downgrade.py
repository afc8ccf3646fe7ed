"""A message's header in ASCII, for a client that has not said that it takes UTF-8. RFC 6856 2.1, after RFC 6858 3.

Octets above ASCII in the header become encoded words (RFC 2047): words that follow each other together, a quoted string as
a whole, and an address that has them becomes a group without members, for there is no other way to write it (RFC 6858 3).
Lines that are ASCII go through as they are, and so do those that are neither ASCII nor UTF-8: what was meant nobody can
tell. White space between two encoded words is for no reader (RFC 2047 6.2): the second one holds what stood there.

Pure; whole and byte-by-byte feeding give the same. What is held is at most LINE_OCTETS, a longer line is cut there.
Cost: in proportion to the octets, whatever they are (a sender chooses them, and `re` lets nobody else run meanwhile).
Known limits: the headers of inner parts stay as they are; the sizes of LIST and STAT are those of the message as stored,
where RFC 6856 2.1 would have LIST tell what RETR sends: that takes each header to be read before there is a list.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator

LINE_OCTETS = 64 * 1024
_WORD_OCTETS = 45  # 60 characters of base64: with what stands around them 72 of the 75 that RFC 2047 2 allows
_WORD = r'<(?P<address>[^<>\s]*)>|(?P<word>[^\s<>",;()]+)'
# A quoted string, or a quotation mark that nothing closes; an address; a word. ASCII: only its spaces part words, an
# ideographic space or one that must not break is a character as others are.
_PIECES = re.compile(r'"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?P<unclosed>")|' + _WORD, re.ASCII | re.DOTALL)
_UNQUOTED = re.compile(_WORD, re.ASCII)
_NAME = re.compile(rb"[!-9;-~]+:")


def downgraded(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same message with its header in ASCII."""
    line = b""
    in_header = True
    cut = False  # `line` goes on from one that was too long
    encoded = False  # the last line ended with an encoded word
    for piece in pieces:
        if not in_header:
            yield piece
            continue
        line += piece
        done = bytearray()
        at = 0
        while in_header and ((end := line.find(b"\n", at, at + LINE_OCTETS) + 1) or len(line) - at > LINE_OCTETS):
            whole = line[at : end or at + LINE_OCTETS]
            at += len(whole)
            in_header = cut or whole.strip(b"\r\n") != b""
            cut = not end
            whole = _ascii(whole, encoded)
            encoded = _ends_encoded(whole)
            done += whole
        line = line[at:]
        if not in_header:
            done += line
            line = b""
        yield bytes(done)
    if line:
        yield _ascii(line, encoded) if in_header else line


def _ends_encoded(line: bytes) -> bool:
    return line.rstrip().endswith(b"?=")


def _ascii(line: bytes, after_encoded: bool) -> bytes:
    """after_encoded: what stands before the line ends with an encoded word."""
    if line.isascii():
        return line
    named = _NAME.match(line)
    start = named.end() if named else 0
    try:
        text = line[start:].decode()
    except UnicodeDecodeError:
        return line
    # Nothing above ASCII is left: whatever is not in a quoted string or an address is in a word.
    return line[:start] + "".join(_rewritten(text, after_encoded and start == 0)).encode("ascii")


def _rewritten(text: str, after_encoded: bool) -> Iterator[str]:
    at = 0  # so far `text` has been given or stands in `waiting`
    waiting = ""  # to be encoded, as soon as nothing can be added
    for found in _found(text):
        between, at = text[at : found.start()], found.end()
        if found[0].isascii():
            if waiting:
                yield _encoded(waiting)
                waiting = ""
            yield between + found[0]
            after_encoded = found[0].endswith("?=")
            continue
        content = found[found.lastgroup or 0]
        if found.lastgroup == "quoted":
            content = re.sub(r"\\(.)", r"\1", content)
        apart = between.strip(" \t") != ""
        if waiting and not apart:
            waiting += (between or " ") + content
        else:
            if waiting:
                yield _encoded(waiting)
            yield between
            waiting = between + content if after_encoded and not apart else content
        after_encoded = True
        if found.lastgroup == "address":
            yield _encoded(waiting) + " :;"
            waiting, after_encoded = "", False
    if waiting:
        yield _encoded(waiting)
    yield text[at:]


def _found(text: str) -> Iterator[re.Match[str]]:
    """What `_PIECES` finds. Behind a quotation mark that nothing closes no other can be closed: to look for its end again
    and again takes time by the square of the line."""
    pattern, at = _PIECES, 0
    while found := pattern.search(text, at):
        at = found.end()
        if found.lastgroup == "unclosed":
            pattern = _UNQUOTED
        else:
            yield found


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
