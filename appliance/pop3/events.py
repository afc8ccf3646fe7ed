"""What the machine asks of its caller, as values."""

from __future__ import annotations

from dataclasses import dataclass

from ..sasl import Credentials, KeysWanted, Proof


@dataclass(slots=True, frozen=True)
class Answer:
    """Octets to send."""

    octets: bytes


@dataclass(slots=True, frozen=True)
class Goodbye:
    """The last octets to send; then hang up."""

    octets: bytes


@dataclass(slots=True, frozen=True)
class SignIn:
    """Check the password; then `signed_in` or one of the two refusals. None: what SCRAM has proved already is to be taken."""

    credentials: Credentials | None


@dataclass(slots=True, frozen=True)
class LookUp:
    """Find the keys for SCRAM; then `keys_found`, or one of the two refusals."""

    wanted: KeysWanted


@dataclass(slots=True, frozen=True)
class Judge:
    """May this proof be taken? Then `proof_taken`, or one of the two refusals."""

    proof: Proof


@dataclass(slots=True, frozen=True)
class StartTls:
    """Send `tls_answer` and do the handshake, then `tls_started`; or `tls_failed` when there is no certificate."""


@dataclass(slots=True, frozen=True)
class Retrieve:
    """Send a message; lines: of its body, None for the whole; utf8: the client takes a header that is not ASCII."""

    mailbox_id: int
    uid: int
    lines: int | None
    utf8: bool = False


@dataclass(slots=True, frozen=True)
class Update:
    """Remove these, then `updated`."""

    mailbox_id: int
    uids: tuple[int, ...]


Event = Answer | Goodbye | SignIn | LookUp | Judge | StartTls | Retrieve | Update
