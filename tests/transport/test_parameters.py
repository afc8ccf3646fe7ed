"""The arguments of MAIL and RCPT hold what the peer offered, and nothing more."""

from __future__ import annotations

import pytest

from appliance.mail.address import Address
from appliance.mail.envelope import Notify, Recipient
from appliance.transport.parameters import mail_argument, rcpt_argument, size_limit, xtext

ALL = {"size": "1000", "8bitmime": "", "smtputf8": "", "dsn": ""}
ANA = Address("ana", "example.org")


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [
        (ALL, b"FROM:<ana@example.org> SIZE=12 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+20b"),
        ({"size": ""}, b"FROM:<ana@example.org> SIZE=12 SMTPUTF8"),
        ({}, b"FROM:<ana@example.org> SMTPUTF8"),
    ],
)
def test_mail(extensions: dict[str, str], expected: bytes) -> None:
    argument = mail_argument(ANA, extensions, size_octets=12, eight_bit=True, smtputf8=True, ret="HDRS", envid="a b")
    assert argument == expected


def test_the_null_reverse_path_and_international_ones() -> None:
    plain = {"size_octets": 1, "eight_bit": False, "ret": None, "envid": None}
    assert mail_argument(None, {}, smtputf8=False, **plain) == b"FROM:<>"  # type: ignore[arg-type]
    hans = Address("grüß", "example.org")
    assert mail_argument(hans, {}, smtputf8=True, **plain) == "FROM:<grüß@example.org> SMTPUTF8".encode()  # type: ignore[arg-type]


def test_rcpt() -> None:
    recipient = Recipient(ANA, frozenset({Notify.SUCCESS, Notify.FAILURE}), "rfc822;Ana+x@example.org")
    assert rcpt_argument(recipient, ALL) == (
        b"TO:<ana@example.org> NOTIFY=FAILURE,SUCCESS ORCPT=rfc822;Ana+2Bx@example.org"
    )
    assert rcpt_argument(recipient, {}) == b"TO:<ana@example.org>"
    assert rcpt_argument(Recipient(Address("a b", "x.test")), ALL) == b'TO:<"a b"@x.test>'


@pytest.mark.parametrize(
    ("text", "expected"),
    [("plain-text", "plain-text"), ("a+b=c", "a+2Bb+3Dc"), ("x y\r\nMAIL", "x+20y+0D+0AMAIL"), ("ü", "+C3+BC")],
)
def test_xtext_cannot_end_the_line(text: str, expected: str) -> None:
    assert xtext(text) == expected


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [({}, None), ({"size": ""}, None), ({"size": "0"}, None), ({"size": "1000"}, 1000), ({"size": "lots"}, None)],
)
def test_size_limit(extensions: dict[str, str], expected: int | None) -> None:
    assert size_limit(extensions) == expected
