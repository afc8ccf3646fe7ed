"""One context for all listeners; a new certificate is taken up at the next connection, a bad one never."""

from __future__ import annotations

import hashlib
import itertools
import os
import socket
import ssl
import threading
from pathlib import Path

import pytest

from appliance.tls.contexts import ServerContext
from appliance.tls.self_signed import ensure_certificate, fingerprint, make_certificate

HOST = "mx.example.org"


def _served(context: ssl.SSLContext, *, highest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED) -> bytes:
    """The certificate, in DER, that a client is shown over a pair of sockets."""
    here, there = socket.socketpair()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    client.minimum_version = min(ssl.TLSVersion.TLSv1_2, highest)
    client.maximum_version = highest
    client.set_ciphers("ALL:@SECLEVEL=0")

    def serve() -> None:
        try:
            with context.wrap_socket(there, server_side=True) as tls:
                tls.recv(1)
        except OSError:
            there.close()

    server = threading.Thread(target=serve)
    server.start()
    try:
        with client.wrap_socket(here) as tls:
            shown = tls.getpeercert(binary_form=True)
            assert shown is not None
            return shown
    finally:
        here.close()
        server.join()


def _fingerprint(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return ensure_certificate(tmp_path, HOST)


def _shown(path: Path) -> str:
    return fingerprint(path).replace(":", "").lower()


def test_the_same_context_serves_until_the_files_change(files: tuple[Path, Path]) -> None:
    current = ServerContext(*files, clock=itertools.count(step=2).__next__)
    first = current()
    assert current() is first
    assert _fingerprint(_served(first)) == _shown(files[0])


def test_the_files_are_not_looked_at_for_each_connection(files: tuple[Path, Path]) -> None:
    now = 0.0
    current = ServerContext(*files, clock=lambda: now)
    first = current()
    for path, octets in zip(files, make_certificate(HOST), strict=True):
        path.write_bytes(octets)
    now = 0.9
    assert current() is first
    now = 1.1
    assert current() is not first


def test_new_files_are_taken_up(files: tuple[Path, Path]) -> None:
    current = ServerContext(*files, clock=itertools.count(step=2).__next__)
    before = _fingerprint(_served(current()))
    for path, pem in zip(files, make_certificate(HOST), strict=True):
        path.write_bytes(pem)
        os.utime(path, ns=(1, 1))
    after = _fingerprint(_served(current()))
    assert after == _shown(files[0])
    assert after != before


def test_while_the_files_do_not_fit_each_other_the_last_good_ones_stay(files: tuple[Path, Path]) -> None:
    """Certificate first, key a moment later: in between a connection must not fail."""
    current = ServerContext(*files, clock=itertools.count(step=2).__next__)
    good = current()
    certificate, key = make_certificate(HOST)
    files[0].write_bytes(certificate)
    os.utime(files[0], ns=(1, 1))
    assert current() is good
    assert current() is good
    files[1].write_bytes(key)
    os.utime(files[1], ns=(1, 1))
    assert current() is not good
    assert _fingerprint(_served(current())) == _shown(files[0])


def test_files_that_went_away_do_not_take_the_server_with_them(files: tuple[Path, Path]) -> None:
    current = ServerContext(*files, clock=itertools.count(step=2).__next__)
    good = current()
    files[0].unlink()
    assert current() is good


def test_files_that_never_were_good_are_told_at_once(tmp_path: Path, files: tuple[Path, Path]) -> None:
    with pytest.raises(FileNotFoundError):
        ServerContext(tmp_path / "none.crt", files[1])()
    with pytest.raises(ssl.SSLError):
        ServerContext(files[1], files[1])()


def test_nothing_older_than_tls_1_2_is_spoken(files: tuple[Path, Path]) -> None:
    """RFC 8996."""
    context = ServerContext(*files, clock=itertools.count(step=2).__next__)()
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert _served(context, highest=ssl.TLSVersion.TLSv1_2)
