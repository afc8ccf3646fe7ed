"""APPEND and REPLACE, up to each literal that holds octets of a message: those are streamed by the machine.

Such a command comes in pieces: what stands before the first streamed literal, between two of them, and after the last.
`MessageReader` reads one piece after the other and knows where in the grammar it stands. A URL or a mailbox's name may
come as a literal too; that one belongs to the piece (`LiteralFirst`).
RFC 3501 6.3.11, RFC 3502 (several messages), RFC 4469 (CATENATE), RFC 3516 4.4 (`~{5}`), RFC 6855 4 (UTF8), RFC 8508.

Leniencies: `~{5}` wherever a message's `{5}` may stand, also in CATENATE; spaces before the end of the command.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from ..values import STAR
from .cursor import Cursor, GrammarFault

MOST_ITEMS = 500  # in one piece, which is read anew with each of its literals

_ANNOUNCED = re.compile(rb"(~?)\{(\d{1,10})\+?\}\Z")
_UTF8 = re.compile(rb"~\{(\d{1,10})\+?\}\Z")


@dataclass(slots=True, frozen=True)
class Message:
    """A message begins. internal_date None: now; in_parts: what follows, up to the next Message, is put together."""

    flags: tuple[str, ...] = ()
    internal_date: datetime | None = None
    in_parts: bool = False


@dataclass(slots=True, frozen=True)
class Literal:
    """So many octets, which come next. utf8: its header is said to be UTF-8."""

    size_octets: int
    utf8: bool = False


@dataclass(slots=True, frozen=True)
class Url:
    """An IMAP URL of a message, or of a part of one, that is here already."""

    text: str


AppendItem = Message | Literal | Url


@dataclass(slots=True, frozen=True)
class Append:
    """items: what was said before the first literal, which is the last of them, or all if there is none."""

    mailbox: str
    items: tuple[AppendItem, ...]


@dataclass(slots=True, frozen=True)
class Replace:
    """replaced: a sequence number or UID, STAR for the last message."""

    replaced: int
    mailbox: str
    items: tuple[AppendItem, ...]
    by_uid: bool = False


class LiteralFirst(GrammarFault):
    """The literal that is announced at the end is a name or a URL, and has to be read before its piece can be."""

    def __init__(self) -> None:
        super().__init__("a literal has to come first")


class _Place(Enum):
    """What comes next."""

    MESSAGE = auto()  # one has to
    NEXT = auto()  # another message or the end
    PART = auto()  # in CATENATE: another part or `)`
    UTF8 = auto()  # `)` after a literal of UTF8
    UTF8_PART = auto()  # the same in CATENATE


class MessageReader:
    """many: more than one message may come (RFC 3502)."""

    def __init__(self, *, many: bool) -> None:
        self._many = many
        self._place = _Place.MESSAGE

    def read(self, cursor: Cursor) -> tuple[AppendItem, ...]:
        """The next piece, up to a streamed literal, then the last item, or up to the end of the command.

        Raises LiteralFirst and GrammarFault, with nothing done.
        """
        before = self._place
        try:
            return tuple(self._items(cursor))
        except BaseException:
            self._place = before
            raise

    def _items(self, cursor: Cursor) -> list[AppendItem]:
        items: list[AppendItem] = []
        while not (items and isinstance(items[-1], Literal)):
            if len(items) > MOST_ITEMS:
                raise GrammarFault("too much is put together at once")
            match self._place:
                case _Place.MESSAGE:
                    self._message(cursor, items)
                case _Place.NEXT:
                    if not cursor.data[cursor.at :].strip(b" "):
                        break
                    if not self._many:
                        raise GrammarFault("one message at a time")
                    self._message(cursor, items)
                case _Place.PART:
                    if cursor.take(b")"):
                        self._place = _Place.NEXT
                    else:
                        cursor.space()
                        items.append(self._part(cursor))
                case _Place.UTF8 | _Place.UTF8_PART:
                    cursor.need(b")")
                    self._place = _Place.NEXT if self._place is _Place.UTF8 else _Place.PART
        return items

    def _message(self, cursor: Cursor, items: list[AppendItem]) -> None:
        """append-message = [SP flag-list] [SP date-time] SP append-data
        append-data = literal / literal8 / "CATENATE" SP "(" cat-part *(SP cat-part) ")" / "UTF8" SP "(" literal8 ")" """
        cursor.space()
        flags: tuple[str, ...] = ()
        if cursor.stands(b"("):
            flags = cursor.flag_list()
            cursor.space()
        internal_date = None
        if cursor.stands(b'"'):
            internal_date = cursor.date_time()
            cursor.space()
        in_parts = cursor.take(b"CATENATE ")
        items.append(Message(flags, internal_date, in_parts))
        if in_parts:
            cursor.need(b"(")
            items.append(self._part(cursor))
        elif cursor.take(b"UTF8 "):
            items.append(self._utf8(cursor, _Place.UTF8))
        else:
            items.append(_literal(cursor))
            self._place = _Place.NEXT

    def _part(self, cursor: Cursor) -> AppendItem:
        """cat-part = "TEXT" SP literal / "URL" SP astring / "UTF8" SP "(" literal8 ")" """
        if cursor.take(b"URL "):
            if _ANNOUNCED.match(cursor.data, cursor.at):
                raise LiteralFirst
            self._place = _Place.PART
            return Url(cursor.astring().decode("utf-8", "replace"))
        if cursor.take(b"UTF8 "):
            return self._utf8(cursor, _Place.UTF8_PART)
        if not cursor.take(b"TEXT "):
            raise cursor.fault("TEXT, URL or UTF8")
        self._place = _Place.PART
        return _literal(cursor)

    def _utf8(self, cursor: Cursor, then: _Place) -> Literal:
        cursor.need(b"(")
        self._place = then
        return Literal(int(cursor.match(_UTF8, "the message as a literal with ~").group(1)), utf8=True)


def _literal(cursor: Cursor) -> Literal:
    return Literal(int(cursor.match(_ANNOUNCED, "the message as a literal").group(2)))


def append(cursor: Cursor, messages: MessageReader | None = None) -> Append:
    """append = "APPEND" SP mailbox 1*append-message – without the octets of streamed literals."""
    cursor.space()
    mailbox = _mailbox(cursor)
    return Append(mailbox, (messages or MessageReader(many=True)).read(cursor))


def replace(cursor: Cursor, messages: MessageReader | None = None, *, by_uid: bool = False) -> Replace:
    """replace = "REPLACE" SP seq-number SP mailbox append-message (RFC 8508 4)"""
    cursor.space()
    replaced = STAR if cursor.take(b"*") else cursor.nz_number()
    cursor.space()
    mailbox = _mailbox(cursor)
    return Replace(replaced, mailbox, (messages or MessageReader(many=False)).read(cursor), by_uid)


def uid_replace(cursor: Cursor, messages: MessageReader | None = None) -> Replace:
    return replace(cursor, messages, by_uid=True)


def _mailbox(cursor: Cursor) -> str:
    if _ANNOUNCED.match(cursor.data, cursor.at):
        raise LiteralFirst
    return cursor.mailbox()
