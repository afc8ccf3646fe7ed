"""What SELECT and EXAMINE tell a client that comes back with what it knew. RFC 7162 3.2.5.

What changed is read in the same instant as what the mailbox is announced with, and a few changes need no view: a large
mailbox stays unread. Many are read and told in portions, when the mailbox is selected already.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from ...store import messages
from ...store.mailboxes import Mailbox
from ...store.messages import FlagRow
from .. import render
from ..grammar.modifiers import Resync
from ..selected import Selected
from ..session import FLUSH_OCTETS, Session
from ..vanished import agreed, missing, remembered, spans_of
from ..view import RECENT, FlagsNow

MOST_AT_ONCE = 1000  # changed messages that are told without the view


@dataclass(slots=True, frozen=True)
class Away:
    """What happened while a client was away. vanished: a set, '' for none; changed: rows, of which there may be `more` than
    are here; numbers: their sequence numbers."""

    vanished: str = ""
    changed: Sequence[FlagRow] = ()
    numbers: Sequence[int] = ()
    more: bool = False


def read_away(connection: sqlite3.Connection, mailbox: Mailbox, resync: Resync) -> Away:
    """Nothing for a client that knew another mailbox (RFC 7162 3.2.5.1), or to which nothing is new."""
    if resync.uidvalidity != mailbox.uidvalidity or resync.modseq >= mailbox.highest_modseq:
        return Away()
    spans = spans_of(resync.known, mailbox.uidnext - 1)
    gone = messages.gone_since(connection, mailbox.id, resync.modseq)
    if gone is not None:
        vanished = remembered(gone, spans)
    else:
        uids = messages.uids_of(connection, mailbox.id)
        vanished = missing(uids, spans, above=agreed(resync, uids))
    changed: list[FlagRow] = []
    for low, high in spans:
        changed += messages.changed_after(
            connection, mailbox.id, resync.modseq, low, high, MOST_AT_ONCE + 1 - len(changed)
        )
        if len(changed) > MOST_AT_ONCE:
            return Away(vanished, more=True)
    return Away(vanished, changed, _numbers(connection, mailbox, [row[0] for row in changed]))


def _numbers(connection: sqlite3.Connection, mailbox: Mailbox, uids: Sequence[int]) -> list[int]:
    """Counted from the newest on, since what changed is new as a rule."""
    numbers: list[int] = []
    number, below_uid = mailbox.messages + 1, mailbox.uidnext
    for uid in reversed(uids):
        number -= messages.count_between(connection, mailbox.id, uid, below_uid)
        below_uid = uid
        numbers.append(number)
    return numbers[::-1]


def keywords_of(away: Away) -> list[str]:
    return [word for row in away.changed for word in row[2].split()]


async def tell_away(session: Session, selected: Selected, away: Away, resync: Resync, first_recent_uid: int) -> None:
    """VANISHED first, then the flags (RFC 7162 3.2.5.1)."""
    if away.vanished:
        session.send(render.vanished(away.vanished, earlier=True))
    if away.more:
        await _tell_many(session, selected, resync)
    for number, (uid, flags, keywords, modseq) in zip(away.numbers, away.changed, strict=True):
        recent = RECENT if uid >= first_recent_uid else 0
        session.tell([FlagsNow(number, uid, flags | recent, keywords, modseq)])


async def _tell_many(session: Session, selected: Selected, resync: Resync) -> None:
    """A change that comes meanwhile may be told twice."""
    await session.need_view()
    view, mailbox_id = selected.view, selected.mailbox_id
    largest = view.uids[-1] if view.uids else 0
    for low, high in spans_of(resync.known, largest):
        from_uid = low
        while from_uid <= high:
            rows = await session.read(
                lambda c, low=from_uid, high=high: messages.changed_after(  # type: ignore[misc]
                    c, mailbox_id, resync.modseq, low, high, MOST_AT_ONCE
                )
            )
            selected.journal.said(max((row[3] for row in rows), default=0))
            session.tell(view.apply(rows, (), first_recent_uid=0, may_expunge=False, quiet=True))
            for uid, _, _, modseq in rows:
                if (place := view.place_of(uid)) is not None:
                    session.tell([FlagsNow(place + 1, uid, view.flags[place], view.keywords_at(place), modseq)])
            await session.flush(at_least=FLUSH_OCTETS)
            from_uid = rows[-1][0] + 1 if len(rows) == MOST_AT_ONCE else high + 1
