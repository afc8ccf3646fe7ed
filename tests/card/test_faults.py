"""A card that fails: what it did not keep is never acknowledged, and what can still be read is read."""

from __future__ import annotations

import asyncio
import random

import pytest

from bench.card.card import missing
from tests.power.clients import DESKS, KEPT, RECIPIENTS, WORK, Load, look
from tests.power.course import Elsewhere
from tests.power.ledger import Desk, Figures, Ledger
from tests.power.letters import letter
from tests.support.smtp_client import SmtpClient

from .at_work import checked, deliver, queued, reader_of
from .conftest import Starts

PATIENCE_S = 60

pytestmark = pytest.mark.skipif(missing() is not None, reason=f"no simulated card: {missing()}")


@pytest.mark.parametrize("kind", ["writes", "flushes"])
async def test_what_the_card_did_not_keep_is_not_acknowledged(starts: Starts, there: Elsewhere, kind: str) -> None:
    """Ten clients at work; then all that no flush has made durable is lost, and everything acknowledged must be left."""
    ledger, desks = Ledger(), {name: Desk((WORK, KEPT)) for name in DESKS}
    async with starts() as at:
        load = Load(at.server, ledger, desks, random.Random(1), 1)
        running = asyncio.create_task(load.run())
        async with asyncio.timeout(PATIENCE_S):
            await load.until_acknowledged(40)
        assert not load.refusals and not running.done()
        at.card.fail(writes=kind == "writes", flushes=kind == "flushes")
        async with asyncio.timeout(PATIENCE_S):
            await running  # every client was refused: had one only been acknowledged, it would go on for ever
        assert load.refusals

        # The card is well again. The server cannot know what it kept: nothing more is promised, but all can be read.
        at.card.fail()
        await deliver(at.server, letter("in-9-9"), 4)
        async with reader_of(at.server, "ana") as imap:
            assert not (await imap.command("APPEND INBOX {}", letter("in-9-10"))).ok
            answer = await imap.ok("SELECT INBOX")
            assert imap.mailbox is not None
            count = len(imap.mailbox.uids)
            assert count and answer.code("UIDNEXT")
            assert len((await imap.ok("FETCH 1:* (UID BODY.PEEK[])")).fetched) == count
            await imap.ok("NOOP")

        at.card.cut("drop", 1)
        at.server.kill()
        at.card.replug()
        await asyncio.to_thread(at.server.start)
        figures, wrong = Figures(), []
        for name in DESKS:
            wrong += desks[name].compare(name, await look(at.server, name))
        wrong += ledger.compare(
            {name: await look(at.server, name) for name in RECIPIENTS},
            await asyncio.to_thread(queued, at.server),
            there.received,
            figures,
        )
        assert wrong == []
        await deliver(at.server, letter("in-9-11"), 250)
        await asyncio.to_thread(at.server.stop)
        assert checked(at.server) == []


async def test_flags_too_are_refused_once_they_could_not_be_kept(starts: Starts) -> None:
    """They are lazy: an OK promises no flush. But when the flush fails, it fails within seconds, and is the last."""
    async with starts() as at:
        await deliver(at.server, letter("in-1-1"), 250)
        async with reader_of(at.server, "ana") as imap:
            await imap.ok("SELECT INBOX")
            at.card.fail(flushes=True)
            sign, answer = "+", await imap.ok("NOOP")
            async with asyncio.timeout(PATIENCE_S):
                while answer.ok:
                    answer = await imap.command(f"STORE 1 {sign}FLAGS (\\Flagged)")
                    sign = "-" if sign == "+" else "+"
            assert answer.done.status == "NO"
            for _ in range(20):
                assert (await imap.command("STORE 1 +FLAGS (\\Seen)")).done.status == "NO"
            await imap.ok("FETCH 1 (FLAGS)")


async def test_while_nothing_can_be_read_nobody_is_turned_away_for_good(starts: Starts) -> None:
    """What cannot be looked up is said to be so for now: 4xx and NO, never 5xx, and nobody is hung up on."""
    async with starts() as at:
        for number in range(20):
            await deliver(at.server, letter(f"in-1-{number}"), 250)
        async with reader_of(at.server, "ana") as imap:
            at.card.drop_caches()
            at.card.fail(reads=True)
            replies = [await deliver(at.server, letter(f"in-2-{number}"), "") for number in range(5)]
            assert all(reply[0] in "24" for reply in replies), replies
            statuses = [(await imap.command(text)).done.status for text in ("SELECT INBOX", "SELECT Old", "NOOP")]
            assert "BAD" not in statuses
            at.card.fail()
            await imap.ok("SELECT INBOX")
            assert len((await imap.ok("FETCH 1:20 (UID BODY.PEEK[])")).fetched) == 20


async def test_a_message_that_cannot_be_read_stops_nobody_else(starts: Starts) -> None:
    """The one command says NO; that connection and the others go on; when the card reads again, so does everybody."""
    large = letter("in-1-1") + b"".join(b"%064d\r\n" % n for n in range(30_000))
    async with starts() as at:
        await deliver(at.server, large, 250)
        await deliver(at.server, letter("in-1-2"), 250)
        async with reader_of(at.server, "ana") as one, reader_of(at.server, "bob") as other:
            await one.ok("SELECT INBOX")
            await other.ok("SELECT INBOX")
            at.card.drop_caches()
            at.card.fail(reads=True)
            answer = await one.command("FETCH 1 (BODY.PEEK[])")
            assert answer.done.status == "NO", answer.done
            await one.ok("CAPABILITY")
            await other.ok("NOOP")
            async with await SmtpClient.greeted(at.server.ports["smtp"]) as smtp:
                await smtp.command("NOOP", 250)
            at.card.fail()
            found = (await one.ok("FETCH 1 (BODY.PEEK[])")).item("BODY[]")
            assert isinstance(found, bytes) and large in found
