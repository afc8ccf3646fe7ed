"""The owner's verbs on who else may use a mailbox. Durability: on the card when they return."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from ..store import sharing
from ..store.accounts import Account, find_account
from ..store.changes.sharing import set_rights
from ..store.interface import Store
from ..store.mailboxes import Mailbox, find_mailbox, list_mailboxes
from ..store.refusals import NoSuchAccount, NoSuchMailbox
from ..store.sharing import ANYONE
from .accounts import key_of

EVERYBODY = "anyone"  # as RFC 4314 2 calls them


@dataclass(slots=True, frozen=True)
class Share:
    """who: an address, or EVERYBODY; rights: letters of RFC 4314 2.1."""

    owner: str
    mailbox: str
    who: str
    rights: str


def share(store: Store, owner: str, mailbox: str, who: str, rights: str) -> str:
    """In place of the rights there were; none at all is an end of it. Returns what there is now. Raises AccountFault,
    NoSuchAccount, NoSuchMailbox, OwnersRights."""
    owner_key, who_key = key_of(owner), EVERYBODY if who.lower() == EVERYBODY else key_of(who)

    def query(connection: sqlite3.Connection) -> tuple[Mailbox, int]:
        account = _account(connection, owner_key)
        found = find_mailbox(connection, account.id, mailbox)
        if found is None:
            raise NoSuchMailbox(mailbox)
        return found, ANYONE if who_key == EVERYBODY else _account(connection, who_key).id

    found, account_id = store.read_now(query)
    return store.write_now(set_rights(found.id, account_id, rights))


def shares(store: Store, owner: str | None = None) -> list[Share]:
    """All, or those of one owner. Raises AccountFault, NoSuchAccount."""
    key = key_of(owner) if owner is not None else None

    def query(connection: sqlite3.Connection) -> list[Share]:
        owners = (
            connection.execute("SELECT id, address FROM accounts ORDER BY address").fetchall()
            if key is None
            else [(_account(connection, key).id, key)]
        )
        return [
            Share(address, mailbox.name, grant.address or EVERYBODY, grant.rights)
            for account_id, address in owners
            for mailbox in list_mailboxes(connection, account_id)
            for grant in sharing.grants(connection, mailbox.id)
        ]

    return store.read_now(query)


def _account(connection: sqlite3.Connection, key: str) -> Account:
    account = find_account(connection, key)
    if account is None:
        raise NoSuchAccount(key)
    return account
