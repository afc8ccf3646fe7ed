"""The certificate: what is said of each kind, and that looking at it makes none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from appliance.config import Config, TlsConfig
from appliance.doctor import certificate
from appliance.doctor.finding import Status
from appliance.tls.self_signed import ensure_certificate, make_certificate

NOW = datetime(2030, 6, 1, 12, tzinfo=UTC)
HOST = "mx.near.example"
OWN = Config(hostname=HOST, domains=("near.example",), tls=TlsConfig(certificate="keys/own.crt", key="keys/own.key"))
OURS = Config(hostname=HOST, domains=("near.example",))


def made(
    *names: str, starts: timedelta = timedelta(days=-1), ends: timedelta = timedelta(days=90), issuer: str = "A CA"
) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "us")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW + starts)
        .not_valid_after(NOW + ends)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
    return builder.sign(key, hashes.SHA256())


DAY = timedelta(days=1)
JUDGED: dict[str, tuple[x509.Certificate, Status, str]] = {
    "good": (made(HOST), Status.GOOD, "The certificate is good for 90 more days."),
    "one of several names": (made("near.example", HOST), Status.GOOD, "90 more days"),
    "in capitals": (made("MX.Near.Example"), Status.GOOD, "90 more days"),
    "a wildcard": (made("*.near.example"), Status.GOOD, "90 more days"),
    "a wildcard of another level": (made("*.example"), Status.NEEDS_YOU, f"for *.example, and this server is {HOST}"),
    "another name": (made("mx.far.example"), Status.NEEDS_YOU, "The certificate is for mx.far.example"),
    "no name": (made(), Status.NEEDS_YOU, "The certificate is for no name"),
    "two weeks left": (made(HOST, ends=14 * DAY), Status.GOOD, "14 more days"),
    "less than two weeks left": (
        made(HOST, ends=14 * DAY - timedelta(seconds=1)),
        Status.NEEDS_YOU,
        "ends in 13 days.",
    ),
    "a day left": (made(HOST, ends=DAY), Status.NEEDS_YOU, "ends in 1 day."),
    "an hour left": (made(HOST, ends=timedelta(hours=1)), Status.NEEDS_YOU, "ends in 0 days."),
    "ended an hour ago": (made(HOST, ends=-timedelta(hours=1), starts=-9 * DAY), Status.BROKEN, "ended 1 day ago."),
    "ended long ago": (made(HOST, ends=-5 * DAY, starts=-9 * DAY), Status.BROKEN, "ended 5 days ago."),
    "begins tomorrow": (
        made(HOST, starts=DAY),
        Status.BROKEN,
        "not valid before 02 June 2030, and today is 01 June 2030",
    ),
    "self-signed": (made(HOST, issuer="us"), Status.NOTE, "self-signed"),
    "self-signed and ending": (made(HOST, issuer="us", ends=DAY), Status.NEEDS_YOU, "ends in 1 day."),
}


@pytest.mark.parametrize("name", JUDGED)
def test_what_is_said_of_a_certificate(name: str) -> None:
    loaded, status, words = JUDGED[name]
    finding = certificate.judge(loaded, HOST, NOW)
    assert (finding.topic, finding.status) == ("certificate", status)
    assert words in finding.what
    assert bool(finding.do) == (status is not Status.GOOD)


def test_before_the_first_start_there_is_none_and_none_is_made(tmp_path: Path) -> None:
    finding = certificate.check(tmp_path, OURS)
    assert finding.status is Status.NOTE
    assert list(tmp_path.iterdir()) == []


def test_the_one_that_we_make_is_fine(tmp_path: Path) -> None:
    ensure_certificate(tmp_path / "keys" / "tls", HOST)
    before = {path: path.read_bytes() for path in (tmp_path / "keys" / "tls").iterdir()}
    assert certificate.check(tmp_path, OURS).status is Status.NOTE
    # Of another name: the server makes a new one when it starts, the doctor does not.
    finding = certificate.check(tmp_path, Config(hostname="mx.other.example", domains=("other.example",)))
    assert finding.status is Status.NEEDS_YOU
    assert {path: path.read_bytes() for path in (tmp_path / "keys" / "tls").iterdir()} == before


PEM, KEY = make_certificate(HOST)
OTHER_PEM, OTHER_KEY = make_certificate(HOST)
FILES: dict[str, tuple[bytes | None, bytes | None, Status, str]] = {
    "right": (PEM, KEY, Status.NOTE, "self-signed"),
    "no certificate": (None, KEY, Status.BROKEN, "it is not there"),
    "no key": (PEM, None, Status.BROKEN, "it is not there"),
    "the key of another": (PEM, OTHER_KEY, Status.BROKEN, "cannot be used (["),
    "changed places": (KEY, PEM, Status.BROKEN, "cannot be used (["),
    "empty": (b"", b"", Status.BROKEN, "cannot be used ("),
    "garbage": (b"\x00\xff" * 99, KEY, Status.BROKEN, "cannot be used ("),
}


@pytest.mark.parametrize("name", FILES)
def test_the_owners_own_files(name: str, tmp_path: Path) -> None:
    certificate_file, key_file, status, words = FILES[name]
    (tmp_path / "keys").mkdir()
    for path, content in (("keys/own.crt", certificate_file), ("keys/own.key", key_file)):
        if content is not None:
            (tmp_path / path).write_bytes(content)
    finding = certificate.check(tmp_path, OWN)
    assert finding.status is status
    assert words in finding.what
    if status is Status.BROKEN:
        assert "tls.certificate" in finding.do


def test_our_own_when_it_is_damaged(tmp_path: Path) -> None:
    crt, _ = ensure_certificate(tmp_path / "keys" / "tls", HOST)
    crt.write_bytes(b"")
    finding = certificate.check(tmp_path, OURS)
    assert finding.status is Status.BROKEN
    assert finding.do == "Start the server again: it makes a new one."
