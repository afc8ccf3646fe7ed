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
