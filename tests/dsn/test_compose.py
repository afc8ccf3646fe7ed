"""Reports can be read by people and by programs, and nothing that others said can bend them."""

from __future__ import annotations

from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage, Message
from email.parser import BytesParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.dsn.compose import Action, Original, Reported, compose_report
from appliance.dsn.wanted import parse_notify, wants
from appliance.mail.address import Address
from appliance.mail.envelope import Notify

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ANA = Address("ana", "example.org")
HEADER = b"From: ana@example.org\r\nSubject: hello\r\n\r\n"
ORIGINAL = Original(NOW.timestamp() - 60, "hello", "<1@example.org>", HEADER, envid="E 1")
BOB = Reported(
    "bob@them.test",
    "5.1.1",
    "mx.them.test refused the message: 550 5.1.1 no such user",
    host="mx.them.test",
    reply="550 5.1.1 no such user",
    orcpt="rfc822;bob+x@them.test",
    last_attempt_at=NOW.timestamp(),
)


def report(action: Action = Action.FAILED, *recipients: Reported, original: Original = ORIGINAL, **more: Any) -> bytes:
    settings: dict[str, Any] = {"to": ANA, "hostname": "mx.example.org", "message_id": "r1@mx.example.org", "now": NOW}
    return compose_report(action, recipients or (BOB,), original, **(settings | more))


def parsed(message: bytes) -> EmailMessage:
    found = BytesParser(policy=policy.default).parsebytes(message)
    assert isinstance(found, EmailMessage)
    return found


def groups(message: bytes) -> list[Message]:
    """The delivery-status part as Python's own parser sees it."""
    part = list(parsed(message).iter_parts())[1]
    payload = part.get_payload()
    assert isinstance(payload, list)
    return [group for group in payload if isinstance(group, Message)]


def for_people(message: bytes) -> str:
    return str(next(iter(parsed(message).iter_parts())).get_content())


def test_a_failure() -> None:
    message = report()
    found = parsed(message)
    assert found.get_content_type() == "multipart/report"
    assert found.get_param("report-type") == "delivery-status"
    assert found["From"] == "Mail delivery <mailer-daemon@mx.example.org>"
    assert found["To"] == "ana@example.org"
    assert found["Subject"] == "Not delivered: hello"
    assert found["Auto-Submitted"] == "auto-replied"
    assert found["References"] == "<1@example.org>"
    kinds = [part.get_content_type() for part in found.iter_parts()]
    assert kinds == ["text/plain", "message/delivery-status", "text/rfc822-headers"]
    about_message, about_bob = groups(message)
    assert about_message["Reporting-MTA"] == "dns; mx.example.org"
    assert about_message["Original-Envelope-Id"] == "E 1"
    assert about_message["Arrival-Date"] == "Wed, 04 Mar 2026 05:05:07 +0000"
    assert about_bob["Final-Recipient"] == "rfc822; bob@them.test"
    assert about_bob["Original-Recipient"] == "rfc822; bob+x@them.test"
    assert (about_bob["Action"], about_bob["Status"]) == ("failed", "5.1.1")
    assert about_bob["Remote-MTA"] == "dns; mx.them.test"
    assert about_bob["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user"
    assert about_bob["Will-Retry-Until"] is None


def test_the_words_for_people() -> None:
    first = for_people(report())
    assert "could not be delivered to:" in first
    assert "bob@them.test" in first
    assert "no such user" in first
    assert "check whether the address is spelt right" in first
    assert "Subject: hello" in first
    assert max(map(len, first.splitlines())) <= 78


def test_a_delay_says_until_when() -> None:
    message = report(Action.DELAYED, retry_until=NOW.timestamp() + 86400)
    assert parsed(message)["Subject"] == "Not delivered yet: hello"
    assert groups(message)[1]["Will-Retry-Until"] == "Thu, 05 Mar 2026 05:06:07 +0000"
    first = for_people(message)
    assert "You need not do anything: it will be tried again until Thu, 05 Mar 2026" in " ".join(first.split())


def test_the_whole_message_comes_back_octet_for_octet() -> None:
    whole = b"From: a@example.org\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xfc\xff .\r\n.\r\n"
    message = report(original=Original(0, "", "", whole, whole=True))
    assert b"Content-Type: message/rfc822" in message
    assert whole in message
    assert message.startswith(b"From: Mail delivery")
    assert message.partition(b"\r\n\r\n")[0].endswith(b"Content-Transfer-Encoding: 8bit")


def test_international_mail_gets_an_international_report() -> None:
    hans = Reported("grüß@them.test", "5.1.1", "nobody", reply="550 5.1.1 gibt's nicht: grüß")
    original = Original(0, "Grüße", "", "Subject: Grüße\r\n".encode(), international=True)
    message = report(Action.FAILED, hans, original=original, to=Address("ana", "example.org"))
    assert b"report-type=global-delivery-status" in message
    assert b"Content-Type: message/global-delivery-status" in message
    assert b"Content-Type: message/global-headers" in message
    assert "Final-Recipient: utf-8; grüß@them.test\r\n".encode() in message


def test_a_plain_report_is_plain_ascii() -> None:
    odd = Reported("bob@them.test", "5.0.0", "Fehler: ü", reply="550 ü")
    message = report(Action.FAILED, odd, original=Original(0, "Grüße", "", b"Subject: x\r\n"))
    assert message.isascii()
    assert parsed(message)["Subject"] == "Not delivered: Grüße"
    assert "Fehler: ü" in for_people(message)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80), st.text(max_size=30))
def test_nothing_said_by_others_adds_a_field(sentence: str, reply: str, subject: str, orcpt: str) -> None:
    evil = Reported("bob@them.test", "5.0.0", sentence, "mx.test", reply, f"rfc822;{orcpt}", 0)
    message = report(Action.FAILED, evil, original=Original(0, subject, subject, HEADER, envid=orcpt))
    found = parsed(message)
    assert set(found.keys()) <= {
        "From", "To", "Subject", "Date", "Message-ID", "References", "Auto-Submitted", "MIME-Version", "Content-Type",
        "Content-Transfer-Encoding",
    }  # fmt: skip
    about_message, about_bob = groups(message)
    assert set(about_message.keys()) == {"Original-Envelope-Id", "Reporting-MTA", "Arrival-Date"}
    assert set(about_bob.keys()) <= {
        "Original-Recipient", "Final-Recipient", "Action", "Status", "Remote-MTA", "Diagnostic-Code", "Last-Attempt-Date"
    }  # fmt: skip
    assert len(list(found.iter_parts())) == 3
    for line in message.split(b"\r\n"):
        assert b"\n" not in line
        assert len(line) <= 998


@pytest.mark.parametrize(
    ("words", "about", "wanted"),
    [
        ("", Notify.FAILURE, True),
        ("", Notify.DELAY, True),
        ("", Notify.SUCCESS, False),
        ("NEVER", Notify.FAILURE, False),
        ("NEVER", Notify.DELAY, False),
        ("FAILURE", Notify.FAILURE, True),
        ("FAILURE", Notify.DELAY, False),
        ("DELAY,SUCCESS", Notify.SUCCESS, True),
        ("DELAY,SUCCESS", Notify.FAILURE, False),
    ],
)
def test_what_the_reverse_path_wants_to_hear(words: str, about: Notify, wanted: bool) -> None:
    assert wants(parse_notify(words), about) is wanted
