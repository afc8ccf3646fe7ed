"""Who has signed in: the browser holds a random token, we hold its hash and what it is good for.

Kept in memory: signing out, a changed password and a restart all end a session here and not only in the browser.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    ADMINISTRATOR = "administrator"
    MAILBOX = "mailbox"


@dataclass(slots=True, frozen=True)
class Lifetime:
    """idle_s: without a page being asked for; most_s: in all."""

    idle_s: float
    most_s: float


LIFETIMES = {
    Role.ADMINISTRATOR: Lifetime(idle_s=3600.0, most_s=12 * 3600.0),
    Role.MAILBOX: Lifetime(idle_s=12 * 3600.0, most_s=7 * 86400.0),
}
MOST = 500  # at once; the one longest unused goes first


@dataclass(slots=True, frozen=True)
class Ticket:
    """account_id, address: of a mailbox user, else 0 and ''; proof: of the password hash that was right."""

    role: Role
    proof: str
    account_id: int = 0
    address: str = ""


@dataclass(slots=True)
class _Kept:
    ticket: Ticket
    issued_at: float
    seen_at: float


class Tickets:
    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def issue(self, ticket: Ticket) -> str:
        """Returns the token for the browser."""
        token = secrets.token_urlsafe(32)
        now = self._clock()
        with self._lock:
            self._kept[_digest(token)] = _Kept(ticket, now, now)
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)
        return token

    def find(self, token: str | None, *, seen: bool = True) -> Ticket | None:
        """seen: whether this counts as the person being there (a page that refreshes itself does not)."""
        if not token:
            return None
        now = self._clock()
        key = _digest(token)
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            lifetime = LIFETIMES[kept.ticket.role]
            if now - kept.seen_at > lifetime.idle_s or now - kept.issued_at > lifetime.most_s:
                del self._kept[key]
                return None
            if seen:
                kept.seen_at = now
                self._kept.move_to_end(key)
            return kept.ticket

    def revoke(self, token: str | None) -> None:
        if token:
            with self._lock:
                self._kept.pop(_digest(token), None)


def proof_of(password_hash: str) -> str:
    """Changes when the password does, and says nothing about it."""
    return hashlib.sha256(password_hash.encode()).hexdigest()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
