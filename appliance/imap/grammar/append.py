"""APPEND, up to the literal that is the message: that one is streamed by the machine. RFC 3501 6.3.11."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from .cursor import Cursor

_ANNOUNCED = re.compile(rb"\{(\d{1,10})(\+?)\}\Z")


@dataclass(slots=True, frozen=True)
class Append:
    """internal_date None: now; size_octets: of the message that follows."""

    mailbox: str
    flags: tuple[str, ...]
    internal_date: datetime | None
    size_octets: int


def append(cursor: Cursor) -> Append:
    """append = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP literal – here without the literal's octets."""
    cursor.space()
    mailbox = cursor.mailbox()
    cursor.space()
    flags: tuple[str, ...] = ()
    if cursor.stands(b"("):
        flags = cursor.flag_list()
        cursor.space()
    internal_date = None
    if cursor.stands(b'"'):
        internal_date = cursor.date_time()
        cursor.space()
    size_octets = int(cursor.match(_ANNOUNCED, "the message as a literal").group(1))
    return Append(mailbox, flags, internal_date, size_octets)
