"""Name servers that lie make us neither loop, nor deliver to ourselves, nor dial half the world."""

from __future__ import annotations

import imaplib
import json
import smtplib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.dns_server import DnsServer, Misbehaviour
from tests.support.world import PASSWORD, World, eventually

ZONES = "\n".join(
    [
        "ourselves.example. MX 10 mx.near.example.",
        "loopback.example. MX 10 here.loopback.example.\nhere.loopback.example. A 127.0.0.1",
        "localhost.example. MX 10 localhost.",
        "number.example. MX 10 127.0.0.1.",
        "null.example. MX 0 .",
        "null-and-more.example. MX 0 .\nnull-and-more.example. MX 10 here.loopback.example.",
        *(f"many.example. MX {n % 7} mx{n}.many.example." for n in range(500)),
        *(f"mx{n}.many.example. A 127.0.9.{n % 250 + 1}" for n in range(500)),
        "addresses.example. MX 1 a.addresses.example.",
        *(f"a.addresses.example. A 127.0.8.{n + 1}" for n in range(250)),
        "mx.near.example. A 127.0.0.1",
        "near.example. MX 10 mx.near.example.",
        *(f"{name}.example. A 127.0.0.1" for name in ("silent", "garbage", "lying", "refused")),
    ]
)
MISBEHAVING = {
    "silent.example": Misbehaviour.SILENT,
    "garbage.example": Misbehaviour.GARBAGE,
    "lying.example": Misbehaviour.LYING,
    "refused.example": Misbehaviour.REFUSED,
    "many.example": Misbehaviour.TRUNCATED,
}


@pytest.fixture(scope="module")
def loner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server that dials the port it listens on itself: whatever leads to 127.0.0.1 leads back to it."""
    with DnsServer(ZONES, MISBEHAVING) as dns:
        home = tmp_path_factory.mktemp("names") / "home"
        settings = {"resolver": f"127.0.0.1:{dns.address[1]}"}
        aliases = {"away@near.example": ("x@loopback.example",)}
        with World(home, users=("ann",), aliases=aliases, settings=settings) as world:
            world.cli("config", "set", "outbound.mx_port", str(world.ports["smtp"]))
            yield world
            assert "Traceback" not in world.log()


def submit(world: World, recipient: str) -> None:
    with smtplib.SMTP("127.0.0.1", world.ports["submission"], timeout=30) as smtp:
        smtp.login("ann@near.example", PASSWORD)
        smtp.sendmail("ann@near.example", [recipient], f"Subject: to {recipient}\r\n\r\nx\r\n")


def waiting(world: World) -> dict[str, dict[str, Any]]:
    """recipient → what the queue says of it."""
    return {
        recipient["address"]: recipient
        for message in json.loads(world.cli("queue", "list", "--json"))
        for recipient in message["recipients"]
    }


def inbox(world: World) -> list[bytes]:
    with imaplib.IMAP4("127.0.0.1", world.ports["imap"], timeout=30) as imap:
        imap.login("ann@near.example", PASSWORD)
        imap.select("INBOX", readonly=True)
        numbers = imap.search(None, "ALL")[1][0].split()
        return [imap.fetch(number.decode(), "(BODY.PEEK[])")[1][0][1] for number in numbers]


FAILS = {
    "ourselves.example": b"5.4.6",  # the MX is our own name
    "loopback.example": b"5.7.1",  # we dial ourselves, and refuse to relay
    "localhost.example": b"5.7.1",
    "number.example": b"5.4.4",  # a number is no name
    "null.example": b"5.1.10",
    "null-and-more.example": b"5.7.1",
    "nowhere.example": b"5.1.2",
}
DEFERRED = (
    "silent.example",
    "garbage.example",
    "lying.example",
    "refused.example",
    "many.example",
    "addresses.example",
)


def test_each_lie_ends_in_one_report_or_in_waiting(loner: World) -> None:
    for domain in (*FAILS, *DEFERRED):
        submit(loner, f"x@{domain}")
    tried: dict[str, dict[str, Any]] = {}

    def all_tried() -> bool:
        tried.update(waiting(loner))
        return len(inbox(loner)) >= len(FAILS) and all(
            f"x@{domain}" in tried and tried[f"x@{domain}"]["attempts"] for domain in DEFERRED
        )

    eventually(all_tried, lambda: f"{tried}\n{[each[-900:] for each in inbox(loner)]}\n{loner.log()[-3000:]}")
    reports = inbox(loner)
    assert len(reports) == len(FAILS)
    for domain, status in FAILS.items():
        (report,) = [each for each in reports if f"Final-Recipient: rfc822; x@{domain}".encode() in each]
        assert b"Status: " + status in report, report
    assert set(waiting(loner)) == {f"x@{domain}" for domain in DEFERRED}
    assert loner.log().count("127.0.9.") + loner.log().count("127.0.8.") <= 40, "so many addresses for two messages"


def test_a_forward_that_leads_back_to_us_ends(loner: World) -> None:
    """Its bounce goes to a reverse-path that leads back to us too, and there is none about that one."""
    before = len(inbox(loner))
    with smtplib.SMTP("127.0.0.1", loner.ports["smtp"], timeout=30) as smtp:
        smtp.sendmail("y@loopback.example", ["away@near.example"], b"Subject: round and round\r\n\r\nx\r\n")
    eventually(lambda: "to=y@loopback.example" in loner.log(), lambda: loner.log()[-3000:])
    eventually(lambda: not {"x@loopback.example", "y@loopback.example"} & set(waiting(loner)))
    assert len(inbox(loner)) == before
