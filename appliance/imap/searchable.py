"""The texts of a message that a search looks into, folded: what `search.py` scans and what the index keeps are these.

Texts are compared without regard to case and accents' composition (RFC 5051), after decoding encoded words, transfer
encodings and charsets. A needle lies in one of: the message's header as a whole, its fields one by one, the header of a
part, the text of a text part; never across two of them. Pure. Each step is for some ten thousand characters at most, so
that other threads have their turn. RFC 3501 6.4.4.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator

from ..mail.content import Content
from ..mime.addresses import MailboxOrGroup
from ..mime.charsets import TransferDecoder, codec_for
from ..mime.encoded_words import decode
from ..mime.headers import each_field, header_values, unfold
from ..mime.parts import Part, Structure

LONGEST_HEADER = 256 * 1024  # of one part that is looked into
_AT_ONCE = 32 * 1024  # octets of a body
_CUT_WITHIN = 64  # characters; more marks on one letter than this may be ordered in two lots
FIELD_NAME = re.compile(r"[!-9;-~]+")


def fold(text: str) -> str:
    """What two texts share that differ in case or composition only. RFC 5051 2."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFKD", text.casefold()).casefold()


def header_text(header: bytes) -> str:
    """A line `name: value` for each field, folded; no value has a line end in it."""
    return "\n".join(fold(f"{name.decode('latin-1')}: {decode(unfold(value))}") for name, value in each_field(header))


def values_of(header: bytes, name: str) -> Iterator[str]:
    """Of the fields called so, folded."""
    for value in header_values(header, name.encode("latin-1", "replace")):
        yield fold(decode(value))


# The fields of which the structure tells, so that no header has to be read.


def _addresses(items: tuple[MailboxOrGroup, ...]) -> Iterator[str]:
    for item in items:
        name = decode(item.name or b"")
        if item.host is None:
            yield decode(item.mailbox or b"")
        else:
            yield f"{name} <{decode(item.address)}>"


def _field(value: bytes | None) -> Iterator[str]:
    if value is not None:
        yield decode(value)


FROM_STRUCTURE: dict[str, Callable[[Structure], Iterator[str]]] = {
    "from": lambda structure: _addresses(structure.envelope.from_),
    "to": lambda structure: _addresses(structure.envelope.to),
    "cc": lambda structure: _addresses(structure.envelope.cc),
    "bcc": lambda structure: _addresses(structure.envelope.bcc),
    "subject": lambda structure: _field(structure.envelope.subject),
    "message-id": lambda structure: _field(structure.envelope.message_id),
    "in-reply-to": lambda structure: _field(structure.envelope.in_reply_to),
}


# bodies


def body_texts(root: Part, content: Content) -> Iterator[Iterator[str]]:
    """Headers of parts, attachments' names included, and text parts, not other attachments; each in pieces."""
    if root.children:
        for child in root.children:
            length = min(child.body_start - child.header_start, LONGEST_HEADER)
            yield iter((header_text(b"".join(content.pieces(child.header_start, length))),))
            yield from body_texts(child, content)
    elif root.type == b"text":
        yield _text_of(root, content)


def contain(pieces: Iterable[str], needle: str) -> bool:
    """With an overlap in which a match over the seam of two pieces fits."""
    overlap = len(needle) - 1
    tail = ""
    for piece in pieces:
        window = tail + piece
        if needle in window:
            return True
        tail = window[-overlap:] if overlap > 0 else ""
    return False


def _text_of(part: Part, content: Content) -> Iterator[str]:
    """Cut where folding one piece after the other is the same as folding all at once."""
    transfer, charset = TransferDecoder(part.encoding), _CharsetDecoder(part.charset)
    held = ""
    for large in content.pieces(part.body_start, part.size_octets):
        for start in range(0, len(large), _AT_ONCE):
            text = held + charset.feed(transfer.feed(large[start : start + _AT_ONCE]))
            cut = _where_to_cut(text)
            held = text[cut:]
            yield fold(text[:cut])
    yield fold(held + charset.feed(transfer.finish(), final=True))


def _where_to_cut(text: str) -> int:
    """Before the last character that begins anew: marks are put in order behind the letter that they belong to."""
    for at in range(len(text) - 1, max(0, len(text) - _CUT_WITHIN), -1):
        if unicodedata.combining(unicodedata.normalize("NFKD", text[at].casefold())[0]) == 0:
            return at
    return max(0, len(text) - _CUT_WITHIN)


class _CharsetDecoder:
    """Text in pieces; 8-bit text without a charset is UTF-8 until that fails, then Latin."""

    def __init__(self, charset: str) -> None:
        codec = codec_for(charset)
        self._decoder = codecs.getincrementaldecoder(codec or "utf-8")("strict" if codec is None else "replace")

    def feed(self, octets: bytes, final: bool = False) -> str:
        try:
            return self._decoder.decode(octets, final)
        except UnicodeError:
            self._decoder = codecs.getincrementaldecoder("latin-1")("replace")
            return self._decoder.decode(octets, final)
