"""There is always a certificate that works, and it stays the same for as long as it can."""

from __future__ import annotations

import hashlib
import os
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from appliance.tls.self_signed import ensure_certificate, fingerprint, make_certificate

HOST = "mx.example.org"


def _names(certificate: Path) -> list[str]:
    loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
    return loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.DNSName
    )


def _loads(certificate: Path, key: Path) -> None:
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)


def test_it_is_made_once_and_kept(tmp_path: Path) -> None:
    certificate, key = ensure_certificate(tmp_path / "keys" / "tls", HOST)
    _loads(certificate, key)
    assert _names(certificate) == [HOST]
    before = certificate.read_bytes(), key.read_bytes()
    assert ensure_certificate(tmp_path / "keys" / "tls", HOST) == (certificate, key)
    assert (certificate.read_bytes(), key.read_bytes()) == before


def test_the_key_is_for_our_user_alone(tmp_path: Path) -> None:
    _, key = ensure_certificate(tmp_path / "tls", HOST)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700


def test_another_host_name_gets_another_certificate(tmp_path: Path) -> None:
    ensure_certificate(tmp_path, HOST)
    certificate, key = ensure_certificate(tmp_path, "mail.example.net")
    _loads(certificate, key)
    assert _names(certificate) == ["mail.example.net"]


@pytest.mark.parametrize("damage", ["no certificate", "no key", "empty certificate", "empty key", "key of another"])
def test_what_a_power_cut_left_is_made_anew(tmp_path: Path, damage: str) -> None:
    certificate, key = ensure_certificate(tmp_path, HOST)
    match damage:
        case "no certificate":
            certificate.unlink()
        case "no key":
            key.unlink()
        case "empty certificate":
            certificate.write_bytes(b"")
        case "empty key":
            key.write_bytes(b"")
        case _:
            key.write_bytes(make_certificate(HOST)[1])
    _loads(*ensure_certificate(tmp_path, HOST))


@pytest.mark.parametrize("step", [1, 2], ids=["the key's", "the certificate's"])
def test_a_crash_at_either_rename_is_mended_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    ensure_certificate(tmp_path, "old.example.org")
    renames = 0
    replace = os.replace

    def crash(source: Path, target: Path) -> None:
        nonlocal renames
        renames += 1
        if renames == step:
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as cut:
        cut.setattr(os, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            ensure_certificate(tmp_path, HOST)
    _loads(*ensure_certificate(tmp_path, "old.example.org"))
    _loads(*ensure_certificate(tmp_path, HOST))


def test_a_clock_that_is_a_little_behind_still_finds_it_valid() -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    loaded = x509.load_pem_x509_certificate(make_certificate(HOST, now)[0])
    assert loaded.not_valid_before_utc <= now - timedelta(hours=12)
    assert loaded.not_valid_after_utc >= now + timedelta(days=3650)


def test_the_longest_host_name_fits() -> None:
    """A common name holds 64 characters; the whole name stands in the subject's alternative names."""
    host = ".".join(["a" * 60] * 4)
    loaded = x509.load_pem_x509_certificate(make_certificate(host)[0])
    names = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [host]


def test_the_fingerprint_is_what_a_mail_program_shows(tmp_path: Path) -> None:
    certificate, _ = ensure_certificate(tmp_path, HOST)
    shown = fingerprint(certificate)
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    assert shown.replace(":", "").lower() == hashlib.sha256(der).hexdigest()
    assert shown.count(":") == 31
