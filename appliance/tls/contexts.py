"""The TLS context of our listeners: one certificate for all of them, read anew when its files change."""

from __future__ import annotations

import ssl
from pathlib import Path


class ServerContext:
    """Call it for the context to use now. Raises OSError or ssl.SSLError when the files cannot be used."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self._context: ssl.SSLContext | None = None
        self._loaded: tuple[int, int] | None = None

    def __call__(self) -> ssl.SSLContext:
        stamp = (self._certificate.stat().st_mtime_ns, self._key.stat().st_mtime_ns)
        if self._context is None or stamp != self._loaded:
            self._context = self._make()
            self._loaded = stamp
        return self._context

    def _make(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
        context.load_cert_chain(self._certificate, self._key)
        return context
