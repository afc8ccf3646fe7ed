"""STARTTLS and implicit TLS. RFC 3207, RFC 8314."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from appliance.smtp import Listener
from tests.support.ca import client_context, server_context
from tests.support.smtp_client import SmtpClient

from .conftest import Start

HELLO = b"Subject: hello\r\n\r\nhello\r\n"


async def test_what_was_said_in_plaintext_is_forgotten(start: Start) -> None:
    house = await start()
    async with await SmtpClient.greeted(house.port, ehlo="plain.example") as smtp:
        await smtp.envelope()
        await smtp.start_tls()
        await smtp.command("DATA", 503)
        await smtp.command("MAIL FROM:<bo@far.example>", "503 5.5.1 EHLO first")
        assert "STARTTLS" not in await smtp.command("EHLO tls.example", 250)
        await smtp.command("STARTTLS", "503 5.5.1")
        await smtp.envelope()
        await smtp.message(HELLO)
    peer = house.intake.taken[0].peer
    assert (peer.helo, peer.protocol) == ("tls.example", "ESMTPS")
    assert peer.tls is not None and peer.tls.startswith("TLSv1.3 TLS_")


@pytest.mark.parametrize(
    "injected",
    [
        b"NOOP\r\n",
        b"EHLO evil\r\nMAIL FROM:<evil@far.example>\r\n",
        b"RSET\r\nMAIL FROM:<evil@far.example>\r\nRCPT TO:<ana@example.org>\r\nDATA\r\nevil\r\n.\r\n",
        b"half a command",
        b"x" * 3000,
    ],
)
async def test_injected_commands_are_never_obeyed(start: Start, injected: bytes) -> None:
    """They come in the segment of STARTTLS, before the handshake (CVE-2011-0411); what is answered over TLS is what was
    said over TLS."""
    house = await start()
    async with await SmtpClient.greeted(house.port) as smtp:
        smtp.send(b"STARTTLS\r\n" + injected)
        await smtp.expect("220 2.0.0")
        await smtp.upgrade()
        await smtp.command("HELP", 214)
        await smtp.command("EHLO a", 250)
        await smtp.command("QUIT", 221)
        assert await smtp.closed()
    assert house.intake.mails == []
    assert house.intake.taken == []


async def test_plaintext_that_comes_instead_of_a_handshake_ends_the_connection(start: Start) -> None:
    house = await start()
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.command("STARTTLS", 220)
        smtp.send(b"EHLO evil\r\nMAIL FROM:<evil@far.example>\r\n" * 10)
        await smtp.reader.read()  # a TLS alert, perhaps, and then the end
        assert smtp.reader.at_eof()
    assert house.intake.mails == []


async def test_commands_in_the_same_record_as_the_end_of_the_handshake(start: Start) -> None:
    """A client may send its EHLO together with its Finished."""
    house = await start()
    for _ in range(10):
        async with await SmtpClient.greeted(house.port) as smtp:
            await smtp.command("STARTTLS", 220)
            await smtp.upgrade()
            smtp.send(b"EHLO a\r\n" + b"NOOP\r\n" * 3000)
            await smtp.expect(250)
            for _ in range(3000):
                await smtp.expect(250)


async def test_without_a_certificate_it_is_not_offered(start: Start) -> None:
    house = await start()
    house.context = None
    async with await SmtpClient.greeted(house.port, ehlo=None) as smtp:
        assert "STARTTLS" not in await smtp.command("EHLO a", 250)
        await smtp.command("STARTTLS", "454 4.7.0")
        await smtp.command("NOOP", 250)


async def test_a_certificate_that_cannot_be_read_does_not_stop_mail(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house = await start()
    monkeypatch.setattr(house.server, "_tls", _unreadable)
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.command("STARTTLS", 454)
        await smtp.envelope()
        await smtp.message(HELLO)
    assert "cannot be used" in caplog.text


def _unreadable() -> ssl.SSLContext:
    raise FileNotFoundError("no such file")


@pytest.mark.parametrize("listener", [Listener.SUBMISSION, Listener.SUBMISSIONS])
async def test_a_renewed_certificate_is_used_at_once(start: Start, listener: Listener) -> None:
    house = await start(listener)

    async def certificate() -> bytes:
        smtp = await SmtpClient.greeted(house.port, tls=listener.implicit_tls)
        async with smtp:
            if not listener.implicit_tls:
                await smtp.start_tls()
            found = smtp.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            assert isinstance(found, bytes)
            return found

    before = await certificate()
    assert await certificate() == before
    house.context = server_context(("127.0.0.1", "renewed.example"))
    with pytest.raises(ssl.SSLCertVerificationError):
        await certificate()


async def test_port_465_is_tls_from_the_first_octet(start: Start) -> None:
    house = await start(Listener.SUBMISSIONS)
    for _ in range(20):
        async with await SmtpClient.greeted(house.port, tls=True) as smtp:
            await smtp.command("NOOP", 250)


async def test_plaintext_on_port_465_is_not_answered(start: Start) -> None:
    house = await start(Listener.SUBMISSIONS)
    async with await SmtpClient.connect(house.port) as smtp:
        smtp.send(b"EHLO a\r\n")
        answer = await smtp.reader.read()
        assert b"220" not in answer and b"250" not in answer


async def test_port_465_without_a_certificate_hangs_up(start: Start) -> None:
    house = await start(Listener.SUBMISSIONS)
    house.context = None
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        await SmtpClient.connect(house.port, tls=True)


async def test_a_failed_handshake_gives_the_place_back(start: Start) -> None:
    """asyncio does not tell the protocol of a connection that ends inside the handshake; we count it out all the same."""
    house = await start(Listener.SUBMISSIONS)
    for _ in range(5):
        with pytest.raises(ssl.SSLError):
            await asyncio.open_connection(
                "127.0.0.1", house.port, ssl=ssl.create_default_context()
            )  # does not trust us
    async with await SmtpClient.greeted(house.port, tls=True) as smtp:
        await smtp.command("NOOP", 250)
        assert house.server.state().connections == 1


async def test_large_messages_over_tls(start: Start) -> None:
    """More than the inbox holds, so that the TLS transport is held back and let go again."""
    house = await start(message_size_octets=1 << 22)
    content = b"x" * 70 + b"\r\n"
    content *= 40_000
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    smtp = SmtpClient(reader, writer)
    await smtp.expect(220)
    await smtp.command("EHLO a", 250)
    await smtp.start_tls()
    await smtp.command("EHLO a", 250)
    await smtp.envelope()
    await smtp.message(content)
    await smtp.close()
    assert house.intake.taken[0].octets == content


def test_the_test_client_checks_certificates() -> None:
    assert client_context().verify_mode is ssl.CERT_REQUIRED
