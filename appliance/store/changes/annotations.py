"""Setting what is noted on mailboxes. RFC 5464 4.3: all of a command or nothing. Durable."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ...status.events import AnnotationsChanged
from ..annotations import SERVER, SHARED, holder
from ..refusals import NoSuchMailbox, TooManyAnnotations
from ..transaction import Change, Tx

MOST = 100  # entries on one mailbox, shared ones and each account's private ones counted apart; RFC 5464 4.1 wants 10

MOST_OCTETS = 2 * 1024 * 1024  # of what one account notes for itself, and of what is noted for all on its mailboxes


def annotate(mailbox_id: int, account_id: int, values: Mapping[str, bytes | None]) -> Change[None]:
    """values: by entry, in small letters; None removes it. Raises NoSuchMailbox, TooManyAnnotations."""

    def change(tx: Tx) -> None:
        owner_id = 0
        if mailbox_id != SERVER:
            row = tx.connection.execute("SELECT account_id FROM mailboxes WHERE id = ?", (mailbox_id,)).fetchone()
            if row is None:
                raise NoSuchMailbox("")
            owner_id = row[0]
        for entry, value in values.items():
            at = (mailbox_id, holder(entry, account_id), entry)
            if value is None:
                tx.connection.execute(
                    "DELETE FROM annotations WHERE mailbox_id = ? AND account_id = ? AND entry = ?", at
                )
            else:
                tx.connection.execute(
                    "INSERT INTO annotations VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (mailbox_id, account_id, entry) DO UPDATE SET value = excluded.value",
                    (*at, value),
                )
        for held_by in {holder(entry, account_id) for entry, value in values.items() if value is not None}:
            (count,) = tx.connection.execute(
                "SELECT count(*) FROM annotations WHERE mailbox_id = ? AND account_id = ?", (mailbox_id, held_by)
            ).fetchone()
            if count > MOST or _octets(tx, held_by, owner_id) > MOST_OCTETS:
                raise TooManyAnnotations(MOST)
        tx.tell(
            AnnotationsChanged(
                at=time.time(),
                account_id=owner_id,
                mailbox_id=mailbox_id,
                changed_by=account_id,
                entries=tuple(values),
            )
        )

    return change


def _octets(tx: Tx, held_by: int, owner_id: int) -> int:
    """Notes do not count for quotas, and shall not be a way around them. Cost: linear in all notes, which are few."""
    if held_by != SHARED:
        found = tx.connection.execute("SELECT sum(length(value)) FROM annotations WHERE account_id = ?", (held_by,))
    else:
        found = tx.connection.execute(
            "SELECT sum(length(value)) FROM annotations JOIN mailboxes m ON m.id = mailbox_id"
            " WHERE annotations.account_id = ? AND m.account_id = ?",
            (SHARED, owner_id),
        )
    return found.fetchone()[0] or 0


def copy_annotations(tx: Tx, source_id: int, target_id: int) -> None:
    """RFC 5464 4.1: when INBOX is renamed, they are on both."""
    tx.connection.execute(
        "INSERT INTO annotations SELECT ?, account_id, entry, value FROM annotations WHERE mailbox_id = ?",
        (target_id, source_id),
    )
