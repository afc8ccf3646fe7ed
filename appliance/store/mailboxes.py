"""Mailboxes as values, and the questions about them."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

INBOX = "INBOX"
SEPARATOR = "/"

_COLUMNS = "id, account_id, name, uidvalidity, uidnext, highest_modseq, first_recent_uid, special_use, messages, unseen, size_octets"


@dataclass(slots=True, frozen=True)
class Mailbox:
    """name: Unicode, levels separated by `/`, INBOX in capitals; special_use: such as `\\Sent`, or None."""

    id: int
    account_id: int
    name: str
    uidvalidity: int
    uidnext: int
    highest_modseq: int
    first_recent_uid: int
    special_use: str | None
    messages: int
    unseen: int
    size_octets: int


def columns(alias: str) -> str:
    """What `Mailbox` is made of, of a table that goes by another name."""
    return ", ".join(f"{alias}.{column}" for column in _COLUMNS.split(", "))


def canonical_name(name: str) -> str:
    """INBOX in any case is INBOX, also as the first level of a name (RFC 9051 5.1)."""
    first, separator, rest = name.partition(SEPARATOR)
    return INBOX + separator + rest if first.upper() == INBOX else name


def list_mailboxes(connection: sqlite3.Connection, account_id: int) -> list[Mailbox]:
    rows = connection.execute(f"SELECT {_COLUMNS} FROM mailboxes WHERE account_id = ? ORDER BY name", (account_id,))
    return [Mailbox(*row) for row in rows]


def find_mailbox(connection: sqlite3.Connection, account_id: int, name: str) -> Mailbox | None:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM mailboxes WHERE account_id = ? AND name = ?", (account_id, canonical_name(name))
    ).fetchone()
    return Mailbox(*row) if row else None


def get_mailbox(connection: sqlite3.Connection, mailbox_id: int) -> Mailbox | None:
    row = connection.execute(f"SELECT {_COLUMNS} FROM mailboxes WHERE id = ?", (mailbox_id,)).fetchone()
    return Mailbox(*row) if row else None


def subscriptions(connection: sqlite3.Connection, account_id: int) -> set[str]:
    return {
        name for (name,) in connection.execute("SELECT name FROM subscriptions WHERE account_id = ?", (account_id,))
    }


def unique_id_epochs(connection: sqlite3.Connection, mailbox_id: int) -> list[tuple[int, int]]:
    """(below which UID, the UIDVALIDITY that its unique-ids in POP3 are made of), by UID; the later ones have the mailbox's."""
    return connection.execute(
        "SELECT below_uid, uidvalidity FROM unique_id_epochs WHERE mailbox_id = ? ORDER BY below_uid", (mailbox_id,)
    ).fetchall()
