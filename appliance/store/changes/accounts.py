"""Adding, changing and removing accounts, aliases and the administrator. All of it durable."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from ...status.events import AccessEnded, AccountsChanged
from ..accounts import Account, ScramRow, find_account, find_alias, get_account, setting
from ..mailboxes import list_mailboxes
from ..refusals import AddressTaken, NoSuchAccount
from ..transaction import Change, Tx
from .mailboxes import FIRST_MAILBOXES, insert_mailbox, remove_mailbox
from .sharing import members, tell_members


def add_account(key: str, password_hash: str, display_name: str = "", scram: ScramRow | None = None) -> Change[Account]:
    """With its first mailboxes, all subscribed. scram: made of the same password. Raises AddressTaken."""

    def change(tx: Tx) -> Account:
        if find_account(tx.connection, key) or find_alias(tx.connection, key):
            raise AddressTaken(key)
        account_id = tx.connection.execute(
            "INSERT INTO accounts (address, display_name, password_hash, created_at) VALUES (?, ?, ?, ?)",
            (key, display_name, password_hash, int(time.time())),
        ).lastrowid
        assert account_id is not None
        if scram is not None:
            _keep_scram(tx, account_id, password_hash, scram)
        for name, special_use in FIRST_MAILBOXES:
            insert_mailbox(tx, account_id, name, special_use)
            tx.connection.execute("INSERT INTO subscriptions VALUES (?, ?)", (account_id, name))
        account = get_account(tx.connection, account_id)
        assert account is not None
        _tell(tx)
        return account

    return change


def set_password(key: str, password_hash: str, scram: ScramRow | None = None) -> Change[None]:
    """Whoever is signed in with the old one has to sign in again. scram: as for `add_account`. Raises NoSuchAccount."""

    def change(tx: Tx) -> None:
        account = find_account(tx.connection, key)
        if account is None:
            raise NoSuchAccount(key)
        tx.connection.execute("UPDATE accounts SET password_hash = ? WHERE id = ?", (password_hash, account.id))
        if scram is not None:
            _keep_scram(tx, account.id, password_hash, scram)
        tx.tell(AccessEnded(at=time.time(), account_id=account.id))
        _tell(tx)

    return change


def add_scram(account_id: int, password_hash: str, scram: ScramRow) -> Change[None]:
    """For an account that has none; nothing is done when its password was changed or it was removed meanwhile."""

    def change(tx: Tx) -> None:
        account = get_account(tx.connection, account_id)
        if account is not None and account.password_hash == password_hash:
            _keep_scram(tx, account_id, password_hash, scram)

    return change


def remove_account(key: str) -> Change[None]:
    """With all its mail. Raises NoSuchAccount."""

    def change(tx: Tx) -> None:
        account = find_account(tx.connection, key)
        if account is None:
            raise NoSuchAccount(key)
        for mailbox in list_mailboxes(tx.connection, account.id):
            told = members(tx, mailbox.id)
            remove_mailbox(tx, mailbox)
            if told:
                tell_members(tx, account.id, told)
        for table in ("subscriptions", "annotations", "mailbox_rights", "quotas"):
            tx.connection.execute(f"DELETE FROM {table} WHERE account_id = ?", (account.id,))
        tx.connection.execute("UPDATE queue_messages SET account_id = NULL WHERE account_id = ?", (account.id,))
        tx.connection.execute("DELETE FROM scram_keys WHERE account_id = ?", (account.id,))
        tx.connection.execute("DELETE FROM accounts WHERE id = ?", (account.id,))
        tx.tell(AccessEnded(at=time.time(), account_id=account.id))
        _tell(tx)

    return change


def set_alias(key: str, targets: Sequence[str]) -> Change[None]:
    """Adds it or changes where it leads. Raises AddressTaken when there is an account of that name."""

    def change(tx: Tx) -> None:
        if find_account(tx.connection, key):
            raise AddressTaken(key)
        tx.connection.execute(
            "INSERT INTO aliases VALUES (?, ?) ON CONFLICT (address) DO UPDATE SET targets = excluded.targets",
            (key, json.dumps(list(targets))),
        )
        _tell(tx)

    return change


def remove_alias(key: str) -> Change[None]:
    """Raises NoSuchAccount."""

    def change(tx: Tx) -> None:
        if not tx.connection.execute("DELETE FROM aliases WHERE address = ?", (key,)).rowcount:
            raise NoSuchAccount(key)
        _tell(tx)

    return change


def set_administrator(password_hash: str, name: str = "admin") -> Change[None]:
    def change(tx: Tx) -> None:
        tx.connection.execute(
            "INSERT INTO administrators VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET password_hash = excluded.password_hash",
            (name, password_hash, int(time.time())),
        )

    return change


def set_setting(key: str, value: str) -> Change[None]:
    def change(tx: Tx) -> None:
        tx.connection.execute(
            "INSERT INTO settings VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value)
        )

    return change


def keep_setting(key: str, value: str) -> Change[str]:
    """As it is from now on: what was set before stays."""

    def change(tx: Tx) -> str:
        tx.connection.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (key, value))
        return setting(tx.connection, key) or value

    return change


def _keep_scram(tx: Tx, account_id: int, password_hash: str, scram: ScramRow) -> None:
    tx.connection.execute(
        "INSERT OR REPLACE INTO scram_keys VALUES (?, ?, ?, ?, ?, ?)",
        (account_id, password_hash, scram.salt, scram.iterations, scram.stored_key, scram.server_key),
    )


def _tell(tx: Tx) -> None:
    tx.tell(AccountsChanged(at=time.time()))
