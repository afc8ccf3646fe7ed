"""Which mailboxes an account can see, by which name, and what it may do with each: one answer for every command.

LIST, LSUB, STATUS, SELECT and NOTIFY go through here, so that a mailbox is never named by one and unknown to another.
Rights are the letters of RFC 4314 2.1; on its own mailboxes an account has all of them.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from typing import TypeVar

from ..store import mailboxes, sharing
from ..store.accounts import find_account, get_account
from ..store.mailboxes import SEPARATOR, Mailbox
from ..store.transaction import Change, Tx, WithContents
from .answers import Refusal
from .listing import composed
from .rights import ALL

T = TypeVar("T")

EVERY_RIGHT = ALL

# Mailboxes of others: Shared/bob@example.org/Work. A mailbox of one's own may be called Shared too, but for what has an
# address in its second level (`is_others`).
OTHERS = "Shared"


@dataclass(slots=True, frozen=True)
class VisibleMailbox:
    """name: as this account has to call it; mailbox.name is its owner's word for it. The special use is its owner's alone:
    another's Sent must not be taken for one's own."""

    name: str
    mailbox: Mailbox
    rights: str = EVERY_RIGHT


def mailboxes_of(connection: sqlite3.Connection, account_id: int) -> list[VisibleMailbox]:
    """All that LIST may name, sorted by name."""
    found = [VisibleMailbox(each.name, each) for each in mailboxes.list_mailboxes(connection, account_id)]
    found += [
        _of_another(each.mailbox, each.owner, each.rights)
        for each in sharing.shared_with(connection, account_id)
        if "l" in each.rights
    ]
    return sorted(found, key=lambda each: each.name)


def find(connection: sqlite3.Connection, account_id: int, name: str) -> VisibleMailbox | None:
    """The mailbox of that name; None also where the account must not know that there is one."""
    mailbox = mailboxes.find_mailbox(connection, account_id, composed(name))
    if mailbox is not None:
        return VisibleMailbox(mailbox.name, mailbox)
    if not is_others(composed(name)):
        return None
    owner, inner = _split(composed(name))
    account = find_account(connection, owner)
    mailbox = mailboxes.find_mailbox(connection, account.id, inner) if account is not None else None
    return None if mailbox is None else by_id(connection, account_id, mailbox.id)


def need(
    connection: sqlite3.Connection, account_id: int, name: str, rights: str, *, missing: str = "NONEXISTENT"
) -> VisibleMailbox:
    """The mailbox of that name, all of these rights on it given. Raises Refusal: with the code `missing` where there is
    none, or none that the account may know of (RFC 4314 6); with NOPERM where it may be known and not used so."""
    found = find(connection, account_id, name)
    if found is None or ("l" not in found.rights and not all(right in found.rights for right in rights)):
        raise Refusal("There is no such mailbox", "NONEXISTENT" if is_others(composed(name)) else missing)
    if not all(right in found.rights for right in rights):
        raise not_permitted()
    return found


def permitted(change: Change[T], account_id: int, mailbox_id: int, rights: str) -> Change[T]:
    """The same change, which asks in its own transaction whether these rights are there still: octets may take minutes to
    come. Raises Refusal; that the mailbox is gone is for the change to say."""

    def checked(tx: Tx) -> T:
        mailbox = mailboxes.get_mailbox(tx.connection, mailbox_id)
        if mailbox is not None and mailbox.account_id != account_id:
            has = sharing.rights_on(tx.connection, mailbox, account_id)
            if not all(right in has for right in rights):
                raise not_permitted()
        return change(tx)

    return WithContents(change.contents, checked) if isinstance(change, WithContents) else checked


def not_permitted() -> Refusal:
    return Refusal("You have no right to do that to this mailbox", "NOPERM")


def place_for(connection: sqlite3.Connection, account_id: int, name: str) -> tuple[int, str]:
    """(whose account, under which name) a mailbox to be made goes. Raises Refusal: RFC 4314 4 wants `k` on the nearest level
    above that exists, whether it may be listed or not; on the top level of another's nobody else has it."""
    if not is_others(name):
        return account_id, name
    owner, inner = _split(name)
    account = find_account(connection, owner)
    if account is None or is_others(inner):  # which would stand before what is shared with the owner
        raise not_permitted()
    above = inner
    while above := above.rpartition(SEPARATOR)[0]:
        parent = mailboxes.find_mailbox(connection, account.id, above)
        if parent is not None:
            if "k" not in sharing.rights_on(connection, parent, account_id):
                raise not_permitted()
            return account.id, inner
    raise not_permitted()


def is_others(name: str) -> bool:
    """Whether a name means a mailbox of somebody else's, be there one or not."""
    first, _, rest = name.partition(SEPARATOR)
    return first == OTHERS and "@" in rest.partition(SEPARATOR)[0]


def _split(name: str) -> tuple[str, str]:
    """(owner's address, the owner's name for it)."""
    _, owner, inner = (*name.split(SEPARATOR, 2), "")[:3]
    return owner.lower(), inner


def _of_another(mailbox: Mailbox, owner: str, rights: str) -> VisibleMailbox:
    name = SEPARATOR.join((OTHERS, owner, mailbox.name))
    return VisibleMailbox(name, replace(mailbox, special_use=None), rights)


def by_id(connection: sqlite3.Connection, account_id: int, mailbox_id: int) -> VisibleMailbox | None:
    """The mailbox of that id, as this account sees it; None where it does not see it."""
    mailbox = mailboxes.get_mailbox(connection, mailbox_id)
    if mailbox is None:
        return None
    if mailbox.account_id == account_id:
        return VisibleMailbox(mailbox.name, mailbox)
    rights = sharing.rights_on(connection, mailbox, account_id)
    owner = get_account(connection, mailbox.account_id)
    return _of_another(mailbox, owner.address, rights) if rights and owner is not None else None


def mailbox_id(mailbox: Mailbox) -> str:
    """RFC 8474 4: stays when it is renamed, and never comes again. Rows' numbers are never given twice; with another
    UIDVALIDITY, as after a repair, it is another mailbox to its clients."""
    return f"F{mailbox.uidvalidity}-{mailbox.id}"
