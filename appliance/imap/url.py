"""An IMAP URL of a message on this server, or of a part of one: `/INBOX;UIDVALIDITY=7/;UID=3/;SECTION=1.2;PARTIAL=0.100`.

Only what CATENATE needs (RFC 4469 3): a URL without a server's name, absolute from the account's root or, with a mailbox
selected, relative to it (`;UID=3/;SECTION=1`, `/;UID=3`). URLAUTH and other servers are not for us. Pure. RFC 5092 3-7.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from .grammar.cursor import Cursor, GrammarFault
from .grammar.fetch import Section, section
from .values import LARGEST

LONGEST = 8 * 1024  # characters

# iuid = "/;UID=" nz-number; iuid-only = ";UID=" nz-number; uidvalidity = ";UIDVALIDITY=" nz-number
_MESSAGE = re.compile(
    r"(?P<mailbox>.*?)(?:;UIDVALIDITY=(?P<uidvalidity>\d{1,10}))?(?:/|(?<![^/])|\A);UID=(?P<uid>\d{1,10})(?P<rest>(?:/?;.*)?)",
    re.IGNORECASE | re.DOTALL,
)
# isection = "/;SECTION=" enc-section; ipartial = "/;PARTIAL=" number ["." nz-number]
_SECTION = re.compile(r"/?;SECTION=([^;]*?)(?=/?;|\Z)", re.IGNORECASE)
_PARTIAL = re.compile(r"/?;PARTIAL=(\d{1,10})(?:\.(\d{1,10}))?\Z", re.IGNORECASE)


class UrlFault(ValueError):
    """It is none of ours; `str()` of it says why."""


@dataclass(slots=True, frozen=True)
class MessageUrl:
    """mailbox None: the one that is selected; section: with its partial, which is LARGEST long where none is said."""

    mailbox: str | None
    uidvalidity: int | None
    uid: int
    section: Section


def parse(url: str) -> MessageUrl:
    """Raises UrlFault."""
    if len(url) > LONGEST:
        raise UrlFault("the URL is too long")
    if url.startswith("//") or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", url):
        raise UrlFault("only URLs relative to this server are taken")
    found = _MESSAGE.fullmatch(url)
    if found is None:
        raise UrlFault("the URL names no message")
    name = found["mailbox"].removeprefix("/")
    if not name and found["uidvalidity"] is not None:
        raise UrlFault("the URL names no mailbox")
    uid = _number(found["uid"])
    rest = found["rest"]
    text, partial = "", None
    if (part := _SECTION.match(rest)) is not None:
        text, rest = part.group(1), rest[part.end() :]
    if (piece := _PARTIAL.match(rest)) is not None:
        offset, octets = int(piece.group(1)), piece.group(2)
        partial = (offset, LARGEST if octets is None else _number(octets))
        rest = rest[piece.end() :]
    if rest:
        raise UrlFault("the URL says more than we know of")
    uidvalidity = None if found["uidvalidity"] is None else _number(found["uidvalidity"])
    return MessageUrl(_name(name) if name else None, uidvalidity, uid, _section(text, partial))


def _number(digits: str) -> int:
    value = int(digits)
    if not 0 < value <= LARGEST:
        raise UrlFault("a number in the URL is out of range")
    return value


def _name(encoded: str) -> str:
    """enc-mailbox: UTF-8 with its octets percent-encoded (RFC 5092 5), not modified UTF-7."""
    try:
        return unquote_to_bytes(encoded).decode("utf-8")
    except UnicodeDecodeError:
        raise UrlFault("the mailbox's name is not UTF-8") from None


def _section(encoded: str, partial: tuple[int, int] | None) -> Section:
    """enc-section: what stands in FETCH's brackets."""
    cursor = Cursor(b"[%b]" % unquote_to_bytes(encoded))
    try:
        found = section(cursor, peek=True)
        cursor.end()
    except GrammarFault:
        raise UrlFault("the URL names no section") from None
    return Section(found.part, found.text, found.fields, partial, peek=True)
