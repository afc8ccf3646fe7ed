"""STATUS, and the same numbers for LIST and NOTIFY. RFC 3501 6.3.10, RFC 9051 6.3.11, RFC 7889, RFC 8438, RFC 8474 4.3.

Cost: a mailbox's row has nearly all of them; only RECENT (where something is) and what is \\Deleted are counted, when asked.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from ...store import messages
from ...store.mailboxes import Mailbox
from .. import render, visible
from ..answers import Done
from ..enabled import Extension
from ..grammar.mailboxes import Status, StatusItem
from ..session import Session

Values = list[tuple[str, int | str]]


async def status(session: Session, command: Status) -> Done:
    account_id = session.account.id
    items = asked(session, command.items)

    def query(connection: sqlite3.Connection) -> tuple[str, Values]:
        found = visible.need(connection, account_id, command.mailbox, "r")
        return found.name, values_of(connection, found.mailbox, items, session.settings.message_octets)

    name, values = await session.read(query)
    session.send(render.status(session.name(name), values))
    return Done("That is how it stands")


def asked(session: Session, items: Sequence[StatusItem]) -> tuple[StatusItem, ...]:
    """Without what IMAP4rev2 does not know any more (RFC 9051 E.9). Who asks for MODSEQs is told them from now on (RFC 7162
    3.1)."""
    if StatusItem.HIGHESTMODSEQ in items:
        session.imply_condstore()
    return tuple(item for item in items if item is not StatusItem.RECENT or not session.has(Extension.IMAP4REV2))


def values_of(
    connection: sqlite3.Connection, mailbox: Mailbox, items: Sequence[StatusItem], append_limit_octets: int
) -> Values:
    """Each item with its value, in the order asked."""
    recent = deleted = deleted_octets = 0
    if StatusItem.RECENT in items and mailbox.first_recent_uid < mailbox.uidnext:
        recent = messages.count_between(connection, mailbox.id, mailbox.first_recent_uid, mailbox.uidnext)
    if StatusItem.DELETED in items or StatusItem.DELETED_STORAGE in items:
        deleted, deleted_octets = messages.count_deleted(connection, mailbox.id)
    values: dict[StatusItem, int | str] = {
        StatusItem.MESSAGES: mailbox.messages,
        StatusItem.RECENT: recent,
        StatusItem.UIDNEXT: mailbox.uidnext,
        StatusItem.UIDVALIDITY: mailbox.uidvalidity,
        StatusItem.UNSEEN: mailbox.unseen,
        StatusItem.APPENDLIMIT: append_limit_octets,
        StatusItem.SIZE: mailbox.size_octets,
        StatusItem.DELETED: deleted,
        StatusItem.DELETED_STORAGE: deleted_octets,
        StatusItem.HIGHESTMODSEQ: mailbox.highest_modseq,
        StatusItem.MAILBOXID: f"({visible.mailbox_id(mailbox)})",
    }
    return [(item, values[item]) for item in items]
