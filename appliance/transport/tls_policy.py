"""How much TLS a connection must have, and what to do when the other side does not play along.

Promises: what is required is never silently given up; what is opportunistic never keeps mail from arriving. MTA-STS
and DANE will bring other policies for a host here; until then MX hosts are opportunistic (RFC 7435) and unverified,
which keeps out those who only listen. A smarthost's policy is the owner's, and its certificate is always verified.
Pure. RFC 3207, RFC 8314.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Security(StrEnum):
    NONE = "none"
    OPPORTUNISTIC = "opportunistic"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


class Move(StrEnum):
    START_TLS = "start TLS"
    GO_ON = "go on as it is"
    GIVE_UP = "give this host up"


@dataclass(slots=True, frozen=True)
class TlsPolicy:
    """cafile: whom to trust, None for the system's authorities; only looked at when `verified`."""

    security: Security
    verified: bool = False
    cafile: str | None = None


OPPORTUNISTIC = TlsPolicy(Security.OPPORTUNISTIC)


def after_ehlo(policy: TlsPolicy, *, offered: bool, encrypted: bool, failed_before: bool) -> Move:
    """failed_before: TLS was tried with this host just now and did not come about."""
    match policy.security:
        case Security.NONE:
            return Move.GO_ON
        case Security.IMPLICIT:
            return Move.GO_ON if encrypted else Move.GIVE_UP
        case _ if encrypted:
            return Move.GO_ON
        case Security.STARTTLS:
            return Move.START_TLS if offered else Move.GIVE_UP
        case Security.OPPORTUNISTIC:
            return Move.START_TLS if offered and not failed_before else Move.GO_ON


def may_try_without(policy: TlsPolicy) -> bool:
    """After TLS failed: may the host be called again and spoken to in plain text?"""
    return policy.security is Security.OPPORTUNISTIC
