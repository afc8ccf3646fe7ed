"""Granting rights on a mailbox and taking them away. RFC 4314 3.1-3.2. Durable."""

from __future__ import annotations

import time

from ...status.events import MailboxListChanged
from ..accounts import get_account
from ..mailboxes import get_mailbox
from ..refusals import NoSuchAccount, NoSuchMailbox, OwnersRights
from ..sharing import ANYONE, in_order
from ..transaction import Change, Tx


def set_rights(mailbox_id: int, account_id: int, rights: str, mode: str = "=") -> Change[str]:
    """mode: `=`, `+` or `-`. Returns what there is now; nothing at all is no row. Raises NoSuchMailbox, NoSuchAccount,
    OwnersRights."""

    def change(tx: Tx) -> str:
        mailbox = get_mailbox(tx.connection, mailbox_id)
        if mailbox is None:
            raise NoSuchMailbox("")
        if account_id == mailbox.account_id:
            raise OwnersRights(mailbox.name)
        if account_id != ANYONE and get_account(tx.connection, account_id) is None:
            raise NoSuchAccount(str(account_id))
        row = tx.connection.execute(
            "SELECT rights FROM mailbox_rights WHERE account_id = ? AND mailbox_id = ?", (account_id, mailbox_id)
        ).fetchone()
        had = row[0] if row else ""
        match mode:
            case "+":
                now = in_order(had + rights)
            case "-":
                now = "".join(letter for letter in had if letter not in rights)
            case _:
                now = in_order(rights)
        if now:
            tx.connection.execute(
                "INSERT INTO mailbox_rights VALUES (?, ?, ?)"
                " ON CONFLICT (account_id, mailbox_id) DO UPDATE SET rights = excluded.rights",
                (account_id, mailbox_id, now),
            )
        else:
            tx.connection.execute(
                "DELETE FROM mailbox_rights WHERE account_id = ? AND mailbox_id = ?", (account_id, mailbox_id)
            )
        if now != had:
            tell_members(tx, mailbox.account_id, {account_id})
        return now

    return change


def inherit_rights(tx: Tx, parent_id: int, child_id: int) -> None:
    """RFC 4314 4 (CREATE)."""
    tx.connection.execute(
        "INSERT INTO mailbox_rights SELECT account_id, ?, rights FROM mailbox_rights WHERE mailbox_id = ?",
        (child_id, parent_id),
    )


def members(tx: Tx, mailbox_id: int) -> set[int]:
    return {
        account_id
        for (account_id,) in tx.connection.execute(
            "SELECT account_id FROM mailbox_rights WHERE mailbox_id = ?", (mailbox_id,)
        )
    }


def tell_members(tx: Tx, owner_id: int, accounts: set[int]) -> None:
    """The owner's and these accounts' lists of mailboxes are not what they were."""
    if ANYONE in accounts:
        accounts = {account_id for (account_id,) in tx.connection.execute("SELECT id FROM accounts")}
    now = time.time()
    for account_id in sorted(accounts | {owner_id}):
        tx.tell(MailboxListChanged(at=now, account_id=account_id))
