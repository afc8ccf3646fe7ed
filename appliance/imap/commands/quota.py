"""GETQUOTA, GETQUOTAROOT, and what others tell of quotas. RFC 9208.

Each account is one quota root, called by its address, for all of its mailboxes: those that others share with it count for
their owners. An account without any limit has no root (RFC 9208 3.2).
"""

from __future__ import annotations

import sqlite3

from ...store import sharing
from ...store.accounts import find_account, get_account
from ...store.quota import Limits, Use, limits_of, use_of
from ...store.refusals import OverQuota
from .. import render, visible
from ..answers import Done, Refusal
from ..grammar.quota import GetQuota, GetQuotaRoot
from ..session import Session

_UNIT_OCTETS = 1024  # RFC 9208 5.1: STORAGE counts in these


async def get_quota(session: Session, command: GetQuota) -> Done:
    """Of one's own account, and of those that share a mailbox that one may read."""
    account_id, default = session.account.id, session.store.default_limits

    def query(connection: sqlite3.Connection) -> bytes:
        owner = find_account(connection, command.root.decode("utf-8", "replace").lower())
        if owner is None or not _may_see(connection, account_id, owner.id):
            raise Refusal("There is no such quota root", "NONEXISTENT")
        limits = limits_of(connection, owner.id, default)
        if not limits.any:
            raise Refusal("There is no such quota root", "NONEXISTENT")
        return _quota(owner.address, limits, use_of(connection, owner.id))

    session.send(await session.read(query))
    return Done("That is how it stands")


async def get_quota_root(session: Session, command: GetQuotaRoot) -> Done:
    """RFC 9208 4.1.2: a name of one's own need not exist, so that it can be asked which root a new mailbox will have."""
    account_id, default = session.account.id, session.store.default_limits

    def query(connection: sqlite3.Connection) -> bytes:
        owner_id, name = account_id, command.mailbox
        if visible.is_others(name):
            found = visible.need(connection, account_id, name, "r")  # RFC 9208 6 with RFC 4314
            owner_id, name = found.mailbox.account_id, found.name
        owner = get_account(connection, owner_id)
        assert owner is not None
        limits = limits_of(connection, owner.id, default)
        root = b"* QUOTAROOT %b" % session.name(name)
        if not limits.any:
            return root + b"\r\n"
        line = root + b" %b\r\n" % render.astring(owner.address.encode())
        return line + _quota(owner.address, limits, use_of(connection, owner.id))

    session.send(await session.read(query))
    return Done("That is how it stands")


def _may_see(connection: sqlite3.Connection, account_id: int, owner_id: int) -> bool:
    return account_id == owner_id or any(
        each.mailbox.account_id == owner_id and "r" in each.rights
        for each in sharing.shared_with(connection, account_id)
    )


def _quota(address: str, limits: Limits, use: Use) -> bytes:
    """quota-response = "QUOTA" SP quota-root-name SP quota-list"""
    resources = []
    if limits.octets is not None:
        resources.append(b"STORAGE %d %d" % (_units(use.octets), limits.octets // _UNIT_OCTETS))
    if limits.messages is not None:
        resources.append(b"MESSAGE %d %d" % (use.messages, limits.messages))
    return b"* QUOTA %b (%b)\r\n" % (render.astring(address.encode()), b" ".join(resources))


def _units(octets: int) -> int:
    return -(-octets // _UNIT_OCTETS)


async def need_quota(session: Session, owner_id: int, octets: int) -> None:
    """Before a message comes in whose size is known. Raises OverQuota. The change that keeps it asks again."""
    default = session.store.default_limits

    def query(connection: sqlite3.Connection) -> OverQuota | None:
        limits = limits_of(connection, owner_id, default)
        if not limits.any or use_of(connection, owner_id).with_more(octets, 1).fits(limits):
            return None
        owner = get_account(connection, owner_id)
        return OverQuota(owner.address if owner else "", never=limits.octets is not None and octets > limits.octets)

    over = await session.read(query)
    if over is not None:
        raise over


def warning(connection: sqlite3.Connection, owner_id: int, default: Limits) -> bytes:
    """RFC 9208 4.3.1: said untagged where the selected mailbox's account is full; nothing where it is not."""
    limits = limits_of(connection, owner_id, default)
    if not limits.any or not use_of(connection, owner_id).is_full(limits):
        return b""
    return render.untagged("NO", "The mailbox is full: delete something", "OVERQUOTA")
