"""SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS. RFC 4314 3.

An identifier is an account's address, or `anyone` for every account here. There are no negative rights (RFC 4314 2 leaves
them to the server) and no groups. The owner has all rights always.
"""

from __future__ import annotations

import sqlite3

from ...mail.address import Address, AddressFault
from ...store import sharing
from ...store.accounts import find_account, get_account
from ...store.changes.sharing import set_rights
from ...store.sharing import ANYONE
from ...store.transaction import Tx
from .. import render, rights, visible
from ..answers import Done, Refusal
from ..grammar.acl import DeleteAcl, GetAcl, ListRights, MyRights, SetAcl
from ..session import Session
from ..visible import VisibleMailbox


async def set_acl(session: Session, command: SetAcl) -> Done:
    await _change(session, command.mailbox, command.identifier, command.rights, command.mode)
    return Done("They have these rights now")


async def delete_acl(session: Session, command: DeleteAcl) -> Done:
    await _change(session, command.mailbox, command.identifier, "", "=")
    return Done("They have no rights of their own any more")


async def _change(session: Session, name: str, identifier: str, letters: str, mode: str) -> None:
    account_id = session.account.id

    def change(tx: Tx) -> None:
        mailbox = visible.need(tx.connection, account_id, name, "a").mailbox
        set_rights(mailbox.id, _account(tx.connection, identifier), letters, mode)(tx)

    await session.change(change)


async def get_acl(session: Session, command: GetAcl) -> Done:
    account_id = session.account.id

    def query(connection: sqlite3.Connection) -> bytes:
        found = visible.need(connection, account_id, command.mailbox, "a")
        owner = get_account(connection, found.mailbox.account_id)
        pairs = [(owner.address if owner else "", rights.ALL)]
        pairs += [(each.address or "anyone", each.rights) for each in sharing.grants(connection, found.mailbox.id)]
        words = b"".join(b" %b %b" % (_word(who), rights.shown(letters).encode()) for who, letters in pairs)
        return b"* ACL %b%b\r\n" % (session.name(found.name), words)

    session.send(await session.read(query))
    return Done("These have rights")


async def list_rights(session: Session, command: ListRights) -> Done:
    account_id = session.account.id

    def query(connection: sqlite3.Connection) -> bytes:
        found = visible.need(connection, account_id, command.mailbox, "a")
        whom = _account(connection, command.identifier)
        always, each = (rights.shown(rights.ALL), ()) if whom == found.mailbox.account_id else ("", rights.grantable())
        words = b" ".join(word.encode() or b'""' for word in (always, *each))
        return b"* LISTRIGHTS %b %b %b\r\n" % (session.name(found.name), render.astring(command.as_sent), words)

    session.send(await session.read(query))
    return Done("These can be given")


async def my_rights(session: Session, command: MyRights) -> Done:
    account_id = session.account.id
    found = await session.read(lambda connection: visible.find(connection, account_id, command.mailbox))
    if found is None or not any(letter in found.rights for letter in rights.ANY_OF_MYRIGHTS):
        raise Refusal("There is no such mailbox", "NONEXISTENT")
    session.send(my_rights_line(session, found))
    return Done("These are yours")


def my_rights_line(session: Session, found: VisibleMailbox) -> bytes:
    return b"* MYRIGHTS %b %b\r\n" % (session.name(found.name), rights.shown(found.rights).encode())


def _word(identifier: str) -> bytes:
    return render.astring(identifier.encode())


def _account(connection: sqlite3.Connection, identifier: str) -> int:
    """Raises Refusal for what is no account of ours: an owner shall not believe that it is shared with somebody."""
    if identifier.lower() == "anyone":
        return ANYONE
    try:
        account = find_account(connection, Address.parse(identifier).key)
    except AddressFault:
        account = None
    if account is None:
        raise Refusal("There is no such account here", "CANNOT")
    return account.id
