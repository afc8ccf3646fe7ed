"""Who may do what at which listener, before any address is looked at.

Strangers may bring mail to port 25 and never sign in there; whoever sends out signs in first, on a submission port and
over TLS. Which addresses may then be named is intake/'s to say. Pure. RFC 6409 4.3, RFC 8314 3.3, RFC 4954 4.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache

from ..mail.reply import Reply
from .replies import COMMAND_NOT_DONE, ENCRYPT_FIRST, SIGN_IN_FIRST, SIGNED_IN_ALREADY, STARTTLS_FIRST
from .settings import Listener


@dataclass(slots=True, frozen=True)
class Standing:
    """What is known of a connection when a command comes. plaintext_allowed: the peer is on this machine and the
    setting allow_plaintext_loopback is on."""

    listener: Listener
    tls: bool
    signed_in: bool
    plaintext_allowed: bool = False


def offers_sign_in(standing: Standing) -> bool:
    """Whether EHLO announces AUTH."""
    return standing.listener.is_submission and (standing.tls or standing.plaintext_allowed) and not standing.signed_in


def before_sign_in(standing: Standing) -> Reply | None:
    """None: AUTH may go on."""
    if not standing.listener.is_submission:
        return COMMAND_NOT_DONE
    if not standing.tls and not standing.plaintext_allowed:
        return ENCRYPT_FIRST
    if standing.signed_in:
        return SIGNED_IN_ALREADY
    return None


def before_mail(standing: Standing) -> Reply | None:
    """None: MAIL may go on."""
    if not standing.listener.is_submission or standing.signed_in:
        return None
    if not standing.tls and not standing.plaintext_allowed:
        return STARTTLS_FIRST
    return SIGN_IN_FIRST


@lru_cache(1024)
def plain_ip(host: str) -> str:
    """A peer's address as the socket names it, without a scope and with IPv4 as IPv4."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(address)


@lru_cache(1024)
def is_loopback(ip: str) -> bool:
    return ipaddress.ip_address(ip).is_loopback
