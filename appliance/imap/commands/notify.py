"""NOTIFY, and the telling of what it asks for: after each command, between commands and while the client idles. RFC 5465."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace

from ...store import mailboxes
from ...store.refusals import StoreRefusal
from .. import listing, render, rights, visible
from ..answers import Done, HangUp, Refusal
from ..grammar.fetch import Fetch, Section
from ..grammar.mailboxes import StatusItem
from ..grammar.notify import OF_MESSAGES, Group, Happening, Notify
from ..machine import State
from ..notify import MOST_NAMES, SERVER, SUPPORTED, Known, Mailboxes, Told, Watch
from ..session import FLUSH_OCTETS, Session
from ..values import SequenceSet
from . import fetch
from .status import values_of

log = logging.getLogger("merpati.imap")

NOTHING_KNOWN = Mailboxes({}, frozenset())
STATUS = (StatusItem.MESSAGES, StatusItem.UIDNEXT, StatusItem.UIDVALIDITY, StatusItem.UNSEEN)


async def notify(session: Session, command: Notify) -> Done:
    """What was asked for before is forgotten; a command that is refused changes nothing."""
    if any(group.unknown or Happening.ANNOTATION_CHANGE in group.happenings for group in command.groups):
        raise Refusal("There are no such events here", f"BADEVENT ({' '.join(SUPPORTED)})")
    if sum(len(group.mailboxes) for group in command.groups) > MOST_NAMES:
        raise Refusal("Too many mailboxes to look at", "NOTIFICATIONOVERFLOW")
    account_id = session.account.id
    before = session.watch
    watch = Watch(map(_with_clean_names, command.groups), account_id=account_id, mailboxes=NOTHING_KNOWN)
    session.watch, session.fetch_new = watch, fetch_new  # and hears already what changes while the list is read
    try:
        watch.mailboxes = await session.read(lambda connection: _mailboxes(connection, account_id))
    except BaseException:
        session.watch = before
        raise
    named = {name for group in watch.named() for name in group.mailboxes}
    for known in watch.mailboxes.known.values():
        if known.name in named and not known.readable:  # RFC 5465 5.9
            session.send(_listed(session, Told(known.name, ("\\NoAccess",))))
    if command.status:
        await _tell_status(session, watch, dict.fromkeys(watch.mailboxes.known, OF_MESSAGES))
    return Done("You will be told" if command.groups else "You will not be told")


async def unasked(session: Session, *, idling: bool = False) -> None:
    """What is to be told while no command runs, or only IDLE. Raises HangUp."""
    watch = session.watch
    if watch is None:
        if idling:
            await session.tell_news(may_expunge=True)
        return
    try:
        if watch.tells_selected:
            await session.tell_news(may_expunge=idling or watch.tells_expunged)
        await tell_watched(session)
    except StoreRefusal as refusal:
        log.error("changes of mailboxes could not be read: %s", refusal)
        raise HangUp("Something went wrong here, try again later") from None


async def tell_watched(session: Session) -> None:
    """Of mailboxes that are not selected."""
    watch = session.watch
    if watch is None or not watch.has_news or session.machine.state is State.LOGOUT:
        return
    if watch.overflowed:
        session.send(render.untagged("OK", "Too much is happening, you will not be told", "NOTIFICATIONOVERFLOW"))
        session.watch = Watch((), account_id=session.account.id, mailboxes=NOTHING_KNOWN)
        return
    pending = watch.take()
    if pending.mailboxes:
        account_id = session.account.id
        now = await session.read(lambda connection: _mailboxes(connection, account_id))
        for told in watch.differences(now):
            session.send(_listed(session, told))
    await _tell_status(session, watch, pending.happened)
    for mailbox_id, entries in pending.entries.items():
        known = watch.mailboxes.known.get(mailbox_id)
        if mailbox_id == SERVER:
            name = b'""'
        elif known is not None and known.noted and Happening.MAILBOX_METADATA_CHANGE in _wanted(watch, known):
            name = session.name(known.name)
        else:
            continue
        # RFC 5464 4.4.2: unsolicited, the entries alone.
        said = b" ".join(render.astring(entry.encode()) for entry in entries)
        session.send(b"* METADATA %b %b\r\n" % (name, said))


async def _tell_status(session: Session, watch: Watch, happened: Mapping[int, AbstractSet[Happening]]) -> None:
    """RFC 5465 3.1 and 5.1-5.3: one form for all, in which each event's numbers are. HIGHESTMODSEQ is for FlagChange."""
    selected_id = None if session.selected is None else session.selected.mailbox_id
    asked: list[tuple[int, bytes, tuple[StatusItem, ...]]] = []
    for mailbox_id, what in happened.items():
        known = watch.mailboxes.known.get(mailbox_id)
        if known is None or not known.readable or mailbox_id == selected_id:
            continue
        wanted = _wanted(watch, known)
        if wanted & what:
            items = STATUS if Happening.FLAG_CHANGE not in wanted else (*STATUS, StatusItem.HIGHESTMODSEQ)
            asked.append((mailbox_id, session.name(known.name), items))
    if not asked:
        return

    def query(connection: sqlite3.Connection) -> list[bytes]:
        lines = []
        for mailbox_id, name, items in asked:
            mailbox = mailboxes.get_mailbox(connection, mailbox_id)
            if mailbox is not None:
                values = values_of(connection, mailbox, items, session.settings.message_octets)
                lines.append(render.status(name, values))
        return lines

    for line in await session.read(query):
        session.send(line)
        await session.flush(at_least=FLUSH_OCTETS)


async def fetch_new(session: Session, uids: list[int]) -> None:
    """RFC 5465 5.2: what is wanted of each message that came into the selected mailbox. None of them is seen by it."""
    watch, selected = session.watch, session.selected
    if watch is None or selected is None or not watch.items or not uids:
        return
    items = tuple(replace(item, peek=True) if isinstance(item, Section) else item for item in watch.items)
    read_only, selected.read_only = selected.read_only, True  # for RFC822, which has no form that peeks
    try:
        await fetch.fetch(session, Fetch(SequenceSet(tuple((uid, uid) for uid in uids)), items, by_uid=True))
    except Refusal as refusal:  # such as of a part that cannot be decoded
        session.send(render.untagged("NO", refusal.done.words, refusal.done.code))
    finally:
        selected.read_only = read_only


def _with_clean_names(group: Group) -> Group:
    return replace(group, mailboxes=tuple(mailboxes.canonical_name(listing.composed(name)) for name in group.mailboxes))


def _mailboxes(connection: sqlite3.Connection, account_id: int) -> Mailboxes:
    known = {
        each.mailbox.id: Known(
            each.name, each.mailbox.account_id == account_id, "r" in each.rights, rights.may_see_notes(each.rights)
        )
        for each in visible.mailboxes_of(connection, account_id)
    }
    return Mailboxes(known, frozenset(mailboxes.subscriptions(connection, account_id)))


def _wanted(watch: Watch, known: Known) -> frozenset[Happening]:
    return watch.wanted(known.name, own=known.own, subscribed=watch.mailboxes.subscribed)


def _listed(session: Session, told: Told) -> bytes:
    old_name = None if told.old_name is None else session.name(told.old_name)
    return render.listed("LIST", told.attributes, session.name(told.name), old_name=old_name)
