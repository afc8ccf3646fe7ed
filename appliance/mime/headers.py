"""A header as a list of fields: where it ends, its names and values, and a selection of them.

Promises: never raises, whatever the octets; time grows in line with the length. A line ends with CRLF or with a bare
LF, since both have been seen in mailboxes. The header goes on until the first empty line; a line in it that is no
field (no colon, a name with spaces such as mbox's `From `, a continuation of nothing) is passed over and does not end
it. Leaves the meaning of values to `addresses.py`, `dates.py`, `encoded_words.py` and `content_fields.py`.
RFC 5322 2.2, 3.6.8, 4.5.8 (white space before the colon); RFC 9051 6.4.5.1 (HEADER.FIELDS).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
_PARAGRAPH = re.compile(rb"[^\n]*(?:\n[ \t][^\n]*+)*+\n?")  # a line with its continuations, field or not
_FOLD = re.compile(rb"[\r\n]+")
_FIELD_AT_LINE_START = re.compile(rb"^([!-9;-~]+)[ \t]*:([^\n]*(?:\n[ \t][^\n]*+)*+)", re.MULTILINE)


def header_end(data: bytes) -> int:
    """The offset of the body, just after the empty line; -1 if `data` holds no empty line."""
    if data.startswith(b"\n"):
        return 1
    if data.startswith(b"\r\n"):
        return 2
    crlf = data.find(b"\n\r\n")
    lf = data.find(b"\n\n", 0, crlf + 1 if crlf >= 0 else len(data))
    if lf >= 0:
        return lf + 2
    return crlf + 3 if crlf >= 0 else -1


def split_headers(block: bytes) -> list[tuple[bytes, bytes]]:
    """(name as written, raw value) of each field; the value starts after the colon, with its folding, without the
    line's end. What follows the empty line is not looked at."""
    return list(each_field(block))


def each_field(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The same, one at a time: a header of a hundred thousand short fields would make a large list."""
    for field in _FIELD_AT_LINE_START.finditer(_header_of(block)):
        name, value = field.groups()
        yield name, value.removesuffix(b"\r")


def header_values(block: bytes, name: bytes) -> list[bytes]:
    """The unfolded values of every field called `name`, in any case, in order."""
    wanted = name.lower()
    return [unfold(value) for found, value in split_headers(block) if found.lower() == wanted]


def first_header(block: bytes, name: bytes) -> bytes | None:
    """The unfolded value of the first field called `name`."""
    wanted = name.lower()
    for found, value in split_headers(block):
        if found.lower() == wanted:
            return unfold(value)
    return None


def unfold(value: bytes) -> bytes:
    """One line, without the space around it. RFC 5322 2.2.3: only the line ends go, the space after them stays."""
    if b"\n" in value or b"\r" in value:
        value = _FOLD.sub(b"", value)
    return value.strip(b" \t")


def select_fields(block: bytes, names: Iterable[bytes], invert: bool = False) -> bytes:
    """The fields called `names` as they were written, or with `invert` all others; always ends with the empty line."""
    wanted = {name.lower() for name in names}
    header = _header_of(block)
    chosen: list[bytes] = []
    for paragraph in _PARAGRAPH.findall(header):
        field = _FIELD.match(paragraph)
        named = field is not None and field.group(1).lower() in wanted
        if paragraph not in (b"", b"\r") and named != invert:
            chosen.append(paragraph if paragraph.endswith(b"\n") else paragraph.removesuffix(b"\r") + b"\r\n")
    empty_line = b"\n" if block.startswith(b"\n", len(header)) else b"\r\n"
    return b"".join(chosen) + empty_line


def _header_of(block: bytes) -> bytes:
    """The lines before the empty line."""
    end = header_end(block)
    if end < 0:
        return block
    return block[: end - 2] if block.endswith(b"\r\n", 0, end) else block[: end - 1]
