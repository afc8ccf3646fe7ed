"""SMTP smuggling: whatever a peer writes, one message stays one message, and the session stays in step.

Each sequence stands where another server might see the end of the message, followed by a whole second message. It is
sent in one write and octet by octet. What must come out: one refusal, after the real end, and nothing of the second
message done; or, for what is harmless, one message with those octets in it.
"""

from __future__ import annotations

import pytest

from tests.support.smtp_client import SmtpClient

from .conftest import Start

HIDDEN = b"MAIL FROM:<evil@far.example>\r\nRCPT TO:<root@example.org>\r\nDATA\r\nSubject: evil\r\n\r\nevil\r\n"

FALSE_ENDS = {
    "LF dot LF": b"\n.\n",
    "CR dot CR": b"\r.\r",
    "LF dot CRLF": b"\n.\r\n",
    "CRLF dot LF": b"\r\n.\n",
    "CRLF dot CR": b"\r\n.\r",
    "CR dot CRLF": b"\r.\r\n",
    "CR CRLF dot CRLF": b"\r\r\n..\r\n",
    "CRLF dot CR CRLF": b"\r\n.\r\r\n",
    "LF CR dot LF CR": b"\n\r.\n\r",
    "CR LF as CR then dot": b"\r.\n",
    "NUL before the dot": b"\r\n\0.\r\n",
    "NUL after the dot": b"\r\n.\0\r\n",
    "NUL inside CRLF": b"\r\0\n.\r\0\n",
    "NUL inside the last CRLF": b"\r\n.\r\0\n",
}


@pytest.mark.parametrize("slowly", [False, True], ids=["one write", "octet by octet"])
@pytest.mark.parametrize("sequence", FALSE_ENDS.values(), ids=FALSE_ENDS.keys())
async def test_a_false_end_ends_nothing_and_is_refused(start: Start, sequence: bytes, slowly: bool) -> None:
    house = await start()
    wire = (
        b"MAIL FROM:<bo@far.example>\r\nRCPT TO:<ana@example.org>\r\nDATA\r\n"
        b"Subject: good\r\n\r\ngood" + sequence + HIDDEN + b".\r\nNOOP\r\n"
    )
    async with await SmtpClient.greeted(house.port) as smtp:
        if slowly:
            await smtp.send_slowly(wire)
        else:
            smtp.send(wire)
        for code in (250, 250, 354, "550 5.6.11", 250):
            await smtp.expect(code)
        await smtp.command("QUIT", 221)
        assert await smtp.closed()
    assert house.intake.taken == []
    assert [str(mail[1]) for mail in house.intake.mails] == ["bo@far.example"]


@pytest.mark.parametrize("slowly", [False, True], ids=["one write", "octet by octet"])
@pytest.mark.parametrize("sequence", [b"\r\n..\r\n", b"\r\n. \r\n", b"\r\n.x\r\n", b".\r\n", b" .\r\n"])
async def test_what_only_looks_like_an_end_is_content(start: Start, sequence: bytes, slowly: bool) -> None:
    house = await start()
    content = b"Subject: good\r\n\r\ngood" + sequence + HIDDEN
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.envelope()
        await smtp.command("DATA", 354)
        wire = content + b".\r\nNOOP\r\n"
        if slowly:
            await smtp.send_slowly(wire)
        else:
            smtp.send(wire)
        await smtp.expect(250)
        await smtp.expect(250)
    (taken,) = house.intake.taken
    assert taken.octets == content.replace(b"\r\n.", b"\r\n")


@pytest.mark.parametrize("slowly", [False, True], ids=["one write", "octet by octet"])
@pytest.mark.parametrize("end", [b"\n", b"\r", b"\n\r", b"\0\n", b"\r\r\n", b"\r\0\n"])
async def test_commands_end_with_crlf_only(start: Start, end: bytes, slowly: bool) -> None:
    """`RSET<LF>MAIL…` is one bad line, not two commands."""
    house = await start()
    wire = b"RSET" + end + b"MAIL FROM:<evil@far.example>\r\nNOOP\r\n"
    async with await SmtpClient.greeted(house.port) as smtp:
        if slowly:
            await smtp.send_slowly(wire)
        else:
            smtp.send(wire)
        if end == b"\r\r\n":  # a bare CR, then a line end: the first line is bad, the second is a command
            await smtp.expect("500 5.5.2")
            await smtp.expect("250 2.1.0")
        else:
            await smtp.expect("500 5.5.2")
        await smtp.expect("250 2.0.0")
    assert len(house.intake.mails) == (1 if end == b"\r\r\n" else 0)


async def test_the_end_is_found_wherever_the_segments_are_cut(start: Start) -> None:
    house = await start()
    wire = b"DATA\r\na\r\n..b\r\n.\r\nNOOP\r\n"
    async with await SmtpClient.greeted(house.port) as smtp:
        for cut in range(len(wire)):
            await smtp.envelope()
            smtp.send(wire[:cut])
            await smtp.writer.drain()
            smtp.send(wire[cut:])
            for code in (354, 250, 250):
                await smtp.expect(code)
    assert {taken.octets for taken in house.intake.taken} == {b"a\r\n.b\r\n"}


async def test_a_hang_up_before_the_end_delivers_nothing(start: Start) -> None:
    """Half a message is no message, also when it could pass for a whole one."""
    house = await start()
    for ending in (b"", b"\r\n", b"\r\n.", b"\r\n.\r", b"\n.\n"):
        async with await SmtpClient.greeted(house.port) as smtp:
            await smtp.envelope()
            await smtp.command("DATA", 354)
            smtp.send(b"half" + ending)
            smtp.writer.write_eof()
            assert await smtp.closed()
    assert house.intake.taken == []
    assert house.intake.open_spools == 0
