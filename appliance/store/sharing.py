"""Who may use whose mailboxes. RFC 4314 2.

Rights are kept as letters; what each of them allows is known to the room that checks them. The owner of a mailbox has all
of them without a row. Whoever is named, and every account if that is named, have what both grant together.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from .mailboxes import Mailbox, columns

ANYONE = 0  # in place of an account
ORDER = "lrswipkxtea"  # RFC 4314 2.1


@dataclass(slots=True, frozen=True)
class Grant:
    """address: None for every account."""

    account_id: int
    address: str | None
    rights: str


@dataclass(slots=True, frozen=True)
class Shared:
    """A mailbox of somebody else's: owner is an address; rights: what both rows that may apply grant."""

    mailbox: Mailbox
    owner: str
    rights: str


def in_order(rights: str) -> str:
    return "".join(letter for letter in ORDER if letter in rights)


def grants(connection: sqlite3.Connection, mailbox_id: int) -> list[Grant]:
    """By address; every account comes last."""
    rows = connection.execute(
        "SELECT r.account_id, a.address, r.rights FROM mailbox_rights r LEFT JOIN accounts a ON a.id = r.account_id"
        " WHERE mailbox_id = ? ORDER BY a.address IS NULL, a.address",
        (mailbox_id,),
    )
    return [Grant(*row) for row in rows]


def rights_on(connection: sqlite3.Connection, mailbox: Mailbox, account_id: int) -> str:
    if mailbox.account_id == account_id:
        return ORDER
    rows = connection.execute(
        "SELECT rights FROM mailbox_rights WHERE account_id IN (?, ?) AND mailbox_id = ?",
        (ANYONE, account_id, mailbox.id),
    )
    return in_order("".join(rights for (rights,) in rows))


def anything_shared(connection: sqlite3.Connection, account_id: int) -> bool:
    """Whether there is a mailbox of somebody else's that this account has any right on."""
    return (
        connection.execute(
            "SELECT 1 FROM mailbox_rights r JOIN mailboxes m ON m.id = mailbox_id"
            " WHERE r.account_id IN (?, ?) AND m.account_id != ? LIMIT 1",
            (ANYONE, account_id, account_id),
        ).fetchone()
        is not None
    )


def shared_with(connection: sqlite3.Connection, account_id: int) -> list[Shared]:
    """In the order of owners and names."""
    found: dict[int, Shared] = {}
    for rights, owner, *row in connection.execute(
        f"SELECT r.rights, a.address, {columns('m')} FROM mailbox_rights r JOIN mailboxes m ON m.id = r.mailbox_id"
        " JOIN accounts a ON a.id = m.account_id WHERE r.account_id IN (?, ?) AND m.account_id != ?"
        " ORDER BY a.address, m.name",
        (ANYONE, account_id, account_id),
    ):
        mailbox = Mailbox(*row)
        before = found[mailbox.id].rights if mailbox.id in found else ""
        found[mailbox.id] = Shared(mailbox, owner, in_order(before + rights))
    return list(found.values())
