"""Nineteen things are missing or dangerous in aiosmtpd 1.4.6: each is shown to be mended, and what we rest on is held."""

from __future__ import annotations

import asyncio
import base64
import importlib.metadata
import sys
import tracemalloc
from collections.abc import Callable

import aiosmtpd.smtp
import pytest

from appliance.mail.envelope import Envelope, Peer
from appliance.mail.reply import Reply
from appliance.smtp import Listener
from appliance.smtp.connection import Connection
from appliance.smtp.session import SmtpSession
from tests.support.smtp_client import SmtpClient

from .conftest import House, Start
from .fakes import FakeContent, FakeIntake, FakeSpool
from .loop_clock import LoopClock, until

HELLO = b"Subject: hello\r\n\r\nhello\r\n"
GOOD = base64.b64encode(b"\0ana@example.org\0trees and rivers").decode()
WRONG = base64.b64encode(b"\0ana@example.org\0mountains").decode()


def test_what_we_rest_on_is_there() -> None:
    """The names of aiosmtpd that the subclass uses or replaces. A new release that lacks one fails here, not at night."""
    assert importlib.metadata.version("aiosmtpd").startswith("1.4.")
    base = aiosmtpd.smtp.SMTP
    assert issubclass(SmtpSession, base)
    replaced = ("_handle_client", "_reset_timeout", "_create_envelope", "_set_rset_state", "push", "eof_received")
    for name in (*replaced, "connection_made", "connection_lost", "_create_session"):
        assert callable(getattr(base, name)), name
    for name in replaced:
        assert name in vars(Connection), name
    own = {name for name in dir(SmtpSession) if name.startswith("smtp_")}
    assert {name for name in dir(base) if name.startswith("smtp_")} <= own
    for name in own:
        assert name in vars(SmtpSession), f"{name} is still aiosmtpd's"


async def test_trap_01_extensions_are_announced_and_work(start: Start) -> None:
    """aiosmtpd has neither PIPELINING, ENHANCEDSTATUSCODES, CHUNKING nor LIMITS."""
    house = await start()
    async with await SmtpClient.greeted(house.port, ehlo=None) as smtp:
        announced = set((await smtp.command("EHLO a", 250)).split("\n"))
        assert {"PIPELINING", "ENHANCEDSTATUSCODES", "CHUNKING", "LIMITS RCPTMAX=1000", "SMTPUTF8"} <= announced
        smtp.send(b"MAIL FROM:<>\r\nRCPT TO:<ana@example.org>\r\nBDAT 7 LAST\r\nhello\r\n")
        assert await smtp.reply() == "250 2.1.0 OK"
        assert await smtp.reply() == "250 2.1.5 OK"
        assert (await smtp.reply()).startswith("250 2.0.0 Accepted")


async def test_trap_02_parameters_are_understood(start: Start) -> None:
    """aiosmtpd refuses every parameter of RCPT, and RET, ENVID and even AUTH=<> of MAIL."""
    house = await start(dsn=True)
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.command("MAIL FROM:<bo@far.example> AUTH=<> RET=FULL ENVID=x SIZE=10 BODY=8BITMIME", 250)
        await smtp.command("RCPT TO:<ana@example.org> NOTIFY=NEVER ORCPT=rfc822;a@b.example", 250)


async def test_trap_03_parameters_keep_their_case(start: Start) -> None:
    """aiosmtpd upper-cases them and takes no hyphen in a name."""
    house = await start(dsn=True)
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.command("MAIL FROM:<bo@far.example> MT-PRIORITY=3", "555 5.5.4")
        await smtp.command("MAIL FROM:<Bo@far.example> ENVID=MixedCase", 250)
        await smtp.command("RCPT TO:<Ana@example.org> ORCPT=rfc822;Ana@Example.org", 250)
        await smtp.message(HELLO)
    envelope = house.intake.taken[0].envelope
    assert (envelope.envid, envelope.recipients[0].orcpt) == ("MixedCase", "rfc822;Ana@Example.org")
    assert (str(envelope.reverse_path), str(envelope.recipients[0].address)) == ("Bo@far.example", "Ana@example.org")


async def test_trap_04_port_465_signs_in(start: Start) -> None:
    """aiosmtpd offers STARTTLS inside TLS, and no AUTH."""
    house = await start(Listener.SUBMISSIONS)
    async with await SmtpClient.greeted(house.port, tls=True, ehlo=None) as smtp:
        announced = await smtp.command("EHLO a", 250)
        assert "AUTH SCRAM-SHA-256 PLAIN LOGIN" in announced and "STARTTLS" not in announced
        await smtp.command("STARTTLS", 503)
        await smtp.command(f"AUTH PLAIN {GOOD}", 235)


async def test_trap_05_our_faults_are_temporary_and_tell_nothing(start: Start) -> None:
    """aiosmtpd answers `500 Error: (OSError) [Errno 28] No space left on device`: mail bounces off a full card."""
    house = await start()
    house.intake.fault = OSError(28, "No space left on device", "/secret/path")
    async with await SmtpClient.greeted(house.port) as smtp:
        assert await smtp.command("MAIL FROM:<broken@far.example>", 451) == (
            "451 4.3.0 Something went wrong here, try again later"
        )
        await smtp.envelope()
        assert await smtp.message(HELLO, 451) == "451 4.3.0 Something went wrong here, try again later"
        await smtp.command("NOOP", 250)


def arrival(house: House) -> Callable[[], int]:
    """How many octets of the one message under way have come."""
    (session,) = house.server._sessions
    return lambda: session.transaction.arrival.arrived_octets if session.transaction.arrival is not None else 0


async def test_trap_06_a_slow_upload_is_not_cut(start: Start) -> None:
    """aiosmtpd has one timer for the whole of DATA; here each piece has five minutes."""
    house = await start()
    clock = LoopClock()
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.envelope()
        await smtp.command("DATA", 354)
        arrived = arrival(house)
        for number in range(4):
            smtp.send(b"x" * 30_000)
            await until(lambda number=number: arrived() >= 30_000 * (number + 1))
            await clock.forward(290)
        smtp.send(b"\r\n.\r\n")
        await smtp.expect(250)
    assert len(house.intake.taken[0].octets) == 120_002


async def test_trap_06_a_silent_upload_is_cut(start: Start) -> None:
    house = await start()
    clock = LoopClock()
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.envelope()
        await smtp.command("DATA", 354)
        await clock.forward(301)
        await smtp.expect("421 4.4.2")
        assert await smtp.closed()


async def test_trap_06_a_trickle_is_cut_in_the_end(start: Start) -> None:
    """One octet now and then holds a place that somebody else could use."""
    house = await start()
    clock = LoopClock()
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.envelope()
        await smtp.command("DATA", 354)
        arrived = arrival(house)
        for number in range(3):
            smtp.send(b"x")
            await until(lambda number=number: arrived() > number)
            await clock.forward(299)
        smtp.send(b"x")
        await until(lambda: arrived() > 3)
        await clock.forward(100)
        smtp.send(b"x")
        await smtp.expect("421 4.4.2")
        assert await smtp.closed()
    assert house.refusals == ["peer-slow"]


async def test_trap_06_no_timer_runs_while_we_store(start: Start) -> None:
    """aiosmtpd cancels the handler when the card is slow: the message is stored, and sent again."""
    house = await start()
    clock = LoopClock()
    house.intake.go_on.clear()
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.envelope()
        await smtp.command("DATA", 354)
        smtp.send(HELLO + b".\r\n")
        await house.intake.storing.wait()
        assert house.server.state().storing == 1
        await clock.forward(3600)
        house.intake.go_on.set()
        await smtp.expect(250)
    assert len(house.intake.taken) == 1


class DigestingSpool(FakeSpool):
    """Keeps nothing, as the real one keeps little: what is left is what the session holds."""

    def write(self, piece: bytes) -> None:
        self.size += len(piece)
        self.largest_piece = max(self.largest_piece, len(piece))

    def finish(self) -> FakeContent:
        return FakeContent(b"", self.size.to_bytes(8))


class DigestingIntake(FakeIntake):
    def open_spool(self) -> FakeSpool:
        self.open_spools += 1
        self.spools.append(DigestingSpool(self))
        return self.spools[-1]

    async def accept(self, peer: Peer, envelope: Envelope, content: FakeContent) -> Reply:
        assert int.from_bytes(content.digest) == 25 << 20
        return await super().accept(peer, envelope, content)


@pytest.mark.parametrize("command", ["DATA", "BDAT"])
async def test_trap_07_memory_does_not_grow_with_the_message(command: str) -> None:
    """aiosmtpd holds a message of 25 MiB three times over. The peer here writes in a thread, from one small buffer."""
    house = House()
    house.intake = DigestingIntake()
    await house.start(message_size_octets=50 << 20)
    piece = (b"x" * 62 + b"\r\n") * 1024
    smtp = await SmtpClient.greeted(house.port)
    await smtp.envelope()
    if command == "DATA":
        await smtp.command("DATA", 354)
    else:
        smtp.send(b"BDAT %d LAST\r\n" % (25 << 20))
    tracemalloc.start()
    for _ in range((25 << 20) // len(piece)):
        smtp.send(piece)
        await smtp.writer.drain()
    if command == "DATA":
        smtp.send(b".\r\n")
    await smtp.expect(250)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    await smtp.close()
    await house.server.stop()
    assert house.intake.spools[0].size == 25 << 20
    assert house.intake.spools[0].largest_piece <= 256 * 1024
    assert peak < 4 << 20, f"{peak} octets for a message of 25 MiB"


@pytest.mark.parametrize("octets", [999, 1000, 1001, 65_536, 500_000])
async def test_trap_08_lines_may_be_as_long_as_the_message(start: Start, octets: int) -> None:
    """aiosmtpd says `500 Line too long` from 1001 octets on."""
    house = await start()
    content = b"y" * octets + b"\r\n"
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.envelope()
        await smtp.message(content)
    assert house.intake.taken[0].octets == content


@pytest.mark.parametrize("octet", [b"\r", b"\n", b"\0"], ids=["CR", "LF", "NUL"])
async def test_trap_09_bare_cr_lf_and_nul_are_refused(start: Start, octet: bytes) -> None:
    """aiosmtpd passes them on, and the next server may see two messages. All sequences: test_smuggling.py."""
    house = await start()
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.envelope()
        await smtp.message(b"a" + octet + b"b\r\n", "550 5.6.11")
        await smtp.command("NOOP", 250)
    assert house.intake.taken == []


async def test_trap_10_a_bare_lf_ends_no_command(start: Start) -> None:
    house = await start()
    async with await SmtpClient.greeted(house.port) as smtp:
        smtp.send(b"NOOP\nNOOP\nNOOP\r\n")
        await smtp.expect("500 5.5.2")
        await smtp.command("HELP", 214)


@pytest.mark.parametrize("argument", [f"PLAIN {WRONG}", "PLAIN !", "PLAIN =", "X", "PLAIN a b"])
async def test_trap_11_a_failed_sign_in_is_always_answered(start: Start, argument: str) -> None:
    """aiosmtpd's AuthResult(success=False) says nothing at all, and the client waits for ever."""
    house = await start(Listener.SUBMISSIONS)
    async with await SmtpClient.greeted(house.port, tls=True) as smtp:
        for code in (5, 5, 421):
            await smtp.command(f"AUTH {argument}", code)
        assert await smtp.closed()


async def test_trap_12_a_sign_in_stops_nobody_else(start: Start) -> None:
    """aiosmtpd calls the authenticator on the event loop: argon2 would stall every session."""
    house = await start(Listener.SUBMISSIONS)
    house.sign_in.go_on.clear()
    slow = await SmtpClient.greeted(house.port, tls=True)
    slow.send(f"AUTH PLAIN {GOOD}\r\n".encode())
    await house.sign_in.checking.wait()
    async with await SmtpClient.greeted(house.port, tls=True) as other:
        await other.command("NOOP", 250)
    house.sign_in.go_on.set()
    await slow.expect(235)
    await slow.close()


@pytest.mark.parametrize("name", ["plain", "Plain", "PLAIN"])
async def test_trap_13_mechanisms_in_any_case(start: Start, name: str) -> None:
    house = await start(Listener.SUBMISSIONS)
    async with await SmtpClient.greeted(house.port, tls=True) as smtp:
        await smtp.command(f"aUTh {name} {GOOD}", 235)


async def test_trap_14_limits_belong_to_one_session(start: Start) -> None:
    """aiosmtpd keeps command_size_limits in the class: each EHLO anywhere grows it, each connection clears it."""
    house = await start()
    at_limit, over_limit = "NOOP " + "x" * 2041, "NOOP " + "x" * 2042
    async with await SmtpClient.greeted(house.port) as smtp:
        for _ in range(5):
            await smtp.command(at_limit, 250)
            await smtp.command(over_limit, "500 5.5.2")
            async with await SmtpClient.greeted(house.port) as other:
                for _ in range(20):
                    await other.command("EHLO a", 250)
    assert dict(aiosmtpd.smtp.SMTP.command_size_limits) == {}


async def test_trap_15_too_much_is_not_drained_for_ever(start: Start) -> None:
    """aiosmtpd reads an endless message to no end, and has no limit on connections (test_server.py)."""
    house = await start(message_size_octets=10_000)
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.envelope()
        await smtp.message(b"x" * 15_000 + b"\r\n", "552 5.3.4")
        await smtp.envelope()
        await smtp.command("DATA", 354)
        smtp.send(b"x" * 21_000)
        await smtp.expect("552 5.3.4")
        assert await smtp.closed()


async def test_trap_16_there_is_no_lmtp(start: Start) -> None:
    """aiosmtpd's LMTP gives one reply for many recipients; we deliver without it."""
    house = await start()
    async with await SmtpClient.greeted(house.port, ehlo=None) as smtp:
        await smtp.command("LHLO a", "500 5.5.1")
    assert "aiosmtpd.lmtp" not in sys.modules


async def test_trap_17_every_reply_has_its_enhanced_code(start: Start) -> None:
    """RFC 2034 4; aiosmtpd has few of them, and answers HELP with 250."""
    house = await start()
    async with await SmtpClient.greeted(house.port, ehlo=None) as smtp:
        said = []
        for line in ("MAIL FROM:<>", "NOOP", "RSET", "VRFY a", "EXPN a", "NONSENSE", "DATA", "HELP", "AUTH X", "VRFY"):
            smtp.send(line.encode() + b"\r\n")
            said.append(await smtp.reply())
        await smtp.command("EHLO a", 250)
        for line in (
            "MAIL FROM:<>",
            "MAIL FROM:<>",
            "RCPT TO:<nobody@example.org>",
            "RCPT TO:<ana@example.org>",
            "BDAT 0 LAST",
        ):
            smtp.send(line.encode() + b"\r\n")
            said.append(await smtp.reply())
        smtp.send(b"QUIT\r\n")
        said.append(await smtp.reply())
    for reply in said:
        code, enhanced, _ = reply.split(" ", 2)
        assert enhanced.startswith(f"{code[0]}.") and enhanced.count(".") == 2, reply
    assert said[7].startswith("214 2.0.0")


@pytest.mark.parametrize(
    "path",
    [
        "a..b@x.example",
        "a@x.example (comment)",
        "<a..b@x.example>",
        "<(c)a@x.example>",
        "a@x.example",
        "<a@x.example",
        "<a@b@x.example>",
        "<a b@x.example>",
        "<a@x_.example.>",
    ],
)
async def test_trap_18_addresses_follow_the_grammar_of_smtp(start: Start, path: str) -> None:
    """aiosmtpd uses a private parser of header addresses, which changes with Python and takes all of these."""
    house = await start()
    async with await SmtpClient.greeted(house.port) as smtp:
        await smtp.command(f"MAIL FROM:{path}", 501)
        await smtp.command("MAIL FROM:<>", 250)
        await smtp.command(f"RCPT TO:{path}", 501)
    assert house.intake.recipients == []


class TestTrap19:
    """aiosmtpd cancels the handler when the peer hangs up: the store step is cut in the middle, or done and unheard."""

    async def start_storing(self, house: House) -> SmtpClient:
        """A peer whose message is complete and in the store step."""
        house.intake.go_on.clear()
        house.intake.storing.clear()
        smtp = await SmtpClient.greeted(house.port)
        await smtp.envelope()
        await smtp.command("DATA", 354)
        smtp.send(HELLO + b".\r\n")
        await house.intake.storing.wait()
        return smtp

    async def wait_until_gone(self, house: House) -> None:
        (session,) = house.server._sessions
        await until(lambda: session._inbox._ended)

    async def again(self, house: House) -> str:
        async with await SmtpClient.greeted(house.port) as smtp:
            await smtp.envelope()
            said = await smtp.message(HELLO)
            await smtp.command("QUIT", 221)
            return said

    @pytest.mark.parametrize("how", ["reset", "close"])
    async def test_a_hang_up_while_storing(self, start: Start, how: str) -> None:
        """It is stored all the same, and the same message again is answered with the same id and not stored again."""
        house = await start()
        smtp = await self.start_storing(house)
        if how == "reset":
            smtp.abort()
        else:
            await smtp.close()
        await self.wait_until_gone(house)
        house.intake.go_on.set()
        await house.intake.stored.wait()
        assert await self.again(house) == "250 2.0.0 Accepted as m1"
        assert len(house.intake.taken) == 1

    async def test_a_reset_right_after_the_reply_was_written(self, start: Start) -> None:
        """Whether the reply arrived before the line broke nobody knows; the same message again is taken for the same."""
        house = await start()
        smtp = await self.start_storing(house)
        (session,) = house.server._sessions
        house.intake.go_on.set()
        await until(lambda: session._reply_written)
        smtp.abort()
        await self.wait_until_gone(house)
        assert await self.again(house) == "250 2.0.0 Accepted as m1"

    async def test_once_it_was_heard_the_next_one_is_new(self, start: Start) -> None:
        house = await start()
        smtp = await self.start_storing(house)
        smtp.abort()
        await self.wait_until_gone(house)
        house.intake.go_on.set()
        assert await self.again(house) == "250 2.0.0 Accepted as m1"
        assert await self.again(house) == "250 2.0.0 Accepted as m2"
        assert len(house.intake.taken) == 2

    async def test_it_comes_again_while_the_first_is_still_being_stored(self, start: Start) -> None:
        """A slow card: the peer gives up, dials again, and the second delivery waits for the first."""
        house = await start()
        smtp = await self.start_storing(house)
        smtp.abort()
        await self.wait_until_gone(house)
        async with await SmtpClient.greeted(house.port) as second:
            await second.envelope()
            await second.command("DATA", 354)
            second.send(HELLO + b".\r\nNOOP\r\n")
            await until(lambda: len(house.intake.spools) == 2 and not house.server._handler._repeats._unheard)
            house.intake.go_on.set()
            assert await second.expect(250) == "250 2.0.0 Accepted as m1"
            await second.expect(250)
        assert len(house.intake.taken) == 1

    async def test_it_is_forgotten_after_an_hour(self, start: Start) -> None:
        house = await start()
        smtp = await self.start_storing(house)
        smtp.abort()
        await self.wait_until_gone(house)
        house.intake.go_on.set()
        await house.intake.stored.wait()
        house.now += 3601
        assert await self.again(house) == "250 2.0.0 Accepted as m2"

    async def test_what_was_not_stored_is_stored_the_second_time(self, start: Start) -> None:
        house = await start()
        house.intake.fault = OSError("the card failed")
        smtp = await self.start_storing(house)
        smtp.abort()
        await self.wait_until_gone(house)
        (storing,) = house.server._handler.storing
        house.intake.go_on.set()
        await asyncio.wait((storing,))
        house.intake.fault = None
        assert await self.again(house) == "250 2.0.0 Accepted as m1"

    async def test_another_message_is_another_message(self, start: Start) -> None:
        house = await start()
        smtp = await self.start_storing(house)
        smtp.abort()
        await self.wait_until_gone(house)
        house.intake.go_on.set()
        await house.intake.stored.wait()
        async with await SmtpClient.greeted(house.port) as other:
            await other.envelope("cy@example.org")
            assert await other.message(HELLO) == "250 2.0.0 Accepted as m2"
            await other.envelope()
            assert await other.message(HELLO + b"more\r\n") == "250 2.0.0 Accepted as m3"

    async def test_the_same_message_from_two_who_both_listen_is_stored_twice(self, start: Start) -> None:
        house = await start()
        first = await self.start_storing(house)
        second = await self.start_storing(house)
        house.intake.go_on.set()
        assert {await first.expect(250), await second.expect(250)} == {
            "250 2.0.0 Accepted as m1",
            "250 2.0.0 Accepted as m2",
        }
        await first.close()
        await second.close()

    async def test_a_peer_that_has_said_all_still_hears_the_answer(self, start: Start) -> None:
        """`printf … | nc`: aiosmtpd takes the end of the input for a hang-up."""
        house = await start()
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        smtp = SmtpClient(reader, writer)
        smtp.send(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<ana@example.org>\r\nDATA\r\n" + HELLO + b".\r\nQUIT\r\n")
        writer.write_eof()
        for code in (220, 250, 250, 250, 354, 250, 221):
            await smtp.expect(code)
        assert await smtp.closed()
        await smtp.close()
        assert len(house.intake.taken) == 1

    async def test_the_server_stops_while_storing(self, start: Start) -> None:
        house = await start()
        smtp = await self.start_storing(house)
        stopping = asyncio.ensure_future(house.server.stop())
        await asyncio.sleep(0)
        house.intake.go_on.set()
        await smtp.expect(250)
        await smtp.expect("421 4.3.2")
        await smtp.close()
        await stopping
        assert len(house.intake.taken) == 1
