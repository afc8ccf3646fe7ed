"""One connection: octets in, replies out, commands one after another, and an end that is always the same.

aiosmtpd's `SMTP` with the parts replaced that read, time and close. Promises:
- a hang-up cancels nothing: what is being stored is stored (aiosmtpd cancels the handler, RFC 5321 4.5.4.1 then makes
  the peer send the message again);
- each wait for the peer has a deadline of its own, and no deadline runs while we work;
- replies to pipelined commands leave together (RFC 2920 3.2), and always before we wait;
- an exception of ours is `451 4.3.0`, without a word of what went wrong.
Leaves the commands to `session.py` and the octets' rules to `line_rules.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Sequence
from typing import AnyStr, ClassVar, NoReturn, cast

from aiosmtpd.smtp import SMTP, Session

from ..mail.reason import because
from ..mail.reply import Reply
from .doors import SignedIn, TlsContext
from .inbox import Inbox, Interrupted
from .limits import Budget
from .line_rules import MAX_COMMAND_OCTETS, LineFault, LineReader
from .relay_policy import plain_ip
from .replies import (
    ACCESS_ENDED,
    COMMAND_MALFORMED,
    COMMAND_TOO_LONG,
    COMMAND_UNKNOWN,
    PEER_QUIET,
    SHUTTING_DOWN,
    render,
    render_lines,
)
from .settings import Listener, SmtpSettings
from .starttls import describe, upgrade, usable_context
from .transaction import Transaction

log = logging.getLogger("merpati.smtp")
logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd's: several lines for each connection

FLUSH_OCTETS = 16 * 1024
LINGER_S = 1.0
ABORT_AFTER_S = 10.0


class Ended(Exception):
    """The connection is over; no fault of ours."""


class PeerGone(Ended):
    """The peer has hung up."""


class PeerQuiet(Ended):
    """The peer said nothing, or read nothing, until its time was up."""


class HangUp(Ended):
    """We have said our last word on this connection. heard: by a peer that asked for it, and has nothing more to say."""

    def __init__(self, *, heard: bool = False) -> None:
        self.heard = heard


class Connection(SMTP):
    """admit: called with the peer's address, says None or the reply it is sent away with; begun: called once with the
    task that handles the connection, if it was admitted."""

    # aiosmtpd's own reader is not used; it must only not hold back a TLS transport.
    line_length_limit = 64 * 1024
    commands: ClassVar[dict[str, str]] = {}
    """Verb → name of the method that obeys it."""

    def __init_subclass__(cls) -> None:
        cls.commands = {name.removeprefix("smtp_"): name for name in dir(cls) if name.startswith("smtp_")}

    def __init__(
        self,
        handler: object,
        *,
        settings: SmtpSettings,
        listener: Listener,
        tls: TlsContext,
        admit: Callable[[str], Reply | None],
        begun: Callable[[Connection, asyncio.Task[None]], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.settings = settings
        self.listener = listener
        self.ip = ""
        self.tls: str | None = None
        self.account: SignedIn | None = None
        self._tls_context = tls
        self._admit = admit
        self._begun = begun
        self._inbox = Inbox(loop)
        self._lines = LineReader()
        self._out = bytearray()
        self._can_write = asyncio.Event()
        self._can_write.set()
        self._gone = False
        self._waits_for_command = False
        self._stopping = False
        self.access_ended = False  # of the account that is signed in
        self._bad_commands = Budget(settings.bad_commands_most)
        self._unheard: Callable[[], None] | None = None
        self._reply_written = False
        self._abort_handle: asyncio.TimerHandle | None = None
        # Past aiosmtpd's own __init__, which looks through all members of itself and of the handler for each connection:
        # that was a fifth of what a message cost us. These are what the rest of it needs.
        self.event_handler = handler
        self.hostname = settings.hostname
        self.loop = loop
        self.session = None
        self.envelope = None
        self.transport = None
        self._handler_coroutine = None

    # ── what the transport tells us

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        peername = transport.get_extra_info("peername")
        if not peername:  # gone before we looked
            transport.abort()
            return
        self.ip = plain_ip(peername[0])
        refusal = self._admit(self.ip)
        if refusal is not None:
            if not self.listener.implicit_tls:
                transport.write(render(refusal))
            transport.close()
            return
        # asyncio does so only for sockets that were made with IPPROTO_TCP, and an accepted one has what its listener had;
        # without it a reply may wait 40 ms for the peer's delayed acknowledgement.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._inbox.attach(transport)
        self.transport = transport
        self.session = self._create_session()
        self.session.peer = peername
        self._set_rset_state()
        self._handler_coroutine = self.loop.create_task(self._handle_client())
        self._begun(self, self._handler_coroutine)

    def data_received(self, data: bytes) -> None:
        if self._reply_written:
            self._unheard = None
        self._inbox.feed(data)

    def eof_received(self) -> bool:
        """The peer will send no more, but may still want to hear our replies (`printf … | nc`)."""
        if not self._reply_written:
            self._was_not_heard()
        self._inbox.end()
        return self.tls is None

    def connection_lost(self, error: Exception | None) -> None:
        self._gone = True
        if not self._reply_written or error is not None:
            self._was_not_heard()
        if self._abort_handle is not None:
            self._abort_handle.cancel()
        self._inbox.end()
        self._can_write.set()

    def pause_writing(self) -> None:
        self._can_write.clear()

    def resume_writing(self) -> None:
        self._can_write.set()

    def shut_down(self) -> None:
        """The server stops: what is under way is finished, then the peer hears 421."""
        self._stopping = True
        if self._waits_for_command:
            self._inbox.interrupt()

    def end_access(self) -> None:
        """The account was removed or got another password: nothing more is taken, and the peer hears 421."""
        self.access_ended = True
        if self._waits_for_command:
            self._inbox.interrupt()

    @property
    def task(self) -> asyncio.Task[None] | None:
        return self._handler_coroutine

    @property
    def helo(self) -> str:
        return (self.session.host_name or "") if self.session is not None else ""

    @property
    def greeted(self) -> Session:
        assert self.session is not None
        return self.session

    @property
    def extended(self) -> bool:
        return self.session is not None and self.session.extended_smtp

    def if_unheard(self, then: Callable[[], None]) -> None:
        """`then` is called when the peer goes away without having had the reply that is about to be given."""
        self._unheard = then
        self._reply_written = False
        if self._gone:
            self._was_not_heard()

    def _was_not_heard(self) -> None:
        if self._unheard is not None:
            self._unheard()
            self._unheard = None

    # ── words out

    def say(self, reply: Reply) -> None:
        self._out += render(reply)

    def say_lines(self, code: int, lines: Sequence[str]) -> None:
        """A reply without an enhanced code."""
        self._out += render_lines(code, lines)

    async def push(self, status: AnyStr) -> None:
        """aiosmtpd's way to reply."""
        self._out += (status if isinstance(status, bytes) else status.encode("ascii", "replace")) + b"\r\n"

    async def flush(self) -> None:
        """Raises PeerGone, and PeerQuiet when the peer does not read."""
        if self._gone:
            raise PeerGone
        self._write_out()
        if self._can_write.is_set():
            return
        try:
            async with asyncio.timeout(self.settings.command_timeout_s):
                await self._can_write.wait()
        except TimeoutError:
            raise PeerQuiet from None

    def _write_out(self) -> None:
        if self._out and self.transport is not None:
            cast(asyncio.WriteTransport, self.transport).write(bytes(self._out))
            self._out.clear()
            self._reply_written = True

    # ── octets in

    async def receive(self, timeout_s: float) -> bytes:
        """At least one octet. Raises PeerGone, PeerQuiet, Interrupted."""
        await self.flush()
        try:
            data = await self._inbox.read(timeout_s)
        except TimeoutError:
            raise PeerQuiet from None
        if not data:
            raise PeerGone
        return data

    async def receive_line(self, limit: int = MAX_COMMAND_OCTETS) -> bytes | LineFault:
        """The deadline is for the whole line, so that it cannot be put off octet by octet."""
        if self.access_ended:
            raise Interrupted
        line = self._lines.next(limit)
        if line is not None:
            return line
        deadline = self.loop.time() + self.settings.command_timeout_s
        self._waits_for_command = True
        try:
            while line is None:
                if self._stopping or self.access_ended:
                    raise Interrupted
                self._lines.feed(await self.receive(max(deadline - self.loop.time(), 0)))
                line = self._lines.next(limit)
        finally:
            self._waits_for_command = False
        return line

    def take_content(self) -> bytes:
        """What has come already after the line that was obeyed last."""
        return self._lines.take()

    async def receive_content(self) -> bytes:
        """The next octets of a message. The deadline starts anew with each piece."""
        return await self.receive(self.settings.content_timeout_s)

    @property
    def something_came(self) -> bool:
        """After the line that was obeyed last."""
        return bool(self._lines) or bool(self._inbox)

    def put_back(self, data: bytes) -> None:
        """What followed the message: the next commands."""
        self._lines.feed(data)

    # ── the life of the connection

    async def _handle_client(self) -> None:
        try:
            if self.listener.implicit_tls:
                await self.start_tls()
            await self.greet()
            while True:
                await self._obey(await self.receive_line())
                if len(self._out) > FLUSH_OCTETS:
                    await self.flush()
        except Interrupted:
            self.say(ACCESS_ENDED if self.access_ended else SHUTTING_DOWN)
            await self._linger()
        except PeerQuiet:
            self.say(PEER_QUIET)
        except HangUp as last:
            if not last.heard:
                await self._linger()
        except (PeerGone, OSError) as gone:  # OSError: of the transport; those of our work are caught in _obey
            log.debug("%s: the connection has ended: %r", self.ip, gone)
        except Exception:
            log.exception("%s: the connection was given up", self.ip)
        finally:
            self._close()

    async def greet(self) -> None:
        self.say_lines(220, [f"{self.hostname} ESMTP Merpati"])

    async def _obey(self, line: bytes | LineFault) -> None:
        if isinstance(line, LineFault):
            self.bad(COMMAND_TOO_LONG if line is LineFault.TOO_LONG else COMMAND_MALFORMED)
            return
        verb, _, argument = line.decode("utf-8", "surrogateescape").partition(" ")
        command = self.commands.get(verb.upper()) if verb.isascii() else None
        if command is None:
            self.bad(COMMAND_UNKNOWN)
            return
        try:
            await getattr(self, command)(argument.strip(" ") or None)
        except (Ended, Interrupted):
            raise
        except Exception as error:
            self._set_rset_state()
            await self.push(await self.handle_exception(error))

    def bad(self, reply: Reply) -> None:
        """Says a reply to something that a well-made peer does not do; too many of them end the connection."""
        if self._bad_commands.spend():
            self.last_word(Reply(421, "7.0", because("too-many-mistakes", ip=self.ip)))
        self.say(reply)

    def last_word(self, reply: Reply) -> NoReturn:
        """Raises HangUp."""
        self.say(reply)
        raise HangUp

    async def start_tls(self) -> None:
        """Upgrades the transport; all that was said in plaintext is forgotten. Raises HangUp."""
        context = usable_context(self._tls_context)
        if context is None:
            raise HangUp
        self._lines.clear()
        self._inbox.clear()
        plain = cast(asyncio.WriteTransport, self.transport)
        try:
            secured = self.transport = await upgrade(plain, self, context, self.settings.handshake_timeout_s)
        except OSError as error:
            log.info("%s: no TLS: %s", self.ip, error)
            self._gone = True
            raise PeerGone from error
        self.tls = describe(secured)
        self._inbox.attach(secured)
        self.session = self._create_session()
        self.account = None
        self._set_rset_state()

    async def _linger(self) -> None:
        """Lets the peer read our last word: a socket that is closed over unread octets resets the connection."""
        transport = cast(asyncio.Transport | None, self.transport)
        if self._gone or transport is None or not transport.can_write_eof():
            return
        self._write_out()
        with contextlib.suppress(
            OSError, Interrupted
        ):  # TimeoutError is an OSError; so is a peer that has gone already
            transport.write_eof()
            deadline = self.loop.time() + LINGER_S
            while await self._inbox.read(deadline - self.loop.time()):
                pass

    def _close(self) -> None:
        self._set_rset_state()
        transport = cast(asyncio.Transport | None, self.transport)
        if not self._gone and transport is not None:
            self._write_out()
            transport.close()
            # A peer that reads nothing must not hold the socket open.
            self._abort_handle = self.loop.call_later(ABORT_AFTER_S, transport.abort)
        self.transport = None

    # ── aiosmtpd's ways that are not ours

    def _reset_timeout(self, duration: float | None = None) -> None:
        """aiosmtpd has one timer for everything, the storing too; here each wait has its own."""

    def _create_envelope(self) -> Transaction:
        return Transaction()

    def _set_rset_state(self) -> None:
        """The transaction is over, one way or another. RFC 5321 4.1.1.5."""
        self.transaction.discard()
        self.envelope = self._create_envelope()

    @property
    def transaction(self) -> Transaction:
        if not isinstance(self.envelope, Transaction):
            self.envelope = self._create_envelope()
        assert isinstance(self.envelope, Transaction)
        return self.envelope
