"""The lines that we put before a message say what they may, whatever the peer said of itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.intake.trace_header import missing_headers, received, return_path
from appliance.intake.trace_id import LENGTH, new_trace_id
from appliance.mail.address import Address
from appliance.mail.envelope import Peer, Protocol
from appliance.mime.headers import header_values
from tests.support import strategies

NOW = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
TAIL = ";\r\n\tTue, 14 Nov 2023 22:13:20 +0000\r\n"


def line(peer: Peer, only: str | None = None) -> str:
    recipient = Address.parse(only) if only else None
    return received(peer, hostname="mx.a.b", trace_id="id", only_recipient=recipient, now=NOW).decode()


TABLE = [
    (
        "plain",
        Peer("192.0.2.1", "mail.x", Protocol.SMTP),
        None,
        "Received: from mail.x ([192.0.2.1])\r\n\tby mx.a.b\r\n\twith SMTP id id" + TAIL,
    ),
    (
        "IPv6, TLS, one recipient",
        Peer("2001:db8::1", "mail.x", Protocol.ESMTPS, "TLSv1.3 X"),
        "bob@a.b",
        "Received: from mail.x ([IPv6:2001:db8::1])\r\n\tby mx.a.b\r\n\twith ESMTPS id id\r\n\t(TLSv1.3 X)\r\n\tfor <bob@a.b>"
        + TAIL,
    ),
    (
        "IPv4 by way of IPv6",
        Peer("::ffff:192.0.2.1", "mail.x"),
        None,
        "Received: from mail.x ([192.0.2.1])\r\n\tby mx.a.b\r\n\twith ESMTP id id" + TAIL,
    ),
    (
        "link-local",
        Peer("fe80::1%eth0", "[IPv6:fe80::1]"),
        None,
        "Received: from [IPv6:fe80::1] ([IPv6:fe80::1])\r\n\tby mx.a.b\r\n\twith ESMTP id id" + TAIL,
    ),
    (
        "no HELO and no address",
        Peer("?", ""),
        None,
        "Received: from unknown ([unknown])\r\n\tby mx.a.b\r\n\twith ESMTP id id" + TAIL,
    ),
    (
        "signed in",
        Peer("192.0.2.1", "laptop", Protocol.ESMTPSA, None, 1, "bob@a.b"),
        None,
        "Received: from laptop by mx.a.b\r\n\twith ESMTPSA id id" + TAIL,
    ),
    (
        "signed in, the program tells its address",
        Peer("192.0.2.1", "[192.168.0.2]", Protocol.ESMTPSA, None, 1, "bob@a.b"),
        None,
        "Received: from unknown by mx.a.b\r\n\twith ESMTPSA id id" + TAIL,
    ),
    (
        "a recipient in UTF-8",
        Peer("192.0.2.1", "mail.x", Protocol.ESMTPS),
        "zoë@a.b",
        "Received: from mail.x ([192.0.2.1])\r\n\tby mx.a.b\r\n\twith UTF8SMTPS id id\r\n\tfor <zoë@a.b>" + TAIL,
    ),
    (
        "a recipient in quotes",
        Peer("192.0.2.1", "mail.x"),
        '"a b"@a.b',
        'Received: from mail.x ([192.0.2.1])\r\n\tby mx.a.b\r\n\twith ESMTP id id\r\n\tfor <"a b"@a.b>' + TAIL,
    ),
]


@pytest.mark.parametrize(("peer", "only", "expected"), [t[1:] for t in TABLE], ids=[t[0] for t in TABLE])
def test_received(peer: Peer, only: str | None, expected: str) -> None:
    assert line(peer, only) == expected


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300), st.text(max_size=60), st.text(max_size=80), st.none() | strategies.odd_addresses)
def test_whatever_a_peer_says_there_is_one_field_in_lines_of_bounded_length(
    helo: str, ip: str, tls: str, recipient: Address | None
) -> None:
    """No words of the peer's can end the field, begin another, or close the comment."""
    octets = received(
        Peer(ip, helo, tls=tls or None), hostname="mx.a.b", trace_id="id", only_recipient=recipient, now=NOW
    )
    assert octets.endswith(b"\r\n")
    assert len(header_values(octets + b"X: end\r\n\r\n", b"Received")) == 1
    assert header_values(octets + b"X: end\r\n\r\n", b"X") != []
    for each in octets.split(b"\r\n"):
        assert b"\r" not in each and b"\n" not in each
        assert len(each) <= 998
    first = octets.split(b"\r\n")[0].decode()
    assert re.fullmatch(r"Received: from [A-Za-z0-9._:\[\]-]+ \(\[[A-Za-z0-9.:]+\]\)", first)


@pytest.mark.parametrize(
    ("reverse_path", "expected"),
    [(None, "<>"), ("bob@a.b", "<bob@a.b>"), ('"a b"@a.b', '<"a b"@a.b>'), ("zoë@a.b", "<zoë@a.b>")],
)
def test_return_path(reverse_path: str | None, expected: str) -> None:
    address = Address.parse(reverse_path) if reverse_path else None
    assert return_path(address) == f"Return-Path: {expected}\r\n".encode()


def test_missing_headers() -> None:
    def added(has_date: bool, has_message_id: bool) -> bytes:
        return missing_headers(
            has_date=has_date, has_message_id=has_message_id, hostname="mx.a.b", trace_id="id", now=NOW
        )

    header_date = b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
    message_id = b"Message-ID: <20231114221320.id@mx.a.b>\r\n"
    assert added(False, False) == header_date + message_id
    assert added(True, False) == message_id
    assert added(False, True) == header_date
    assert added(True, True) == b""


def test_trace_ids_differ_and_can_be_read_out() -> None:
    ids = {new_trace_id() for _ in range(2000)}
    assert len(ids) == 2000
    assert all(re.fullmatch(rf"[0-9a-hjkmnp-tv-z]{{{LENGTH}}}", each) for each in ids)
