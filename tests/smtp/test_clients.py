"""Programs that people use, against our listeners: swaks, curl and Python's smtplib."""

from __future__ import annotations

import asyncio
import shutil
import smtplib
import subprocess
from email.message import EmailMessage
from pathlib import Path

import pytest

from appliance.smtp import Listener
from tests.support.ca import client_context, make_certificate

from .conftest import Start

needs_swaks = pytest.mark.skipif(shutil.which("swaks") is None, reason="swaks is not installed")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
needs_ssleay = pytest.mark.skipif(
    shutil.which("perl") is None
    or subprocess.run(["perl", "-MNet::SSLeay", "-e1"], capture_output=True).returncode != 0,
    reason="swaks needs libnet-ssleay-perl for TLS",
)


async def run(*arguments: str) -> tuple[int, str]:
    """(exit code, transcript)."""
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@needs_swaks
@pytest.mark.parametrize(
    "options",
    [[], ["--pipeline"], pytest.param(["-tls"], marks=needs_ssleay), ["--protocol", "SMTP"]],
    ids=["plain", "pipeline", "tls", "helo"],
)
async def test_swaks_brings_a_message(start: Start, options: list[str]) -> None:
    house = await start()
    code, transcript = await run("swaks",
        "--server", f"127.0.0.1:{house.port}", "--helo", "swaks.example", "--from", "bo@far.example",
        "--to", "ana@example.org,cy@example.org", "--body", "hello\n.\n..dots", *options,
    )  # fmt: skip
    assert code == 0, transcript
    (taken,) = house.intake.taken
    assert [to.address.local_part for to in taken.envelope.recipients] == ["ana", "cy"]
    assert b"hello\r\n.\r\n..dots" in taken.octets
    assert (taken.peer.tls is not None) is ("-tls" in options)


@needs_swaks
@needs_ssleay
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("listener", [Listener.SUBMISSION, Listener.SUBMISSIONS])
async def test_swaks_signs_in(start: Start, listener: Listener, mechanism: str) -> None:
    house = await start(listener, allow_plaintext_loopback=False)
    tls = "--tls-on-connect" if listener.implicit_tls else "-tls"
    arguments = (
        "--server", f"127.0.0.1:{house.port}", "--helo", "phone.example", "--from", "ana@example.org",
        "--to", "bo@far.example", tls, "--auth", mechanism, "--auth-user", "ana@example.org",
    )  # fmt: skip
    code, transcript = await run("swaks", *arguments, "--auth-password", "trees and rivers")
    assert code == 0, transcript
    assert house.intake.taken[0].peer.account == "ana@example.org"
    code, transcript = await run("swaks", *arguments, "--auth-password", "mountains")
    assert code != 0 and "535 5.7.8" in transcript
    assert len(house.intake.taken) == 1


@needs_swaks
@needs_ssleay
async def test_swaks_without_a_sign_in_is_refused(start: Start) -> None:
    house = await start(Listener.SUBMISSION)
    code, transcript = await run("swaks",
        "--server", f"127.0.0.1:{house.port}", "--helo", "a", "--from", "ana@example.org", "--to", "bo@far.example", "-tls"
    )  # fmt: skip
    assert code != 0 and "530 5.7.0" in transcript


@needs_swaks
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_swaks_signs_in_from_this_machine(start: Start, mechanism: str) -> None:
    house = await start(Listener.SUBMISSION, allow_plaintext_loopback=True)
    arguments = (
        "swaks", "--server", f"127.0.0.1:{house.port}", "--helo", "desk.example", "--from", "ana@example.org",
        "--to", "bo@far.example", "--auth", mechanism, "--auth-user", "ana@example.org",
    )  # fmt: skip
    code, transcript = await run(*arguments, "--auth-password", "trees and rivers")
    assert code == 0, transcript
    code, transcript = await run(*arguments, "--auth-password", "mountains")
    assert code != 0 and "535 5.7.8" in transcript
    assert [taken.peer.protocol for taken in house.intake.taken] == ["ESMTPA"]


@needs_curl
@pytest.mark.parametrize("options", [[], ["--login-options", "AUTH=PLAIN"], ["--login-options", "AUTH=LOGIN"]])
@pytest.mark.parametrize("listener", [Listener.SUBMISSION, Listener.SUBMISSIONS])
async def test_curl_signs_in_and_sends(start: Start, listener: Listener, options: list[str], tmp_path: Path) -> None:
    house = await start(listener, allow_plaintext_loopback=False)
    certificate, _ = make_certificate()
    (tmp_path / "ca.pem").write_bytes(certificate)
    (tmp_path / "mail").write_bytes(b"Subject: from curl\r\n\r\n.\r\n..\r\nend\r\n")
    scheme = "smtps" if listener.implicit_tls else "smtp"
    arguments = (
        "curl", "-sS", "-v", "--ssl-reqd", "--cacert", str(tmp_path / "ca.pem"), f"{scheme}://127.0.0.1:{house.port}/curl",
        "--mail-from", "ana@example.org", "--mail-rcpt", "bo@far.example", "--upload-file", str(tmp_path / "mail"), *options,
    )  # fmt: skip
    code, transcript = await run(*arguments, "--user", "ana@example.org:trees and rivers")
    assert code == 0, transcript
    (taken,) = house.intake.taken
    assert taken.octets == b"Subject: from curl\r\n\r\n.\r\n..\r\nend\r\n"
    assert taken.peer.protocol == "ESMTPSA"
    code, transcript = await run(*arguments, "--user", "ana@example.org:mountains")
    assert code != 0 and "535 5.7.8" in transcript


def message() -> EmailMessage:
    made = EmailMessage()
    made["Subject"] = "Grüße"
    made["From"] = "ana@example.org"
    made["To"] = "bo@far.example"
    made.set_content("Zeile\n.\nnoch eine\n")
    made.add_attachment(bytes(range(256)) * 500, maintype="application", subtype="octet-stream", filename="a.bin")
    return made


@pytest.mark.parametrize("listener", list(Listener))
async def test_smtplib(start: Start, listener: Listener, tmp_path: Path) -> None:
    house = await start(listener)
    certificate, _ = make_certificate()
    (tmp_path / "ca.pem").write_bytes(certificate)

    def send() -> dict[str, tuple[int, bytes]]:
        context = client_context()
        with (
            smtplib.SMTP_SSL("127.0.0.1", house.port, context=context)
            if listener.implicit_tls
            else smtplib.SMTP("127.0.0.1", house.port)
        ) as client:
            if not listener.implicit_tls:
                client.starttls(context=context)
            if listener.is_submission:
                client.login("ana@example.org", "trees and rivers")
                return client.send_message(message())
            return client.send_message(message(), to_addrs=["ana@example.org", "nobody@example.org"])

    refused = await asyncio.to_thread(send)
    assert set(refused) == (set() if listener.is_submission else {"nobody@example.org"})
    (taken,) = house.intake.taken
    assert taken.octets.endswith(b"--\r\n")
    assert taken.peer.protocol == ("ESMTPSA" if listener.is_submission else "ESMTPS")


async def test_smtplib_with_international_addresses(start: Start) -> None:
    house = await start()

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", house.port) as client:
            client.sendmail(
                "bö@far.example", ["änne@example.org"], "Subject: ä\r\n\r\nä\r\n".encode(), mail_options=["SMTPUTF8"]
            )

    await asyncio.to_thread(send)
    (taken,) = house.intake.taken
    assert taken.envelope.smtputf8
    assert str(taken.envelope.recipients[0].address) == "änne@example.org"


async def test_smtplib_is_told_about_refusals(start: Start) -> None:
    house = await start(message_size_octets=5000)

    def send(content: str) -> None:
        with smtplib.SMTP("127.0.0.1", house.port) as client:
            client.sendmail("bo@far.example", ["ana@example.org"], content)

    with pytest.raises(smtplib.SMTPSenderRefused) as refused:  # smtplib says SIZE=
        await asyncio.to_thread(send, "x" * 6000)
    assert refused.value.smtp_code == 552
    with pytest.raises(smtplib.SMTPDataError) as too_odd:
        await asyncio.to_thread(send, "a\0b")
    assert too_odd.value.smtp_code == 550
