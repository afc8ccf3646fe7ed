"""The IMAP component: listens, and holds the conversation with each client. RFC 3501 5.4 and 7.1.5.

Promises: commands of one client run one after another; a fault of ours ends the command and not the connection, and tells
no inner details; every client hears BYE when the server stops.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from array import array
from collections.abc import Callable
from functools import partial

from ..accounts.accounts import Accounts
from ..store.interface import Store
from ..store.refusals import StoreRefusal
from ..wire.connection import Connection, ConnectionGone
from ..wire.listener import Listener
from . import render
from .answers import Done, HangUp, Refusal, refused_by_store
from .commands.append import append_message
from .commands.notify import tell_watched, unasked
from .commands.session import HANDSHAKE_S
from .commands.table import DOES, goes_by_numbers, may_tell_expunged
from .enabled import Extension
from .grammar.command import Command
from .grammar.mailboxes import Check, Select
from .grammar.session import Compress, Noop, StartTls
from .machine import AppendReady, CommandReady, Fatal, Fault, NeedContinuation, State
from .session import FLUSH_OCTETS, ImapSettings, Session
from .text_index import TextIndex

__all__ = ["ImapServer", "ImapSettings"]

log = logging.getLogger("merpati.imap")

AT_ONCE = 30  # commands of one client that are answered before others have their turn, if none of them waits

OUR_FAULT = Done("Something went wrong here, try again later", "SERVERBUG", "NO")


class ImapServer:
    """tls: asked for each handshake; None switches STARTTLS off. implicit_tls: connections begin with the handshake. index:
    started and stopped by whoever made it; None: every search for a text looks into each message."""

    def __init__(
        self,
        settings: ImapSettings,
        store: Store,
        accounts: Accounts,
        *,
        tls: Callable[[], ssl.SSLContext] | None,
        implicit_tls: bool = False,
        index: TextIndex | None = None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._accounts = accounts
        self._tls = tls
        self._index = index
        self._listener = Listener(
            self._serve,
            limits=settings.limits,
            too_many=b"* BYE Too many connections, try again later\r\n",
            tls=tls if implicit_tls else None,
        )

    async def start(self, host: str, port: int, *, sock: socket.socket | None = None) -> int:
        """Returns the port; 0 asks for any. A listening socket that somebody else opened is taken in place of both."""
        return await self._listener.start(host, port, sock=sock)

    async def stop(self) -> None:
        await self._listener.stop()

    def health(self) -> str | None:
        return self._listener.health()

    @property
    def connections(self) -> int:
        return self._listener.connections

    async def _serve(self, connection: Connection) -> None:
        session = Session(
            connection,
            store=self._store,
            accounts=self._accounts,
            settings=self._settings,
            tls_context=self._tls,
            index=self._index,
        )
        bus = self._store.bus
        with bus.listening(session.hear), bus.listening(session.hear_watched):
            await converse(session)


async def converse(session: Session) -> None:
    """From greeting to goodbye."""
    try:
        words = f"{session.settings.hostname} Merpati is ready"
        session.send(render.untagged("OK", words, "CAPABILITY " + " ".join(session.capabilities)))
        answered = 0
        while session.machine.state is not State.LOGOUT:
            await _answer_next(session)
            await session.flush(at_least=FLUSH_OCTETS)
            answered += 1
            if not answered % AT_ONCE:
                await asyncio.sleep(0)
        await session.flush()
    except HangUp as end:
        if end.words is not None:
            session.say_goodbye(end.words)
    except ConnectionGone:
        pass
    except asyncio.CancelledError:
        session.say_goodbye("The server is going down, come back soon")
        raise


async def _answer_next(session: Session) -> None:
    match await session.next_event(partial(unasked, session)):
        case (CommandReady(tag, command) | AppendReady(tag, command)) as event:
            done = await _run(session, event)
            end = await _news(session, command)
            code = done.code
            if done.highest_modseq and session.selected is not None and session.has(Extension.CONDSTORE):
                code = f"HIGHESTMODSEQ {session.selected.journal.modseq}"
            session.send(render.tagged(tag, done.status, done.words, code))
            if end is not None:
                raise end
            if isinstance(command, StartTls) and done.status == "OK":
                await _start_tls(session)
            if isinstance(command, Compress) and done.status == "OK":
                session.hand_over()
                session.connection.compress(session.machine.compressed())
        case NeedContinuation():
            session.send(render.continuation("Go on"))
        case Fault(tag, text, status, code, forgets_saved):
            if forgets_saved and session.selected is not None:
                session.selected.saved = array("I")
            if tag is None:
                session.send(render.untagged(status, text, code))
            else:
                session.send(render.tagged(tag, status, text, code))
        case Fatal(text):
            raise HangUp(text)
        case event:
            raise AssertionError(event)


async def _run(session: Session, event: CommandReady | AppendReady) -> Done:
    """The tagged response."""
    session.tag = event.tag
    try:
        if isinstance(event, AppendReady):
            return await append_message(session, event)
        if not isinstance(event.command, Select):  # for which the mailbox before does not matter any more
            await session.need_rights()
        if goes_by_numbers(event.command):
            await session.need_view()
        return await DOES[type(event.command)](session, event.command)
    except Refusal as refusal:
        return refusal.done
    except StoreRefusal as refusal:
        return refused_by_store(refusal)
    except (HangUp, ConnectionGone):
        raise
    except Exception:
        log.exception("a fault of ours in %s", type(event.command).__name__)
        return OUR_FAULT


async def _news(session: Session, command: Command) -> HangUp | None:
    """What others did meanwhile. It cannot undo the command: the tagged response is said before what is returned."""
    try:
        await session.tell_news(may_expunge=may_tell_expunged(command), look=isinstance(command, (Noop, Check)))
        await tell_watched(session)
    except HangUp as end:
        return end
    except StoreRefusal as refusal:
        log.error("changes of a mailbox could not be read: %s", refusal)
        return HangUp("Something went wrong here, try again later")
    return None


async def _start_tls(session: Session) -> None:
    assert session.tls_context is not None
    await session.flush()
    await session.connection.start_tls(session.tls_context(), HANDSHAKE_S)
    session.machine.tls_started()
