"""Signing in over SASL: server-side machines that turn a client's responses into credentials or a proof, for every protocol.

Pure: no sockets, no accounts, no clock, no random numbers. May import nothing of ours.
"""

from __future__ import annotations

from collections.abc import Mapping

from .login import Login
from .mechanism import (
    CANCEL,
    Accepted,
    Challenge,
    Credentials,
    Fault,
    KeysWanted,
    Mechanism,
    Proof,
    Step,
    decode_response,
)
from .plain import Plain
from .scram import Scram, ScramKeys

__all__ = [
    "CANCEL",
    "Accepted",
    "Challenge",
    "Credentials",
    "Fault",
    "KeysWanted",
    "Mechanism",
    "Proof",
    "Scram",
    "ScramKeys",
    "Step",
    "decode_response",
    "mechanism",
    "offered",
]

PLUS = "SCRAM-SHA-256-PLUS"
# RFC 5802 6.1 and RFC 9266 3: the type that a client takes without being told, up to TLS 1.2 and from 1.3 on. Without
# it the -PLUS is not announced, since a client that chose it would fail and not know why; whoever asks for it with
# another type that there is, is let in.
_TAKEN_UNTOLD = ("tls-unique", "tls-exporter")


def offered(bindings: Mapping[str, bytes]) -> tuple[str, ...]:
    """The mechanisms to announce, the strongest first. bindings: of this connection; empty where it is not encrypted."""
    plus = (PLUS,) if any(each in bindings for each in _TAKEN_UNTOLD) else ()
    return (*plus, "SCRAM-SHA-256", "PLAIN", "LOGIN")


def mechanism(name: str, bindings: Mapping[str, bytes], nonce: str) -> Mechanism | None:
    """A machine for one exchange; None when there is none of that name.

    RFC 4422 3.1 has names in capitals, clients send them in any case. nonce: new for each exchange; see Scram.
    """
    match name.upper():
        case "PLAIN":
            return Plain()
        case "LOGIN":
            return Login()
        case "SCRAM-SHA-256" | "SCRAM-SHA-256-PLUS" as wanted:
            return Scram(plus=wanted == PLUS, plus_announced=PLUS in offered(bindings), bindings=bindings, nonce=nonce)
    return None
