"""What the machine asks of its caller, as values."""

from __future__ import annotations

from dataclasses import dataclass

from ..sasl import Credentials


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
    """Check the password; then `signed_in` or one of the two refusals."""

    credentials: Credentials


@dataclass(slots=True, frozen=True)
class StartTls:
    """Send `tls_answer` and do the handshake, then `tls_started`; or `tls_failed` when there is no certificate."""


@dataclass(slots=True, frozen=True)
class Retrieve:
    """Send a message; lines: of its body, None for the whole."""

    mailbox_id: int
    uid: int
    lines: int | None


@dataclass(slots=True, frozen=True)
class Update:
    """Remove these, then `updated`."""

    mailbox_id: int
    uids: tuple[int, ...]


Event = Answer | Goodbye | SignIn | StartTls | Retrieve | Update
