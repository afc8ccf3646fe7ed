"""How much an account may keep and how much it keeps. RFC 9208 3 and 5.

Promises: what is used is summed up inside the transaction that changes it, so that no two deliveries can each take the same
last place. A shared mailbox counts for its owner, whoever fills it.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from enum import Enum, auto


@dataclass(slots=True, frozen=True)
class Limits:
    """None: no limit."""

    octets: int | None = None
    messages: int | None = None

    @property
    def any(self) -> bool:
        return self.octets is not None or self.messages is not None


NO_LIMITS = Limits()


@dataclass(slots=True, frozen=True)
class Use:
    octets: int
    messages: int

    def fits(self, limits: Limits) -> bool:
        return (limits.octets is None or self.octets <= limits.octets) and (
            limits.messages is None or self.messages <= limits.messages
        )

    def is_full(self, limits: Limits) -> bool:
        return (limits.octets is not None and self.octets >= limits.octets) or (
            limits.messages is not None and self.messages >= limits.messages
        )

    def with_more(self, octets: int, messages: int) -> Use:
        return Use(self.octets + octets, self.messages + messages)


class Rule(Enum):
    """When a message is too much for an account.

    FITS: whatever does not fit is refused. NOT_FULL: only an account that is full already refuses: a message for several
    must not be kept from the others for ever by one that has less room than it needs. NEVER: reports of our own.
    """

    FITS = auto()
    NOT_FULL = auto()
    NEVER = auto()


def own_limits(connection: sqlite3.Connection, account_id: int) -> tuple[int | None, int | None]:
    """(octets, messages) as they were set for this account: None where the configuration decides, 0 for no limit."""
    row = connection.execute("SELECT octets, messages FROM quotas WHERE account_id = ?", (account_id,)).fetchone()
    return row or (None, None)


def limits_of(connection: sqlite3.Connection, account_id: int, default: Limits) -> Limits:
    octets, messages = own_limits(connection, account_id)
    return Limits(
        default.octets if octets is None else octets or None, default.messages if messages is None else messages or None
    )


def use_of(connection: sqlite3.Connection, account_id: int) -> Use:
    """Cost: linear in the account's mailboxes, not in its messages."""
    row = connection.execute(
        "SELECT coalesce(sum(size_octets), 0), coalesce(sum(messages), 0) FROM mailboxes WHERE account_id = ?",
        (account_id,),
    ).fetchone()
    return Use(*row)
