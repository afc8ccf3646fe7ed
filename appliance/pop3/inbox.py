"""The INBOX in the store: what lies in it at sign-in, and one message of it. Functions that the readers run."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from ..store import mailboxes, messages
from ..store.interface import Store
from ..store.refusals import NoSuchMailbox, NoSuchMessage
from .maildrop import Inbox


def look(connection: sqlite3.Connection, account_id: int) -> Inbox:
    """As it is now. Raises NoSuchMailbox when the account has just been removed."""
    mailbox = mailboxes.find_mailbox(connection, account_id, mailboxes.INBOX)
    if mailbox is None:
        raise NoSuchMailbox(mailboxes.INBOX)
    sizes = messages.sizes(connection, mailbox.id)
    return Inbox(
        mailbox.id,
        mailbox.uidvalidity,
        tuple(uid for uid, _ in sizes),
        tuple(octets for _, octets in sizes),
        tuple(mailboxes.unique_id_epochs(connection, mailbox.id)),
    )


def message(store: Store, connection: sqlite3.Connection, mailbox_id: int, uid: int) -> tuple[int, Iterator[bytes]]:
    """(size in octets, the octets in pieces). Raises NoSuchMessage when somebody else has removed it meanwhile.

    Cost: the pieces block on the disk when they are taken, one at a time; not for the event loop.
    """
    found = messages.rows(connection, mailbox_id, [uid])
    if not found:
        raise NoSuchMessage(f"UID {uid}")
    content = store.content_in(connection, found[0].blob_id)

    def pieces() -> Iterator[bytes]:
        # The first piece holds some of the content, so that one that is damaged from the start can still be refused.
        more = content.pieces()
        yield found[0].prefix + next(more, b"")
        yield from more

    return found[0].size_octets, pieces()
