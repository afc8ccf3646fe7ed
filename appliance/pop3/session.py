"""One client's connection: feeds the machine, does what it asks of the accounts and the store, and sends.

Promises: nothing is sent faster than the peer takes it, and no more than a piece of a message is held; every wait for the
peer has an end; messages are removed when QUIT was said and only then, and are gone for good before the client hears so;
the maildrop is free again when the client hears that QUIT is done, or when the session has ended in any other way; a fault
of ours tells no inner details. Leaves the order of commands to `machine.py`. RFC 1939 3 and 6.

Known limit: fetching a message does not make it \\Seen; who reads over POP3 alone sees all of it as new over IMAP.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from ..accounts.accounts import Accounts, SignedInAccount
from ..accounts.exchange import new_nonce
from ..mail.reason import because
from ..mail.reply import Reply
from ..sasl import ScramKeys
from ..status.events import AccessEnded
from ..status.events import Event as BusEvent
from ..store.changes.messages import remove
from ..store.interface import Store
from ..store.refusals import Damaged, NoSuchMessage
from ..tls.channel_bindings import channel_bindings
from ..wire.connection import Connection, ConnectionGone
from ..wire.listener import HANDSHAKE_S, ConnectionLimits
from . import inbox
from .downgrade import downgraded
from .events import Answer, Event, Goodbye, Judge, LookUp, Retrieve, SignIn, StartTls, Update
from .grammar import Code
from .locks import MaildropLocks
from .machine import Pop3Machine, Situation
from .multiline import multiline

log = logging.getLogger("merpati.pop3")

Sleep = Callable[[float], Awaitable[None]]

CUT_OFF_S = 10.0  # for the answer that is under way when the access ends
TURN_EVENTS = 50
FLUSH_OCTETS = 64 * 1024  # answers are gathered up to here, so that a line is not a packet


@dataclass(slots=True, frozen=True)
class Pop3Settings:
    """hostname: for the greeting; allow_plaintext_loopback: peers on this machine may sign in without TLS.
    stall_timeout_s: how long a peer may take nothing of an answer."""

    hostname: str
    allow_plaintext_loopback: bool = True
    limits: ConnectionLimits = field(default_factory=ConnectionLimits)
    sign_in_timeout_s: float = 60.0
    idle_timeout_s: float = 10 * 60.0  # RFC 1939 3: at least 10 minutes
    stall_timeout_s: float = 5 * 60.0
    failed_sign_in_delay_s: float = 3.0


class Session:
    def __init__(
        self,
        connection: Connection,
        *,
        store: Store,
        accounts: Accounts,
        settings: Pop3Settings,
        locks: MaildropLocks,
        tls: Callable[[], ssl.SSLContext] | None,
        sleep: Sleep,
    ) -> None:
        self._connection = connection
        self._store = store
        self._accounts = accounts
        self._settings = settings
        self._locks = locks
        self._tls = tls
        self._sleep = sleep
        self._account_id: int | None = None  # whose maildrop is locked by this session
        self._proves: tuple[str, ScramKeys] | None = None  # who signs in with SCRAM
        self._access_ended = False  # the account was removed or got another password
        self._out = bytearray()
        self._began_at = self._now_s()
        loopback = connection.peer_ip in ("127.0.0.1", "::1")
        self._machine = Pop3Machine(
            Situation(
                hostname=settings.hostname,
                tls=connection.is_tls,
                tls_possible=tls is not None,
                may_sign_in=connection.is_tls or (loopback and settings.allow_plaintext_loopback),
                bindings=channel_bindings(connection.ssl_object),
            ),
            new_nonce,
        )

    async def run(self) -> None:
        """From greeting to goodbye. Raises ConnectionGone."""
        try:
            await self._do(self._machine.greeting())
            turn = 0
            while (event := await self._next_event()) is not None and await self._do(event):
                # Who sends thousands of commands in one go gets no more than its turn.
                turn = (turn + 1) % TURN_EVENTS
                if not turn:
                    await asyncio.sleep(0)
            if self._access_ended:
                self._out += self._machine.err(because("access-ended"), Code.AUTH)
        except (ConnectionGone, asyncio.CancelledError):
            raise
        except Exception:
            log.exception("a session ended by a fault of ours")
            self._out += self._machine.err(because("our-fault", what="POP3"), Code.SYS_TEMP)
        finally:
            self._unlock()
        await self._flush()
        self._connection.hang_up()
        await self._connection.closed(self._settings.stall_timeout_s)

    async def _next_event(self) -> Event | None:
        """None when the client hung up or was silent for too long. It is not told: RFC 1939 3 wants no answer then."""
        since = self._now_s()
        if self._access_ended:
            return None
        while (event := self._machine.next_event()) is None:
            await self._flush()
            patience_s = self._deadline(since) - self._now_s()
            if self._access_ended or self._connection.ended or patience_s <= 0:
                return None
            try:
                await self._connection.wait(patience_s)
            except TimeoutError:
                return None
            if not self._access_ended:
                self._machine.receive(self._connection.take())
        return event

    def hear(self, event: BusEvent) -> None:
        """The bus's listener."""
        if isinstance(event, AccessEnded) and event.account_id == self._account_id:
            self._access_ended = True
            self._connection.nudge()
            # A message under way may end, if it does so soon: a peer that reads slowly shall not read on for hours.
            asyncio.get_running_loop().call_later(CUT_OFF_S, self._connection.abort)

    def _deadline(self, since: float) -> float:
        if self._account_id is None:
            return self._began_at + self._settings.sign_in_timeout_s
        return since + self._settings.idle_timeout_s

    async def _do(self, event: Event) -> bool:
        """False: hang up."""
        match event:
            case Answer(octets):
                self._out += octets
            case Goodbye(octets):
                self._out += octets
                return False
            case SignIn() | LookUp() | Judge():
                return await self._do(await self._sign_in(event))
            case StartTls():
                await self._start_tls()
            case Retrieve():
                await self._retrieve(event)
            case Update():
                return await self._do(await self._update(event))
        if len(self._out) >= FLUSH_OCTETS:
            await self._flush()
        return True

    # signing in

    async def _sign_in(self, asked: SignIn | LookUp | Judge) -> Event:
        try:
            found = await self._ask_accounts(asked)
            if found is None:
                return self._machine.proof_taken()
            if isinstance(found, ScramKeys):
                return self._machine.keys_found(found)
            if isinstance(found, Reply):
                # In all protocols alike, so that guessing is as slow here as there.
                await self._sleep(self._settings.failed_sign_in_delay_s)
                code = Code.LOGIN_DELAY if found.temporary else Code.AUTH
                return self._machine.sign_in_failed(found.reason, code)
            if not self._locks.take(found.id):
                return self._machine.sign_in_refused(because("maildrop-in-use"), Code.IN_USE)
            self._account_id = found.id
            return self._machine.signed_in(await self._store.read(lambda connection: inbox.look(connection, found.id)))
        except Exception:
            log.exception("a fault of ours while signing in")
            self._unlock()
            return self._machine.sign_in_refused(because("our-fault", what="POP3"), Code.SYS_TEMP)

    async def _ask_accounts(self, asked: SignIn | LookUp | Judge) -> SignedInAccount | ScramKeys | Reply | None:
        """None: the proof may be taken."""
        accounts, ip = self._accounts, self._connection.peer_ip
        match asked:
            case LookUp(wanted):
                keys = await accounts.scram_keys(wanted.authcid, ip=ip)
                if not isinstance(keys, Reply):
                    self._proves = wanted.authcid, keys
                return keys
            case Judge(proof):
                return await accounts.scram_proof(proof.authcid, right=proof.right, protocol="pop3", ip=ip)
            case SignIn(credentials) if credentials is not None:
                return await accounts.sign_in(credentials.username, credentials.password, protocol="pop3", ip=ip)
            case SignIn():
                assert self._proves is not None
                return await accounts.scram_sign_in(*self._proves, protocol="pop3", ip=ip)

    async def _start_tls(self) -> None:
        assert self._tls is not None
        try:
            context = self._tls()
        except OSError as fault:  # ssl.SSLError is one too
            log.error("there is no certificate to use: %s", fault)
            await self._do(self._machine.tls_failed())
            return
        self._out += self._machine.tls_answer
        await self._flush()
        await self._connection.start_tls(context, HANDSHAKE_S)
        self._machine.tls_started(channel_bindings(self._connection.ssl_object))

    # the maildrop

    async def _retrieve(self, asked: Retrieve) -> None:
        """Raises ConnectionGone also when the message does not read back: a part of it is out already, and only a
        connection that breaks tells the client that it was not all."""
        try:
            size_octets, pieces = await self._store.read(
                lambda connection: inbox.message(self._store, connection, asked.mailbox_id, asked.uid)
            )
            answer = multiline(pieces if asked.utf8 else downgraded(pieces), asked.lines)
            piece = await asyncio.to_thread(next, answer, None)
        except NoSuchMessage as refusal:
            self._out += self._machine.err(refusal.reason)
            return
        except Damaged as refusal:
            log.error("a message could not be sent: %s", refusal)
            self._store.note_damaged(refusal)
            self._out += self._machine.err(refusal.reason, Code.SYS_PERM)
            return
        except Exception:
            log.exception("a fault of ours while reading a message")
            self._out += self._machine.err(because("our-fault", what="POP3"), Code.SYS_TEMP)
            return
        self._out += (
            self._machine.ok("The top of it")
            if asked.lines is not None
            else self._machine.ok("{octets} octets", octets=size_octets)
        )
        await self._send(piece, answer)

    async def _send(self, piece: bytes | None, more: Iterator[bytes]) -> None:
        try:
            while piece is not None:
                self._out += piece
                if len(self._out) >= FLUSH_OCTETS:
                    await self._flush()
                piece = await asyncio.to_thread(next, more, None)
        except (ConnectionGone, asyncio.CancelledError):
            raise
        except Exception as fault:
            log.exception("a message could not be sent whole")
            if isinstance(fault, Damaged):
                self._store.note_damaged(fault)
            self._connection.abort()
            raise ConnectionGone("a message could not be sent whole") from fault

    async def _update(self, asked: Update) -> Goodbye:
        """RFC 1939 6. Durability: durable before the client hears +OK."""
        refused = None
        try:
            if asked.uids:
                await self._store.write(remove(asked.mailbox_id, asked.uids))
        except Exception as fault:
            log.exception("messages could not be removed")
            refused = because("not-removed", what=fault)
        self._unlock()
        return self._machine.updated(refused)

    def _unlock(self) -> None:
        if self._account_id is not None:
            self._locks.release(self._account_id)
            self._account_id = None

    # octets out

    async def _flush(self) -> None:
        """Raises ConnectionGone."""
        if self._out:
            octets, self._out = self._out, bytearray()
            self._connection.write(octets)
            await self._connection.drain(self._settings.stall_timeout_s)
            # A peer that takes everything at once never makes `drain` wait; the others want their turn all the same.
            await asyncio.sleep(0)

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()
