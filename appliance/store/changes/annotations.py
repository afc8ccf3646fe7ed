"""Setting what is noted on mailboxes. RFC 5464 4.3: all of a command or nothing. Durable."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ...status.events import AnnotationsChanged
from ..annotations import SERVER, holder
from ..refusals import NoSuchMailbox, TooManyAnnotations
from ..transaction import Change, Tx

MOST = 100  # entries on one mailbox, shared ones and each account's private ones counted apart; RFC 5464 4.1 wants 10


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
            if count > MOST:
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


def copy_annotations(tx: Tx, source_id: int, target_id: int) -> None:
    """RFC 5464 4.1: when INBOX is renamed, they are on both."""
    tx.connection.execute(
        "INSERT INTO annotations SELECT ?, account_id, entry, value FROM annotations WHERE mailbox_id = ?",
        (target_id, source_id),
    )
