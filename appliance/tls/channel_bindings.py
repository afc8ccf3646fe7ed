"""What binds a sign-in to the TLS connection it came over, so that nobody in between can pass it on. By type.

`tls-unique` (RFC 5929 3) up to TLS 1.2, where it is defined; `tls-exporter` (RFC 9266) from TLS 1.3 on, where this Python
can export keying material; `tls-server-end-point` (RFC 5929 4) for the certificate that our contexts remember.
"""

from __future__ import annotations

import hashlib
import ssl
from typing import Any

_EXPORTER = "EXPORTER-Channel-Binding", 32  # RFC 9266 2


def channel_bindings(tls: ssl.SSLObject | ssl.SSLSocket | None) -> dict[str, bytes]:
    """Of a handshake that is over; empty without TLS."""
    found: dict[str, bytes] = {}
    if tls is None:
        return found
    if tls.version() == "TLSv1.2":
        unique = tls.get_channel_binding("tls-unique")
        if unique:
            found["tls-unique"] = unique
    export: Any = getattr(tls, "export_keying_material", None)
    if export is not None and tls.version() == "TLSv1.3":
        label, octets = _EXPORTER
        found["tls-exporter"] = export(label, octets, b"")
    end_point = getattr(tls.context, "end_point", None)
    if end_point:
        found["tls-server-end-point"] = end_point
    return found


# The object identifiers of signatureAlgorithm, DER without their tag and length, and the hash that stands in each. For
# MD5 and SHA-1 it is SHA-256 (RFC 5929 4.1).
_RSA, _ECDSA = bytes.fromhex("2a864886f70d0101"), bytes.fromhex("2a8648ce3d04")
_HASHES = {
    _RSA + b"\x04": "sha256",
    _RSA + b"\x05": "sha256",
    _RSA + b"\x0b": "sha256",
    _RSA + b"\x0c": "sha384",
    _RSA + b"\x0d": "sha512",
    _RSA + b"\x0e": "sha224",
    _ECDSA + b"\x01": "sha256",
    _ECDSA + b"\x03\x01": "sha224",
    _ECDSA + b"\x03\x02": "sha256",
    _ECDSA + b"\x03\x03": "sha384",
    _ECDSA + b"\x03\x04": "sha512",
}


def server_end_point(certificate: bytes) -> bytes | None:
    """RFC 5929 4.1. certificate: DER. None where its signature has no hash of its own (Ed25519), or one that is not known
    here (RSASSA-PSS): the type is not defined for the first, and seldom met with the second.

    Read by hand: the library that could do it is 8 MB, and this is the only question to it while mail is served.
    """
    try:
        # Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { algorithm, … }, signature }
        whole, _ = _value(certificate)
        _, rest = _value(whole)
        algorithm, _ = _value(rest)
        identifier, _ = _value(algorithm)
    except IndexError:
        return None
    name = _HASHES.get(identifier)
    return hashlib.new(name, certificate).digest() if name else None


def _value(der: bytes) -> tuple[bytes, bytes]:
    """(the first element's contents, what follows it). Raises IndexError."""
    length, start = der[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start], "big")
    if start + length > len(der):
        raise IndexError("an element is cut off")
    return der[start : start + length], der[start + length :]
