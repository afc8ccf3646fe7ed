"""LIST in its plain and its extended form. RFC 3501 6.3.8, RFC 5258, RFC 5819, RFC 6154 3, RFC 8440, RFC 9590, RFC 9051 6.3.9."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .cursor import Cursor, GrammarFault
from .mailboxes import StatusItem, status_items
from .metadata import entries

MOST_PATTERNS = 100
MOST_ENTRIES = 100


class Selection(StrEnum):
    """Which mailboxes are meant at all. REMOTE: also those on other servers, of which we know none."""

    SUBSCRIBED = "SUBSCRIBED"
    SPECIAL_USE = "SPECIAL-USE"
    REMOTE = "REMOTE"
    RECURSIVEMATCH = "RECURSIVEMATCH"


class Return(StrEnum):
    """What is to be said of each."""

    CHILDREN = "CHILDREN"
    SUBSCRIBED = "SUBSCRIBED"
    SPECIAL_USE = "SPECIAL-USE"
    MYRIGHTS = "MYRIGHTS"
    STATUS = "STATUS"
    METADATA = "METADATA"


# RFC 5258 6: list-select-base-opt, which a RECURSIVEMATCH needs beside it.
BASE = frozenset((Selection.SUBSCRIBED, Selection.SPECIAL_USE))


@dataclass(slots=True, frozen=True)
class List:
    """extended: the client knows RFC 5258; a plain LIST is answered as older clients read it. status, metadata: what the
    options of that name ask for."""

    reference: str
    patterns: tuple[str, ...]
    extended: bool = False
    selection: frozenset[Selection] = frozenset()
    returns: frozenset[Return] = frozenset()
    status: tuple[StatusItem, ...] = ()
    metadata: tuple[str, ...] = ()


def list_(cursor: Cursor) -> List:
    """list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]"""
    cursor.space()
    selection: frozenset[Selection] | None = None
    if cursor.stands(b"("):
        selection = _selection(cursor)
        cursor.space()
    reference = cursor.mailbox()
    cursor.space()
    # mbox-or-pat = list-mailbox / patterns; patterns = "(" list-mailbox *(SP list-mailbox) ")"
    several = cursor.stands(b"(")
    patterns = cursor.parenthesised(cursor.list_mailbox) if several else (cursor.list_mailbox(),)
    if len(patterns) > MOST_PATTERNS:
        raise GrammarFault("too many patterns")
    returns: set[Return] = set()
    status: tuple[StatusItem, ...] = ()
    metadata: tuple[str, ...] = ()
    extended = selection is not None or several
    if cursor.take(b" RETURN "):
        extended = True
        for option, items, noted in cursor.parenthesised(lambda: _return(cursor), may_be_empty=True):
            returns.add(option)
            status += items
            metadata += noted
            if len(metadata) > MOST_ENTRIES:  # each is answered for each mailbox, if only by NIL
                raise GrammarFault("too many entries are asked for")
    return List(
        reference,
        patterns,
        extended,
        selection or frozenset(),
        frozenset(returns),
        tuple(dict.fromkeys(status)),
        tuple(dict.fromkeys(metadata)),
    )


def _selection(cursor: Cursor) -> frozenset[Selection]:
    """RFC 5258 3.1: what is not known, and RECURSIVEMATCH with nothing to match, is BAD."""

    def option() -> Selection:
        try:
            return Selection(cursor.word("a selection option").decode("ascii"))
        except ValueError:
            raise GrammarFault("there is no such selection option") from None

    found = frozenset(cursor.parenthesised(option, may_be_empty=True))
    if Selection.RECURSIVEMATCH in found and not found & BASE:
        raise GrammarFault("RECURSIVEMATCH needs SUBSCRIBED or SPECIAL-USE beside it")
    return found


def _return(cursor: Cursor) -> tuple[Return, tuple[StatusItem, ...], tuple[str, ...]]:
    """(option, items of STATUS, entries of METADATA)"""
    try:
        option = Return(cursor.word("a return option").decode("ascii"))
    except ValueError:
        raise GrammarFault("there is no such return option") from None
    if option is Return.STATUS:
        cursor.space()
        return option, status_items(cursor), ()
    if option is Return.METADATA:
        cursor.space()
        return option, (), entries(cursor)
    return option, (), ()
