"""The owner's verbs on what accounts may keep. Durability: on the card when they return."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass

from ..mail.reason import because
from ..store import quota
from ..store.accounts import find_account
from ..store.changes.quotas import set_quota
from ..store.interface import Store
from ..store.quota import Limits, Use
from ..store.refusals import NoSuchAccount
from .accounts import AccountFault, key_of

MOST = 1 << 53  # what JSON's readers can count; more than any card has
_NUMBER = re.compile(r"(\d{1,15})\s*([kmgt]?)b?", re.IGNORECASE | re.ASCII)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


@dataclass(slots=True, frozen=True)
class Allowance:
    """own: (octets, messages) as set for the account alone, None where the configuration decides, 0 for no limit."""

    address: str
    own: tuple[int | None, int | None]
    limits: Limits
    use: Use


def allowance(store: Store, address: str) -> Allowance:
    """Raises AccountFault, NoSuchAccount."""
    key = key_of(address)
    default = store.default_limits

    def query(connection: sqlite3.Connection) -> Allowance | None:
        account = find_account(connection, key)
        if account is None:
            return None
        own = quota.own_limits(connection, account.id)
        return Allowance(
            key, own, quota.limits_of(connection, account.id, default), quota.use_of(connection, account.id)
        )

    found = store.read_now(query)
    if found is None:
        raise NoSuchAccount(key)
    return found


def allow(store: Store, address: str, octets: int | None, messages: int | None) -> None:
    """None: as the configuration says; 0: no limit. Raises AccountFault, NoSuchAccount."""
    store.write_now(set_quota(key_of(address), octets, messages))


def parse_amount(text: str, *, units: bool) -> int | None:
    """`none`: 0, no limit; `default`: None; else a number, with units also 500M or 2G (of 1000, as on cards). Raises AccountFault."""
    word = text.strip().lower()
    if word == "default":
        return None
    if word == "none":
        return 0
    found = _NUMBER.fullmatch(word)
    number = int(found.group(1)) * _UNITS[found.group(2)] if found and (units or not found.group(2)) else 0
    if not 0 < number <= MOST:
        raise AccountFault(because("not-an-amount", text=text))
    return number
