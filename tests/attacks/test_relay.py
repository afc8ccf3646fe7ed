"""Nobody who has not signed in sends anything through us, whatever the address looks like."""

from __future__ import annotations

import json
import socket

import pytest

from tests.support.remote_mta import RemoteMta
from tests.support.world import World

from .dialogue import dialogue

ELSEWHERE = [
    b"<victim@elsewhere.example>",
    b"<victim%elsewhere.example@near.example>",
    b"<elsewhere.example!victim@near.example>",
    b"<elsewhere.example!victim>",
    b"<@near.example:victim@elsewhere.example>",
    b"<@near.example,@elsewhere.example:victim@elsewhere.example>",
    b'<"victim@elsewhere.example"@near.example>',
    b'<"victim%elsewhere.example"@near.example>',
    b"<victim@elsewhere.example@near.example>",
    b"<victim@near.example@elsewhere.example>",
    b"<victim@[127.0.0.1]>",
    b"<victim@[IPv6:::1]>",
    b"<victim@near.example.elsewhere.example>",
    b"<victim@elsewhere.example.>",
    b"<victim@near.examp1e>",
    b"<victim@ne\xd0\xb0r.example>",
    b"<victim@xn--ner-7cd.example>",
    b"<victim>",
    b"<victim@>",
    b"<@elsewhere.example>",
    b"victim@elsewhere.example",
    b"<victim@elsewhere.example> ORCPT=rfc822;bob@near.example",
    b"<bob@near.example,victim@elsewhere.example>",
    b"<bob@near.example> <victim@elsewhere.example>",
]


@pytest.mark.parametrize("recipient", ELSEWHERE, ids=lambda each: each.decode("latin-1"))
@pytest.mark.parametrize(
    "reverse_path", [b"<a@far.example>", b"<bob@near.example>", b"<>", b"<postmaster@near.example>"]
)
def test_no_form_of_address_leads_elsewhere(world: World, reverse_path: bytes, recipient: bytes) -> None:
    helo = b"EHLO mx.near.example"
    replies = dialogue(
        world.ports["smtp"], helo, b"MAIL FROM:" + reverse_path, b"RCPT TO:" + recipient, b"DATA", b"QUIT"
    )
    assert replies[3][:1] == b"5", replies
    assert replies[4][:1] == b"5", replies


@pytest.mark.parametrize(
    "verb",
    [
        b"XCLIENT ADDR=127.0.0.1 LOGIN=bob@near.example",
        b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2",
        b"ETRN elsewhere.example",
        b"TURN",
        b"AUTH PLAIN AGJvYgB4",
        b"XFORWARD NAME=x",
    ],
)
def test_no_verb_makes_a_stranger_one_of_us(world: World, verb: bytes) -> None:
    replies = dialogue(
        world.ports["smtp"], b"EHLO x", verb, b"MAIL FROM:<bob@near.example>", b"RCPT TO:<victim@elsewhere.example>"
    )
    assert replies[2][:1] == b"5", replies
    assert replies[4][:1] == b"5", replies


@pytest.mark.parametrize("port", ["submission", "smtp"])
def test_recipients_that_were_refused_get_nothing_pipelined_or_not(world: World, remote: RemoteMta, port: str) -> None:
    before = len(remote.messages)
    with socket.create_connection(("127.0.0.1", world.ports[port]), timeout=30) as line:
        line.sendall(
            b"EHLO x\r\nMAIL FROM:<bob@near.example>\r\nRCPT TO:<victim@elsewhere.example>\r\nDATA\r\n"
            b"Subject: spam\r\n\r\nspam\r\n.\r\nQUIT\r\n"
        )
        said = line.makefile("rb").read()
    assert b"\r\n354" not in said
    assert b"\r\n250 2.0.0 Accepted" not in said
    assert json.loads(world.cli("queue", "list", "--json")) == []
    assert len(remote.messages) == before


def test_submission_wants_a_sign_in_before_anything(world: World) -> None:
    replies = dialogue(
        world.ports["submission"], b"EHLO x", b"MAIL FROM:<bob@near.example>", b"RCPT TO:<eve@near.example>"
    )
    assert replies[2].startswith(b"530 5.7.0")
    assert replies[3][:1] == b"5"
