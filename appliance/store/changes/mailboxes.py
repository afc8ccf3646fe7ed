"""Creating, renaming, deleting and subscribing to mailboxes. RFC 9051 6.3.4-6.3.8."""

from __future__ import annotations

import time

from ...status.events import MailboxListChanged
from ..accounts import get_account
from ..mailboxes import INBOX, SEPARATOR, Mailbox, canonical_name, find_mailbox, list_mailboxes
from ..refusals import BadMailboxName, MailboxExists, MailboxFixed, NoSuchAccount, NoSuchMailbox
from ..transaction import Change, Tx
from .annotations import copy_annotations
from .messages import expunge_in, move_in
from .sharing import inherit_rights, members, tell_members

LONGEST_NAME = 500  # characters; a name is sent in one line, and shown

# What a new account starts with: the names and uses that mail programs look for (RFC 6154).
FIRST_MAILBOXES = (
    (INBOX, None),
    ("Drafts", "\\Drafts"),
    ("Sent", "\\Sent"),
    ("Archive", "\\Archive"),
    ("Junk", "\\Junk"),
    ("Trash", "\\Trash"),
)


def create_mailbox(account_id: int, name: str, special_use: str | None = None) -> Change[Mailbox]:
    """Levels above that do not exist are created too (RFC 9051 6.3.4). Raises MailboxExists, BadMailboxName,
    NoSuchAccount."""

    def change(tx: Tx) -> Mailbox:
        wanted = _new_name(name)
        if get_account(tx.connection, account_id) is None:
            raise NoSuchAccount(str(account_id))
        if find_mailbox(tx.connection, account_id, wanted):
            raise MailboxExists(wanted)
        _insert_above(tx, account_id, wanted)
        insert_mailbox(tx, account_id, wanted, special_use)
        made = _found(tx, account_id, wanted)
        _inherit(tx, made)
        tell_members(tx, account_id, members(tx, made.id))
        return made

    return change


def rename_mailbox(account_id: int, old: str, new: str) -> Change[None]:
    """With the mailboxes below it, of which there may be some where it is none itself. Renaming INBOX moves its messages to
    a new mailbox and leaves it empty (RFC 9051 6.3.6). Raises NoSuchMailbox, MailboxExists, MailboxFixed, BadMailboxName."""

    def change(tx: Tx) -> None:
        source, target = canonical_name(old), _new_name(new)
        mailbox = find_mailbox(tx.connection, account_id, source)
        with_it = [
            each
            for each in list_mailboxes(tx.connection, account_id)
            if each.name == source or each.name.startswith(source + SEPARATOR)
        ]
        if not with_it:
            raise NoSuchMailbox(source)
        if find_mailbox(tx.connection, account_id, target):
            raise MailboxExists(target)
        if target.startswith(source + SEPARATOR) and source != INBOX:
            raise MailboxFixed(source)
        _insert_above(tx, account_id, target)
        told: set[int] = set()
        if mailbox is not None and source == INBOX:
            insert_mailbox(tx, account_id, target, None)
            made = _found(tx, account_id, target)
            _inherit(tx, made)
            copy_annotations(tx, mailbox.id, made.id)
            told = members(tx, made.id)
            uids = [
                uid for (uid,) in tx.connection.execute("SELECT uid FROM messages WHERE mailbox_id = ?", (mailbox.id,))
            ]
            move_in(tx, mailbox.id, uids, _found(tx, account_id, target).id)
        else:
            renamed = {each.id: target + each.name[len(source) :] for each in with_it}
            for name in renamed.values():
                there = find_mailbox(tx.connection, account_id, name)
                if there is not None and there.id not in renamed:  # what stayed below a mailbox that was deleted
                    raise MailboxExists(name)
            told = set().union(*(members(tx, mailbox_id) for mailbox_id in renamed))
            # Their UIDVALIDITY goes with them: no other mailbox of the account ever had the same, under any name. In two
            # steps, since one of them may get the name that another has now.
            tx.connection.executemany("UPDATE mailboxes SET name = '/' || id WHERE id = ?", [(id_,) for id_ in renamed])
            tx.connection.executemany(
                "UPDATE mailboxes SET name = ? WHERE id = ?", [(name, id_) for id_, name in renamed.items()]
            )
        tell_members(tx, account_id, told)

    return change


def delete_mailbox(account_id: int, name: str) -> Change[None]:
    """The mailbox and its messages; mailboxes below it stay. Raises NoSuchMailbox, MailboxFixed."""

    def change(tx: Tx) -> None:
        mailbox = _found(tx, account_id, canonical_name(name))
        if mailbox.name == INBOX:
            raise MailboxFixed(INBOX)
        told = members(tx, mailbox.id)
        remove_mailbox(tx, mailbox)
        tell_members(tx, account_id, told)

    return change


def subscribe(account_id: int, name: str, on: bool) -> Change[None]:
    def change(tx: Tx) -> None:
        verb = (
            "INSERT OR IGNORE INTO subscriptions VALUES (?, ?)"
            if on
            else ("DELETE FROM subscriptions WHERE account_id = ? AND name = ?")
        )
        tx.connection.execute(verb, (account_id, canonical_name(name)))
        tx.tell(MailboxListChanged(at=time.time(), account_id=account_id))

    return change


def take_recent(mailbox_id: int) -> Change[int]:
    """The first UID that no session has seen as \\Recent yet; it is now taken. Lazy is enough."""

    def change(tx: Tx) -> int:
        row = tx.connection.execute(
            "SELECT first_recent_uid, uidnext FROM mailboxes WHERE id = ?", (mailbox_id,)
        ).fetchone()
        if row is None:
            raise NoSuchMailbox("")
        first, uidnext = row
        if first != uidnext:
            tx.connection.execute("UPDATE mailboxes SET first_recent_uid = uidnext WHERE id = ?", (mailbox_id,))
        return int(first)

    return change


def insert_mailbox(tx: Tx, account_id: int, name: str, special_use: str | None) -> None:
    tx.connection.execute(
        "INSERT INTO mailboxes (account_id, name, uidvalidity, special_use) VALUES (?, ?, ?, ?)",
        (account_id, name, _next_uidvalidity(tx, account_id), special_use),
    )


def _insert_above(tx: Tx, account_id: int, name: str) -> None:
    levels = name.split(SEPARATOR)
    for depth in range(1, len(levels)):
        above = SEPARATOR.join(levels[:depth])
        if not find_mailbox(tx.connection, account_id, above):
            insert_mailbox(tx, account_id, above, None)
            _inherit(tx, _found(tx, account_id, above))


def _inherit(tx: Tx, mailbox: Mailbox) -> None:
    """Who may use the level above may use what is made below it (RFC 4314 4)."""
    above, _, _ = mailbox.name.rpartition(SEPARATOR)
    parent = find_mailbox(tx.connection, mailbox.account_id, above) if above else None
    if parent is not None:
        inherit_rights(tx, parent.id, mailbox.id)


def _new_name(name: str) -> str:
    """No level of it is empty, and nothing in it could end a line or a listing."""
    wanted = canonical_name(name.removesuffix(SEPARATOR))
    if not all(wanted.split(SEPARATOR)) or len(wanted) > LONGEST_NAME or any(c < " " or c == "\x7f" for c in wanted):
        raise BadMailboxName(name)
    return wanted


def remove_mailbox(tx: Tx, mailbox: Mailbox) -> None:
    uids = [uid for (uid,) in tx.connection.execute("SELECT uid FROM messages WHERE mailbox_id = ?", (mailbox.id,))]
    expunge_in(tx, mailbox.id, uids)
    for table in ("expunged", "annotations", "mailbox_rights", "unique_id_epochs"):
        tx.connection.execute(f"DELETE FROM {table} WHERE mailbox_id = ?", (mailbox.id,))
    tx.connection.execute("DELETE FROM mailboxes WHERE id = ?", (mailbox.id,))


def _next_uidvalidity(tx: Tx, account_id: int) -> int:
    """Grows for ever within an account, also when the clock goes back, so that no two mailboxes of one name share it."""
    row = tx.connection.execute("SELECT last_uidvalidity FROM accounts WHERE id = ?", (account_id,)).fetchone()
    value: int = max(int(time.time()), row[0] + 1)
    tx.connection.execute("UPDATE accounts SET last_uidvalidity = ? WHERE id = ?", (value, account_id))
    return value


def _found(tx: Tx, account_id: int, name: str) -> Mailbox:
    mailbox = find_mailbox(tx.connection, account_id, name)
    if mailbox is None:
        raise NoSuchMailbox(name)
    return mailbox
