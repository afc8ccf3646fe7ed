"""GETMETADATA and SETMETADATA. RFC 5464 3.2 and 5.

Leniencies: options may stand after the mailbox too, as in the RFC's own examples; GETMETADATA takes `/private` and `/shared`
alone, below which clients ask for everything with DEPTH (Kolab's, Roundcube's).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .cursor import Cursor, GrammarFault

LONGEST_ENTRY = 255  # octets
INFINITY = 1 << 30

# RFC 5464 3.2: no "*", "%", control or 8-bit octets, no empty component.
_ENTRY = re.compile(rb"(?:/[!-$&-)+-.0-~ ]+)+")
_LITERAL8 = re.compile(rb"~\{(\d{1,10})\+?\}\r\n")
_OPTIONS = re.compile(rb"\([A-Za-z]")
_SCOPE = re.compile(r"/(?:private|shared)(?=/|\Z)")
_DEPTHS = {b"0": 0, b"1": 1, b"INFINITY": INFINITY}


@dataclass(slots=True, frozen=True)
class GetMetadata:
    """mailbox '': the server. most_octets: of one value, None where the client takes any; depth: levels below an entry."""

    mailbox: str
    entries: tuple[str, ...]
    most_octets: int | None = None
    depth: int = 0


@dataclass(slots=True, frozen=True)
class SetMetadata:
    """None removes an entry."""

    mailbox: str
    values: tuple[tuple[str, bytes | None], ...]


def get_metadata(cursor: Cursor) -> GetMetadata:
    """getmetadata = "GETMETADATA" [SP getmetadata-options] SP mailbox SP entries"""
    cursor.space()
    options = _options(cursor)
    mailbox = cursor.mailbox()
    cursor.space()
    options |= _options(cursor)

    return GetMetadata(mailbox, entries(cursor), options.get("MAXSIZE"), options.get("DEPTH", 0))


def entries(cursor: Cursor) -> tuple[str, ...]:
    """entries = entry / "(" entry *(SP entry) ")" """

    def entry() -> str:
        return _entry(cursor, set_=False)

    return cursor.parenthesised(entry) if cursor.stands(b"(") else (entry(),)


def _options(cursor: Cursor) -> dict[str, int]:
    """getmetadata-options = "(" getmetadata-option *(SP getmetadata-option) ")" – and the space after it."""
    if not _OPTIONS.match(cursor.data, cursor.at):
        return {}
    found: dict[str, int] = {}

    def option() -> None:
        name = cursor.word("an option").decode("ascii")
        cursor.space()
        match name:
            case "MAXSIZE":
                found[name] = cursor.number()
            case "DEPTH":
                depth = cursor.word("a depth")
                if depth not in _DEPTHS:
                    raise GrammarFault("DEPTH is 0, 1 or infinity")
                found[name] = _DEPTHS[depth]
            case _:
                raise GrammarFault("there is no such option")

    cursor.parenthesised(option)
    cursor.space()
    return found


def set_metadata(cursor: Cursor) -> SetMetadata:
    """setmetadata = "SETMETADATA" SP mailbox SP entry-values"""
    cursor.space()
    mailbox = cursor.mailbox()
    cursor.space()

    def pair() -> tuple[str, bytes | None]:
        """entry-value = entry SP value; value = nstring / literal8"""
        entry = _entry(cursor, set_=True)
        cursor.space()
        return entry, _value(cursor)

    return SetMetadata(mailbox, cursor.parenthesised(pair))


def _value(cursor: Cursor) -> bytes | None:
    """value = nstring / literal8; literal8 = "~{" number ["+"] "}" CRLF *OCTET (RFC 4466 6)"""
    if not cursor.stands(b"~{"):
        return cursor.nstring()
    size = int(cursor.match(_LITERAL8, "a literal").group(1))
    end = cursor.at + size
    if end > len(cursor.data):
        raise cursor.fault("the rest of a literal")
    value, cursor.at = cursor.data[cursor.at : end], end
    return value


def _entry(cursor: Cursor, *, set_: bool) -> str:
    """In small letters: names are case-insensitive (RFC 5464 3.2)."""
    octets = cursor.astring()
    if len(octets) > LONGEST_ENTRY or _ENTRY.fullmatch(octets) is None:
        raise GrammarFault("that is no name of an entry")
    entry = octets.decode("ascii").lower()
    if _SCOPE.match(entry) is None:
        raise GrammarFault("the name of an entry begins with /private or /shared")
    levels = entry.split("/")[1:]
    if set_ and len(levels) < (4 if levels[1:2] == ["vendor"] else 2):
        raise GrammarFault("the name of an entry is too short")
    return entry
