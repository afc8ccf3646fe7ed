"""From a recipient as addressed to its destinations: accounts here, addresses elsewhere, or the reason why none.

In this order, as Postfix has it: an account or alias of exactly that name; the same without `+detail` (RFC 5233); the
domain's catch-all. Aliases may lead to aliases; one that leads back to itself is a loop.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from ..mail.address import Address, AddressFault
from ..mail.reason import Reason, because
from ..store.accounts import Account, Alias, find_account, find_alias

DETAIL = "+"
DEEPEST = 20  # aliases in a row; Postfix allows 1000, nobody needs more than a few
POSTMASTER = "postmaster"


@dataclass(slots=True, frozen=True)
class Local:
    account_id: int
    account: str


@dataclass(slots=True, frozen=True)
class Remote:
    address: Address


@dataclass(slots=True, frozen=True)
class Nowhere:
    reason: Reason


Destination = Local | Remote | Nowhere


def resolve(connection: sqlite3.Connection, domains: Sequence[str], recipient: Address) -> tuple[Destination, ...]:
    """domains: ours, in A-labels. Never empty; several destinations only through an alias."""
    found: list[Destination] = []
    _follow(connection, domains, recipient, recipient, (), set(), found)
    good = [destination for destination in found if not isinstance(destination, Nowhere)]
    return tuple(good or found or [Nowhere(because("no-such-address", address=recipient))])


def without_detail(recipient: Address) -> Address | None:
    """`user+detail` → `user`; None where there is no detail. RFC 5233 4."""
    user, plus, _ = recipient.local_part.partition(DETAIL)
    return Address(user, recipient.domain) if plus and user else None


def belongs_to(connection: sqlite3.Connection, domains: Sequence[str], address: Address, account_id: int) -> bool:
    """May the account send as that address? It may as itself, with a detail, and as any alias that reaches it."""
    if address.domain not in domains:
        return False
    return any(isinstance(d, Local) and d.account_id == account_id for d in resolve(connection, domains, address))


def _follow(
    connection: sqlite3.Connection,
    domains: Sequence[str],
    recipient: Address,
    asked: Address,
    path: tuple[str, ...],
    followed: set[str],
    found: list[Destination],
) -> None:
    """path: the aliases that led here; followed: whatever was looked up, so that aliases that fan out and meet again
    cost no more than there are of them."""
    if recipient.domain not in domains:
        _add(found, Remote(recipient))
        return
    if recipient.key in path or len(path) > DEEPEST:
        _add(found, Nowhere(because("alias-loop", address=asked)))
        return
    if recipient.key in followed:
        return
    followed.add(recipient.key)
    match _look_up(connection, recipient):
        case Account(id=account_id, address=account):
            _add(found, Local(account_id, account))
        case Alias(targets=targets):
            for target in targets:
                try:
                    parsed = Address.parse(target)
                except AddressFault:
                    _add(found, Nowhere(because("no-such-address", address=asked)))
                else:
                    _follow(connection, domains, parsed, asked, (*path, recipient.key), followed, found)
        case None:
            _add(found, Nowhere(because("no-such-address", address=asked)))


def _add(found: list[Destination], destination: Destination) -> None:
    if destination not in found:
        found.append(destination)


def _look_up(connection: sqlite3.Connection, recipient: Address) -> Account | Alias | None:
    for candidate in (recipient, without_detail(recipient)):
        if candidate is not None:
            there = find_account(connection, candidate.key) or find_alias(connection, candidate.key)
            if there is not None:
                return there
    return find_alias(connection, f"@{recipient.domain}")
