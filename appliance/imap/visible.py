"""Which mailboxes an account can see, by which name, and what it may do with each: one answer for every command.

LIST, LSUB, STATUS, SELECT and NOTIFY go through here, so that a mailbox is never named by one and unknown to another.
Rights are the letters of RFC 4314 2.1; on its own mailboxes an account has all of them.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from ..store import mailboxes
from ..store.mailboxes import Mailbox
from .listing import composed

EVERY_RIGHT = "lrswipkxtea"  # RFC 4314 2.1, in its order


@dataclass(slots=True, frozen=True)
class VisibleMailbox:
    """name: as this account has to call it; mailbox.name may be another's word for it."""

    name: str
    mailbox: Mailbox
    rights: str = EVERY_RIGHT


def mailboxes_of(connection: sqlite3.Connection, account_id: int) -> list[VisibleMailbox]:
    """All that LIST may name, sorted by name."""
    return [VisibleMailbox(each.name, each) for each in mailboxes.list_mailboxes(connection, account_id)]


def find(connection: sqlite3.Connection, account_id: int, name: str) -> VisibleMailbox | None:
    """The mailbox of that name; None also where the account must not know that there is one."""
    mailbox = mailboxes.find_mailbox(connection, account_id, composed(name))
    return None if mailbox is None else VisibleMailbox(mailbox.name, mailbox)


def by_id(connection: sqlite3.Connection, account_id: int, mailbox_id: int) -> VisibleMailbox | None:
    """The mailbox of that id, as this account sees it; None where it does not see it."""
    mailbox = mailboxes.get_mailbox(connection, mailbox_id)
    if mailbox is None or mailbox.account_id != account_id:
        return None
    return VisibleMailbox(mailbox.name, mailbox)


def mailbox_id(mailbox: Mailbox) -> str:
    """RFC 8474 4: stays when it is renamed, and never comes again. Rows' numbers are never given twice; with another
    UIDVALIDITY, as after a repair, it is another mailbox to its clients."""
    return f"F{mailbox.uidvalidity}-{mailbox.id}"
