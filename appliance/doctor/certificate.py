"""The certificate: is there one, does it fit the host name, how long does it last?"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from ..config import Config
from ..setup.records import certificate_files
from ..tls.contexts import ServerContext
from .finding import Finding, Status

WARN_DAYS = 14


def check(home: Path, config: Config, now: datetime | None = None) -> Finding:
    now = now or datetime.now(UTC)
    try:
        files = certificate_files(home, config)
        ServerContext(*files)()
        certificate = x509.load_pem_x509_certificate(files[0].read_bytes())
    except (OSError, ValueError, ssl.SSLError) as fault:
        return Finding(
            "certificate",
            Status.BROKEN,
            f"The certificate cannot be used ({fault}), so nobody can sign in safely.",
            "Check tls.certificate and tls.key in merpati.yaml, or remove both to have one made.",
        )
    days = (certificate.not_valid_after_utc - now).days
    if days < 0:
        return Finding("certificate", Status.BROKEN, f"The certificate ended {-days} days ago.", "Renew it now.")
    if days < WARN_DAYS:
        return Finding("certificate", Status.NEEDS_YOU, f"The certificate ends in {days} days.", "Renew it.")
    if certificate.issuer == certificate.subject:
        return Finding(
            "certificate",
            Status.NOTE,
            "The certificate is self-signed: mail programs will ask once whether to trust it.",
            "Compare its fingerprint, shown under System, with the one that the mail program shows.",
        )
    return Finding("certificate", Status.GOOD, f"The certificate is good for {days} more days.")
