"""SELECT, EXAMINE, CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, LSUB, NAMESPACE, STATUS, and what ends a
selection: CHECK, CLOSE, UNSELECT. RFC 3501 6.3 and 6.4, RFC 2342, RFC 3691.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .cursor import Cursor, GrammarFault
from .modifiers import NO_PARAMETERS, SelectParameters, select_parameters


@dataclass(slots=True, frozen=True)
class Select:
    mailbox: str
    read_only: bool = False
    parameters: SelectParameters = NO_PARAMETERS


@dataclass(slots=True, frozen=True)
class Create:
    """special_uses: as they came (RFC 6154 3)."""

    mailbox: str
    special_uses: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True)
class Delete:
    mailbox: str


@dataclass(slots=True, frozen=True)
class Rename:
    old: str
    new: str


@dataclass(slots=True, frozen=True)
class Subscribe:
    mailbox: str
    on: bool = True


@dataclass(slots=True, frozen=True)
class Lsub:
    reference: str
    pattern: str


@dataclass(slots=True, frozen=True)
class Namespace:
    pass


class StatusItem(StrEnum):
    MESSAGES = "MESSAGES"
    RECENT = "RECENT"
    UIDNEXT = "UIDNEXT"
    UIDVALIDITY = "UIDVALIDITY"
    UNSEEN = "UNSEEN"
    APPENDLIMIT = "APPENDLIMIT"  # RFC 7889
    SIZE = "SIZE"  # RFC 8438
    DELETED = "DELETED"  # RFC 9051 6.3.11
    DELETED_STORAGE = "DELETED-STORAGE"  # RFC 9208 4.1.4
    HIGHESTMODSEQ = "HIGHESTMODSEQ"  # RFC 7162 3.1.7
    MAILBOXID = "MAILBOXID"  # RFC 8474 4.3


@dataclass(slots=True, frozen=True)
class Status:
    mailbox: str
    items: tuple[StatusItem, ...]


@dataclass(slots=True, frozen=True)
class Check:
    pass


@dataclass(slots=True, frozen=True)
class Close:
    pass


@dataclass(slots=True, frozen=True)
class Unselect:
    pass


def select(cursor: Cursor) -> Select:
    cursor.space()
    return Select(cursor.mailbox(), parameters=select_parameters(cursor))


def examine(cursor: Cursor) -> Select:
    cursor.space()
    return Select(cursor.mailbox(), True, select_parameters(cursor))


def create(cursor: Cursor) -> Create:
    """create = "CREATE" SP mailbox [SP "(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")"] (RFC 6154 6)"""
    cursor.space()
    mailbox = cursor.mailbox()
    if not cursor.take(b" ("):
        return Create(mailbox)
    cursor.need(b"USE ")
    special_uses = cursor.flag_list()
    cursor.need(b")")
    return Create(mailbox, special_uses)


def delete(cursor: Cursor) -> Delete:
    cursor.space()
    return Delete(cursor.mailbox())


def rename(cursor: Cursor) -> Rename:
    cursor.space()
    old = cursor.mailbox()
    cursor.space()
    return Rename(old, cursor.mailbox())


def subscribe(cursor: Cursor) -> Subscribe:
    cursor.space()
    return Subscribe(cursor.mailbox())


def unsubscribe(cursor: Cursor) -> Subscribe:
    cursor.space()
    return Subscribe(cursor.mailbox(), on=False)


def lsub(cursor: Cursor) -> Lsub:
    """lsub = "LSUB" SP mailbox SP list-mailbox"""
    cursor.space()
    reference = cursor.mailbox()
    cursor.space()
    return Lsub(reference, cursor.list_mailbox())


def namespace(cursor: Cursor) -> Namespace:
    return Namespace()


def status(cursor: Cursor) -> Status:
    """status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")" """
    cursor.space()
    mailbox = cursor.mailbox()
    cursor.space()
    return Status(mailbox, status_items(cursor))


def status_items(cursor: Cursor) -> tuple[StatusItem, ...]:
    def item() -> StatusItem:
        try:
            return StatusItem(cursor.word("a status item").decode("ascii"))
        except ValueError:
            raise GrammarFault("there is no such status item") from None

    return tuple(dict.fromkeys(cursor.parenthesised(item)))


def check(cursor: Cursor) -> Check:
    return Check()


def close(cursor: Cursor) -> Close:
    return Close()


def unselect(cursor: Cursor) -> Unselect:
    return Unselect()
