"""The envelope: who a message is from and for, as SMTP said it. RFC 5321 2.3.1, RFC 3461 (DSN parameters)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .address import Address


class Notify(StrEnum):
    """When the reverse-path wants to hear about a recipient. RFC 3461 4.1."""

    NEVER = "NEVER"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    DELAY = "DELAY"


@dataclass(slots=True, frozen=True)
class Recipient:
    """address: as addressed in RCPT TO; notify: empty where the peer did not ask; orcpt: `type;xtext-decoded` or None."""

    address: Address
    notify: frozenset[Notify] = frozenset()
    orcpt: str | None = None


@dataclass(slots=True, frozen=True)
class Envelope:
    """reverse_path None is the null reverse-path `<>`; ret is FULL, HDRS or None; envid decoded from xtext."""

    reverse_path: Address | None
    recipients: tuple[Recipient, ...]
    eight_bit: bool = False
    smtputf8: bool = False
    ret: str | None = None
    envid: str | None = None


class Protocol(StrEnum):
    """The `with` word of a Received header. RFC 3848, RFC 6531 4.3."""

    SMTP = "SMTP"
    ESMTP = "ESMTP"
    ESMTPS = "ESMTPS"
    ESMTPA = "ESMTPA"
    ESMTPSA = "ESMTPSA"
    LOCAL = "LOCAL"


@dataclass(slots=True, frozen=True)
class Peer:
    """Who hands us a message. ip: textual; helo: as said, maybe empty; tls: e.g. `TLSv1.3 TLS_AES_256_GCM_SHA384`
    or None; account_id and account: set once the peer has signed in; port: our listener's name."""

    ip: str
    helo: str = ""
    protocol: Protocol = Protocol.ESMTP
    tls: str | None = None
    account_id: int | None = None
    account: str | None = None
    listener: str = "smtp"
