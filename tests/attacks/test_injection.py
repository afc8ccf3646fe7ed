"""Nobody writes lines of ours: not into headers, reports, replies or the log."""

from __future__ import annotations

import email
import email.policy
import imaplib
import re
import smtplib
import socket
from email.message import EmailMessage

import pytest

from tests.support.remote_mta import RemoteMta
from tests.support.world import PASSWORD, World, eventually


def messages(world: World, user: str, subject: str) -> list[bytes]:
    with imaplib.IMAP4("127.0.0.1", world.ports["imap"], timeout=30) as imap:
        imap.login(f"{user}@near.example", PASSWORD)
        imap.select("INBOX", readonly=True)
        found = imap.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
        return [imap.fetch(number.decode(), "(BODY.PEEK[])")[1][0][1] for number in found]


def one(world: World, user: str, subject: str) -> bytes:
    found: list[bytes] = []

    def there() -> bool:
        found[:] = messages(world, user, subject)
        return bool(found)

    eventually(there, world.log)
    assert len(found) == 1
    return found[0]


HELLOS = {
    "a parenthesis": b"x)(X-Evil",
    "a comment and a semicolon": b"x;(by[1.2.3.4])",
    "a tab": b"x\tX-Evil:yes",
    "a bare CR": b"x\rX-Evil:yes",
    "a NUL": b"x\0X-Evil:yes",
    "line separators of Unicode": "x\u2028X-Evil:yes\u0085y".encode(),
    "latin-1": b"x\xe4\xff",
    "much": b"x" * 2000,
    "angle brackets": b"<script>",
    "an encoded word": b"=?utf-8?q?=0D=0AX-Evil:_yes?=",
    "a literal that is none": b"[127.0.0.1\tX-Evil:]",
}


@pytest.mark.parametrize("name", HELLOS)
def test_the_name_in_helo_is_a_name_or_is_left_out(world: World, name: str) -> None:
    subject = f"hello with {name}"
    with smtplib.SMTP("127.0.0.1", world.ports["smtp"], timeout=30) as smtp:
        smtp.sock.sendall(b"EHLO " + HELLOS[name] + b"\r\n")
        if smtp.getreply()[0] != 250:
            return
        assert smtp.docmd("MAIL FROM:<a@far.example>")[0] == 250
        assert smtp.docmd("RCPT TO:<eve@near.example>")[0] == 250
        assert smtp.data(f"Subject: {subject}\r\n\r\nx\r\n")[0] == 250
    received = one(world, "eve", subject).partition(b"Subject:")[0]
    assert re.fullmatch(
        rb"Return-Path: <a@far\.example>\r\nReceived: from (?:unknown|[A-Za-z0-9.-]+) \(\[127\.0\.0\.1\]\)\r\n\tby mx\.near\.example\r\n"
        rb"\twith ESMTP id [a-z0-9]+\r\n\tfor <eve@near\.example>;\r\n\t[A-Z][a-z]{2}, [^\r\n]+\r\n",
        received,
    ), received


@pytest.mark.parametrize(
    "parameters",
    [
        "MAIL FROM:<eve@near.example> ENVID=a+0D+0AX-Evil:+20yes",
        "MAIL FROM:<eve@near.example> ENVID=a+00",
        "MAIL FROM:<eve@near.example> ENVID=a+7F",
        "MAIL FROM:<eve@near.example> RET=FULL+0D+0A",
        "MAIL FROM:<eve@near.example> AUTH=+0D+0A",
        "RCPT TO:<x@elsewhere.example> ORCPT=rfc822;a+0D+0AX-Evil:+20yes",
        "RCPT TO:<x@elsewhere.example> ORCPT=rfc822+0D+0AX-Evil;a",
        "RCPT TO:<x@elsewhere.example> ORCPT=utf-8;a+0A",
        "RCPT TO:<x@elsewhere.example> NOTIFY=FAILURE+0D",
        'RCPT TO:<"a\\\rb"@elsewhere.example>',
        'RCPT TO:<"a\tb"@elsewhere.example>',
    ],
)
def test_no_parameter_hides_a_line_end(world: World, parameters: str) -> None:
    with smtplib.SMTP("127.0.0.1", world.ports["submission"], timeout=30) as smtp:
        smtp.login("eve@near.example", PASSWORD)
        if parameters.startswith("RCPT"):
            assert smtp.docmd("MAIL FROM:<eve@near.example>")[0] == 250
        smtp.sock.sendall(parameters.encode() + b"\r\n")
        assert smtp.getreply()[0] in (500, 501)


def test_a_report_holds_what_strangers_wrote_as_text_only(world: World, remote: RemoteMta) -> None:
    """The subject, the other server's words, the message's own header, ENVID and ORCPT."""
    remote.say("RCPT", "550-5.1.1 no\r\n550-5.1.1 X-Evil: yes\r\n550 5.1.1 \x0b\x0cX-Evil: \u2028yes \x1b[31m")
    try:
        with smtplib.SMTP("127.0.0.1", world.ports["submission"], timeout=30) as smtp:
            smtp.login("eve@near.example", PASSWORD)
            assert smtp.docmd("MAIL FROM:<eve@near.example> ENVID=e+20+3C+3E;X-Evil:+20yes RET=HDRS")[0] == 250
            assert (
                smtp.docmd('RCPT TO:<"Action: relayed\\""@elsewhere.example> ORCPT=rfc822;a+20b;+20X-Evil:yes')[0]
                == 250
            )
            assert (
                smtp.data(
                    b"Subject: =?utf-8?q?report_of_evil=0D=0AX-Evil:_yes=0D=0A=0D=0A--x?=\r\nX-Evil: yes\r\n"
                    b'Message-ID: <a@b>\r\n\tX-Evil: yes\r\nContent-Type: multipart/mixed; boundary="="\r\n\r\n--=\r\n'
                )[0]
                == 250
            )
        octets = one(world, "eve", "Not delivered: report of evil")
    finally:
        remote.say("RCPT", None)
    report = email.message_from_bytes(octets, _class=EmailMessage, policy=email.policy.default)
    assert set(report.keys()) <= {
        "Return-Path", "Received", "DKIM-Signature", "From", "To", "Subject", "Date", "References", "Message-ID", "Auto-Submitted",
        "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
    }  # fmt: skip
    for name in ("Subject", "From", "To", "Content-Type"):
        assert len(report.get_all(name)) == 1
    assert not report.defects
    people, programs, returned = report.iter_parts()
    assert people.get_content_type() == "text/plain"
    groups = programs.get_payload()
    assert len(groups) == 2
    assert set(groups[0].keys()) == {"Original-Envelope-Id", "Reporting-MTA", "Arrival-Date"}
    assert set(groups[1].keys()) <= {
        "Original-Recipient", "Final-Recipient", "Action", "Status", "Remote-MTA", "Diagnostic-Code", "Last-Attempt-Date",
    }  # fmt: skip
    assert groups[1].get_all("Action") == ["failed"]
    assert groups[1].get_all("Status") == ["5.1.1"]
    assert returned.get_content_type() == "text/rfc822-headers"
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", octets)


def test_log_lines_are_ours_alone(world: World) -> None:
    forged = "2026-11-24 00:00:00,000 ERROR merpati.mail: forged"
    with smtplib.SMTP("127.0.0.1", world.ports["smtp"], timeout=30) as smtp:
        smtp.docmd("EHLO x")
        smtp.docmd(f'MAIL FROM:<"{forged}"@far.example>')
        smtp.docmd(f'RCPT TO:<"{forged}"@near.example>')
        smtp.docmd("RCPT TO:<eve@near.example>")
        smtp.data(
            f"Message-ID: <{forged}@x>\r\n {forged}\r\nSubject: =?utf-8?q?a=0A{forged.replace(' ', '_')}?=\r\n\r\nx\r\n"
        )
    with socket.create_connection(("127.0.0.1", world.ports["imap"]), timeout=30) as line:
        octets = f"x\n{forged}".encode()
        line.sendall(b"a LOGIN {%d+}\r\n" % len(octets) + octets + b' "some password"\r\nb LOGOUT\r\n')
        line.makefile("rb").read()
    eventually(lambda: "forged" in world.log())
    lines = world.log().splitlines()
    assert not [line for line in lines if line.startswith(forged[:19])]
    assert not [line for line in lines if not re.match(r"20\d\d-\d\d-\d\d |Merpati's page: ", line)]
