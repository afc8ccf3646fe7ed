"""One SMTP connection to another server, on aiosmtplib: every step with its own deadline, replies as values.

Promises: `open` ends in a connection that has said EHLO and is as safe as its policy asks, or raises one of this
module's faults; every other method gives a `RemoteReply` or raises `ConnectionFault`, after which the connection is
closed. Content is streamed with back pressure: memory stays the same for 25 MB as for 25 KB. What a reply means is
`interpret.py`'s. RFC 5321 4.5.3.2 (deadlines), 3.2 (HELO after a refused EHLO), RFC 3207 4.2 (EHLO again after TLS).

It stands on aiosmtplib's protocol object and not on its `SMTP` class, which wants the whole message in memory, mends its
line ends, and in 3.0 cannot connect to one address while verifying another name. Of the protocol all is public but
`_drain_helper`, which is what `asyncio.StreamWriter.drain` calls on any protocol. Works with 3.0 (Debian trixie) to 5.1.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from aiosmtplib.auth import auth_login_encode, auth_plain_encode
from aiosmtplib.errors import SMTPException, SMTPServerDisconnected, SMTPTimeoutError
from aiosmtplib.esmtp import parse_esmtp_extensions
from aiosmtplib.protocol import SMTPProtocol

from .interpret import RemoteReply, Step
from .parameters import Extensions
from .tls_policy import Move, Security, TlsPolicy, after_ehlo, may_try_without


@dataclass(slots=True, frozen=True)
class Timeouts:
    """Seconds for each wait. RFC 5321 4.5.3.2 asks for at least these; connecting is not in it (Postfix takes 30)."""

    connect_s: float = 30
    greeting_s: float = 300
    ehlo_s: float = 300
    tls_s: float = 120
    auth_s: float = 120
    mail_s: float = 300
    rcpt_s: float = 300
    data_s: float = 120
    piece_s: float = 180
    dot_s: float = 600
    rset_s: float = 20
    quit_s: float = 5


@dataclass(slots=True, frozen=True)
class Target:
    """One address of one host. host: for SNI, verification and words; ip: where to connect to."""

    host: str
    ip: str
    port: int
    policy: TlsPolicy


@dataclass(slots=True, frozen=True)
class Credentials:
    username: str
    password: str = field(repr=False)


class TransportFault(Exception):
    """The base of what goes wrong on a connection. why: one clause for the owner."""

    def __init__(self, step: Step, why: str) -> None:
        super().__init__(f"{step}: {why}")
        self.step = step
        self.why = why


class ConnectionFault(TransportFault):
    """No connection, or the line broke, or the peer was silent for too long or made no sense."""


class TlsFault(TransportFault):
    """TLS is required and did not come about."""


class SignInFault(TransportFault):
    """The peer did not let us sign in; reply: its words, if it said any."""

    def __init__(self, why: str, reply: RemoteReply | None = None) -> None:
        super().__init__(Step.AUTH, why)
        self.reply = reply


class Refused(TransportFault):
    """The peer refused the connection in words: at the greeting or EHLO."""

    def __init__(self, step: Step, reply: RemoteReply) -> None:
        super().__init__(step, str(reply))
        self.reply = reply


class Contexts:
    """TLS contexts for outgoing connections, each made once: loading the authorities takes time and memory."""

    def __init__(self) -> None:
        self._made: dict[tuple[bool, str | None], ssl.SSLContext] = {}

    async def get(self, policy: TlsPolicy) -> ssl.SSLContext:
        """Raises OSError or ssl.SSLError when the policy's cafile cannot be used."""
        key = (policy.verified, policy.cafile)
        if key not in self._made:
            self._made[key] = await asyncio.to_thread(_make_context, *key)
        return self._made[key]


class SmtpConnection:
    """Made by `open_connection`. tls: e.g. `TLSv1.3 TLS_AES_256_GCM_SHA384`, None without TLS; extensions: as offered
    last; uses: how many transactions it has carried, for `pool.py`."""

    def __init__(self, protocol: SMTPProtocol, target: Target, timeouts: Timeouts) -> None:
        self._protocol = protocol
        self._timeouts = timeouts
        self.target = target
        self.tls: str | None = None
        self.extensions: Extensions = {}
        self.uses = 0

    @property
    def alive(self) -> bool:
        return self._protocol.is_connected

    async def mail(self, argument: bytes) -> RemoteReply:
        return await self._command(Step.MAIL, self._timeouts.mail_s, b"MAIL", argument)

    async def rcpt(self, argument: bytes) -> RemoteReply:
        return await self._command(Step.RCPT, self._timeouts.rcpt_s, b"RCPT", argument)

    async def data(self) -> RemoteReply:
        return await self._command(Step.DATA, self._timeouts.data_s, b"DATA")

    async def rset(self) -> RemoteReply:
        return await self._command(Step.RSET, self._timeouts.rset_s, b"RSET")

    async def content(self, pieces: AsyncIterator[bytes]) -> tuple[RemoteReply, bool]:
        """After a 354: sends the pieces, which must be dot-stuffed and end with the lone dot.

        Returns the reply, and whether it came after the dot; one that came before means that the peer gave up, and the
        connection is closed. Raises ConnectionFault, with step DOT when the dot was sent and its fate is unknown; and
        whatever `pieces` raises, after closing without a dot.
        """
        # Asked for before the first octet goes out: a peer that refuses in the middle is heard, not talked over.
        reply = asyncio.ensure_future(self._protocol.read_response(timeout=None))
        step = Step.DATA
        try:
            async for piece in pieces:
                if reply.done():
                    break
                self._protocol.write(piece)
                async with asyncio.timeout(self._timeouts.piece_s):
                    await self._protocol._drain_helper()
            else:
                step = Step.DOT
            async with asyncio.timeout(self._timeouts.dot_s):
                answer = await reply
        except TimeoutError:
            self.abort()
            raise ConnectionFault(step, "no answer in time") from None
        except (SMTPException, OSError) as fault:
            self.abort()
            raise ConnectionFault(step, _words(fault)) from fault
        except BaseException:
            self.abort()
            raise
        finally:
            reply.add_done_callback(lambda done: done.cancelled() or done.exception())
            reply.cancel()
        if step is Step.DATA or answer.code == 421:
            self.abort()
        return RemoteReply.of(*answer), step is Step.DOT

    async def quit(self) -> None:
        """Says goodbye, if there is somebody to say it to. Never raises."""
        if self.alive:
            with contextlib.suppress(SMTPException, OSError):
                await self._protocol.execute_command(b"QUIT", timeout=self._timeouts.quit_s)
        self.abort()

    def abort(self) -> None:
        """Closes without a word. Content whose dot was not sent is not taken by any server."""
        transport: Any = self._protocol.transport
        if transport is not None:
            transport.abort()

    async def hello(self, name: str) -> None:
        """EHLO, or HELO where that is not known. Raises Refused, ConnectionFault."""
        reply = await self._command(Step.EHLO, self._timeouts.ehlo_s, b"EHLO", name.encode(), keep_lines=True)
        if reply.ok:
            self.extensions, _ = parse_esmtp_extensions(reply.text)
            return
        if not 500 <= reply.code < 600:
            raise Refused(Step.EHLO, RemoteReply.of(reply.code, reply.text))
        self.extensions = {}
        reply = await self._command(Step.EHLO, self._timeouts.ehlo_s, b"HELO", name.encode())
        if not reply.ok:
            raise Refused(Step.EHLO, reply)

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Raises TlsFault; the connection is closed then."""
        try:
            await self._protocol.start_tls(context, server_hostname=self.target.host, timeout=self._timeouts.tls_s)
        except (SMTPException, OSError, ValueError) as fault:
            self.abort()
            raise TlsFault(Step.STARTTLS, _words(fault)) from fault
        except asyncio.CancelledError:
            self.abort()
            raise
        self.note_tls()

    def note_tls(self) -> None:
        transport: Any = self._protocol.transport
        tls = transport.get_extra_info("ssl_object") if transport is not None else None
        if tls is not None:
            self.tls = f"{tls.version()} {tls.cipher()[0]}"

    async def sign_in(self, credentials: Credentials) -> None:
        """AUTH PLAIN, or LOGIN where only that is offered. Raises SignInFault, ConnectionFault. RFC 4954, RFC 4616."""
        offered = self.extensions.get("auth", "").upper().split()
        name, password = credentials.username.encode(), credentials.password.encode()
        if "PLAIN" in offered:
            reply = await self._auth(b"AUTH", b"PLAIN", auth_plain_encode(name, password))
        elif "LOGIN" in offered:
            encoded_name, encoded_password = auth_login_encode(name, password)
            reply = await self._auth(b"AUTH", b"LOGIN", encoded_name)
            if reply.code == 334:
                reply = await self._auth(encoded_password)
        else:
            raise SignInFault("it offers no way to sign in that is known here")
        if reply.code != 235:
            raise SignInFault(str(reply), reply)

    async def _auth(self, *words: bytes) -> RemoteReply:
        return await self._command(Step.AUTH, self._timeouts.auth_s, *words)

    async def _command(self, step: Step, wait_s: float, *words: bytes, keep_lines: bool = False) -> RemoteReply:
        try:
            answer = await self._protocol.execute_command(*words, timeout=wait_s)
        except SMTPTimeoutError:
            self.abort()
            raise ConnectionFault(step, f"no answer within {wait_s:g} seconds") from None
        except (SMTPException, OSError) as fault:
            self.abort()
            raise ConnectionFault(step, _words(fault)) from fault
        except BaseException:
            self.abort()
            raise
        if answer.code == 421:  # the peer closes now, whatever was asked (RFC 5321 3.8)
            self.abort()
        return RemoteReply(*answer) if keep_lines else RemoteReply.of(*answer)


async def open_connection(
    target: Target, *, helo: str, contexts: Contexts, timeouts: Timeouts, credentials: Credentials | None = None
) -> SmtpConnection:
    """Connected, greeted, encrypted as the policy asks, signed in if there is something to sign in with.

    Raises ConnectionFault, Refused, TlsFault, SignInFault: nothing is left open then. Where TLS is a bonus and fails,
    the host is called again without.
    """
    try:
        return await _open(target, helo, contexts, timeouts, credentials, tls_failed_before=False)
    except TlsFault:
        if not may_try_without(target.policy):
            raise
    return await _open(target, helo, contexts, timeouts, credentials, tls_failed_before=True)


async def _open(
    target: Target,
    helo: str,
    contexts: Contexts,
    timeouts: Timeouts,
    credentials: Credentials | None,
    tls_failed_before: bool,
) -> SmtpConnection:
    connection = await _dial(target, contexts, timeouts)
    try:
        await connection.hello(helo)
        encrypted = connection.tls is not None
        offered = "starttls" in connection.extensions
        match after_ehlo(target.policy, offered=offered, encrypted=encrypted, failed_before=tls_failed_before):
            case Move.GIVE_UP:
                raise TlsFault(Step.STARTTLS, "it does not offer TLS")
            case Move.START_TLS:
                await connection.start_tls(await _context(contexts, target.policy))
                await connection.hello(helo)
            case Move.GO_ON:
                pass
        if credentials is not None:
            await connection.sign_in(credentials)
    except (Refused, SignInFault):
        await connection.quit()
        raise
    except BaseException:
        connection.abort()
        raise
    return connection


async def _dial(target: Target, contexts: Contexts, timeouts: Timeouts) -> SmtpConnection:
    implicit = target.policy.security is Security.IMPLICIT
    context = await _context(contexts, target.policy) if implicit else None
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeouts.connect_s):
            _, protocol = await loop.create_connection(
                lambda: SMTPProtocol(loop=loop),
                target.ip,
                target.port,
                ssl=context,
                server_hostname=target.host if implicit else None,
            )
    except TimeoutError:
        raise ConnectionFault(Step.CONNECT, f"no answer within {timeouts.connect_s:g} seconds") from None
    except (ssl.SSLError, ValueError) as fault:
        raise TlsFault(Step.CONNECT, _words(fault)) from fault
    except OSError as fault:
        raise ConnectionFault(Step.CONNECT, _words(fault)) from fault
    connection = SmtpConnection(protocol, target, timeouts)
    connection.note_tls()
    try:
        greeting = RemoteReply.of(*await protocol.read_response(timeout=timeouts.greeting_s))
    except SMTPTimeoutError:
        connection.abort()
        raise ConnectionFault(Step.GREETING, f"no greeting within {timeouts.greeting_s:g} seconds") from None
    except (SMTPException, OSError) as fault:
        connection.abort()
        raise ConnectionFault(Step.GREETING, _words(fault)) from fault
    except BaseException:
        connection.abort()
        raise
    if greeting.code != 220:
        await connection.quit()
        raise Refused(Step.GREETING, greeting)
    return connection


async def _context(contexts: Contexts, policy: TlsPolicy) -> ssl.SSLContext:
    try:
        return await contexts.get(policy)
    except OSError as fault:  # ssl.SSLError is one
        raise TlsFault(Step.STARTTLS, f"the file of trusted certificates cannot be used: {_words(fault)}") from fault


def _make_context(verified: bool, cafile: str | None) -> ssl.SSLContext:
    if verified:
        context = ssl.create_default_context(cafile=cafile)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
    return context


def _words(fault: BaseException) -> str:
    """What a person can do something with, instead of a class name and an errno."""
    match fault:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not to be trusted ({fault.verify_message})"
        case ssl.SSLError():
            return f"TLS did not come about ({fault.reason or fault})"
        case SMTPServerDisconnected() | ConnectionResetError() | BrokenPipeError():
            return "the connection was closed by the other side"
        case ConnectionRefusedError():
            return "the connection was refused"
        case OSError(strerror=str(text)):
            return text.lower()
    return " ".join(str(fault).split()) or type(fault).__name__
