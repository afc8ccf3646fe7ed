"""From one power cut to the next, on one card: load, cut, power on, start, compare.

Of the rounds some cut while the server is still starting. After half of the cuts the server is left alive for a moment:
it must not acknowledge anything that is not on the card.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from appliance.store.check import check
from appliance.store.interface import Store
from appliance.store.queue_rows import all_messages
from bench.card.card import Card
from tests.support.dns_server import DnsServer
from tests.support.remote_mta import RemoteMta
from tests.support.world import eventually

from .clients import DESKS, KEPT, RECIPIENTS, USERS, WORK, Load, look, make_mailboxes
from .ledger import Desk, Figures, Ledger
from .letters import letter, name_of
from .server import Server, set_up_home

LOAD_S = (0.3, 3.0)
STARTING_S = (0.0, 1.2)
LINGER_S = 1.0
# What is rare on a card happens every second: the log moved into the database, segments begun, blocks given back.
HURRIED = """
import appliance.store.database
appliance.store.database.CHECKPOINT_PAGES = 60
import appliance.store.segments, appliance.store.writer
appliance.store.segments.SEGMENT_OCTETS = 2 * 1024 * 1024
appliance.store.writer.FREE_AFTER_S = 0.5
"""


@dataclass
class Elsewhere:
    """Where outgoing mail goes: a name server and somebody's mail server that puts some off and refuses some."""

    names: DnsServer
    remote: RemoteMta
    willing: bool = False

    def say(self, argument: str) -> str:
        if "<nobody-" in argument:
            return "550 5.1.1 nobody here"
        if "<later-" in argument and not self.willing:
            return "451 4.7.1 come again"
        return "250 2.1.5 fine"

    @property
    def settings(self) -> dict[str, object]:
        return {"resolver": f"127.0.0.1:{self.names.address[1]}", "outbound.mx_port": self.remote.port}

    @property
    def received(self) -> set[str]:
        return {name for each in self.remote.messages if each.accepted and (name := name_of(each.content)) is not None}


@contextlib.contextmanager
def elsewhere() -> Iterator[Elsewhere]:
    with (
        DnsServer("far.example. MX 10 mx.far.example.\nmx.far.example. A 127.0.0.1") as names,
        RemoteMta() as remote,
    ):
        there = Elsewhere(names, remote)
        remote.say("RCPT", there.say)
        yield there


class Course:
    """first: a home that is set up already, to be copied onto the card. hurried: see HURRIED."""

    def __init__(self, card: Card, first: Path, run: Path, there: Elsewhere, seed: int, *, hurried: bool) -> None:
        self._card = card
        self._there = there
        self._rng = random.Random(seed)
        self._server = Server(card.mount / "home", run, before=HURRIED if hurried else "")
        self._ledger = Ledger()
        self._desks = {name: Desk((WORK, KEPT)) for name in DESKS}
        self._round = 0
        self.figures = Figures()
        card.slow(False)
        shutil.copytree(first, self._server.home)
        card.sync()

    async def prepare(self) -> None:
        await asyncio.to_thread(self._server.start)
        await make_mailboxes(self._server)
        await self._compare()

    async def cut_once(self) -> list[str]:
        """What was wrong afterwards."""
        self._round += 1
        mode: Literal["drop", "random"] = self._rng.choice(("drop", "random"))
        self._card.slow(True)
        cut = self._cut_at_start if self._round % 5 == 4 else self._cut_under_load
        wrong = await cut(mode)
        self._card.slow(False)
        words = await asyncio.to_thread(self._card.replug)
        await asyncio.to_thread(self._server.start)
        try:
            wrong += await self._compare()
        except (EOFError, ConnectionError) as fault:  # it does so when what it has begun to send is damaged
            wrong.append(f"the server hung up on who read everything: {fault!r}")
        wrong += await asyncio.to_thread(self._check)
        self.figures.cuts += 1
        return [f"cut {self._round} ({mode}): {each}" for each in wrong] + ([f"fsck: {words}"] if wrong else [])

    async def _cut_under_load(self, mode: Literal["drop", "random"]) -> list[str]:
        load = Load(self._server, self._ledger, self._desks, self._rng, self._round)
        lingers = self._rng.random() < 0.5
        seed = self._rng.randrange(2**31)
        running = asyncio.create_task(load.run())
        await asyncio.wait([running], timeout=self._rng.uniform(*LOAD_S))
        before = time.monotonic()
        await asyncio.to_thread(self._card.cut, mode, seed)
        cut_at = time.monotonic()
        if lingers:
            await asyncio.wait([running], timeout=LINGER_S)
        await asyncio.to_thread(self._server.kill)
        await running
        for at, what in load.acknowledged:
            self.figures.acknowledged[what] += 1
            self.figures.after_the_cut += at > cut_at
        self.figures.refused_after_the_cut += sum(at > cut_at for at, _ in load.refusals)
        return [f"refused before the cut: {what}" for at, what in load.refusals if at < before]

    async def _cut_at_start(self, mode: Literal["drop", "random"]) -> list[str]:
        """After an orderly end, or after one of the server alone: then its log is whole and to be read again."""
        if self._rng.random() < 0.5:
            await asyncio.to_thread(self._server.stop)
        else:
            self._server.kill()
        self._server.launch()
        await asyncio.sleep(self._rng.uniform(*STARTING_S))
        await asyncio.to_thread(self._card.cut, mode, self._rng.randrange(2**31))
        await asyncio.to_thread(self._server.kill)
        return []

    async def _compare(self) -> list[str]:
        """Over IMAP, and the queue as its owner sees it."""
        wrong: list[str] = []
        for name in DESKS:
            wrong += self._desks[name].compare(name, await look(self._server, name))
        # First what waits, then what came out of it: between the two a letter may only go that way.
        queued = await asyncio.to_thread(self._queued)
        found = {name: await look(self._server, name) for name in RECIPIENTS}
        return wrong + self._ledger.compare(found, queued, self._there.received, self.figures)

    def _queued(self) -> set[str]:
        store = Store(self._server.home)
        try:
            return {each.subject for each in store.read_now(all_messages)}
        finally:
            store.close()

    def _check(self) -> list[str]:
        store = Store(self._server.home)
        try:
            return check(store)
        finally:
            store.close()

    def _ask_doctor(self) -> list[str]:
        findings = json.loads(self._server.cli("doctor", "--json", good=(0, 1)))
        return [f"doctor: {each}" for each in findings if each["topic"] == "store" and each["status"] != "good"]

    def abandon(self) -> None:
        """After a fault of the test's own too, nothing may go on using the card."""
        self._server.kill()

    async def end(self) -> list[str]:
        """All that was to go out goes out at last: no row of the queue was lost or forgot whom it is for."""
        self._there.willing = True
        try:
            self._server.cli("queue", "flush")
            await asyncio.to_thread(
                eventually,
                lambda: self._ledger.sent <= self._there.received,
                lambda: f"never went out: {sorted(self._ledger.sent - self._there.received)}",
            )
        finally:
            self._there.willing = False
        wrong = await asyncio.to_thread(self._ask_doctor)
        await asyncio.to_thread(self._server.stop)
        return wrong + [
            f"{name} arrived damaged elsewhere"
            for each in self._there.remote.messages
            if (name := name_of(each.content)) is not None and not each.content.endswith(letter(name))
        ]


async def run_card(
    work: Path,
    first: Path,
    there: Elsewhere,
    *,
    cuts: int,
    profile: str,
    seed: int,
    hurried: bool,
    tell: Callable[[Figures], None] = lambda _: None,
) -> tuple[Figures, list[str]]:
    """A fresh card, cut so many times, or until something was wrong: figures, and what it was."""
    with Card(work / "card", profile=profile, size_mib=512) as card:
        course = Course(card, first, work / "beside", there, seed, hurried=hurried)
        try:
            await course.prepare()
            for _ in range(cuts):
                wrong = await course.cut_once()
                tell(course.figures)
                if wrong:
                    return course.figures, wrong
            return course.figures, await course.end()
        finally:
            course.abandon()


def first_home(folder: Path, there: Elsewhere) -> Path:
    return set_up_home(folder / "first", USERS, there.settings)
