"""A message of 25 MB costs the mail process less than 10 MB of memory, on its way in, through the queue, and out."""

from __future__ import annotations

import imaplib
import poplib
import random
import re
import smtplib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.dns_server import DnsServer
from tests.support.remote_mta import RemoteMta
from tests.support.world import PASSWORD, World, eventually

MIB = 1024 * 1024
ALLOWED = 10 * MIB


def large(subject: str) -> bytes:
    """25 MB of base64 that does not compress to nothing."""
    body = random.Random(subject).randbytes(18 * MIB + 300_000)
    import base64

    return (
        f"From: bob@near.example\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n"
    ).encode() + base64.encodebytes(body).replace(b"\n", b"\r\n")


@pytest.fixture(scope="module")
def remote() -> Iterator[RemoteMta]:
    with RemoteMta() as mta:
        yield mta


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, remote: RemoteMta) -> Iterator[World]:
    """Warm: every way has been gone once with a small message."""
    with DnsServer("far.example. MX 10 mx.far.example.\nmx.far.example. A 127.0.0.1") as dns:
        settings = {"resolver": f"127.0.0.1:{dns.address[1]}", "outbound.mx_port": remote.port}
        with World(tmp_path_factory.mktemp("memory") / "home", settings=settings) as world:
            small = b"Subject: warm\r\n\r\n" + b"x" * 70 + b"\r\n"
            receive(world, small)
            submit(world, small)
            fetch(world, "1")
            retrieve(world, 1)
            eventually(lambda: len(remote.messages) == 1)
            yield world


def growth(world: World, act: Callable[[], object]) -> int:
    """How far the mail process's memory peaked above where it began."""
    status = Path(f"/proc/{world.pids['mail']}/status")

    def octets(name: str) -> int:
        return int(re.search(rf"{name}:\s+(\d+) kB", status.read_text())[1]) * 1024

    Path(f"/proc/{world.pids['mail']}/clear_refs").write_text("5")  # the peak begins here
    before = octets("VmRSS")
    act()
    return octets("VmHWM") - before


def receive(world: World, message: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", world.ports["smtp"], timeout=100) as smtp:
        assert smtp.sendmail("ann@far.example", ["bob@near.example"], message) == {}


def submit(world: World, message: bytes) -> None:
    context = ssl.create_default_context(cafile=str(world.home / "keys" / "tls" / "self-signed.crt"))
    context.check_hostname = False
    with smtplib.SMTP_SSL("127.0.0.1", world.ports["submissions"], context=context, timeout=100) as smtp:
        smtp.login("bob@near.example", PASSWORD)
        assert smtp.sendmail("bob@near.example", ["ann@far.example"], message) == {}


def fetch(world: World, number: str) -> bytes:
    with imaplib.IMAP4("127.0.0.1", world.ports["imap"], timeout=100) as imap:
        imap.login("bob@near.example", PASSWORD)
        imap.select("INBOX", readonly=True)
        return imap.fetch(number, "(ENVELOPE BODYSTRUCTURE BODY.PEEK[])")[1][0][1]


def append(world: World, message: bytes) -> None:
    with imaplib.IMAP4("127.0.0.1", world.ports["imap"], timeout=100) as imap:
        imap.login("bob@near.example", PASSWORD)
        assert imap.append("Archive", None, None, message)[0] == "OK"


def retrieve(world: World, number: int) -> int:
    pop = poplib.POP3("127.0.0.1", world.ports["pop3"], timeout=100)
    pop.user("bob@near.example")
    pop.pass_(PASSWORD)
    octets = pop.retr(number)[2]
    pop.quit()
    return octets


def test_in_over_smtp_and_out_again(world: World) -> None:
    message = large("in and out")
    assert len(message) > 25_000_000
    assert growth(world, lambda: receive(world, message)) < ALLOWED
    assert growth(world, lambda: fetch(world, "2")) < ALLOWED
    assert fetch(world, "2").endswith(message)
    assert growth(world, lambda: retrieve(world, 2)) < ALLOWED


def test_appended_over_imap(world: World) -> None:
    assert growth(world, lambda: append(world, large("append"))) < ALLOWED


def test_submitted_signed_and_sent(world: World, remote: RemoteMta) -> None:
    message = large("submitted")

    def through_the_queue() -> None:
        submit(world, message)
        eventually(lambda: len(remote.messages) == 2)

    assert growth(world, through_the_queue) < ALLOWED
    assert remote.messages[1].content.endswith(message[:1000] + message[1000:])
