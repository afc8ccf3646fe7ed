"""The commands over a real socket: each gets one reply, in order, and nothing is announced that does not work."""

from __future__ import annotations

import asyncio

import pytest

from appliance.mail.address import Address
from appliance.mail.envelope import Notify, Protocol
from appliance.mail.reason import because
from appliance.mail.reply import Reply
from appliance.smtp import Listener
from appliance.smtp.session import SmtpSession
from tests.support.smtp_client import SmtpClient

from .conftest import Start

HELLO = b"Subject: hello\r\n\r\nhello\r\n"


async def test_a_message_from_greeting_to_goodbye(start: Start) -> None:
    house = await start()
    async with await SmtpClient.connect(house.port) as smtp:
        assert (await smtp.expect(220)).startswith("220 mx.example.org ESMTP")
        await smtp.command("EHLO client.example", 250)
        assert await smtp.command("MAIL FROM:<bo@far.example> SIZE=25 BODY=8BITMIME", 250) == "250 2.1.0 OK"
        assert await smtp.command("RCPT TO:<ana@example.org>", 250) == "250 2.1.5 OK"
        assert await smtp.message(HELLO) == "250 2.0.0 Accepted as m1"
        assert await smtp.command("QUIT", 221) == "221 2.0.0 Goodbye"
        assert await smtp.closed()
    (taken,) = house.intake.taken
    assert taken.octets == HELLO
    assert taken.envelope.reverse_path == Address("bo", "far.example")
    assert [to.address for to in taken.envelope.recipients] == [Address("ana", "example.org")]
    assert taken.envelope.eight_bit and not taken.envelope.smtputf8
    assert (taken.peer.ip, taken.peer.helo, taken.peer.protocol) == ("127.0.0.1", "client.example", Protocol.ESMTP)
    assert (taken.peer.tls, taken.peer.account, taken.peer.listener) == (None, None, "smtp")
    assert house.intake.mails[0][2:] == (25, False)


async def test_helo_is_plain_smtp(start: Start) -> None:
    house = await start()
    async with await SmtpClient.greeted(house.port, ehlo=None) as smtp:
        assert await smtp.command("HELO old.example", 250) == "250 mx.example.org"
        await smtp.command("MAIL FROM:<bo@far.example> SIZE=5", 501)
        await smtp.envelope()
        await smtp.message(HELLO)
    assert house.intake.taken[0].peer.protocol is Protocol.SMTP


async def test_a_name_in_latin_1_is_text_when_it_has_come_in(start: Start) -> None:
    """Old machines name themselves so. What is no text could not be traced, logged or told."""
    house = await start()
    async with await SmtpClient.greeted(house.port, ehlo=None) as smtp:
        smtp.send(b"HELO B\xfcro\r\n")
        assert await smtp.reply() == "250 mx.example.org"
        await smtp.envelope()
        await smtp.message(HELLO)
    assert house.intake.taken[0].peer.helo == "B?ro"


async def test_what_port_25_announces(start: Start) -> None:
    house = await start(message_size_octets=12345, recipients_most=100)
    async with await SmtpClient.greeted(house.port, ehlo=None) as smtp:
        lines = (await smtp.command("EHLO a", 250)).removeprefix("250 ").split("\n")
    assert lines[0] == "mx.example.org"
    assert set(lines[1:]) == {
        "PIPELINING",
        "SIZE 12345",
        "8BITMIME",
        "SMTPUTF8",
        "ENHANCEDSTATUSCODES",
        "CHUNKING",
        "LIMITS RCPTMAX=100",
        "STARTTLS",
    }


async def test_dsn_is_announced_and_taken_only_when_switched_on(start: Start) -> None:
    off, on = await start(), await start(dsn=True)
    async with await SmtpClient.greeted(off.port, ehlo=None) as smtp:
        assert "DSN" not in await smtp.command("EHLO a", 250)
        await smtp.command("MAIL FROM:<> RET=HDRS", 555)
    async with await SmtpClient.greeted(on.port, ehlo=None) as smtp:
        assert "\nDSN" in await smtp.command("EHLO a", 250)
        await smtp.command("MAIL FROM:<bo@far.example> RET=HDRS ENVID=Q+2B1", 250)
        await smtp.command("RCPT TO:<ana@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;A@b.example", 250)
        await smtp.message(HELLO)
    envelope = on.intake.taken[0].envelope
    assert (envelope.ret, envelope.envid) == ("HDRS", "Q+1")
    assert envelope.recipients[0].notify == {Notify.SUCCESS, Notify.DELAY}
    assert envelope.recipients[0].orcpt == "rfc822;A@b.example"


HELLOS = {
    "EHLO [192.0.2.1]": "250",
    "EHLO [IPv6:2001:db8::1]": "250",
    "EHLO a_b.local": "250",
    "EHLO bücher.example": "250",
    "ehlo  printer": "250",
    "HELO printer and more": "250",
    "EHLO": "501 5.5.4",
    "HELO ": "501 5.5.4",
    "EHLO " + "x" * 256: "501 5.5.4",
    "EHLO a\x07b": "501 5.5.4",
}


@pytest.mark.parametrize(("line", "start_of_reply"), HELLOS.items())
async def test_hello(start: Start, line: str, start_of_reply: str) -> None:
    house = await start()
    async with await SmtpClient.greeted(house.port, ehlo=None) as smtp:
        await smtp.command(line, start_of_reply)


SMALL_TALK = {
    "NOOP": "250 2.0.0",
    "noop": "250 2.0.0",
    "NOOP whatever": "250 2.0.0",
    "RSET": "250 2.0.0",
    "RSET now": "250 2.0.0",
    "VRFY ana": "252 2.0.0",
    "VRFY": "501 5.5.4",
    "EXPN all": "502 5.5.1",
    "HELP": "214 2.0.0",
    "HELP DATA": "214 2.0.0",
    "": "500 5.5.1",
    " NOOP": "500 5.5.1",
    "LHLO a": "500 5.5.1",
    "TURN": "500 5.5.1",
    "GET / HTTP/1.1": "500 5.5.1",
    "_HANDLE_CLIENT": "500 5.5.1",
    "NÖÖP": "500 5.5.1",
    "DATA": "503 5.5.1",
    "RCPT TO:<ana@example.org>": "503 5.5.1",
    "AUTH PLAIN": "502 5.5.1",
    "STARTTLS now": "501 5.5.4",
}


@pytest.mark.parametrize(("line", "start_of_reply"), SMALL_TALK.items())
async def test_small_talk(start: Start, line: str, start_of_reply: str) -> None:
    """One reply, and the session goes on."""
    house = await start()
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.command(line, start_of_reply)
        await smtp.command("NOOP", 250)


async def test_order_of_commands(start: Start) -> None:
    house = await start()
    async with await SmtpClient.greeted(house.port, ehlo=None) as smtp:
        await smtp.command("MAIL FROM:<bo@far.example>", "503 5.5.1 EHLO first")
        await smtp.command("EHLO a", 250)
        await smtp.command("MAIL FROM:<bo@far.example>", 250)
        await smtp.command("MAIL FROM:<bo@far.example>", 503)
        await smtp.command("DATA", "503 5.5.1 RCPT first")
        await smtp.command("RCPT TO:<ana@example.org>", 250)
        await smtp.command("DATA now", 501)
        await smtp.command("RSET", 250)
        await smtp.command("RCPT TO:<ana@example.org>", "503 5.5.1 MAIL first")
        await smtp.envelope()
        await smtp.command("EHLO a", 250)  # ends the transaction as RSET does, RFC 5321 4.1.4
        await smtp.command("DATA", 503)


async def test_refused_recipients_do_not_spoil_the_others(start: Start) -> None:
    house = await start()
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.command("MAIL FROM:<>", 250)
        await smtp.command("RCPT TO:<nobody@example.org>", "550 5.1.1")
        await smtp.command("DATA", 503)
        await smtp.command("RCPT TO:<ana@example.org>", 250)
        await smtp.command("RCPT TO:<x@elsewhere.example>", "550 5.7.1")
        await smtp.message(HELLO)
    (taken,) = house.intake.taken
    assert taken.envelope.reverse_path is None
    assert [str(to.address) for to in taken.envelope.recipients] == ["ana@example.org"]
    assert house.refusals == ["no-such-address", "relay-denied"]


async def test_postmaster_needs_no_domain(start: Start) -> None:
    house = await start(postmaster_domain="example.org")
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.command("MAIL FROM:<>", 250)
        await smtp.command("RCPT TO:<Postmaster>", 250)
        await smtp.message(HELLO)
    assert str(house.intake.taken[0].envelope.recipients[0].address) == "Postmaster@example.org"


async def test_international_addresses_need_smtputf8(start: Start) -> None:
    house = await start()
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.command("MAIL FROM:<bö@far.example>", "553 5.6.7")
        await smtp.command("MAIL FROM:<bo@far.example>", 250)
        await smtp.command("RCPT TO:<änne@example.org>", "553 5.6.7")
        await smtp.command("RSET", 250)
        await smtp.command("MAIL FROM:<bö@far.example> SMTPUTF8", 250)
        await smtp.command("RCPT TO:<änne@example.org>", 250)
        await smtp.message("Subject: süß\r\n\r\n".encode())
    assert house.intake.taken[0].envelope.smtputf8
    assert house.intake.mails[-1][3] is True


async def test_too_many_recipients(start: Start) -> None:
    house = await start(recipients_most=2)
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.envelope("a@example.org", "b@example.org")
        await smtp.command("RCPT TO:<c@example.org>", "452 4.5.3")
        await smtp.message(HELLO)
    assert len(house.intake.taken[0].envelope.recipients) == 2


async def test_pipelining(start: Start) -> None:
    """A whole message in one write, then another, then QUIT: every reply in order. RFC 2920 3.1."""
    house = await start()
    one = b"MAIL FROM:<bo@far.example>\r\nRCPT TO:<ana@example.org>\r\nRCPT TO:<nobody@example.org>\r\nDATA\r\n"
    async with await SmtpClient.greeted(house.port) as smtp:
        smtp.send(one + b"first\r\n.\r\n" + one + b"second\r\n.\r\nQUIT\r\nNOOP\r\n")
        codes = [int((await smtp.reply())[:3]) for _ in range(11)]
        assert await smtp.closed()
    assert codes == [250, 250, 550, 354, 250, 250, 250, 550, 354, 250, 221]
    assert [taken.octets for taken in house.intake.taken] == [b"first\r\n", b"second\r\n"]


async def test_pipelined_replies_leave_together(start: Start) -> None:
    """RFC 2920 3.2: replies to a group of commands may share a segment; ours do."""
    house = await start()
    async with await SmtpClient.greeted(house.port) as smtp:
        smtp.send(b"NOOP\r\n" * 100)
        first = await smtp.reader.read(1)
        assert first == b"2"
        rest = await smtp.reader.readexactly(100 * len("250 2.0.0 OK\r\n") - 1)
        assert rest.count(b"\r\n") == 100


async def test_a_pipelining_peer_that_never_reads_is_held_back(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replies that nobody reads do not pile up without end: the session stops obeying."""
    house = await start()
    full: asyncio.Future[SmtpSession] = asyncio.get_running_loop().create_future()

    def pause_writing(session: SmtpSession) -> None:
        session._can_write.clear()
        if not full.done():
            full.set_result(session)

    monkeypatch.setattr(SmtpSession, "pause_writing", pause_writing)
    async with await SmtpClient.greeted(house.port) as smtp:
        smtp.writer.transport.pause_reading()  # type: ignore[attr-defined]
        smtp.send(b"HELP\r\n" * 1_000_000)
        session = await full
        transport = session.transport
        assert isinstance(transport, asyncio.Transport)
        assert len(session._out) + transport.get_write_buffer_size() < 1 << 19
        smtp.abort()
        assert session.task is not None
        await asyncio.wait((session.task,))


async def test_eight_bit_and_long_lines_come_through(start: Start) -> None:
    house = await start()
    content = b"X: " + b"y" * 200_000 + b"\r\n\r\n" + bytes(range(1, 10)) + bytes(range(14, 256)) + b"\r\n"
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.envelope()
        await smtp.message(content)
    assert house.intake.taken[0].octets == content
    assert max(spool.largest_piece for spool in house.intake.spools) <= 256 * 1024


async def test_dots(start: Start) -> None:
    house = await start()
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.envelope()
        smtp.send(b"DATA\r\n")
        await smtp.expect(354)
        await smtp.send_slowly(b"..\r\n...a\r\n.b\r\nc.\r\n.\r\n")
        await smtp.expect(250)
    assert house.intake.taken[0].octets == b".\r\n..a\r\nb\r\nc.\r\n"


async def test_size_is_refused_at_mail(start: Start) -> None:
    house = await start(message_size_octets=1000)
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.command("MAIL FROM:<bo@far.example> SIZE=1001", "552 5.3.4")
        await smtp.command("MAIL FROM:<bo@far.example> SIZE=1000", 250)
    assert house.refusals == ["too-large"]
    assert len(house.intake.mails) == 1


async def test_size_is_refused_at_the_end_of_data(start: Start) -> None:
    """What is too large is read to its end, so that the peer hears why; exactly the limit is accepted."""
    house = await start(message_size_octets=100_000)
    async with await SmtpClient.greeted(house.port) as smtp:
        for octets, code in ((100_000, 250), (100_001, "552 5.3.4"), (100_000, 250)):
            await smtp.envelope()
            await smtp.message(b"x" * (octets - 2) + b"\r\n", code)
    assert [len(taken.octets) for taken in house.intake.taken] == [100_000, 100_000]
    assert house.intake.spools[1].size <= 100_000


async def test_far_too_large_ends_the_connection(start: Start) -> None:
    house = await start(message_size_octets=100_000)
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.envelope()
        await smtp.command("DATA", 354)
        smtp.send(b"x" * 250_000)
        await smtp.expect("552 5.3.4")
        assert await smtp.closed()
    assert house.intake.taken == []
    assert house.refusals == ["too-large"]


async def test_refusal_after_data(start: Start) -> None:
    house = await start()
    house.intake.answer = Reply(452, "3.1", because("storage-low"))
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.envelope()
        await smtp.message(HELLO, "452 4.3.1")
        house.intake.answer = None
        await smtp.envelope()
        await smtp.message(HELLO, 250)
    assert house.refusals == ["storage-low"]


async def test_faults_of_ours_are_451_and_tell_nothing(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """In MAIL, when the spool is opened, while it is written, and in the store step; each time the session goes on."""
    house = await start()
    enospc = OSError(28, "No space left on device")
    async with await SmtpClient.greeted(house.port) as smtp:
        said = [await smtp.command("MAIL FROM:<broken@far.example>", 451)]
        said += [await smtp.command("MAIL FROM:<late@far.example>", 451)]
        await smtp.envelope()
        house.intake.open_fault = enospc
        said += [await smtp.message(HELLO, 451)]
        house.intake.open_fault = None
        await smtp.envelope()
        house.intake.spool_fault = enospc
        said += [await smtp.message(HELLO * 1000, 451)]
        house.intake.spool_fault = None
        await smtp.envelope()
        house.intake.fault = enospc
        said += [await smtp.message(HELLO, 451)]
        house.intake.fault = None
        await smtp.envelope()
        await smtp.message(HELLO, 250)
    assert set(said) == {"451 4.3.0 Something went wrong here, try again later"}
    assert caplog.text.count("No space left on device") >= 4, "the log has the reason"


async def test_too_many_mistakes(start: Start) -> None:
    house = await start(bad_commands_most=5)
    async with await SmtpClient.greeted(house.port) as smtp:
        for _ in range(4):
            await smtp.command("NONSENSE", 500)
        await smtp.command("NONSENSE", "421 4.7.0")
        assert await smtp.closed()


async def test_an_accepted_message_makes_up_for_mistakes(start: Start) -> None:
    house = await start(bad_commands_most=5)
    async with await SmtpClient.greeted(house.port) as smtp:
        for _ in range(3):
            for _ in range(4):
                await smtp.command("NONSENSE", 500)
            await smtp.envelope()
            await smtp.message(HELLO)


async def test_too_many_refused_recipients(start: Start) -> None:
    house = await start(refused_recipients_most=5)
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.command("MAIL FROM:<>", 250)
        for number in range(4):
            await smtp.command(f"RCPT TO:<nobody{number}@example.org>", 550)
        await smtp.command("RCPT TO:<nobody5@example.org>", "421 4.7.0")
        assert await smtp.closed()


async def test_a_command_that_is_too_long_is_refused_and_forgotten(start: Start) -> None:
    house = await start()
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.command("NOOP " + "x" * 100_000, "500 5.5.2")
        await smtp.command("NOOP " + "x" * 2000, 250)


class TestChunking:
    """BDAT, RFC 3030 2."""

    async def test_chunks_may_cut_anywhere(self, start: Start) -> None:
        house = await start()
        content = b".\r\n..a\r\nb\r\n"
        async with await SmtpClient.greeted(house.port) as smtp:
            for cut in range(len(content) + 1):
                await smtp.envelope()
                first, second = content[:cut], content[cut:]
                smtp.send(b"BDAT %d\r\n%bBDAT %d LAST\r\n%b" % (len(first), first, len(second), second))
                assert await smtp.expect(250) == "250 2.0.0 The chunk has arrived"
                assert (await smtp.expect(250)).startswith("250 2.0.0 Accepted")
        assert [taken.octets for taken in house.intake.taken] == [content] * (len(content) + 1)

    async def test_octets_of_a_refused_chunk_are_never_commands(self, start: Start) -> None:
        house = await start()
        evil = b"MAIL FROM:<evil@far.example>\r\n"
        async with await SmtpClient.greeted(house.port) as smtp:
            smtp.send(b"BDAT %d LAST\r\n%b" % (len(evil), evil))
            await smtp.expect("503 5.5.1 MAIL first")
            await smtp.command("MAIL FROM:<bo@far.example>", 250)
            smtp.send(b"BDAT %d\r\n%b" % (len(evil), evil))
            await smtp.expect("503 5.5.1 RCPT first")
            await smtp.command("RCPT TO:<ana@example.org>", 250)
            await smtp.command(b"BDAT 2 LAST\r\n", 250)
        assert len(house.intake.mails) == 1

    async def test_a_refused_chunk_refuses_the_rest(self, start: Start) -> None:
        house = await start(message_size_octets=10)
        async with await SmtpClient.greeted(house.port) as smtp:
            await smtp.envelope()
            smtp.send(b"BDAT 15\r\n" + b"x" * 15 + b"BDAT 4\r\nNOOPBDAT 4 LAST\r\nNOOPRSET\r\n")
            await smtp.expect("552 5.3.4")
            await smtp.expect("503 5.5.1")
            await smtp.expect("503 5.5.1")
            await smtp.expect(250)
            await smtp.envelope()
            await smtp.command(b"BDAT 5 LAST\r\nabc", 250)
        assert [taken.octets for taken in house.intake.taken] == [b"abc\r\n"]

    async def test_faults_in_chunks(self, start: Start) -> None:
        house = await start()
        async with await SmtpClient.greeted(house.port) as smtp:
            for chunk in (b"a\nb\r\n", b"a\rb\r\n", b"a\0b\r\n", b"a\r"):
                await smtp.envelope()
                smtp.send(b"BDAT %d LAST\r\n%b" % (len(chunk), chunk))
                await smtp.expect("550 5.6.11")
            house.intake.open_fault = OSError("full")
            await smtp.envelope()
            await smtp.command(b"BDAT 5 LAST\r\nabc", 451)
        assert house.intake.taken == []

    async def test_data_and_bdat_do_not_mix(self, start: Start) -> None:
        house = await start()
        async with await SmtpClient.greeted(house.port) as smtp:
            await smtp.envelope()
            await smtp.command(b"BDAT 5\r\nabc", 250)
            await smtp.command("DATA", 503)
            await smtp.command("RCPT TO:<b@example.org>", 503)
            await smtp.command("RSET", 250)
            await smtp.envelope()
            await smtp.message(HELLO)

    async def test_a_malformed_size_ends_the_connection(self, start: Start) -> None:
        """Where the chunk ends cannot be known, so nothing after it may be read as a command."""
        house = await start()
        async with await SmtpClient.greeted(house.port) as smtp:
            await smtp.envelope()
            smtp.send(b"BDAT many\r\nNOOP\r\nNOOP\r\n")
            await smtp.expect("501 5.5.4")
            assert await smtp.closed()

    async def test_a_chunk_that_is_far_too_large_ends_the_connection(self, start: Start) -> None:
        house = await start(message_size_octets=1000)
        async with await SmtpClient.greeted(house.port) as smtp:
            await smtp.envelope()
            smtp.send(b"BDAT 99999999999999999999 LAST\r\n" + b"x" * 5000)
            await smtp.expect("552 5.3.4")
            assert await smtp.closed()


async def test_submission_names_its_listener(start: Start) -> None:
    house = await start(Listener.SUBMISSION)
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.start_tls()
        await smtp.command("EHLO phone.example", 250)
        await smtp.sign_in()
        await smtp.envelope("x@elsewhere.example", reverse_path="ana@example.org")
        await smtp.message(HELLO)
    peer = house.intake.taken[0].peer
    assert (peer.listener, peer.account_id, peer.account) == ("submission", 7, "ana@example.org")
    assert peer.protocol is Protocol.ESMTPSA
    assert peer.tls is not None and peer.tls.startswith("TLSv1.3 ")


async def test_what_was_pipelined_after_a_refusal_is_no_mistake(start: Start) -> None:
    """A peer that pipelines cannot know; it hears 503 for each, and may go on."""
    house = await start(bad_commands_most=5, message_size_octets=1000)
    one = b"RCPT TO:<ana@example.org>\r\n"
    async with await SmtpClient.greeted(house.port) as smtp:
        smtp.send(b"MAIL FROM:<> SIZE=2000\r\n" + one * 30 + b"DATA\r\n" + b"BDAT 4 LAST\r\nNOOP")
        await smtp.expect(552)
        for _ in range(32):
            await smtp.expect("503 5.5.1 MAIL first")
        for _ in range(10):
            smtp.send(b"MAIL FROM:<>\r\nRCPT TO:<nobody@example.org>\r\nDATA\r\nRSET\r\n")
            await smtp.expect(250)
            await smtp.expect(550)
            await smtp.expect("503 5.5.1 RCPT first")
            await smtp.expect(250)
        await smtp.envelope()
        await smtp.message(HELLO)
        smtp.send(one * 5)
        for _ in range(4):
            await smtp.expect(503)
        await smtp.expect("421 4.7.0")
