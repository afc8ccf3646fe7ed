"""The certificate: is there one, does it fit the host name, how long does it last?"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from ..config import Config
from ..tls.contexts import ServerContext
from ..tls.self_signed import file_names
from .finding import Finding, Status, count

TOPIC = "certificate"
WARN_DAYS = 14


def check(home: Path, config: Config, now: datetime | None = None) -> Finding:
    """Of the owner's own certificate, or of the one that we made. Makes none."""
    now = now or datetime.now(UTC)
    own = config.tls.certificate is not None and config.tls.key is not None
    certificate, key = (
        (home / str(config.tls.certificate), home / str(config.tls.key)) if own else file_names(home / "keys" / "tls")
    )
    try:
        ServerContext(certificate, key)()
        loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
    except FileNotFoundError:
        if not own:
            return Finding(TOPIC, Status.NOTE, "There is no certificate yet; one is made when the server starts.")
        return _unusable("it is not there", own)
    except (OSError, ValueError, ssl.SSLError) as fault:
        return _unusable(getattr(fault, "strerror", None) or str(fault), own)
    return judge(loaded, config.hostname or "", now)


def judge(certificate: x509.Certificate, hostname: str, now: datetime) -> Finding:
    """Whether it can be believed now, and for how long."""
    if now < certificate.not_valid_before_utc:
        return Finding(
            TOPIC,
            Status.BROKEN,
            f"The certificate is not valid before {certificate.not_valid_before_utc:%d %B %Y}, and today is {now:%d %B %Y}.",
            "Check whether the clock is right.",
        )
    left = certificate.not_valid_after_utc - now
    if left.total_seconds() < 0:
        return Finding(TOPIC, Status.BROKEN, f"The certificate ended {count(-left.days, 'day')} ago.", "Renew it now.")
    names = _names(certificate)
    if not _fits(hostname, names):
        return Finding(
            TOPIC,
            Status.NEEDS_YOU,
            f"The certificate is for {', '.join(names) or 'no name'}, and this server is {hostname}.",
            "Get one for this name, or remove tls.certificate and tls.key from merpati.yaml to have one made.",
        )
    if left.days < WARN_DAYS:
        return Finding(TOPIC, Status.NEEDS_YOU, f"The certificate ends in {count(left.days, 'day')}.", "Renew it.")
    if certificate.issuer == certificate.subject:
        return Finding(
            TOPIC,
            Status.NOTE,
            "The certificate is self-signed: mail programs will ask once whether to trust it.",
            "Compare its fingerprint, shown under System, with the one that the mail program shows.",
        )
    return Finding(TOPIC, Status.GOOD, f"The certificate is good for {count(left.days, 'more day')}.")


def _unusable(why: str, own: bool) -> Finding:
    return Finding(
        TOPIC,
        Status.BROKEN,
        f"The certificate cannot be used ({why}), so nobody can sign in safely.",
        "Check tls.certificate and tls.key in merpati.yaml, or remove both to have one made."
        if own
        else "Start the server again: it makes a new one.",
    )


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return names.get_values_for_type(x509.DNSName)


def _fits(hostname: str, names: list[str]) -> bool:
    """A wildcard stands for one whole label, the leftmost, as mail programs see it."""
    wanted = hostname.lower()
    return any(name.lower() in (wanted, f"*.{wanted.partition('.')[2]}") for name in names)
