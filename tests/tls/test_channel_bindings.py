"""What binds a sign-in to its connection: the same on both sides, another for each connection or certificate."""

from __future__ import annotations

import datetime
import hashlib
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from appliance.tls.channel_bindings import channel_bindings, server_end_point
from appliance.tls.contexts import ServerContext
from tests.support.ca import make_certificate


def certificate(key: Any, algorithm: Any) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx.example.org")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(77).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    return made.sign(key, algorithm).public_bytes(serialization.Encoding.DER)


EC, RSA = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (key, algorithm)
        for key in (EC, RSA)
        for algorithm in (hashes.SHA224(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512())
    ],
    ids=lambda each: getattr(each, "name", type(each).__name__),
)
def test_the_hash_is_that_of_the_signature(key: Any, algorithm: Any) -> None:
    """RFC 5929 4.1, and as the library reads the certificate."""
    der = certificate(key, algorithm)
    read = x509.load_der_x509_certificate(der).signature_hash_algorithm
    assert read is not None
    assert server_end_point(der) == hashlib.new(read.name, der).digest()


def test_a_signature_without_a_hash_binds_nothing() -> None:
    assert server_end_point(certificate(ed25519.Ed25519PrivateKey.generate(), None)) is None


def test_what_is_no_certificate_binds_nothing() -> None:
    der = certificate(EC, hashes.SHA256())
    for octets in (b"", b"\x30", b"\x30\x82", b"\x30\x03abc", *(der[:length] for length in range(0, len(der), 7))):
        assert server_end_point(octets) is None


def handshake(context: ssl.SSLContext, version: ssl.TLSVersion) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """(the server's side, the client's)."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    trusting.minimum_version = trusting.maximum_version = version
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(to_server, to_client, server_side=True)
    client = trusting.wrap_bio(to_client, to_server)
    ends = {client, server}
    while ends:
        for end in (client, server):
            try:
                end.do_handshake()
                ends.discard(end)
            except ssl.SSLWantReadError:
                pass
    return server, client


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    pem, key = make_certificate()
    (tmp_path / "certificate.pem").write_bytes(b"# ours\n" + pem)
    (tmp_path / "key.pem").write_bytes(key)
    return ServerContext(tmp_path / "certificate.pem", tmp_path / "key.pem")()


def test_tls_1_2(context: ssl.SSLContext) -> None:
    server, client = handshake(context, ssl.TLSVersion.TLSv1_2)
    found = channel_bindings(server)
    assert found["tls-unique"] == client.get_channel_binding("tls-unique")
    assert found["tls-unique"] != channel_bindings(handshake(context, ssl.TLSVersion.TLSv1_2)[0])["tls-unique"]
    seen = client.getpeercert(binary_form=True)
    assert seen is not None and found["tls-server-end-point"] == hashlib.sha256(seen).digest()


def test_tls_1_3(context: ssl.SSLContext) -> None:
    """tls-unique is not defined there (RFC 9266 1); the exporter's is there where Python has it."""
    server, client = handshake(context, ssl.TLSVersion.TLSv1_3)
    wanted = {"tls-server-end-point"}
    if hasattr(ssl.SSLObject, "export_keying_material"):
        wanted.add("tls-exporter")
    assert set(channel_bindings(server)) == wanted
    assert channel_bindings(server).get("tls-exporter") == channel_bindings(client).get("tls-exporter")


def test_the_exporter_is_asked_for_as_rfc_9266_says() -> None:
    class Exporting:
        context = None

        def version(self) -> str:
            return "TLSv1.3"

        def export_keying_material(self, label: str, octets: int, context: bytes) -> bytes:
            assert (label, octets, context) == ("EXPORTER-Channel-Binding", 32, b"")
            return b"x" * octets

    assert channel_bindings(Exporting()) == {"tls-exporter": b"x" * 32}  # type: ignore[arg-type]


def test_without_tls_nothing_is_bound() -> None:
    assert channel_bindings(None) == {}
