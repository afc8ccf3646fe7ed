"""A card that is full to its last block: new mail is asked to come later, and reading and deleting still work."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import random
from pathlib import Path

import pytest

from bench.card.card import missing
from tests.attacks.browser import Browser
from tests.power.server import Server
from tests.support.imap_client import ImapClient
from tests.support.world import ADMIN_PASSWORD

from .at_work import checked, deliver, reader_of
from .conftest import Starts

MIB = 1024 * 1024
LARGE, SMALL = 6, 80
PATIENCE_S = 60
# A short log, so that it is full after some dozens of deletions, and a short grace before blocks are given back.
SOON = """
import appliance.store.database
appliance.store.database.CHECKPOINT_PAGES = 200
appliance.store.database.WAL_OCTETS = 300 * 4120
import appliance.store.writer
appliance.store.writer.FREE_AFTER_S = 1.0
"""

pytestmark = [
    pytest.mark.skipif(missing() is not None, reason=f"no simulated card: {missing()}"),
    pytest.mark.timeout(240),
]


class Filler:
    """Somebody else's file on the same card."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "filler"
        self._folder = folder

    def leave(self, octets: int) -> None:
        """So many free, or fewer than a block for 0: then not one more block can be had."""
        with open(self._path, "ab") as file:
            for piece in (self.free - octets, *(() if octets else (MIB, 64 * 1024, 4096))):
                with contextlib.suppress(OSError):
                    while piece > 0:
                        os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, piece)
                        if octets:
                            break
            os.fsync(file.fileno())

    @property
    def free(self) -> int:
        card = os.statvfs(self._folder)
        return card.f_bavail * card.f_frsize

    def remove(self) -> None:
        self._path.unlink()


def large(number: int) -> bytes:
    octets = base64.encodebytes(random.Random(number).randbytes(MIB)).replace(b"\n", b"\r\n")
    return b"Subject: large-1-%d\r\nMIME-Version: 1.0\r\n\r\n" % number + octets


def small(number: int) -> bytes:
    text = base64.encodebytes(random.Random(-number).randbytes(900)).replace(b"\n", b"\r\n")
    return b"Subject: small-1-%d\r\nMIME-Version: 1.0\r\n\r\n" % number + text


async def append_small(imap: ImapClient, numbers: range) -> None:
    for first in range(numbers.start, numbers.stop, 10):
        some = range(first, min(first + 10, numbers.stop))
        for number in some:
            await imap.ok("APPEND INBOX {}", small(number))


async def refused_for_want_of_room(server: Server) -> None:
    """How much is free is looked at once in a while, so that the first message may still come in."""
    async with asyncio.timeout(PATIENCE_S):
        while not (reply := await deliver(server, small(0), "")).startswith("452 4.3.1"):
            assert reply.startswith("250"), reply
            await asyncio.sleep(0.05)


async def told(server: Server, alert: str) -> list[dict[str, str]]:
    """The problems that `merpati status --json` tells of as soon as that light is so."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            status = json.loads(await asyncio.to_thread(server.cli, "status", "--json"))
            if status["leds"]["alert"] == alert:
                return list(status["problems"])
            await asyncio.sleep(0.05)


async def is_free(filler: Filler, octets: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if filler.free >= octets:
                return
            await asyncio.sleep(0.1)


async def test_a_card_that_is_full_to_its_last_block(starts: Starts) -> None:
    async with starts(before=SOON, looks_every_s=0.5) as at, contextlib.AsyncExitStack() as stack:
        server, filler = at.server, Filler(at.card.mount)
        web = Server(server.home, server.run, command="web")
        stack.callback(web.kill)
        await asyncio.to_thread(web.start)
        for number in range(LARGE):
            await deliver(server, large(number), 250)
        async with reader_of(server, "ana") as imap:
            await append_small(imap, range(SMALL))

            # Nearly full: refused in time, and told.
            filler.leave(5 * MIB)
            await refused_for_want_of_room(server)
            (problem,) = await told(server, "fast")
            assert "New mail is asked to come later" in problem["what"]
            assert problem["do"].startswith("Delete mail now.")
            findings = json.loads(server.cli("doctor", "--json", good=(1,)))
            assert [each["status"] for each in findings if each["topic"] == "card"] == ["broken"]

            # Full: nothing new, and nothing that was there is out of reach.
            filler.leave(0)
            assert filler.free == 0
            await deliver(server, small(1), "452 4.3.1")
            browser = Browser(web.ports["web"])
            await asyncio.to_thread(browser.post, "/sign-in", {"password": ADMIN_PASSWORD})
            page = (await asyncio.to_thread(browser.get, "/admin/")).shown
            assert "The card is full" in page and "Delete mail now." in page
            answer = await imap.command("APPEND INBOX {}", small(2))
            assert answer.done.status == "NO", answer.done
            await imap.ok("SELECT INBOX")
            assert imap.mailbox is not None
            count = len(imap.mailbox.uids)
            assert count >= LARGE + SMALL
            for number in range(LARGE):
                octets = (await imap.ok(f"FETCH {number + 1} (BODY.PEEK[])")).item("BODY[]")
                assert isinstance(octets, bytes) and octets.endswith(large(number))

            # Message after message can be deleted, for as long as there is one.
            for _ in range(SMALL):
                await imap.ok(f"STORE {LARGE + 1} +FLAGS.SILENT (\\Deleted)")
                await imap.ok("EXPUNGE")
            assert len(imap.mailbox.uids) == count - SMALL
            filler.leave(0)

            # What is deleted makes room.
            await imap.ok(f"STORE 1:{LARGE - 1} +FLAGS.SILENT (\\Deleted)")
            await imap.ok("EXPUNGE")
            await is_free(filler, (LARGE - 2) * MIB)  # the log may have taken some
            octets = (await imap.ok("FETCH 1 (BODY.PEEK[])")).item("BODY[]")
            assert isinstance(octets, bytes) and octets.endswith(large(LARGE - 1))
            left = len(imap.mailbox.uids)

        # A restart on the full card: it starts, is whole, can be read and deleted from.
        filler.leave(0)
        await asyncio.to_thread(web.stop)
        await asyncio.to_thread(server.stop)
        filler.leave(0)
        await asyncio.to_thread(server.start)
        async with reader_of(server, "ana") as imap:
            await imap.ok("SELECT INBOX")
            assert imap.mailbox is not None and len(imap.mailbox.uids) == left
            await deliver(server, small(3), "452 4.3.1")
            await imap.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
            await imap.ok("EXPUNGE")
            assert len(imap.mailbox.uids) == left - 1

        # With room again, all is as before.
        filler.remove()
        assert await told(server, "off") == []
        await deliver(server, small(4), 250)
        await asyncio.to_thread(server.stop)
        assert checked(server) == []
        assert "Traceback" not in server.log()
