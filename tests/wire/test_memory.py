"""A message of 25 MB costs the mail process less than 10 MB of memory, on its way in, through the queue, and out; so does
one of 50 MB that the server decodes or puts together, and a mailbox that is fetched whole."""

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


def test_decoded_and_put_together_over_imap(world: World) -> None:
    """50 MB, whose decoded size is told before the first of them is sent."""
    half = large("decoded").split(b"\r\n\r\n", 1)[1][: 78 * 320_000]  # whole lines
    message = b"Subject: x\r\nContent-Transfer-Encoding: base64\r\n\r\n" + half + half
    assert 49_000_000 < len(message) < 50 * MIB
    with imaplib.IMAP4("127.0.0.1", world.ports["imap"], timeout=100) as imap:
        imap.login("bob@near.example", PASSWORD)
        assert imap.append("Drafts", None, None, message)[0] == "OK"
        imap.select("Drafts")
        size = len(message) * 3 // 4

        def decode() -> None:
            imap.send(b"x FETCH 1 (BINARY.SIZE[1] BINARY.PEEK[1])\r\n")
            told = re.fullmatch(rb"\* 1 FETCH \(BINARY.SIZE\[1\] (\d+) BINARY\[1\] ~\{(\d+)\}\r\n", imap.readline())
            assert told is not None and told[1] == told[2] and abs(int(told[1]) - size) < size // 20
            left = int(told[1])
            while left:
                left -= len(imap.read(min(left, MIB)))
            assert imap.readline() == b")\r\n" and imap.readline().startswith(b"x OK")

        assert growth(world, decode) < ALLOWED

        def put_together() -> None:
            imap.send(
                b"y APPEND Drafts CATENATE (URL /;UID=1/;PARTIAL=0.25000000 TEXT {1+}\r\nx URL /;UID=1/;PARTIAL=0.25000000)\r\n"
            )
            while not (line := imap.readline()).startswith(b"y "):
                pass
            assert line.startswith(b"y OK [APPENDUID ")

        assert growth(world, put_together) < ALLOWED


def test_a_mailbox_fetched_whole(world: World) -> None:
    """400 messages of 100 KB, three clients at once."""
    octets = b"Subject: x\r\n\r\n" + random.Random(3).randbytes(70_000).replace(b"\0", b"x").replace(b"\r", b"x")
    clients = [imaplib.IMAP4("127.0.0.1", world.ports["imap"], timeout=100) for _ in range(3)]
    for imap in clients:
        imap.login("bob@near.example", PASSWORD)
    first = clients[0]
    first.send(b"x APPEND Trash" + (b" {%d+}\r\n" % len(octets) + octets) * 40 + b"\r\n")
    assert first.readline().startswith(b"x OK [APPENDUID ")
    for imap in clients:
        imap.select("Trash")
    for _ in range(9):
        first.copy("1:40", "Trash")

    def fetch_all() -> None:
        for imap in clients:
            imap.noop()
            imap.send(b"x FETCH 1:* BODY.PEEK[]\r\n")
        for imap in clients:
            messages = 0
            while not (line := imap.readline()).startswith(b"x "):
                if announced := re.search(rb"\{(\d+)\}\r\n\Z", line):
                    messages += 1
                    assert imap.read(int(announced[1])) == octets
            assert messages == 400 and line.startswith(b"x OK")

    assert growth(world, fetch_all) < ALLOWED
    for imap in clients:
        imap.logout()
