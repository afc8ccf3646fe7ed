"""One client's connection: what it has selected, what it is owed, and the octets to and from it.

Promises: what other sessions did to the selected mailbox is told whole and in order; nothing is sent faster than the peer
takes it; every wait for the peer has an end. Leaves the order of commands to `machine.py`, what a command does to
`commands/`, and the conversation as a whole to `server.py`. RFC 3501 5.2-5.4 and 7.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import ssl
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from ..accounts.accounts import Accounts, SignedInAccount
from ..mail.content import Content
from ..sasl import offered
from ..status.events import AccessEnded, Event, MailboxChanged, MailboxListChanged
from ..store import mailboxes
from ..store.changes.mailboxes import take_recent
from ..store.interface import Store
from ..store.refusals import Damaged, NoSuchMailbox, StorageFailed, StorageLow, StoreRefusal
from ..store.transaction import Change, Tx, WithContents
from ..tls.channel_bindings import channel_bindings
from ..wire.connection import Connection, NotDeflate
from ..wire.listener import ConnectionLimits, is_loopback
from . import render, visible
from .answers import HangUp, Refusal
from .capabilities import Situation, capabilities
from .enabled import Extension
from .machine import Event as WireEvent
from .machine import ImapMachine, State
from .manner import Manner, manner_of
from .notify import Watch
from .selected import Selected, read_news, read_view
from .text_index import TextIndex
from .values import SequenceSet
from .view import Exists, MailboxView, Note, Untagged
from .visible import not_permitted

log = logging.getLogger("merpati.imap")

T = TypeVar("T")

ACCESS_ENDED = "The password was changed or the account removed, sign in again"
CUT_OFF_S = 10.0  # for the command that runs when the access ends
FLUSH_OCTETS = 64 * 1024  # answers are gathered up to here, so that a line is not a packet


@dataclass(slots=True, frozen=True)
class ImapSettings:
    """hostname: for the greeting; message_octets: the largest APPEND; allow_plaintext_loopback: peers on this machine may
    sign in without TLS. still_here_s: in IDLE, so that routers on the way do not forget the connection."""

    hostname: str
    message_octets: int = 50 * 1024 * 1024
    postmaster: str = ""  # whom people write to about the server; '' where that is not known
    allow_plaintext_loopback: bool = True
    limits: ConnectionLimits = field(default_factory=ConnectionLimits)
    sign_in_timeout_s: float = 60.0
    idle_timeout_s: float = 30 * 60.0  # RFC 3501 5.4: at least 30 minutes
    stall_timeout_s: float = 5 * 60.0  # inside a literal, or of an answer that the peer does not take
    still_here_s: float = 4 * 60.0  # Dovecot: 2 minutes


@dataclass(slots=True, frozen=True)
class Portion:
    """Octets of a message that are sent as they are read: `before`, then content[start : start + length]. with_nul: the
    literal may hold NUL (RFC 3516)."""

    before: bytes
    content: Content
    start: int
    length: int
    with_nul: bool = False


class Session:
    def __init__(
        self,
        connection: Connection,
        *,
        store: Store,
        accounts: Accounts,
        settings: ImapSettings,
        tls_context: Callable[[], ssl.SSLContext] | None,
        index: TextIndex | None = None,
    ) -> None:
        self.connection = connection
        self.store = store
        self.accounts = accounts
        self.settings = settings
        self.tls_context = tls_context
        self.index = index
        self.machine = ImapMachine()
        self.selected: Selected | None = None
        self.tag = ""  # of the command that runs, which ESEARCH repeats
        self.watch: Watch | None = None  # what NOTIFY asked for
        self.fetch_new: Callable[[Session, list[int]], Awaitable[None]] | None = None  # and of new messages
        self._account: SignedInAccount | None = None
        self._out = bytearray()
        self._midway = False
        self.access_ended = False  # the account was removed or got another password
        self._began_at = self._now_s()

    # who and what

    @property
    def account(self) -> SignedInAccount:
        """Of a session that is signed in."""
        assert self._account is not None
        return self._account

    @property
    def may_sign_in(self) -> bool:
        """A password may be asked for on this connection."""
        if self.connection.is_tls:
            return True
        return self.settings.allow_plaintext_loopback and is_loopback(self.connection.peer_ip)

    @property
    def bindings(self) -> dict[str, bytes]:
        """What binds a sign-in to this connection."""
        return channel_bindings(self.connection.ssl_object)

    @property
    def capabilities(self) -> tuple[str, ...]:
        return capabilities(
            Situation(
                signed_in=self._account is not None,
                tls=self.connection.is_tls,
                tls_possible=self.tls_context is not None,
                may_sign_in=self.may_sign_in,
                append_limit=self.settings.message_octets,
                mechanisms=offered(self.bindings),
            )
        )

    def has(self, extension: Extension) -> bool:
        """The client has switched it on."""
        return extension in self.machine.enabled

    @property
    def manner(self) -> Manner:
        """How this client wants to be told of messages."""
        return manner_of(self.machine.enabled)

    def imply_condstore(self) -> None:
        """What has to do with MODSEQs switches CONDSTORE on; a client that has selected a mailbox is told where it stands
        (RFC 7162 3.1)."""
        if self.has(Extension.CONDSTORE):
            return
        self.machine.enabled.add(Extension.CONDSTORE)
        if self.selected is not None:
            self.send(render.highest_modseq(self.selected.journal.modseq))

    @property
    def utf8_names(self) -> bool:
        """Mailbox names go out as UTF-8 and not in modified UTF-7."""
        return self.has(Extension.UTF8) or self.has(Extension.IMAP4REV2)

    def name(self, mailbox: str) -> bytes:
        """A mailbox's name as this client wants it."""
        return render.mailbox(mailbox, utf8=self.utf8_names)

    def signed_in(self, account: SignedInAccount) -> None:
        self._account = account
        self.machine.signed_in()

    def the_selected(self) -> Selected:
        """The selected mailbox; the machine has seen to it that there is one."""
        assert self.selected is not None
        return self.selected

    def writable(self, rights: str = "") -> Selected:
        """Raises Refusal after EXAMINE, and where one of these rights is missing (RFC 4314 4)."""
        selected = self.the_selected()
        if selected.read_only:
            raise Refusal("The mailbox is open for reading only", "READ-ONLY")
        if not all(right in selected.rights for right in rights):
            raise not_permitted()
        return selected

    def unselect(self) -> None:
        if self.machine.state is State.SELECTED:
            self.machine.unselected()
        self.selected = None

    def places(self, wanted: SequenceSet, *, by_uid: bool) -> list[int]:
        """Places in the view. Raises Refusal for a sequence number that does not exist; unknown UIDs are passed over."""
        selected = self.the_selected()
        view = selected.view
        if wanted.is_saved:  # RFC 5182 2.1: those that are gone are in it no more
            return [place for uid in selected.saved if (place := view.place_of(uid)) is not None]
        if by_uid:
            return wanted.in_uids(view.uids)
        places = wanted.in_numbers(len(view))
        if places is None:
            raise Refusal("There is no message of that number", status="BAD")
        return places

    # the store

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        return await self.store.read(query)

    async def change(self, change: Change[T], *, durable: bool = True, in_view: bool = False) -> T:
        """As `Store.write`; what it did to the selected mailbox is still to be told when this returns – or, with
        `in_view`, the caller brings it into the view before anything else."""

        def noted(tx: Tx) -> tuple[T, list[Event]]:
            return change(tx), tx.events

        told = WithContents(change.contents, noted) if isinstance(change, WithContents) else noted
        result, events = await self.store.write(told, durable=durable)
        for event in events:
            self.hear(event)
            if in_view and isinstance(event, MailboxChanged) and self.selected is not None:
                self.selected.journal.own(event.modseq)
        return result

    def hear(self, event: Event) -> None:
        """The bus's listener."""
        if isinstance(event, AccessEnded) and self._account is not None and event.account_id == self._account.id:
            self.access_ended = True
            self.connection.nudge()
            # A command that runs may end, if it does so soon: a peer that reads slowly shall not read on for hours.
            asyncio.get_running_loop().call_later(CUT_OFF_S, self.connection.abort)
        selected = self.selected
        if selected is None:
            return
        if isinstance(event, MailboxChanged) and event.mailbox_id == selected.mailbox_id:
            selected.journal.note(event.modseq, Note(event.appended + event.flagged, event.expunged, event.whole))
            self.connection.nudge()
        elif isinstance(event, MailboxListChanged) and event.account_id in (self.account.id, selected.owner_id):
            selected.doubtful = True  # the selected mailbox may be among the deleted ones
            selected.rights_doubtful = selected.owner_id != self.account.id
            self.connection.nudge()

    def hear_watched(self, event: Event) -> None:
        """Another listener of the bus, for what NOTIFY asked for."""
        selected_id = None if self.selected is None else self.selected.mailbox_id
        if self.watch is not None and self.watch.hear(event, selected_id=selected_id):
            self.connection.nudge()

    async def tell_news(self, *, may_expunge: bool, look: bool = False) -> None:
        """Brings client and view up to date. look: ask the store even when the bus told nothing.

        Raises HangUp when the selected mailbox is no more.
        """
        selected = self.selected
        if selected is None:
            return
        journal = selected.journal
        if not look and not journal.dirty and not selected.doubtful:
            if may_expunge and selected.has_untold:
                self.tell(selected.view.apply((), (), first_recent_uid=0, may_expunge=True))
            return
        selected.doubtful = False
        news = await self.read(lambda connection: read_news(connection, selected.mailbox_id, journal))
        if news is None:
            self.unselect()
            raise HangUp("The mailbox was deleted")
        await self.need_rights()
        if news.modseq <= journal.modseq and not selected.has_untold:
            return  # a large mailbox need not be read for this
        await self.need_view()
        first_recent_uid = news.first_recent_uid
        if not selected.read_only and any(row[0] >= first_recent_uid for row in news.rows):
            first_recent_uid = await self.take_recent(selected.mailbox_id)
        known = selected.view.uids[-1] if len(selected.view) else 0
        told = selected.view.apply(news.rows, news.gone, first_recent_uid=first_recent_uid, may_expunge=may_expunge)
        journal.caught_up(news.modseq)
        self.tell(told if self.watch is None else self.watch.of_selected(told))
        if self.fetch_new is not None:
            await self.fetch_new(self, [row[0] for row in news.rows if row[0] > known])

    async def need_rights(self) -> None:
        """What may be done with the selected mailbox, if it is another's and that may have changed. Raises HangUp when it may
        not be read any more (RFC 4314 5.1.1)."""
        selected = self.selected
        if selected is None or not selected.rights_doubtful:
            return
        selected.rights_doubtful, account_id = False, self.account.id
        found = await self.read(lambda connection: visible.by_id(connection, account_id, selected.mailbox_id))
        if found is None or "r" not in found.rights:
            self.unselect()
            raise HangUp("The mailbox is not shared with you any more")
        if found.rights != selected.rights:
            selected.rights = found.rights
            keywords = selected.view.keyword_names if isinstance(selected.opened, MailboxView) else ()
            self.send(render.flags_in_use(keywords))
            self.send(selected.permanent_flags(keywords))

    async def need_view(self) -> None:
        """Reads the selected mailbox, where that is still to be done: as it stood at SELECT, with the flags of now, which
        the client has not been told yet. Cost: linear in the mailbox, less than a microsecond for each message."""
        selected = self.selected
        if selected is None or isinstance(selected.opened, MailboxView):
            return
        unread = selected.opened
        view = await self.read(lambda connection: read_view(connection, selected.mailbox_id, unread, selected.journal))
        selected.opened = view
        if view.keyword_names:
            self.send(render.flags_in_use(view.keyword_names))
            self.send(selected.permanent_flags(view.keyword_names))
        if len(view) != unread.messages:
            log.error("a mailbox holds %d messages, and its row says %d", len(view), unread.messages)
            self.tell([Exists(len(view))])

    async def take_recent(self, mailbox_id: int) -> int:
        """From a card that takes nothing more, mail can still be read; it is recent for the next session too then, which
        RFC 3501 2.3.2 allows."""
        try:
            return await self.store.write(take_recent(mailbox_id), durable=False)
        except (StorageLow, StorageFailed):
            mailbox = await self.read(lambda connection: mailboxes.get_mailbox(connection, mailbox_id))
            if mailbox is None:
                raise NoSuchMailbox("") from None
            return mailbox.first_recent_uid

    # octets out

    def tell(self, changes: Iterable[Untagged]) -> None:
        """Of messages, in the client's manner."""
        self.send(render.changes(changes, self.manner))

    def send(self, octets: bytes) -> None:
        """Gathered until `flush`."""
        self._out += octets

    async def flush(self, *, at_least: int = 0) -> None:
        """Hands over what was gathered, if it is `at_least` so much. Raises ConnectionGone."""
        if len(self._out) >= at_least:
            self.hand_over()
            await self.connection.drain(self.settings.stall_timeout_s)

    @contextlib.contextmanager
    def one_piece(self) -> Iterator[None]:
        """Around responses that are not whole between one `flush` and the next."""
        self._midway = True
        yield
        self._midway = False

    def say_goodbye(self, words: str) -> None:
        """BYE, unless it would end up in the middle of a message that is being sent."""
        if not self._midway:
            self.send(render.untagged("BYE", words))
        self.hand_over()

    def hand_over(self) -> None:
        """Without waiting for the peer to take it."""
        if self._out:
            self.connection.write(bytes(self._out))
            self._out.clear()

    async def send_portion(self, portion: Portion) -> None:
        """Raises HangUp when the message does not read back: its size has been promised already."""
        self.send(portion.before)
        pieces = portion.content.pieces(portion.start, portion.length)
        sent = 0
        try:
            while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                self.send(piece if portion.with_nul else piece.replace(b"\0", b"\x80"))
                sent += len(piece)
                await self.flush(at_least=FLUSH_OCTETS)
        except StoreRefusal as refusal:
            log.error("a message could not be sent whole: %s", refusal)
            if isinstance(refusal, Damaged):
                self.store.note_damaged(refusal)
            raise HangUp(None) from None
        if sent != portion.length:
            log.error("a message could not be sent whole: %d octets of %d", sent, portion.length)
            raise HangUp(None)

    # octets in

    async def next_event(self, meanwhile: Callable[[], Awaitable[None]] | None = None) -> WireEvent:
        """What the client says next. Raises HangUp when it says nothing for too long, or hung up itself. meanwhile: run
        before each wait for a command to begin."""
        since = self._now_s()
        self._must_have_access()
        while (event := self.machine.next_event()) is None:
            if meanwhile is not None and not self.machine.in_command:
                await meanwhile()
            await self.flush()
            before = self.machine.holds
            await self.receive(self._deadline(since))
            if self.machine.holds != before:
                since = self._now_s()
        return event

    async def receive(self, until: float) -> None:
        """Feeds the machine with what comes until then, or returns on a nudge. Raises HangUp."""
        self._must_have_access()
        if self.connection.ended:
            raise HangUp(None)
        left_s = until - self._now_s()
        try:
            # Who keeps sending is not waited for: that alone would let a stranger stay beyond the deadline for ever.
            if left_s <= 0:
                raise TimeoutError
            await self.connection.wait(left_s)
        except TimeoutError:
            raise HangUp("You said nothing of use for too long") from None
        self._must_have_access()
        try:
            self.machine.receive(self.connection.take())
        except NotDeflate:
            raise HangUp("What you send is not compressed as you said") from None

    def _must_have_access(self) -> None:
        if self.access_ended:
            raise HangUp(ACCESS_ENDED)

    def _deadline(self, since: float) -> float:
        if self._account is None:
            return self._began_at + self.settings.sign_in_timeout_s
        patience_s = self.settings.stall_timeout_s if self.machine.in_command else self.settings.idle_timeout_s
        return since + patience_s

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()
