"""STORE, COPY, MOVE and EXPUNGE, the first three also by UID. RFC 3501 6.4, RFC 4315, RFC 6851."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..values import SequenceSet
from .cursor import MOST_IN_LIST, Cursor, GrammarFault
from .modifiers import store_modifiers


@dataclass(slots=True, frozen=True)
class StoreFlags:
    """mode: `+`, `-` or `=`; unchanged_since: only what has no higher MODSEQ (RFC 7162 3.1.3)."""

    messages: SequenceSet
    mode: str
    flags: tuple[str, ...]
    silent: bool = False
    by_uid: bool = False
    unchanged_since: int | None = None


@dataclass(slots=True, frozen=True)
class Copy:
    messages: SequenceSet
    mailbox: str
    by_uid: bool = False


@dataclass(slots=True, frozen=True)
class Move:
    messages: SequenceSet
    mailbox: str
    by_uid: bool = False


@dataclass(slots=True, frozen=True)
class Expunge:
    """uids None: every message flagged \\Deleted."""

    uids: SequenceSet | None = None


_STORE_ATT = re.compile(rb"([+-]?)FLAGS(\.SILENT)? ", re.IGNORECASE)


def store(cursor: Cursor, *, by_uid: bool = False) -> StoreFlags:
    """store = "STORE" SP sequence-set SP [store-modifiers SP] store-att-flags (RFC 4466 2.5)
    store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))"""
    cursor.space()
    messages = cursor.sequence_set()
    cursor.space()
    unchanged_since = store_modifiers(cursor) if cursor.stands(b"(") else None
    sign, silent = cursor.match(_STORE_ATT, "FLAGS, +FLAGS or -FLAGS").groups()
    if cursor.stands(b"("):
        flags = cursor.flag_list()
    else:
        flags = (cursor.flag(),)
        while cursor.take(b" "):
            flags += (cursor.flag(),)
            if len(flags) > MOST_IN_LIST:
                raise GrammarFault("a list is too long")
    return StoreFlags(messages, (sign or b"=").decode("ascii"), flags, silent is not None, by_uid, unchanged_since)


def copy(cursor: Cursor, *, by_uid: bool = False) -> Copy:
    return Copy(*_messages_and_mailbox(cursor), by_uid)


def move(cursor: Cursor, *, by_uid: bool = False) -> Move:
    return Move(*_messages_and_mailbox(cursor), by_uid)


def _messages_and_mailbox(cursor: Cursor) -> tuple[SequenceSet, str]:
    cursor.space()
    messages = cursor.sequence_set()
    cursor.space()
    return messages, cursor.mailbox()


def expunge(cursor: Cursor) -> Expunge:
    return Expunge()


def uid_expunge(cursor: Cursor) -> Expunge:
    cursor.space()
    return Expunge(cursor.sequence_set())
