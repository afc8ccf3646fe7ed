"""Two whole servers and a name server: mail goes over and comes back, bounces, waits for a peer that is down."""

from __future__ import annotations

import imaplib
import json
import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import dkim
import pytest

from tests.support.dns_server import DnsServer
from tests.support.world import PASSWORD, World, eventually

NEAR, FAR = "127.0.0.2", "127.0.0.3"


@dataclass
class Pair:
    near: World
    far: World
    dns: DnsServer


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """near.example on one loopback address, far.example on another; each dials the port that the other listens on."""
    folder = tmp_path_factory.mktemp("two")
    with DnsServer() as dns:
        worlds = []
        for domain, address in (("near.example", NEAR), ("far.example", FAR)):
            settings = {"listen.address": address, "resolver": f"127.0.0.1:{dns.address[1]}"}
            user = {"near.example": "bob", "far.example": "ann"}[domain]
            worlds.append(World(folder / domain, domain=domain, users=(user,), settings=settings).start())
        near, far = worlds
        zones = [
            f"near.example. MX 10 mx.near.example.\nmx.near.example. A {NEAR}",
            f"far.example. MX 10 mx.far.example.\nmx.far.example. A {FAR}",
        ]
        zones += [
            zone_line(line)
            for world in worlds
            for line in json.loads(world.cli("dns", "--json"))
            if line["type"] == "TXT"
        ]
        dns.set_zones("\n".join(zones))
        near.cli("config", "set", "outbound.mx_port", str(far.ports["smtp"]))
        far.cli("config", "set", "outbound.mx_port", str(near.ports["smtp"]))
        try:
            yield Pair(near, far, dns)
        finally:
            near.stop()
            far.stop()


def zone_line(record: dict[str, str]) -> str:
    """A TXT record in strings of at most 255 octets, as a zone file has it."""
    value = record["value"]
    strings = (json.dumps(value[at : at + 250]) for at in range(0, len(value), 250))
    return f"{record['host']}. TXT {' '.join(strings)}"


def submit(world: World, address: str, sign_in: str, recipient: str, subject: str) -> None:
    context = ssl.create_default_context(cafile=str(world.home / "keys" / "tls" / "self-signed.crt"))
    context.check_hostname = False  # dialled by its address
    with smtplib.SMTP_SSL(address, world.ports["submissions"], context=context, timeout=60) as smtp:
        smtp.login(sign_in, PASSWORD)
        smtp.sendmail(
            sign_in,
            [recipient],
            f"From: {sign_in}\r\nTo: {recipient}\r\nSubject: {subject}\r\n\r\nbody of {subject}: grüße\r\n".encode(),
        )


def inbox(world: World, address: str, user: str, subject: str) -> list[bytes]:
    """The messages with that in the subject."""
    with imaplib.IMAP4(address, world.ports["imap"], timeout=60) as imap:
        imap.login(user, PASSWORD)
        imap.select("INBOX", readonly=True)
        _, found = imap.search(None, "SUBJECT", f'"{subject}"')
        return [imap.fetch(number.decode(), "(BODY.PEEK[])")[1][0][1] for number in found[0].split()]


def one(world: World, address: str, user: str, subject: str) -> bytes:
    found: list[bytes] = []

    def there() -> bool:
        found[:] = inbox(world, address, user, subject)
        return bool(found)

    eventually(there, lambda: world.log()[-3000:])
    assert len(found) == 1
    return found[0]


def test_over_and_back_signed_and_encrypted(pair: Pair) -> None:
    submit(pair.near, NEAR, "bob@near.example", "ann@far.example", "hello over there")
    came = one(pair.far, FAR, "ann@far.example", "hello over there")
    assert came.startswith(b"Return-Path: <bob@near.example>\r\nReceived: from mx.near.example")
    assert b"with ESMTPS id" in came
    assert b"\r\nDate: " in came and b"\r\nMessage-ID: <" in came
    submit(pair.far, FAR, "ann@far.example", "bob@near.example", "hello back")
    assert b"body of hello back" in one(pair.near, NEAR, "bob@near.example", "hello back")


def test_the_signatures_verify(pair: Pair) -> None:
    submit(pair.near, NEAR, "bob@near.example", "ann@far.example", "signed")
    came = one(pair.far, FAR, "ann@far.example", "signed")
    assert came.count(b"DKIM-Signature:") == 2
    records = {line["host"]: line["value"] for line in json.loads(pair.near.cli("dns", "--json"))}

    def look_up(name: bytes, timeout: int = 5) -> bytes:
        return records[name.decode().rstrip(".")].encode()

    for index in (0, 1):
        assert dkim.DKIM(came).verify(idx=index, dnsfunc=look_up)


def test_a_wrong_address_bounces_into_the_inbox(pair: Pair) -> None:
    submit(pair.near, NEAR, "bob@near.example", "nobody@far.example", "to nobody")
    report = one(pair.near, NEAR, "bob@near.example", "not delivered")
    assert report.startswith(b"Return-Path: <>\r\n")
    assert b"multipart/report" in report
    assert b"nobody@far.example" in report
    assert b"Status: 5.1.1" in report
    assert b"There is no such address here" in report
    assert json.loads(pair.near.cli("queue", "list", "--json")) == []
    story = pair.near.cli("trace", "nobody@far.example")
    assert "550 5.1.1" in story


def test_a_stopped_peer_makes_mail_wait_and_the_light_change(pair: Pair) -> None:
    def status() -> dict:
        return json.loads(pair.near.cli("status", "--json"))

    eventually(lambda: status()["leds"]["queue"] == "off", lambda: str(status()))
    pair.far.stop()
    submit(pair.near, NEAR, "bob@near.example", "ann@far.example", "patience")
    eventually(lambda: status()["queue"] == {"waiting": 1, "deferred": 1}, lambda: str(status()))
    assert status()["leds"]["queue"] == "slow"
    queued = json.loads(pair.near.cli("queue", "list", "--json"))
    assert queued[0]["recipients"][0]["attempts"] == 1
    assert queued[0]["recipients"][0]["last_reply"]

    ports = pair.far.ports
    pair.far.cli("config", "set", "listen.smtp", str(ports["smtp"]))  # so that it comes back where it was
    pair.far.start()
    assert pair.far.ports["smtp"] == ports["smtp"]
    pair.near.cli("queue", "flush")
    assert b"body of patience" in one(pair.far, FAR, "ann@far.example", "patience")
    eventually(lambda: status()["queue"] == {"waiting": 0, "deferred": 0}, lambda: str(status()))
    eventually(lambda: status()["leds"]["queue"] == "off", lambda: str(status()))


def test_the_trace_tells_it_in_order(pair: Pair) -> None:
    submit(pair.near, NEAR, "bob@near.example", "ann@far.example", "story")
    one(pair.far, FAR, "ann@far.example", "story")
    near = json.loads(pair.near.cli("trace", "ann@far.example", "--json"))
    story = next(each for each in near if "story" in each["subject"])
    kinds = [step["sentence"] for step in story["steps"]]
    assert len(kinds) >= 3
    assert [step["at"] for step in story["steps"]] == sorted(step["at"] for step in story["steps"])
    assert any("mx.far.example" in step["technical"] + step["sentence"] for step in story["steps"])
