"""APPEND and REPLACE: messages streamed from the client into the store.

They are on the card when OK is said: all that one command brings, or none of it. Memory does not grow with them: pieces
go to a spool as they come, and what the spools of one command keep in memory together is bounded.
RFC 3501 6.3.11, RFC 3502, RFC 4315 3 (APPENDUID), RFC 4469, RFC 7889, RFC 8508.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import TypeVar

from ...mime.parts import Part
from ...store.changes.messages import NewMessage, append
from ...store.changes.messages import replace as replace_change
from ...store.flags import EVERY_FLAG, to_bits, within
from ...store.refusals import NoSuchMailbox
from ...store.spool import Spool, SpooledContent
from ...store.transaction import Change
from .. import render, visible
from ..answers import Done, HangUp, Refusal
from ..grammar.append import Append, AppendItem, Literal, Message, Replace, Url
from ..machine import AppendEnded, AppendMore, AppendOctets, AppendReady, Fatal, Fault, NeedContinuation
from ..rights import settable_flags
from ..session import Session
from ..values import STAR, SequenceSet, sequence_set
from ..visible import VisibleMailbox
from .catenate import resolve
from .quota import need_quota

T = TypeVar("T")

MOST_MESSAGES = 1000  # of one command; Dovecot has no limit, Cyrus 1000
MOST_IN_FILES = 50  # of them too large for memory: each has a descriptor
MOST_HELD_OCTETS = 8 * 1024 * 1024  # of what is kept in memory until all are there


async def append_message(session: Session, event: AppendReady) -> Done:
    """An APPEND or REPLACE whose messages are still to come, at least in part."""
    return await _append(session, event.command, streamed=True)


async def append_whole(session: Session, command: Append | Replace) -> Done:
    """One that brings no octets of its own: it is put together from what is here already (RFC 4469)."""
    return await _append(session, command, streamed=False)


async def _append(session: Session, command: Append | Replace, *, streamed: bool) -> Done:
    incoming = _Incoming(session)
    try:
        replaced_uid = await _replaced(session, command) if isinstance(command, Replace) else None
        target = await _target(session, command.mailbox)
        mailbox_id = target.mailbox.id
        incoming.settable = settable_flags(target.rights)
        # What a REPLACE takes away is free for what it brings: the change itself knows whether that is enough.
        incoming.owner_id = target.mailbox.account_id if replaced_uid is None else None
        await incoming.take(command.items)
        if streamed:
            await incoming.receive()
        messages = await incoming.whole()
        try:
            if replaced_uid is None:
                uidvalidity, uids = await session.change(_permitted(session, append(mailbox_id, messages), mailbox_id))
            else:
                source_id = session.the_selected().mailbox_id
                uidvalidity, uids = await _replace(session, source_id, replaced_uid, mailbox_id, messages[0])
        except NoSuchMailbox:
            raise Refusal("The mailbox was deleted meanwhile", "TRYCREATE") from None
    finally:
        incoming.discard()
        if session.machine.in_append:  # refused on the way
            session.machine.refuse_append()
    # RFC 4315 3: who may not select the target learns nothing of its UIDs.
    code = f"APPENDUID {uidvalidity} {sequence_set(uids)}" if "r" in target.rights else None
    if replaced_uid is None:
        return Done("Kept", code)
    # RFC 8508 3.4: the new UID is told before the old message is said to be gone.
    session.send(render.untagged("OK", "The new one is kept", code))
    return Done("Replaced")


async def _replaced(session: Session, command: Replace) -> int:
    """The UID of the message that is to go. Raises Refusal: then nothing is done."""
    await session.need_rights()
    await session.need_view()
    selected = session.writable("te")  # RFC 8508 3.5 with RFC 4314 4
    pair = (command.replaced, command.replaced)
    if command.replaced == STAR and not len(selected.view):
        raise Refusal("There is no message to replace", "NONEXISTENT")
    places = session.places(SequenceSet((pair,)), by_uid=command.by_uid)
    if not places:
        raise Refusal("There is no message of that UID", "NONEXISTENT")
    return selected.view.uids[places[0]]


async def _replace(
    session: Session, source_id: int, uid: int, mailbox_id: int, new: NewMessage
) -> tuple[int, list[int]]:
    change = replace_change(source_id, uid, mailbox_id, new)
    placed = await session.change(_permitted(session, change, mailbox_id))
    if placed is None:
        raise Refusal("The message to replace is gone", "EXPUNGEISSUED")
    return placed


def _permitted(session: Session, change: Change[T], mailbox_id: int) -> Change[T]:
    return visible.permitted(change, session.account.id, mailbox_id, "i")


async def _target(session: Session, name: str) -> VisibleMailbox:
    """Raises Refusal with TRYCREATE, which tells the client that CREATE would help."""
    account_id = session.account.id
    return await session.read(lambda connection: visible.need(connection, account_id, name, "i", missing="TRYCREATE"))


class _Incoming:
    """The messages of one command as they come; `discard` in any case."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._message: Message | None = None  # the one that is coming
        self._spool: Spool | None = None
        self._messages: list[NewMessage] = []
        self._octets = self._spooled_octets = self._held_octets = self._in_files = 0  # of those that are whole
        self.settable = EVERY_FLAG  # which flags the new messages may have (RFC 4314 4)
        self.owner_id: int | None = None  # whose quota is asked before they come

    async def take(self, items: Iterable[AppendItem]) -> None:
        """What is said before, between and after streamed literals. Raises Refusal."""
        for item in items:
            match item:
                case Message():
                    await self._finish()
                    self._begin(item)
                case Literal(size_octets):
                    await self._need(size_octets)
                case Url(text):
                    await self._copy(text)

    async def receive(self) -> None:
        """All octets that are streamed. Raises Refusal when the command goes on where it should end, HangUp when it breaks
        off."""
        session = self._session
        self._let_come()
        while True:
            match await session.next_event():
                case AppendOctets(octets):
                    await self._write(octets)
                case AppendMore(items):
                    await self.take(items)
                    self._let_come()
                case AppendEnded(items):
                    await self.take(items)
                    return
                case NeedContinuation():
                    session.send(render.continuation("Go on"))
                case Fault(_, text, status, code):
                    raise Refusal(text, code, status=status)
                case Fatal(text):
                    raise HangUp(text)
                case event:
                    raise AssertionError(event)

    async def whole(self) -> tuple[NewMessage, ...]:
        await self._finish()
        return tuple(self._messages)

    def discard(self) -> None:
        if self._spool is not None:
            self._spool.discard()
        for each in self._messages:
            each.content.discard()

    def _let_come(self) -> None:
        if self._session.machine.accept_append():
            self._session.send(render.continuation("Ready for the message"))

    def _begin(self, message: Message) -> None:
        if len(self._messages) >= MOST_MESSAGES:
            raise Refusal(f"No more than {MOST_MESSAGES} messages at once", "LIMIT")
        # The spools' folder may be memory as well: together they are as large as one message may be, and the last one.
        spooled = self._spooled_octets >= self._session.settings.message_octets
        if spooled or self._held_octets > MOST_HELD_OCTETS or self._in_files >= MOST_IN_FILES:
            raise Refusal("Too much at once, send fewer messages together", "LIMIT")
        self._message = message
        self._spool = self._session.store.open_spool()

    async def _need(self, size_octets: int) -> None:
        """So many octets are to be added. Raises Refusal, StorageLow."""
        assert self._message is not None and self._spool is not None
        if not size_octets and not self._message.in_parts:  # RFC 3502: so a client takes back the whole command
            raise Refusal("A message without any octets is none", "CANNOT")
        most = self._session.settings.message_octets
        if self._spool.size + size_octets > most:
            raise Refusal(f"The message is larger than {most} octets", "TOOBIG")
        together = self._octets + self._spool.size + size_octets
        if self.owner_id is not None:
            await need_quota(self._session, self.owner_id, together)
        await asyncio.to_thread(self._session.store.need_room, together)

    async def _write(self, octets: bytes) -> None:
        assert self._spool is not None
        await asyncio.to_thread(self._spool.write, octets)

    async def _copy(self, url: str) -> None:
        """A part that is here already. RFC 4469 3: BADURL with the URL, which is written as it came."""
        source = await resolve(self._session, url)
        await self._need(source.size)
        pieces = source.pieces()
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            await self._write(piece)

    async def _finish(self) -> None:
        message, spool = self._message, self._spool
        if message is None or spool is None:
            return
        if not spool.size:
            raise Refusal("A message without any octets is none", "CANNOT")
        content = await asyncio.to_thread(spool.finish)
        flags, keywords = within(self.settable, 0, "", *to_bits(message.flags))
        when = time.time() if message.internal_date is None else message.internal_date.timestamp()
        self._messages.append(NewMessage(content, flags, keywords, int(when)))
        self._message = self._spool = None
        self._octets += content.size
        self._spooled_octets += content.stored_octets
        self._held_octets += _held(content)
        self._in_files += content.packed is None


def _held(content: SpooledContent) -> int:
    """Octets in memory, about: what the structure takes goes with the headers that it was read from."""
    return len(content.packed or b"") + len(content.header) + 4 * _header_octets(content.structure.root)


def _header_octets(part: Part) -> int:
    return part.body_start - part.header_start + sum(map(_header_octets, part.children))
