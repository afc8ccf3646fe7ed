"""What a client has selected: how its mailbox was announced, its view, and how both are read from the store.

A large mailbox is announced without being read: many a client only looks whether something is new, and SELECT shall not
take longer the more there is. It is read when a command goes by its numbers.
"""

from __future__ import annotations

import sqlite3
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..store import mailboxes, messages
from ..store.refusals import NoSuchMailbox
from . import render
from .decoded import LastDecoded
from .rights import ALL, settable_flags
from .view import SEEN, FlagRow, Journal, MailboxView


@dataclass(slots=True, frozen=True)
class Unread:
    """A mailbox as SELECT announced it, before any of its rows is read."""

    messages: int
    uidnext: int
    first_recent_uid: int


@dataclass(slots=True)
class Selected:
    """opened: the view, or of a large mailbox what was announced. saved: UIDs of `$`, in order (RFC 5182 2.1: empty for
    each newly selected mailbox)."""

    mailbox_id: int
    read_only: bool
    opened: MailboxView | Unread
    journal: Journal
    doubtful: bool = False  # it may be no more
    decoded: LastDecoded = field(default_factory=LastDecoded)
    saved: array[int] = field(default_factory=lambda: array("I"))
    owner_id: int = 0  # the account whose mailbox it is
    rights: str = ALL  # of this client's account (RFC 4314)
    rights_doubtful: bool = False  # they may be others by now

    @property
    def view(self) -> MailboxView:
        """After `Session.need_view`."""
        assert isinstance(self.opened, MailboxView)
        return self.opened

    def permanent_flags(self, keywords: Sequence[str]) -> bytes:
        return render.permanent_flags(keywords, read_only=self.read_only, settable=settable_flags(self.rights))

    @property
    def has_untold(self) -> bool:
        return isinstance(self.opened, MailboxView) and self.opened.has_untold


@dataclass(slots=True, frozen=True)
class News:
    rows: list[FlagRow]
    gone: list[int] | tuple[int, ...]
    modseq: int
    first_recent_uid: int


def read_news(connection: sqlite3.Connection, mailbox_id: int, journal: Journal) -> News | None:
    """What the view lacks, all of one instant. None: there is no such mailbox any more."""
    mailbox = mailboxes.get_mailbox(connection, mailbox_id)
    if mailbox is None:
        return None
    rows: list[FlagRow] = []
    gone: list[int] | tuple[int, ...] = ()
    missing = journal.missing(mailbox.highest_modseq)
    if missing is not None and missing.touched is None:
        rows, gone = messages.changed_since(connection, mailbox_id, missing.since)
    elif missing is not None and missing.touched is not None:
        rows, gone = messages.flags_of(connection, mailbox_id, missing.touched), missing.gone
    return News(rows, gone, mailbox.highest_modseq, mailbox.first_recent_uid)


def read_view(connection: sqlite3.Connection, mailbox_id: int, unread: Unread, journal: Journal) -> MailboxView:
    """The mailbox as it stood when it was announced, with the flags of now. Raises NoSuchMailbox.

    Cost: linear in the mailbox, less than a microsecond for each message.
    """
    mailbox = mailboxes.get_mailbox(connection, mailbox_id)
    if mailbox is None:
        raise NoSuchMailbox("")
    usual_flags = 0 if 2 * mailbox.unseen > mailbox.messages else SEEN
    outline = messages.outline(
        connection, mailbox_id, below_uid=unread.uidnext, since=journal.modseq, usual_flags=usual_flags
    )
    missing = journal.missing(mailbox.highest_modseq)
    changed = () if missing is None else missing.touched
    if changed is None:
        changed = tuple(row[0] for row in messages.changed_since(connection, mailbox_id, journal.modseq)[0])
    for uid in outline.gone:  # the client was told of it, and counts it until it hears that it is gone
        place = bisect_left(outline.uids, uid)
        outline.uids.insert(place, uid)
        outline.flags.insert(place, 0)
    return MailboxView.of_arrays(
        outline.uids,
        outline.flags,
        outline.keywords,
        modseq=mailbox.highest_modseq,
        first_recent_uid=unread.first_recent_uid,
        changed=changed,
    )
