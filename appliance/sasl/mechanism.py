"""What every server-side SASL mechanism has in common: its steps as values, and the base64 of their lines.

Promises: machines never raise, whatever the peer sends; names and passwords are valid UTF-8 without NUL, not empty and
not longer than TEXT_OCTETS; a password never shows in a repr. Leaves to the protocols: their lines, `*` as a cancelled
exchange, time-outs and the number of tries; to `accounts/`: whether the password is right. Only the account that signs
in can be acted for: another authorization identity is a fault. RFC 4422 3, RFC 4954 4, RFC 9051 6.2.2.
Known limit: PLAIN and LOGIN do not prepare their texts by SASLprep (RFC 4013), as SCRAM does; they are compared as sent.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field
from typing import Protocol

RESPONSE_OCTETS = 12_288  # of base64; RFC 4954 4 asks servers to take so much
TEXT_OCTETS = 1024  # RFC 4616 2 asks for at least 255
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
CANCEL = b"*"


@dataclass(slots=True, frozen=True)
class Challenge:
    """Send `data` (base64 on the wire) and give the answer to `step`."""

    data: bytes


@dataclass(slots=True, frozen=True)
class Credentials:
    """What is to be checked. authzid: whom to act for, empty or the same as authcid."""

    authzid: str
    authcid: str
    password: str = field(repr=False)

    @property
    def username(self) -> str:
        """Who signs in."""
        return self.authcid


@dataclass(slots=True, frozen=True)
class Fault:
    """The exchange failed before there was a password to check. reason: for the log, in plain words."""

    reason: str


@dataclass(slots=True, frozen=True)
class KeysWanted:
    """The keys of who signs in are wanted by the machine's `given`; for a name that nobody has, made-up ones."""

    authcid: str


@dataclass(slots=True, frozen=True)
class Proof:
    """A password was proved, or not. Where nothing else keeps the client out, `accepted` goes on."""

    authcid: str
    right: bool


@dataclass(slots=True, frozen=True)
class Accepted:
    """The client has heard our proof and is content: it is signed in."""


Step = Challenge | Credentials | KeysWanted | Proof | Accepted | Fault


class Mechanism(Protocol):
    """One exchange: `start` once, then `step` for each answer to a Challenge."""

    def start(self, initial: bytes | None) -> Step:
        """initial: the initial response, decoded; None if the client sent none."""
        ...

    def step(self, response: bytes) -> Step: ...


OUT_OF_TURN = Fault("the exchange is over")


def credentials(authzid: bytes, authcid: bytes, password: bytes) -> Credentials | Fault:
    """Checks what RFC 4616 2 asks of the three texts."""
    if not authcid or not password:
        return Fault("the name or the password is empty")
    if max(map(len, (authzid, authcid, password))) > TEXT_OCTETS:
        return Fault("the name or the password is too long")
    if b"\0" in authzid + authcid + password:
        return Fault("there is a NUL in the name or the password")
    try:
        found = Credentials(authzid.decode(), authcid.decode(), password.decode())
    except UnicodeDecodeError:
        return Fault("the name or the password is not UTF-8")
    if found.authzid and found.authzid.casefold() != found.authcid.casefold():
        return Fault("nobody may act for another account")
    return found


def decode_response(line: bytes) -> bytes | None:
    """A response out of its base64, without its line end; `=` is an empty initial response (RFC 4954 4).
    None: malformed or too long. `CANCEL` is for the caller to look for."""
    if line == b"=":
        return b""
    # The pattern first: what binascii takes for sound padding differs between Python's versions.
    if len(line) > RESPONSE_OCTETS or _BASE64.fullmatch(line) is None:
        return None
    return binascii.a2b_base64(line)
