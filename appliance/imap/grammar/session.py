"""CAPABILITY, NOOP, LOGOUT, ID, STARTTLS, COMPRESS, LOGIN, AUTHENTICATE, ENABLE, IDLE. RFC 3501 6.1-6.2, RFC 2971, 4959,
4978, 5161, 2177.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field

from .cursor import Cursor, GrammarFault

MOST_ID_FIELDS = 30  # RFC 2971 3.3
MOST_ENABLED = 50


@dataclass(slots=True, frozen=True)
class Capability:
    pass


@dataclass(slots=True, frozen=True)
class Noop:
    pass


@dataclass(slots=True, frozen=True)
class Logout:
    pass


@dataclass(slots=True, frozen=True)
class Id:
    fields: tuple[tuple[bytes, bytes | None], ...]


@dataclass(slots=True, frozen=True)
class StartTls:
    pass


@dataclass(slots=True, frozen=True)
class Login:
    username: bytes
    password: bytes = field(repr=False)


@dataclass(slots=True, frozen=True)
class Authenticate:
    """mechanism: in capitals; initial: decoded from base64, None where the client waits for a challenge (RFC 4959)."""

    mechanism: str
    initial: bytes | None = field(repr=False)


@dataclass(slots=True, frozen=True)
class Enable:
    capabilities: tuple[str, ...]


@dataclass(slots=True, frozen=True)
class Idle:
    pass


@dataclass(slots=True, frozen=True)
class Compress:
    """algorithm: in capitals."""

    algorithm: str


def capability(cursor: Cursor) -> Capability:
    return Capability()


def noop(cursor: Cursor) -> Noop:
    return Noop()


def logout(cursor: Cursor) -> Logout:
    return Logout()


def starttls(cursor: Cursor) -> StartTls:
    return StartTls()


def idle(cursor: Cursor) -> Idle:
    return Idle()


def compress(cursor: Cursor) -> Compress:
    """compress = "COMPRESS" SP algorithm (RFC 4978 5)"""
    cursor.space()
    return Compress(cursor.word("a way to compress").decode("ascii"))


def id_(cursor: Cursor) -> Id:
    """id = "ID" SP ("(" *(string SP nstring) ")" / nil)"""
    cursor.space()
    if cursor.take(b"NIL"):
        return Id(())
    words = cursor.parenthesised(cursor.nstring, may_be_empty=True)
    if len(words) % 2 or len(words) > 2 * MOST_ID_FIELDS:
        raise GrammarFault("ID wants pairs of a field and its value, 30 at most")
    pairs = []
    for name, value in zip(words[::2], words[1::2], strict=True):
        if name is None:
            raise GrammarFault("a field of ID must not be NIL")
        pairs.append((name, value))
    return Id(tuple(pairs))


def login(cursor: Cursor) -> Login:
    """login = "LOGIN" SP userid SP password"""
    cursor.space()
    username = cursor.astring()
    cursor.space()
    return Login(username, cursor.astring())


def authenticate(cursor: Cursor) -> Authenticate:
    """authenticate = "AUTHENTICATE" SP auth-type [SP (base64 / "=")] (RFC 4959 3)"""
    cursor.space()
    mechanism = cursor.word("a mechanism").decode("ascii")
    if not cursor.take(b" "):
        return Authenticate(mechanism, None)
    text = cursor.atom("base64")
    if text == b"=":
        return Authenticate(mechanism, b"")
    return Authenticate(mechanism, base64(text))


def base64(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        raise GrammarFault("that is not base64") from None


def enable(cursor: Cursor) -> Enable:
    """enable = "ENABLE" 1*(SP capability)"""
    names = []
    while cursor.take(b" "):
        names.append(cursor.word("a capability").decode("ascii"))
        if len(names) > MOST_ENABLED:
            raise GrammarFault("too many capabilities")
    if not names:
        raise cursor.fault("a capability")
    return Enable(tuple(names))
