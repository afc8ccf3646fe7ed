"""A certificate of our own making, until there is one that others trust; with a fingerprint that can be compared."""

from __future__ import annotations

import hashlib
import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from .contexts import load_pair

VALID_DAYS = 3650  # nobody renews it: it is replaced by a real one, or compared by its fingerprint
BACKDATED_DAYS = 1  # a mail program whose clock is behind


def make_certificate(hostname: str, now: datetime | None = None) -> tuple[bytes, bytes]:
    """(certificate, private key) in PEM; ECDSA P-256."""
    # 7 MB that are needed once: whoever only looks at what is there does without.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = now or datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=BACKDATED_DAYS))
        .not_valid_after(now + timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(hostname)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def file_names(folder: Path) -> tuple[Path, Path]:
    """(certificate file, key file), made or not."""
    return folder / "self-signed.crt", folder / "self-signed.key"


def ensure_certificate(folder: Path, hostname: str) -> tuple[Path, Path]:
    """(certificate file, key file) in `folder`; made when they are missing, damaged or for another host name.
    Durability: durable."""
    certificate, key = file_names(folder)
    if _usable(certificate, key, hostname):
        return certificate, key
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate_pem, key_pem = make_certificate(hostname)
    _write(key, key_pem, 0o600)
    _write(certificate, certificate_pem, 0o644)
    return certificate, key


def _usable(certificate: Path, key: Path, hostname: str) -> bool:
    """Both there, whole, of each other and for that name; a power cut between the two files leaves less than that."""
    try:
        load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key)
        return _dns_name(hostname) in _der(certificate)
    except (FileNotFoundError, ssl.SSLError, ValueError):
        return False


def _dns_name(hostname: str) -> bytes:
    """As it stands among a certificate's names: RFC 5280 4.2.1.6, dNSName [2] in DER."""
    name = hostname.encode("ascii")
    return b"\x82" + (bytes([len(name)]) if len(name) < 128 else bytes([0x81, len(name)])) + name


def _der(certificate: Path) -> bytes:
    """Of the first one in the file. Raises OSError, and ValueError where there is none."""
    text, end, _ = certificate.read_text("ascii").partition(ssl.PEM_FOOTER)
    return ssl.PEM_cert_to_DER_cert(text[max(0, text.find(ssl.PEM_HEADER)) :] + end)


def fingerprint(certificate: Path) -> str:
    """SHA-256 over the certificate's DER, as browsers show it: `AB:CD:…`."""
    return hashlib.sha256(_der(certificate)).digest().hex(":").upper()


def _write(path: Path, data: bytes, mode: int) -> None:
    new = path.with_name(path.name + ".new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
