"""A server that has nothing to do writes nothing, whoever watches it. MERPATI_IDLE_S=600: ten minutes of it, with figures."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time

import pytest

from bench.card.card import Card, missing
from tests.attacks.browser import Browser
from tests.power.clients import USERS
from tests.power.letters import letter
from tests.support.world import ADMIN_PASSWORD

from .at_work import deliver, reader_of
from .conftest import Starts

IDLE_S = float(os.environ.get("MERPATI_IDLE_S", "8"))
WINDOWS = 4  # ext4 may still write down what came before the first; a server that does not rest spoils them all
MOST_OCTETS = 64 * 1024  # in ten minutes
CLIENTS = 10
POLL_S = 2.0
QUIET_S = 6.0  # longer than a lazy change or the kernel's journal waits
PATIENCE_S = 120.0

pytestmark = [
    pytest.mark.skipif(missing() is not None, reason=f"no simulated card: {missing()}"),
    pytest.mark.timeout(240 + WINDOWS * IDLE_S),
]


async def watched(browser: Browser, wait_s: float) -> None:
    """A dashboard that asks for news, as one does that was given no stream."""
    until = time.monotonic() + wait_s
    while (left_s := until - time.monotonic()) > 0:
        assert (await asyncio.to_thread(browser.get, "/admin/news")).status == 200
        await asyncio.sleep(min(POLL_S, left_s))


async def until_quiet(card: Card, browser: Browser) -> None:
    """What came before has been written out, lazily as it may be."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await asyncio.to_thread(card.reset_counters)
            await watched(browser, QUIET_S)
            if card.counters().writes == 0:
                return


async def test_an_idle_server_writes_nothing(starts: Starts) -> None:
    async with starts(command="run", looks_every_s=1.0, settings={"leds.enabled": True}) as at:
        server, card = at.server, at.card
        assert {"imap", "smtp", "web"} <= server.ports.keys()
        for number in range(3):
            await deliver(server, letter(f"in-1-{number}"), 250)
        browser = Browser(server.ports["web"])
        page = await asyncio.to_thread(browser.post, "/sign-in", {"password": ADMIN_PASSWORD})
        assert page.status in (302, 303), page
        async with contextlib.AsyncExitStack() as stack:
            tags = []
            for number in range(CLIENTS):
                imap = await stack.enter_async_context(reader_of(server, USERS[number % len(USERS)]))
                await imap.ok("SELECT INBOX")
                tags.append((imap, await imap.idle()))
            await until_quiet(card, browser)
            for _ in range(WINDOWS):
                await asyncio.to_thread(card.reset_counters)
                await watched(browser, IDLE_S)
                counted = card.counters()
                await asyncio.to_thread(card.sync)
                written_octets = card.counters().written_octets
                print(f"idle for {IDLE_S:.0f} s: {counted.flushes} flushes, {written_octets} octets written")
                if counted.flushes == 0:
                    break
            for imap, tag in tags:
                assert (await imap.done(tag)).ok
        assert counted.flushes == 0
        assert written_octets < MOST_OCTETS * max(IDLE_S, 60) / 600  # for a short time: not one 4 KiB block a second
