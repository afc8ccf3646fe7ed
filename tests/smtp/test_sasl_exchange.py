"""AUTH: offered where it is safe, always answered, slow for those who guess. RFC 4954."""

from __future__ import annotations

import base64

import pytest

from appliance.smtp import Listener
from tests.support.smtp_client import SmtpClient

from .conftest import House, Start


def b64(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


GOOD = b64("\0ana@example.org\0trees and rivers")
WRONG = b64("\0ana@example.org\0mountains")


async def signed_out(house: House) -> SmtpClient:
    return await SmtpClient.greeted(house.port, tls=True)


async def test_where_it_is_offered(start: Start) -> None:
    """465: over TLS from the start; 587: after STARTTLS, or from this machine; 25: never."""
    smtps, submission = await start(Listener.SUBMISSIONS), await start(Listener.SUBMISSION)
    strict = await start(Listener.SUBMISSION, allow_plaintext_loopback=False)
    port_25 = await start()
    auth = "\nAUTH SCRAM-SHA-256 PLAIN LOGIN"
    async with await SmtpClient.connect(smtps.port, tls=True) as smtp:
        await smtp.expect(220)
        said = await smtp.command("EHLO a", 250)
        assert auth in said and "STARTTLS" not in said
    async with await SmtpClient.connect(submission.port) as smtp:
        await smtp.expect(220)
        said = await smtp.command("EHLO a", 250)
        assert auth in said and "STARTTLS" in said
    async with await SmtpClient.connect(strict.port) as smtp:
        await smtp.expect(220)
        assert "AUTH" not in await smtp.command("EHLO a", 250)
        await smtp.command(f"AUTH PLAIN {GOOD}", "538 5.7.11")
        await smtp.start_tls()
        assert auth in await smtp.command("EHLO a", 250)
        await smtp.command(f"AUTH PLAIN {GOOD}", 235)
        assert "AUTH" not in await smtp.command("EHLO a", 250), "nothing to offer to who has signed in"
    async with await SmtpClient.connect(port_25.port) as smtp:
        await smtp.expect(220)
        assert "AUTH" not in await smtp.command("EHLO a", 250)
        await smtp.command(f"AUTH PLAIN {GOOD}", "502 5.5.1")
    assert strict.sign_in.tries == [("ana@example.org", "trees and rivers", "smtp", "127.0.0.1")]
    assert port_25.sign_in.tries == []


async def test_submission_needs_a_sign_in(start: Start) -> None:
    strict = await start(Listener.SUBMISSION, allow_plaintext_loopback=False)
    async with await SmtpClient.greeted(strict.port) as smtp:
        assert "STARTTLS" in await smtp.command("MAIL FROM:<ana@example.org>", "530 5.7.0")
        await smtp.start_tls()
        await smtp.command("EHLO a", 250)
        await smtp.command("MAIL FROM:<ana@example.org>", "530 5.7.0 Sign in")
        await smtp.command("RCPT TO:<ana@example.org>", 503)
        await smtp.command("DATA", 503)
    assert strict.intake.mails == []
    assert strict.refusals == ["starttls-first", "sign-in-first"]


RIGHT = {
    "PLAIN with initial response": [(f"AUTH PLAIN {GOOD}", 235)],
    "PLAIN asked": [("AUTH PLAIN", "334 "), (GOOD, 235)],
    "plain in lower case": [(f"auth plain {GOOD}", 235)],
    "LOGIN asked": [
        ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
        (b64("ana@example.org"), "334 UGFzc3dvcmQ6"),
        (b64("trees and rivers"), 235),
    ],
    "Login with name": [
        (f"AUTH Login {b64('ana@example.org')}", "334 UGFzc3dvcmQ6"),
        (b64("trees and rivers"), 235),
    ],
    "again after a wrong one": [(f"AUTH PLAIN {WRONG}", "535 5.7.8"), (f"AUTH PLAIN {GOOD}", 235)],
}


@pytest.mark.parametrize("steps", RIGHT.values(), ids=RIGHT.keys())
async def test_right(start: Start, steps: list[tuple[str, int | str]]) -> None:
    house = await start(Listener.SUBMISSIONS)
    async with await signed_out(house) as smtp:
        for line, code in steps:
            await smtp.command(line, code)
        await smtp.command(f"AUTH PLAIN {GOOD}", "503 5.5.1")
        await smtp.envelope("x@elsewhere.example")
        await smtp.message(b"Subject: x\r\n\r\n")
    assert house.intake.taken[0].peer.account_id == 7


NOT_RIGHT = {
    "wrong password": [(f"AUTH PLAIN {WRONG}", "535 5.7.8")],
    "wrong password, LOGIN": [("AUTH LOGIN", 334), (b64("ana@example.org"), 334), (b64("no"), "535 5.7.8")],
    "no mechanism": [("AUTH", "501 5.5.4")],
    "unknown mechanism": [("AUTH CRAM-MD5", "504 5.5.4")],
    "dunder mechanism": [("AUTH __class__", "504 5.5.4")],
    "too many words": [("AUTH PLAIN a b", "501 5.5.4")],
    "not base64": [("AUTH PLAIN !!!", "501 5.5.2")],
    "not ASCII": [("AUTH PLAIN ä", "501 5.5.2")],
    "not base64 later": [("AUTH LOGIN", 334), ("ana@example.org", "501 5.5.2")],
    "empty initial response": [("AUTH PLAIN =", "501 5.5.2")],
    "two parts": [(f"AUTH PLAIN {b64('ana@example.org' + chr(0) + 'x')}", "501 5.5.2")],
    "not UTF-8": [(f"AUTH PLAIN {b64(bytes([0, 255, 0, 255]))}", "501 5.5.2")],
    "for another account": [(f"AUTH PLAIN {b64(chr(0).join(['bo', 'ana@example.org', 'x']))}", "501 5.5.2")],
    "cancelled": [("AUTH PLAIN", 334), ("*", "501 5.7.0")],
    "cancelled later": [("AUTH LOGIN", 334), (b64("ana"), 334), ("*", "501 5.7.0")],
    "answer too long": [("AUTH PLAIN", 334), ("x" * 20_000, "500 5.5.2")],
    "bare LF in the answer": [("AUTH PLAIN", 334), ("a\nb", "501 5.5.2")],
}


@pytest.mark.parametrize("steps", NOT_RIGHT.values(), ids=NOT_RIGHT.keys())
async def test_not_right(start: Start, steps: list[tuple[str, int | str]]) -> None:
    """One reply, nobody is signed in, and the session goes on."""
    house = await start(Listener.SUBMISSIONS)
    async with await signed_out(house) as smtp:
        for line, code in steps:
            await smtp.command(line, code)
        await smtp.command("NOOP", 250)
        await smtp.command("MAIL FROM:<ana@example.org>", 530)


async def test_guessing_is_slow_and_ends_the_connection(start: Start) -> None:
    house = await start(Listener.SUBMISSIONS, failed_sign_in_delay_s=3.0)
    async with await signed_out(house) as smtp:
        await smtp.command(f"AUTH PLAIN {WRONG}", 535)
        assert house.slept_s == [3.0]
        await smtp.command(f"AUTH PLAIN {WRONG}", 535)
        await smtp.command(f"AUTH PLAIN {WRONG}", "421 4.7.0")
        assert await smtp.closed()
    assert house.slept_s == [3.0, 3.0, 3.0]
    assert house.refusals == ["sign-in-too-often"]


async def test_who_has_to_wait_is_told_so(start: Start) -> None:
    house = await start(Listener.SUBMISSIONS)
    house.sign_in.busy = True
    async with await signed_out(house) as smtp:
        await smtp.command(f"AUTH PLAIN {GOOD}", "454 4.7.0")
        await smtp.command("MAIL FROM:<ana@example.org>", 530)


async def test_not_in_a_transaction_and_not_after_helo(start: Start) -> None:
    house = await start(Listener.SUBMISSION)
    async with await SmtpClient.connect(house.port) as smtp:
        await smtp.expect(220)
        await smtp.command(f"AUTH PLAIN {GOOD}", "503 5.5.1 EHLO first")
        await smtp.command("HELO a", 250)
        await smtp.command(f"AUTH PLAIN {GOOD}", "503 5.5.1 EHLO first")
        await smtp.command("EHLO a", 250)
        await smtp.command(f"AUTH PLAIN {GOOD}", 235)
        await smtp.command("MAIL FROM:<ana@example.org>", 250)
        await smtp.command(f"AUTH PLAIN {GOOD}", "503 5.5.1")


async def test_starttls_signs_out(start: Start) -> None:
    """RFC 3207 4.2: nothing learnt before TLS is believed after it."""
    house = await start(Listener.SUBMISSION)
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.command(f"AUTH PLAIN {GOOD}", 235)
        await smtp.start_tls()
        await smtp.command("EHLO a", 250)
        await smtp.command("MAIL FROM:<ana@example.org>", 530)


async def test_no_password_in_the_log(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    house = await start(Listener.SUBMISSIONS)
    async with await signed_out(house) as smtp:
        await smtp.command(f"AUTH PLAIN {GOOD}", 235)
    assert GOOD not in caplog.text and "trees and rivers" not in caplog.text
