"""The TLS context of our listeners: one certificate for all of them, read anew when its files have changed, a second later at most."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable
from pathlib import Path

from .channel_bindings import server_end_point

log = logging.getLogger("merpati.tls")

LOOK_EVERY_S = 1.0


class ServingContext(ssl.SSLContext):
    """end_point: the channel binding that stands for its certificate; None where there is none."""

    end_point: bytes | None = None


class ServerContext:
    """Call it for the context to use now. Raises OSError or ssl.SSLError when the files never could be used; while they
    are being replaced, or were replaced by something that is of no use, the last good ones stay."""

    def __init__(self, certificate: Path, key: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._certificate = certificate
        self._key = key
        self._context: ssl.SSLContext | None = None
        self._seen: object = None
        self._look_at = 0.0

    def __call__(self) -> ssl.SSLContext:
        if self._context is not None and self._clock() < self._look_at:  # each EHLO asks
            return self._context
        self._look_at = self._clock() + LOOK_EVERY_S
        seen = _stamp(self._certificate), _stamp(self._key)
        if self._context is None or seen != self._seen:
            self._seen = seen
            try:
                self._context = self._make()
            except OSError as fault:  # ssl.SSLError is one too
                if self._context is None:
                    raise
                log.error("the certificate %s cannot be used, the one before stays: %s", self._certificate, fault)
        return self._context

    def _make(self) -> ssl.SSLContext:
        context = ServingContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
        load_pair(context, self._certificate, self._key)
        context.end_point = server_end_point(_first_certificate(self._certificate))
        return context


def load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Raises OSError, of which ssl.SSLError is one: also for a key under a password, which OpenSSL would ask the terminal
    for, and a server has nobody there to answer."""
    context.load_cert_chain(certificate, key, password=lambda: b"")


def _first_certificate(chain: Path) -> bytes:
    """The server's own, in DER; empty when it cannot be told. Raises OSError."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    _, mark, rest = chain.read_text("ascii", "replace").partition(begin)
    try:
        return ssl.PEM_cert_to_DER_cert(begin + rest.partition(end)[0] + end) if mark else b""
    except ValueError:
        return b""


def _stamp(path: Path) -> tuple[int, int] | None:
    """Differs when the file was written or replaced; None when it is missing."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
