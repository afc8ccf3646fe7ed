"""The DNS records that a domain needs so that its mail arrives and is believed."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from ..config import Config
from ..tls.self_signed import ensure_certificate, fingerprint


@dataclass(slots=True, frozen=True)
class DnsRecord:
    """host: the full name, without a final dot; why: one sentence for the owner."""

    type: str
    host: str
    value: str
    why: str


def records(home: Path, config: Config) -> list[DnsRecord]:
    """For every domain of ours; an empty list before the set-up."""
    if config.hostname is None:
        return []
    from ..transport.sign import load_keys, txt_record  # 10 MB, which whoever asks for the certificate does without

    found = [
        DnsRecord(
            "A",
            config.hostname,
            "your public IPv4 address",
            "Tells the world where this server is. AAAA does it for IPv6.",
        )
    ]
    for domain in config.domains:
        found.append(DnsRecord("MX", domain, f"10 {config.hostname}.", "Tells other servers where to bring your mail."))
        found.append(DnsRecord("TXT", domain, _spf(config), "Says which servers may send mail of this domain (SPF)."))
        found += [
            DnsRecord(
                "TXT",
                f"{key.selector}._domainkey.{domain}",
                txt_record(key),
                "Lets others check the signature on your mail (DKIM).",
            )
            for key in load_keys(home / "keys" / "dkim", domain)
        ]
        found.append(
            DnsRecord(
                "TXT",
                f"_dmarc.{domain}",
                f"v=DMARC1; p=quarantine; rua=mailto:postmaster@{domain}",
                "Says what others should do with mail that only pretends to be yours (DMARC).",
            )
        )
    return found


def certificate_fingerprint(home: Path, config: Config) -> str:
    """SHA-256 of the certificate in use, for comparing it with what a mail program shows."""
    return fingerprint(certificate_files(home, config)[0])


def certificate_files(home: Path, config: Config) -> tuple[Path, Path]:
    """(certificate, key): the owner's own, or a self-signed one, made now if need be."""
    if config.tls.certificate is not None and config.tls.key is not None:
        return home / config.tls.certificate, home / config.tls.key
    return ensure_certificate(home / "keys" / "tls", config.hostname or "merpati.local")


def _spf(config: Config) -> str:
    if config.outbound.mode == "smarthost" and config.outbound.smarthost is not None:
        # The provider says in its own pages which name to include; that of the relay itself is the usual one.
        return f"v=spf1 mx {_spf_host(config.outbound.smarthost.host)} ~all"
    return "v=spf1 mx -all"


def _spf_host(host: str) -> str:
    """RFC 7208 5.3, 5.6: a name is looked up, an address is named as what it is."""
    try:
        return f"ip{ipaddress.ip_address(host).version}:{host}"
    except ValueError:
        return f"a:{host}"
