"""DKIM: the keys of a domain of ours, their DNS records, and the signatures made with them.

Promises: `sign` reads the content once for all keys and never holds more than its header and one piece; a message that
cannot be signed is sent unsigned, never refused. Two keys sign: RSA-2048, which everybody checks, and Ed25519, which is
short. On dkimpy, which signs the header; the body hash is our own (`body_hash.py`), since dkimpy needs the body whole.
Key files: `DIR/<domain>/<selector>.pem`, PKCS #8, for our user's eyes only. RFC 6376, RFC 8463, RFC 8301 (sizes).
"""

from __future__ import annotations

import base64
import contextlib
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import dkim
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from ..mail.content import Content
from .body_hash import relaxed_body_hash

log = logging.getLogger("merpati.transport")

RSA_BITS = 2048  # RFC 8301 3.2: at least 1024, should be 2048; more would not fit one UDP answer
HEADER_OCTETS = 256 * 1024
STRING_OCTETS = 255  # RFC 1035 3.3: one character-string of a TXT record

# Signed once more than they occur, so that nobody can add another that a mail program would show instead.
# RFC 6376 8.15.
_FROZEN = (b"from", b"to", b"cc", b"subject", b"date", b"reply-to")


class Algorithm(StrEnum):
    RSA = "rsa"
    ED25519 = "ed25519"


@dataclass(slots=True, frozen=True)
class DkimKey:
    """selector and domain: where its record is published, `<selector>._domainkey.<domain>`; private_pem: PKCS #8."""

    selector: str
    domain: str
    algorithm: Algorithm
    private_pem: bytes = field(repr=False)


def generate_keys(domain: str) -> tuple[DkimKey, DkimKey]:
    """One of each algorithm. Cost: a second or more on a small machine; not for the event loop."""
    return (
        DkimKey("merpati-rsa", domain, Algorithm.RSA, _pem(rsa.generate_private_key(65537, RSA_BITS))),
        DkimKey("merpati-ed25519", domain, Algorithm.ED25519, _pem(ed25519.Ed25519PrivateKey.generate())),
    )


def ensure_keys(folder: Path, domain: str) -> tuple[DkimKey, ...]:
    """The domain's keys, made and written when there are none. Durability: durable."""
    keys = load_keys(folder, domain)
    if keys:
        return keys
    keys = generate_keys(domain)
    of_domain = folder / domain
    of_domain.mkdir(mode=0o700, parents=True, exist_ok=True)
    for key in keys:
        _write(of_domain / f"{key.selector}.pem", key.private_pem)
    return keys


def load_keys(folder: Path, domain: str) -> tuple[DkimKey, ...]:
    """The domain's keys, sorted by selector; empty when there are none. A file that holds no key is passed over."""
    keys = []
    for path in sorted((folder / domain).glob("*.pem")):
        try:
            pem = path.read_bytes()
            keys.append(DkimKey(path.stem, domain, _algorithm(pem), pem))
        except (OSError, ValueError, UnsupportedAlgorithm) as fault:
            log.error("%s holds no DKIM key: %s", path, fault)
    return tuple(keys)


def txt_record(key: DkimKey) -> str:
    """What to publish at `<selector>._domainkey.<domain>`, as one text."""
    public = serialization.load_pem_private_key(key.private_pem, None).public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        octets = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)  # RFC 8463 4
    else:
        octets = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k={key.algorithm}; p={base64.b64encode(octets).decode()}"


def txt_strings(key: DkimKey) -> tuple[str, ...]:
    """The same in pieces of at most 255 octets, as zone files and many forms want it: each in quotes of its own."""
    record = txt_record(key)
    return tuple(record[start : start + STRING_OCTETS] for start in range(0, len(record), STRING_OCTETS))


def sign(keys: Sequence[DkimKey], domain: str, prefix_headers: bytes, content: Content) -> bytes:
    """DKIM-Signature lines to stand before the message, one for each key; b"" when it cannot be signed.

    Args: prefix_headers: header lines that will stand between the signatures and the content, or b"".
    Cost: reads the content; milliseconds of arithmetic for each key (RSA in Python), so not for the event loop.
    """
    keys = [key for key in keys if key.domain == domain]
    if not keys:
        return b""
    header, body_start = _header_of(content)
    if header is None:
        log.warning("a message was not signed: its header is longer than %d octets", HEADER_OCTETS)
        return b""
    body_hash = base64.b64encode(relaxed_body_hash(content.pieces(body_start)))
    lines = b""
    for key in keys:
        try:
            signer = _Signer(prefix_headers + header, body_hash, key.algorithm)
            lines += signer.sign(
                key.selector.encode(), domain.encode(), _as_dkimpy_wants_it(key), canonicalize=(b"relaxed", b"relaxed")
            )
        except (dkim.DKIMException, IndexError) as fault:  # IndexError: dkimpy on a header that begins with a space
            log.warning("a message was not signed with %s: %s", key.selector, fault)
    return lines


class _Signer(dkim.DKIM):  # type: ignore[misc]
    """Signs a header; the hash of the body is known already."""

    def __init__(self, header: bytes, body_hash: bytes, algorithm: Algorithm) -> None:
        super().__init__(header, signature_algorithm=f"{algorithm}-sha256".encode())
        self.add_frozen(_FROZEN)
        self._body_hash = body_hash

    def gen_header(self, fields: list[tuple[bytes, bytes]], *args: object, **kwargs: object) -> bytes:
        known = [(name, self._body_hash if name == b"bh" else value) for name, value in fields]
        return bytes(super().gen_header(known, *args, **kwargs))


def _header_of(content: Content) -> tuple[bytes | None, int]:
    """(the header with its last CRLF, offset of the body); (None, 0) when it does not end within reason."""
    header = b""
    for piece in content.pieces(0, HEADER_OCTETS):
        header += piece
        if header.startswith(b"\r\n"):
            return b"", 2
        end = header.find(b"\r\n\r\n")
        if end >= 0:
            return header[: end + 2], end + 4
    return (header, len(header)) if content.size <= HEADER_OCTETS else (None, 0)


def _as_dkimpy_wants_it(key: DkimKey) -> bytes:
    """RSA as PEM, Ed25519 as the seed in base64."""
    if key.algorithm is Algorithm.RSA:
        return key.private_pem  # not loaded here: the check of an RSA key takes longer than signing with it
    private = serialization.load_pem_private_key(key.private_pem, None)
    assert isinstance(private, ed25519.Ed25519PrivateKey)
    return base64.b64encode(private.private_bytes_raw())


def _algorithm(pem: bytes) -> Algorithm:
    """Raises ValueError for what is no private key of the two kinds."""
    match serialization.load_pem_private_key(pem, None):
        case rsa.RSAPrivateKey():
            return Algorithm.RSA
        case ed25519.Ed25519PrivateKey():
            return Algorithm.ED25519
    raise ValueError("neither RSA nor Ed25519")


def _pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes) -> None:
    new = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
