"""SELECT, EXAMINE, CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, NAMESPACE, CHECK, CLOSE, UNSELECT.

RFC 3501 6.3 and 6.4, RFC 2342, RFC 3691, RFC 7162 3.1.8 and 3.2.5, RFC 9051 6.3.2.
"""

from __future__ import annotations

import sqlite3
import unicodedata

from ...store import mailboxes, messages, sharing
from ...store.changes import mailboxes as mailbox_changes
from ...store.changes.messages import expunge
from ...store.flags import join_keywords
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
from ..rights import reads_only, settable_flags
from ..selected import Selected, Unread
from ..session import Session
from ..view import SEEN, Exists, Journal, MailboxView, RecentCount
from . import quota
from .resync import Away, keywords_of, read_away, tell_away

NEWEST = 1000  # messages; a mailbox of fewer is read whole at SELECT
LONGEST_NAME_OCTETS = 1000  # in UTF-8; ext4 and Dovecot stop at 255 a level
DEEPEST_NAME = 50  # levels

# RFC 6154 2, RFC 8457 3 (\Important)
SPECIAL_USES = {use.lower(): use for use in ("\\Archive", "\\Drafts", "\\Important", "\\Junk", "\\Sent", "\\Trash")}


async def select(session: Session, command: Select) -> Done:
    """What was selected before is no longer, even if this fails (RFC 3501 6.3.1), and what comes after CLOSED is of the
    new one (RFC 7162 3.2.11, RFC 9051 7.1).

    Cost: that of reading NEWEST rows, however many there are. Of a larger mailbox, keywords that only older messages have
    are told with the first command that goes by its numbers, and UNSEEN only where the newest say it.
    """
    resync = command.parameters.resync
    if resync is not None and not session.has(Extension.QRESYNC):
        raise Refusal("QRESYNC has to be enabled first", status="BAD")  # RFC 7162 3.2.5
    if session.selected is not None:
        session.send(render.untagged("OK", "The mailbox before is closed", "CLOSED"))
    session.unselect()
    if resync is not None or command.parameters.condstore:
        session.imply_condstore()
    account_id = session.account.id

    default_limits = session.store.default_limits

    def query(connection: sqlite3.Connection) -> tuple[visible.VisibleMailbox, list[FlagRow], Away, bytes]:
        found = visible.need(connection, account_id, command.mailbox, "r")
        away = Away() if resync is None else read_away(connection, found.mailbox, resync)
        over_quota = quota.warning(connection, found.mailbox.account_id, default_limits)
        return found, messages.newest(connection, found.mailbox.id, NEWEST), away, over_quota

    found, newest, away, over_quota = await session.read(query)
    mailbox, manner = found.mailbox, session.manner
    read_only = command.read_only or reads_only(found.rights)
    first_recent_uid = mailbox.first_recent_uid
    if not read_only and first_recent_uid < mailbox.uidnext:
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
    keywords = join_keywords([*view.keyword_names, *keywords_of(away)]).split()
    session.send(render.flags_in_use(keywords))
    session.send(render.permanent_flags(keywords, read_only=read_only, settable=settable_flags(found.rights)))
    session.tell([Exists(count), RecentCount(recent)])
    if unseen is not None and manner.recent and not manner.uid_only:  # it is a number, and RFC 9051 knows it no more
        session.send(render.untagged("OK", "The first unseen message", f"UNSEEN {unseen}"))
    session.send(render.untagged("OK", "UIDs are valid", f"UIDVALIDITY {mailbox.uidvalidity}"))
    session.send(render.untagged("OK", "The next UID", f"UIDNEXT {mailbox.uidnext}"))
    session.send(render.untagged("OK", "What it is known by", f"MAILBOXID ({visible.mailbox_id(mailbox)})"))
    session.send(render.highest_modseq(mailbox.highest_modseq))
    if not manner.recent:
        old_name = None if command.mailbox == found.name else session.name(command.mailbox)
        session.send(render.listed("LIST", (), session.name(found.name), old_name=old_name))  # RFC 9051 6.3.2
    # What was said on the bus since the rights were read, nobody has heard: another's mailbox is looked at once more.
    anothers = mailbox.account_id != account_id
    session.selected = Selected(
        mailbox.id,
        read_only,
        opened,
        Journal(mailbox.highest_modseq),
        doubtful=anothers,
        owner_id=mailbox.account_id,
        rights=found.rights,
        rights_doubtful=anothers,
    )
    session.machine.selected()
    session.send(over_quota)
    if resync is not None:
        await tell_away(session, session.selected, away, resync, first_recent_uid)
    if read_only:
        return Done("Selected for reading only", "READ-ONLY")
    return Done("Selected", "READ-WRITE")


async def create(session: Session, command: Create) -> Done:
    name = _new_name(command.mailbox)
    special_use = _special_use(command.special_uses)
    account_id = session.account.id

    def change(tx: Tx) -> Mailbox:
        owner_id, inner = visible.place_for(tx.connection, account_id, name)
        if special_use and owner_id != account_id:
            raise Refusal("What a mailbox of another's is for is not yours to say", "USEATTR")
        everything = mailboxes.list_mailboxes(tx.connection, account_id) if special_use else ()
        if any(each.special_use == special_use for each in everything):
            raise Refusal("There is a mailbox for that already", "USEATTR")
        return mailbox_changes.create_mailbox(owner_id, inner, special_use)(tx)

    made = await session.change(change)
    called = made.name if made.account_id == account_id else name
    _tell_other_name(session, command.mailbox.removesuffix(SEPARATOR), called)
    return Done("Created", f"MAILBOXID ({visible.mailbox_id(made)})")


async def delete(session: Session, command: Delete) -> Done:
    """The mailbox goes with its messages; those below it stay, and its name stays as a level (RFC 3501 6.3.4)."""
    account_id = session.account.id
    name = mailboxes.canonical_name(_clean(command.mailbox))

    def change(tx: Tx) -> int:
        owner_id, inner = account_id, name
        if visible.is_others(name):
            found = visible.need(tx.connection, account_id, name, "x").mailbox
            owner_id, inner = found.account_id, found.name
        mailbox = mailboxes.find_mailbox(tx.connection, owner_id, inner)
        if mailbox is None:
            if _below(tx, account_id, name):
                # RFC 3501 6.3.4: an error for a level that is no mailbox.
                raise Refusal("That is no mailbox but a level with mailboxes below it", "HASCHILDREN")
            raise NoSuchMailbox(name)
        mailbox_changes.delete_mailbox(owner_id, inner)(tx)
        return mailbox.id

    mailbox_id = await session.change(change)
    if session.selected is not None and session.selected.mailbox_id == mailbox_id:
        session.unselect()
        session.send(render.untagged("OK", "That was the selected one", "CLOSED"))
    return Done("Deleted")


async def rename(session: Session, command: Rename) -> Done:
    """What is subscribed to stays subscribed to by the old name (RFC 3501 6.3.6 leaves the list to the client).

    Those below go along. Of another's, each that the account can see wants `x` too; what it cannot see goes along
    unasked, as in a folder of files: a refusal would tell that it is there.
    """
    name, old = _new_name(command.new), _clean(command.old.removesuffix(SEPARATOR))
    account_id = session.account.id

    def change(tx: Tx) -> None:
        owner_id, inner = visible.place_for(tx.connection, account_id, name)
        source_id, source = account_id, mailboxes.canonical_name(old)
        if visible.is_others(old):
            found = visible.need(tx.connection, account_id, old, "x")
            source_id, source = found.mailbox.account_id, found.mailbox.name
        if source_id != owner_id:
            raise Refusal("A mailbox stays with its owner", "CANNOT")
        if source_id != account_id and source == mailboxes.INBOX:
            raise Refusal("Another's INBOX cannot be renamed", "CANNOT")
        below = _below(tx, source_id, source) if source != mailboxes.INBOX else []  # below which all stay
        for each in below if source_id != account_id else ():
            rights = sharing.rights_on(tx.connection, each, account_id)
            if "l" in rights and "x" not in rights:
                raise visible.not_permitted()
        if any(visible.is_others(inner + each.name[len(source) :]) for each in below):
            raise Refusal("A mailbox below it would be called as others' are", "CANNOT")
        mailbox_changes.rename_mailbox(owner_id, source, inner)(tx)

    await session.change(change)
    if mailboxes.canonical_name(old) != mailboxes.INBOX:  # which is still there
        _tell_other_name(session, command.old, mailboxes.canonical_name(name))
    return Done("Renamed")


async def subscribe(session: Session, command: Subscribe) -> Done:
    """RFC 3501 6.3.6: a name that does not exist, or does no longer, can be subscribed to."""
    name = _clean(command.mailbox)
    await session.change(mailbox_changes.subscribe(session.account.id, name, command.on))
    return Done("Subscribed" if command.on else "No longer subscribed")


async def namespace(session: Session, command: Namespace) -> Done:
    account_id = session.account.id
    shared = await session.read(lambda connection: sharing.anything_shared(connection, account_id))
    others = b'(("%b/" "/"))' % visible.OTHERS.encode("ascii") if shared else b"NIL"
    session.send(b'* NAMESPACE (("" "/")) %b NIL\r\n' % others)
    return Done("Your own, and what others share with you" if shared else "One namespace, your own")


async def check(session: Session, command: Check) -> Done:
    """RFC 3501 6.4.1: there is nothing to be checkpointed, so it is as good as NOOP."""
    return Done("Checked")


async def close(session: Session, command: Close) -> Done:
    """RFC 3501 6.4.2: expunges without a word, unless the mailbox was only examined or may not be expunged (RFC 4314 4)."""
    selected = session.the_selected()
    session.unselect()
    if not selected.read_only and "e" in selected.rights:
        await session.change(expunge(selected.mailbox_id))
    return Done("Closed")


async def unselect(session: Session, command: Unselect) -> Done:
    session.unselect()
    return Done("No longer selected")


def _below(tx: Tx, owner_id: int, name: str) -> list[Mailbox]:
    everything = mailboxes.list_mailboxes(tx.connection, owner_id)
    return [each for each in everything if each.name.startswith(name + SEPARATOR)]


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
