"""From plaintext to TLS, for STARTTLS and for port 465 alike.

Promises: nothing that came in plaintext is read after the handshake (RFC 3207 4.2; the injection of CVE-2011-0411 and
of aiosmtpd before 1.4.6); the server asks for its context at each handshake, so that a renewed certificate needs no
restart; the transport is upgraded with asyncio's public `start_tls`, where aiosmtpd reaches for `sslproto`.
"""

from __future__ import annotations

import asyncio
import logging
import ssl

from .doors import TlsContext

log = logging.getLogger("merpati.smtp")


def usable_context(provide: TlsContext) -> ssl.SSLContext | None:
    """None when there is no certificate, or when it cannot be used; the log has the reason."""
    try:
        return provide()
    except OSError as error:  # ssl.SSLError is one
        log.error("the certificate cannot be used: %s", error)
        return None


async def upgrade(
    transport: asyncio.WriteTransport,
    protocol: asyncio.BaseProtocol,
    context: ssl.SSLContext,
    timeout_s: float,
) -> asyncio.Transport:
    """The transport to use from now on. Raises OSError (ssl.SSLError is one) when there was no handshake; then the
    connection is closed already."""
    loop = asyncio.get_running_loop()
    upgraded = await loop.start_tls(
        transport, protocol, context, server_side=True, ssl_handshake_timeout=timeout_s, ssl_shutdown_timeout=5.0
    )
    if upgraded is None:  # the peer went away while the handshake ended
        raise ConnectionResetError("gone after the handshake")
    return upgraded


def describe(transport: asyncio.BaseTransport) -> str:
    """For Received: `TLSv1.3 TLS_AES_256_GCM_SHA384`."""
    ssl_object = transport.get_extra_info("ssl_object")
    cipher = ssl_object.cipher() if ssl_object is not None else None
    if ssl_object is None or cipher is None:
        return "TLS"
    return f"{ssl_object.version()} {cipher[0]}"
