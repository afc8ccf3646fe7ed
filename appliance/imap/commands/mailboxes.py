"""SELECT, EXAMINE, CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, NAMESPACE, CHECK, CLOSE, UNSELECT.

RFC 3501 6.3 and 6.4, RFC 2342, RFC 3691, RFC 7162 3.1.8 and 3.2.5, RFC 9051 6.3.2.
"""

from __future__ import annotations

import sqlite3
import unicodedata

from ...store import mailboxes, messages
from ...store.changes import mailboxes as mailbox_changes
from ...store.changes.messages import expunge
from ...store.mailboxes import SEPARATOR, Mailbox
from ...store.messages import FlagRow
from ...store.refusals import NoSuchMailbox
from ...store.transaction import Tx
from .. import render, visible
from ..answers import Done, Refusal
from ..enabled import Extension
from ..grammar.mailboxes import (
    Check,
    Close,
    Create,
    Delete,
    Namespace,
    Rename,
    Select,
    Subscribe,
    Unselect,
)
from ..selected import Selected, Unread
from ..session import Session
from ..view import SEEN, Journal, MailboxView

NEWEST = 1000  # messages; a mailbox of fewer is read whole at SELECT
LONGEST_NAME_OCTETS = 1000  # in UTF-8; ext4 and Dovecot stop at 255 a level
DEEPEST_NAME = 50  # levels

# RFC 6154 2, RFC 8457 3 (\Important)
SPECIAL_USES = {use.lower(): use for use in ("\\Archive", "\\Drafts", "\\Important", "\\Junk", "\\Sent", "\\Trash")}


async def select(session: Session, command: Select) -> Done:
    """What was selected before is no longer, even if this fails (RFC 3501 6.3.1).

    Cost: that of reading NEWEST rows, however many there are. Of a larger mailbox, keywords that only older messages have
    are told with the first command that goes by its numbers, and UNSEEN only where the newest say it.
    """
    session.unselect()
    account_id = session.account.id

    def query(connection: sqlite3.Connection) -> tuple[Mailbox, list[FlagRow]]:
        found = visible.find(connection, account_id, command.mailbox)
        if found is None:
            raise NoSuchMailbox(command.mailbox)
        mailbox = found.mailbox
        return mailbox, messages.newest(connection, mailbox.id, NEWEST)

    mailbox, newest = await session.read(query)
    first_recent_uid = mailbox.first_recent_uid
    if not command.read_only and first_recent_uid < mailbox.uidnext:
        first_recent_uid = await session.take_recent(mailbox.id)
    view = MailboxView(newest, first_recent_uid=first_recent_uid)
    opened: MailboxView | Unread = view
    count, recent, unseen = len(view), view.recent, view.first_unseen
    if count == NEWEST:  # there may be more, which are not read for this
        opened = Unread(mailbox.messages, mailbox.uidnext, first_recent_uid)
        count = mailbox.messages
        if first_recent_uid <= 1:
            recent = count
        elif first_recent_uid < view.uids[0]:
            recent = await session.read(
                lambda c: messages.count_between(c, mailbox.id, first_recent_uid, mailbox.uidnext)
            )
        if mailbox.unseen == count:
            unseen = 1
        elif unseen is not None:
            # Only where all the unseen ones are among the newest is the first of these the first.
            all_here = sum(1 for row in newest if not row[1] & SEEN) == mailbox.unseen
            unseen = count - NEWEST + unseen if all_here else None
    session.send(render.flags_in_use(view.keyword_names))
    session.send(render.permanent_flags(view.keyword_names, read_only=command.read_only))
    session.send(b"* %d EXISTS\r\n* %d RECENT\r\n" % (count, recent))
    if unseen is not None:
        session.send(render.untagged("OK", "The first unseen message", f"UNSEEN {unseen}"))
    session.send(render.untagged("OK", "UIDs are valid", f"UIDVALIDITY {mailbox.uidvalidity}"))
    session.send(render.untagged("OK", "The next UID", f"UIDNEXT {mailbox.uidnext}"))
    session.send(render.untagged("OK", "What it is known by", f"MAILBOXID ({visible.mailbox_id(mailbox)})"))
    session.selected = Selected(mailbox.id, command.read_only, opened, Journal(mailbox.highest_modseq))
    session.machine.selected()
    if command.read_only:
        return Done("Selected for reading only", "READ-ONLY")
    return Done("Selected", "READ-WRITE")


async def create(session: Session, command: Create) -> Done:
    name = _new_name(command.mailbox)
    special_use = _special_use(command.special_uses)
    account_id = session.account.id
    make = mailbox_changes.create_mailbox(account_id, name, special_use)

    def change(tx: Tx) -> Mailbox:
        everything = mailboxes.list_mailboxes(tx.connection, account_id) if special_use else ()
        if any(each.special_use == special_use for each in everything):
            raise Refusal("There is a mailbox for that already", "USEATTR")
        return make(tx)

    made = await session.change(change)
    _tell_other_name(session, command.mailbox.removesuffix(SEPARATOR), made.name)
    return Done("Created", f"MAILBOXID ({visible.mailbox_id(made)})")


async def delete(session: Session, command: Delete) -> Done:
    """The mailbox goes with its messages; those below it stay, and its name stays as a level (RFC 3501 6.3.4)."""
    account_id = session.account.id
    name = mailboxes.canonical_name(_clean(command.mailbox))
    mailbox, everything = await session.read(
        lambda connection: (
            mailboxes.find_mailbox(connection, account_id, name),
            mailboxes.list_mailboxes(connection, account_id),
        )
    )
    if mailbox is None and any(each.name.startswith(name + SEPARATOR) for each in everything):
        # RFC 3501 6.3.4: an error for a level that is no mailbox.
        raise Refusal("That is no mailbox but a level with mailboxes below it", "HASCHILDREN")
    await session.change(mailbox_changes.delete_mailbox(account_id, name))
    if mailbox is not None and session.selected is not None and session.selected.mailbox_id == mailbox.id:
        session.unselect()
        session.send(render.untagged("OK", "That was the selected one", "CLOSED"))
    return Done("Deleted")


async def rename(session: Session, command: Rename) -> Done:
    """What is subscribed to stays subscribed to by the old name (RFC 3501 6.3.6 leaves the list to the client)."""
    name, old = _new_name(command.new), _clean(command.old.removesuffix(SEPARATOR))
    await session.change(mailbox_changes.rename_mailbox(session.account.id, old, name))
    if mailboxes.canonical_name(old) != mailboxes.INBOX:  # which is still there
        _tell_other_name(session, command.old, mailboxes.canonical_name(name))
    return Done("Renamed")


async def subscribe(session: Session, command: Subscribe) -> Done:
    """RFC 3501 6.3.6: a name that does not exist, or does no longer, can be subscribed to."""
    name = _clean(command.mailbox)
    await session.change(mailbox_changes.subscribe(session.account.id, name, command.on))
    return Done("Subscribed" if command.on else "No longer subscribed")


async def namespace(session: Session, command: Namespace) -> Done:
    session.send(b'* NAMESPACE (("" "/")) NIL NIL\r\n')
    return Done("One namespace, your own")


async def check(session: Session, command: Check) -> Done:
    """RFC 3501 6.4.1: there is nothing to be checkpointed, so it is as good as NOOP."""
    return Done("Checked")


async def close(session: Session, command: Close) -> Done:
    """RFC 3501 6.4.2: expunges without a word, unless the mailbox was only examined."""
    selected = session.the_selected()
    session.unselect()
    if not selected.read_only:
        await session.change(expunge(selected.mailbox_id))
    return Done("Closed")


async def unselect(session: Session, command: Unselect) -> Done:
    session.unselect()
    return Done("No longer selected")


def _tell_other_name(session: Session, said: str, name: str) -> None:
    """RFC 9051 6.3.4 and 6.3.9.7: a mailbox is not called what the client called it."""
    if session.has(Extension.IMAP4REV2) and said != name:
        session.send(render.listed("LIST", (), session.name(name), old_name=session.name(said)))


def _special_use(asked: tuple[str, ...]) -> str | None:
    """RFC 6154 3 and 5.2. Raises Refusal for a use that mailboxes here cannot have: of \\All and \\Flagged each would be a
    search, and a mailbox has one use."""
    uses = dict.fromkeys(use.lower() for use in asked)
    if not uses:
        return None
    known = [SPECIAL_USES[use] for use in uses if use in SPECIAL_USES]
    if len(uses) > 1 or not known:
        raise Refusal("No mailbox can be for that", "USEATTR")
    return known[0]


def _new_name(name: str) -> str:
    """The name for a mailbox to be made. Raises Refusal."""
    name = _clean(
        name.removesuffix(SEPARATOR)
    )  # RFC 3501 6.3.3: the separator at the end means that levels will follow
    if not name or "" in name.split(SEPARATOR):
        raise Refusal("A level of the name is empty", "CANNOT")
    if "*" in name or "%" in name:
        raise Refusal("A name cannot hold * or %, which stand for other names", "CANNOT")
    return name


def _clean(name: str) -> str:
    """RFC 5198 2: composed, so that two programs' spellings are one name; no control characters."""
    name = unicodedata.normalize("NFC", name)
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
        raise Refusal("A name cannot hold control characters", "CANNOT")
    if len(name.encode()) > LONGEST_NAME_OCTETS or name.count(SEPARATOR) >= DEEPEST_NAME:
        raise Refusal("The name is too long", "CANNOT")
    return name
