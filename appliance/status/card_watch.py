"""Keeps count of what is written to the card, and tells it on the bus once a minute. A component: start, stop, health.

Promises: an idle appliance writes nothing for it. The days are kept in memory; they are carried to `derived/card.json`
at most once in six hours, and only within a minute of other writing of ours, or at the end of a process that wrote
something. Without a flush, as derived data is: a power cut may lose some hours of who wrote what, but not the disk's own
count, which is taken up from the kernel's counters (unless the machine itself was started anew meanwhile). A file that
is damaged is a file that is not there. What other processes wrote comes from them, as `CardWritten`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from .bus import Bus
from .card import DAY_S, Budget, Card, Counters, Health, Sample, count, resumed, seen
from .card_reader import CardReader
from .events import CardMeasured, CardWritten, Event
from .own_writes import Meter

log = logging.getLogger("merpati.status")

LOOK_EVERY_S = 60.0
CARRY_EVERY_S = 6 * 3600.0
SMART_EVERY_S = DAY_S
_decoder = msgspec.json.Decoder(Budget)


class CardWatch:
    def __init__(
        self,
        path: Path,
        bus: Bus,
        reader: CardReader,
        *,
        logs: Callable[[], int] = lambda: 0,
        index: Callable[[], int] = lambda: 0,
        endurance_tb: int | None = None,
        timezone: str = "UTC",
        clock: Callable[[], float] = time.time,
        look_every_s: float = LOOK_EVERY_S,
        meter: Meter | None = None,
    ) -> None:
        """Args: path: of the file for the days; logs, index: octets that these rooms' writers have metered so far.
        `endurance_tb` and `timezone` may be set anew at any time. meter: of what the file itself costs."""
        self.endurance_tb, self.timezone = endurance_tb, timezone
        self._path, self._bus, self._reader, self._clock = path, bus, reader, clock
        self._logs, self._index, self._look_every_s = logs, index, look_every_s
        self._budget = Budget()
        self._own = meter or Meter()
        self._others = 0
        self._carried_s: float | None = None  # uptime at which the days were written down or taken up
        self._carried_ours = 0
        self._smart_at_s: float | None = None
        self._smart = Health()
        self._turn = threading.Lock()
        self._task: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None

    async def start(self) -> None:
        self._unsubscribe = self._bus.subscribe(self._hear)
        self._budget = resumed(await asyncio.to_thread(kept, self._path))
        await self._look_if_possible()
        self._task = asyncio.create_task(self._keep_looking())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._unsubscribe is not None:
            self._unsubscribe()
            await asyncio.to_thread(self._look, ending=True)
        self._task = self._unsubscribe = None

    def health(self) -> str | None:
        return None if self._task is not None and not self._task.done() else "nobody counts what the card takes"

    async def look(self) -> Card:
        """Counts what was written since the last time, and tells it."""
        card = await asyncio.to_thread(self._look)
        self._bus.publish(CardMeasured(at=self._clock(), card=card))
        return card

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(self._look_every_s)
            await self._look_if_possible()

    async def _look_if_possible(self) -> None:
        """Counting keeps no mail from coming in."""
        try:
            await self.look()
        except Exception:
            log.exception("what the card takes could not be counted")

    def _hear(self, event: Event) -> None:
        if isinstance(event, CardWritten):
            self._others += max(0, event.octets)

    def _look(self, *, ending: bool = False) -> Card:
        """Blocking. One at a time: a look that was given up by its task goes on in its thread."""
        with self._turn:
            return self._looked(ending)

    def _looked(self, ending: bool) -> Card:
        counters = self._counters()
        before = self._budget.last
        self._budget = count(
            self._budget, Sample(day=today(self._clock(), self.timezone), disk=self._reader.found.id, counters=counters)
        )
        self._carry_along(counters, ending=ending, writes_now=before is not None and counters.ours > before.ours)
        return seen(
            self._budget,
            self._reader.found.disk,
            self._reader.found.hidden,
            self._health(counters.uptime_s, asks=self._task is not None and not ending),
            endurance_tb=self.endurance_tb,
        )

    def _counters(self) -> Counters:
        """`logs` holds this file too: it is bookkeeping as they are."""
        mine = self._reader.counters()
        logs, index = self._logs() + self._own.octets, self._index()
        return msgspec.structs.replace(mine, ours=mine.ours + self._others, logs=logs, index=index)

    def _health(self, uptime_s: float, *, asks: bool) -> Health:
        """SMART is asked once a day, for the first time a minute after the start: it can take its time."""
        due = asks and (self._smart_at_s is None or uptime_s - self._smart_at_s >= SMART_EVERY_S)
        health = self._reader.health(ask_smart=due)
        if due:
            self._smart_at_s, self._smart = uptime_s, health
            return health
        used = health.life_used_percent or self._smart.life_used_percent
        return msgspec.structs.replace(health, life_used_percent=used, failing=self._smart.failing)

    def _carry_along(self, counters: Counters, *, ending: bool, writes_now: bool) -> None:
        others_wrote = counters.ours - self._own.octets
        if self._carried_s is None:
            self._carried_s, self._carried_ours = counters.uptime_s, others_wrote
        long_ago = counters.uptime_s - self._carried_s >= CARRY_EVERY_S
        if others_wrote > self._carried_ours and (ending or (long_ago and writes_now)):
            self._carried_s, self._carried_ours = counters.uptime_s, others_wrote
            with self._own.writing():
                keep(self._path, self._budget)


def today(at: float, timezone: str) -> str:
    """The owner's day."""
    return datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(timezone)).date().isoformat()


def glance(path: Path, reader: CardReader, *, endurance_tb: int | None, timezone: str) -> Card:
    """The same without a mail process: from what it wrote down and the counters of now. Keeps nothing. Blocking."""
    budget = resumed(kept(path))
    if budget.last is not None:
        counters = msgspec.structs.replace(reader.counters(), ours=0)
        budget = count(budget, Sample(day=today(time.time(), timezone), disk=reader.found.id, counters=counters))
    return seen(budget, reader.found.disk, reader.found.hidden, reader.health(), endurance_tb=endurance_tb)


def kept(path: Path) -> Budget:
    """What the file holds; an empty budget when there is none, or it is damaged."""
    with contextlib.suppress(OSError, ValueError):  # msgspec's faults and those of text and dates are ValueErrors
        budget = _decoder.decode(path.read_bytes())
        for day in budget.days:
            date.fromisoformat(day.day)  # one bit may have turned over
        return budget
    return Budget()


def keep(path: Path, budget: Budget) -> None:
    """Whole or not at all, without a flush. A card that does not take it costs the days and nothing else."""
    beside = path.with_name(path.name + "~")
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        beside.write_bytes(msgspec.json.encode(budget))
        os.replace(beside, path)
    except OSError as fault:
        log.warning("what the card took could not be written down: %s", fault)
