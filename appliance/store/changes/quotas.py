"""What an account may keep: set by the owner, and asked of every change that puts messages into a mailbox. Durable."""

from __future__ import annotations

import time

from ...status.events import AccountsChanged
from ..accounts import find_account
from ..quota import Rule, limits_of, use_of
from ..refusals import NoSuchAccount, OverQuota
from ..transaction import Change, Tx


def set_quota(key: str, octets: int | None, messages: int | None) -> Change[None]:
    """None: as the configuration says; 0: no limit. Raises NoSuchAccount."""

    def change(tx: Tx) -> None:
        account = find_account(tx.connection, key)
        if account is None:
            raise NoSuchAccount(key)
        tx.connection.execute(
            "INSERT INTO quotas VALUES (?, ?, ?) ON CONFLICT (account_id)"
            " DO UPDATE SET octets = excluded.octets, messages = excluded.messages",
            (account.id, octets, messages),
        )
        tx.tell(AccountsChanged(at=time.time()))

    return change


def need_quota(tx: Tx, account_id: int, rule: Rule, octets: int, messages: int) -> None:
    """Called when so much was just counted in. Raises OverQuota, which undoes it."""
    if rule is Rule.NEVER:
        return
    limits = limits_of(tx.connection, account_id, tx.default_limits)
    if not limits.any:
        return
    now = use_of(tx.connection, account_id)
    if now.with_more(-octets, -messages).is_full(limits) if rule is Rule.NOT_FULL else not now.fits(limits):
        address = tx.connection.execute("SELECT address FROM accounts WHERE id = ?", (account_id,)).fetchone()[0]
        raise OverQuota(address, never=limits.octets is not None and octets > limits.octets)
