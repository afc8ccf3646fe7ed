"""CAPABILITY, NOOP, LOGOUT, ID, STARTTLS, COMPRESS, LOGIN, AUTHENTICATE, ENABLE, IDLE. RFC 3501 6.1-6.2, RFC 2971, 4959,
4978, 5161, 2177.
"""

from __future__ import annotations

import asyncio
import binascii

from ...accounts.accounts import SignedInAccount
from ...accounts.exchange import begin
from ...mail.reply import Reply
from ...sasl import CANCEL, Challenge, Fault, decode_response
from .. import render
from ..answers import Done, HangUp, Refusal
from ..enabled import Extension, switched_on
from ..grammar.session import (
    Authenticate,
    Capability,
    Compress,
    Enable,
    Id,
    Idle,
    Login,
    Logout,
    Noop,
    StartTls,
)
from ..machine import Fatal, Line
from ..session import Session
from .notify import tell_watched, unasked

HANDSHAKE_S = 30.0


async def capability(session: Session, command: Capability) -> Done:
    session.send(render.capability(session.capabilities))
    return Done("That is what I can do")


async def noop(session: Session, command: Noop) -> Done:
    """The news that the client asks for with it are told after every command, and after this one looked for."""
    return Done("Nothing done")


async def logout(session: Session, command: Logout) -> Done:
    session.unselect()
    session.send(render.untagged("BYE", "Goodbye"))
    session.machine.logged_out()
    return Done("Signed out")


async def id_(session: Session, command: Id) -> Done:
    session.send(b'* ID ("name" "Merpati")\r\n')
    return Done("Pleased to meet you")


async def starttls(session: Session, command: StartTls) -> Done:
    """RFC 3501 6.2.1. The tagged OK is said in the clear, and what the client sent after the command is forgotten."""
    if session.connection.is_tls:
        raise Refusal("The connection is encrypted already", status="BAD")
    if session.tls_context is None:
        raise Refusal("There is no certificate", "UNAVAILABLE")
    return Done("Begin TLS now")


async def compress(session: Session, command: Compress) -> Done:
    """RFC 4978 3. The tagged OK is still said in the clear."""
    if command.algorithm != "DEFLATE":
        raise Refusal("Only DEFLATE is known here", "CANNOT")
    if session.connection.is_compressed:
        raise Refusal("The connection is compressed already", "COMPRESSIONACTIVE")
    return Done("From here on")


async def login(session: Session, command: Login) -> Done:
    _may_sign_in(session)
    return await _sign_in(
        session, command.username.decode("utf-8", "replace"), command.password.decode("utf-8", "replace")
    )


async def authenticate(session: Session, command: Authenticate) -> Done:
    exchange = begin(
        command.mechanism,
        session.accounts,
        bindings=session.bindings,
        protocol="imap",
        ip=session.connection.peer_ip,
    )
    if exchange is None:
        raise Refusal("That mechanism is not offered", "CANNOT")
    _may_sign_in(session)
    found = await exchange.start(command.initial)
    while isinstance(found, Challenge):
        found = await exchange.answer(await _answer(session, found.data))
    if isinstance(found, Fault):
        raise Refusal("The name or the password cannot be right", "AUTHENTICATIONFAILED")
    return _signed_in(session, found)


async def _answer(session: Session, challenge: bytes) -> bytes:
    """Sends a challenge and waits for the answer. Raises Refusal when the client gives up (RFC 3501 6.2.2)."""
    session.machine.expect_line()
    session.send(b"+ %b\r\n" % binascii.b2a_base64(challenge, newline=False))
    event = await session.next_event()
    match event:
        case Line(octets) if octets == CANCEL:
            raise Refusal("You gave up", status="BAD")
        case Line(octets):
            answer = decode_response(octets)
            if answer is None:
                raise Refusal("That is not base64", status="BAD")
            return answer
        case Fatal(text):
            raise HangUp(text)
    raise AssertionError(event)


def _may_sign_in(session: Session) -> None:
    if not session.may_sign_in:
        raise Refusal("Use STARTTLS first: the password would be readable on the way", "PRIVACYREQUIRED")


async def _sign_in(session: Session, username: str, password: str) -> Done:
    return _signed_in(
        session, await session.accounts.sign_in(username, password, protocol="imap", ip=session.connection.peer_ip)
    )


def _signed_in(session: Session, answer: SignedInAccount | Reply) -> Done:
    """Raises Refusal."""
    match answer:
        case Reply():
            # A client that is told UNAVAILABLE tries again later and does not ask its user for another password.
            code = "UNAVAILABLE" if answer.temporary else "AUTHENTICATIONFAILED"
            raise Refusal(answer.reason.for_peer, code)
        case SignedInAccount():
            session.signed_in(answer)
            return Done("Signed in", "CAPABILITY " + " ".join(session.capabilities))


async def enable(session: Session, command: Enable) -> Done:
    """RFC 5161: what is not known is passed over, and what was on before is not said again."""
    said = []
    condstore = False
    for extension, brings in switched_on(command.capabilities).items():
        if not session.has(extension):
            said.append(extension.value)
        if Extension.CONDSTORE in brings:
            condstore = True
        session.machine.enabled |= brings - {Extension.CONDSTORE}
    session.send(" ".join(("* ENABLED", *said)).encode("ascii") + b"\r\n")
    if condstore:
        session.imply_condstore()
    return Done("Enabled")


async def idle(session: Session, command: Idle) -> Done:
    """RFC 2177: news as they come, until DONE."""
    session.machine.expect_line()
    session.send(render.continuation("idling"))
    await session.tell_news(may_expunge=True, look=True)
    await tell_watched(session)
    clock = asyncio.get_running_loop().time
    until = clock() + session.settings.idle_timeout_s
    still_here_at = clock() + session.settings.still_here_s
    while (event := session.machine.next_event()) is None:
        await session.flush()
        try:
            await session.receive(min(until, still_here_at))
        except HangUp:
            if session.connection.ended or session.access_ended or clock() >= until:
                raise
            session.send(render.untagged("OK", "Still here"))
            still_here_at = clock() + session.settings.still_here_s
        await unasked(session, idling=True)
    match event:
        case Line(octets) if octets.strip().upper() == b"DONE":
            return Done("No longer idle")
        case Fatal(text):
            raise HangUp(text)
    raise Refusal("DONE was expected", status="BAD")
