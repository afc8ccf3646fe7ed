"""The provider's server that takes all our outgoing mail: its TLS policy and how to sign in to it.

Promises: its certificate is always verified; a password goes out over TLS only, or to this very machine. A password
file is read when it is needed, so a new password works at once. Pure but for that. RFC 8314 3, RFC 4954 4.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path

from ..config.schema import SmarthostConfig
from .connection import Credentials, SignInFault
from .tls_policy import Security, TlsPolicy


def tls_policy(smarthost: SmarthostConfig, home: Path) -> TlsPolicy:
    if smarthost.tls == "none":
        return TlsPolicy(Security.NONE)
    cafile = str(home / smarthost.cafile) if smarthost.cafile is not None else None
    return TlsPolicy(Security(smarthost.tls), verified=True, cafile=cafile)


def credentials(smarthost: SmarthostConfig, home: Path) -> Credentials | None:
    """None when nobody needs to sign in. Raises SignInFault when the password cannot be read. Blocks on the disk."""
    if smarthost.username is None:
        return None
    if smarthost.password_file is None:
        raise SignInFault("there is a user name but no password file")
    try:
        password = (home / smarthost.password_file).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as fault:
        raise SignInFault(f"the password file cannot be read ({type(fault).__name__})") from fault
    return Credentials(smarthost.username, password)


def may_send_password(policy: TlsPolicy, ip: str) -> bool:
    return policy.security is not Security.NONE or ipaddress.ip_address(ip).is_loopback
