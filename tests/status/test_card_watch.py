"""Counting goes on by itself, survives a new start, and costs the card nothing while nothing else is written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from appliance.status.board import Board
from appliance.status.bus import Bus
from appliance.status.card import DAY_S, KEPT_DAYS, Budget, Card, Day, Health
from appliance.status.card_tell import WriteTeller
from appliance.status.card_watch import CARRY_EVERY_S, SMART_EVERY_S, CardWatch, glance, keep, kept, today
from appliance.status.client import StatusClient
from appliance.status.events import CardMeasured, CardWritten, Event
from appliance.status.own_writes import Meter, OwnWrites
from appliance.status.socket import StatusServer
from tests.support.fake_sys import FakeSys

WITHIN_S = 10.0
MIB = 2**20
NOON = 1_795_521_600.0  # 24 November 2026, 12:00 UTC


class Machine:
    """A fake disk with its clock, and the watch of one mail process after the other."""

    def __init__(self, folder: Path) -> None:
        self.fake = FakeSys(folder)
        self.disk = self.fake.card()
        self.path = folder / "derived" / "card.json"
        self.now = NOON
        self.written = self.flushes = self.ours = self.logs = 0
        self.bus = Bus()
        self.watch = self.process()

    def process(self, **more: Any) -> CardWatch:
        """As a new one: what it has written itself begins at nothing."""
        self.ours = self.logs = 0
        self.fake.caused(0)
        self.meter = Meter(self.path.parent / "nobody counts")
        self.watch = CardWatch(
            self.path,
            self.bus,
            self.fake.reader(self.path.parent),
            logs=lambda: self.logs,
            clock=lambda: self.now,
            meter=self.meter,
            **{"look_every_s": 3600.0, **more},
        )
        return self.watch

    def passes(self, seconds: float, *, written: int = 0, ours: int = 0, logs: int = 0, flushes: int = 0) -> None:
        self.now += seconds
        self.fake.uptime_s += seconds
        self.written, self.flushes = self.written + written, self.flushes + flushes
        self.ours, self.logs = self.ours + ours, self.logs + logs
        self.fake.stat(self.disk, written_octets=self.written, flushes=self.flushes)
        self.fake.caused(self.ours)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


async def test_idle_days_write_nothing(machine: Machine) -> None:
    """Whatever the rest of the system does, and at the end of the process too."""
    told: list[CardMeasured] = []
    machine.bus.subscribe(lambda event: told.append(event) if isinstance(event, CardMeasured) else None)
    await machine.watch.start()
    for _ in range(3 * 24):
        machine.passes(3600, written=MIB, flushes=9)
        await machine.watch.look()
    await machine.watch.stop()
    assert not machine.path.parent.exists()
    assert told[-1].card.total_octets == 72 * MIB  # though all of it was counted


async def test_the_days_are_carried_along_with_other_writing_and_seldom(machine: Machine) -> None:
    await machine.watch.start()
    machine.passes(CARRY_EVERY_S - 60, written=8 * MIB, ours=4 * MIB)
    await machine.watch.look()
    assert not machine.path.exists()
    machine.passes(3600, written=MIB)  # long enough, but nobody of ours writes just now
    await machine.watch.look()
    assert not machine.path.exists()
    machine.passes(60, written=4096, ours=4096)
    await machine.watch.look()
    first = kept(machine.path)
    assert first.days[0].written_octets == machine.written
    for _ in range(5):
        machine.passes(3600, written=MIB, ours=MIB)
        await machine.watch.look()
    assert kept(machine.path) == first
    machine.passes(3600, written=MIB, ours=MIB)
    await machine.watch.look()
    assert kept(machine.path) != first
    await machine.watch.stop()


async def test_writing_it_down_is_no_other_writing(machine: Machine) -> None:
    """Or each time would be the reason for the next."""
    await machine.watch.start()
    machine.passes(CARRY_EVERY_S, written=MIB, ours=MIB)
    await machine.watch.look()
    first = kept(machine.path)
    assert first.days
    machine.meter.octets = 16384
    for _ in range(3):
        machine.passes(CARRY_EVERY_S, written=MIB, ours=16384 if machine.ours == MIB else 0)
        await machine.watch.look()
    await machine.watch.stop()
    assert kept(machine.path) == first


async def test_a_process_that_wrote_something_writes_it_down_when_it_ends(machine: Machine) -> None:
    await machine.watch.start()
    machine.passes(600, written=9 * MIB, ours=5 * MIB, logs=MIB, flushes=30)
    await machine.watch.stop()
    (day,) = kept(machine.path).days
    assert (day.written_octets, day.mail_octets, day.logs_octets, day.flushes) == (9 * MIB, 4 * MIB, MIB, 30)
    assert [path.name for path in machine.path.parent.iterdir()] == ["card.json"]


async def test_a_new_process_goes_on_where_the_last_one_stood(machine: Machine) -> None:
    await machine.watch.start()
    machine.passes(600, written=9 * MIB, ours=5 * MIB)
    await machine.watch.stop()
    machine.passes(300, written=2 * MIB)
    await machine.process().start()
    machine.passes(60, written=MIB, ours=MIB)
    card = await machine.watch.look()
    assert (card.days[0].written_octets, card.days[0].mail_octets, card.total_octets) == (12 * MIB, 6 * MIB, 12 * MIB)
    assert card.counted_s == 960
    await machine.watch.stop()


DAMAGE = {
    "empty": b"",
    "half": b'{"days":[{"day":"2026-',
    "not ours": b'{"days": 3}',
    "no day": b'{"days": [{"day": "2026-1:-24"}]}',
    "no text": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("name", DAMAGE)
async def test_a_damaged_file_is_none_and_is_written_anew(name: str, machine: Machine) -> None:
    machine.path.parent.mkdir()
    machine.path.write_bytes(DAMAGE[name])
    await machine.watch.start()
    machine.passes(60, written=MIB, ours=MIB)
    await machine.watch.stop()
    assert kept(machine.path).days[0].written_octets == MIB


async def test_a_card_that_takes_nothing_costs_the_days_and_nothing_else(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine.path.parent.write_text("no folder")
    await machine.watch.start()
    machine.passes(60, written=MIB, ours=MIB)
    await machine.watch.stop()
    assert "could not be written down" in caplog.text


def test_what_is_kept_is_small(tmp_path: Path) -> None:
    """Two blocks of the card, with every day that is kept and figures of any size."""
    day = Day(
        day="2026-11-24",
        seconds=86_400.123456,
        written_octets=10**11,
        flushes=10**6,
        mail_octets=10**10,
        index_octets=10**10,
        logs_octets=10**10,
    )
    budget = Budget(days=(day,) * KEPT_DAYS, disk="0" * 32 + " 64000000000", total_octets=10**13)
    keep(tmp_path / "derived" / "card.json", budget)
    assert kept(tmp_path / "derived" / "card.json") == budget
    assert (tmp_path / "derived" / "card.json").stat().st_size <= 8192


async def test_what_other_processes_wrote_counts_as_mail(machine: Machine) -> None:
    await machine.watch.start()
    machine.passes(60, written=9 * MIB, ours=MIB)
    machine.bus.publish(CardWritten(at=1.0, process="web", octets=2 * MIB))
    machine.bus.publish(CardWritten(at=1.0, process="web", octets=-5 * MIB))  # nobody takes back what was written
    card = await machine.watch.look()
    assert card.days[0].mail_octets == 3 * MIB
    assert card.days[0].rest_octets == 6 * MIB
    await machine.watch.stop()
    machine.bus.publish(CardWritten(at=1.0, process="web", octets=2 * MIB))  # nobody listens any more


async def test_the_day_is_the_owners(machine: Machine) -> None:
    machine.watch.timezone = "Asia/Jakarta"
    await machine.watch.start()
    machine.passes(4.5 * 3600, written=MIB)
    await machine.watch.look()
    machine.passes(3600, written=MIB)
    card = await machine.watch.look()
    assert [(day.day, day.written_octets) for day in card.days] == [("2026-11-25", MIB), ("2026-11-24", MIB)]
    await machine.watch.stop()
    assert (today(NOON + 6 * 3600, "Asia/Jakarta"), today(NOON + 6 * 3600, "UTC")) == ("2026-11-25", "2026-11-24")


async def test_a_machine_that_tells_nothing_keeps_nobody_from_starting(
    machine: Machine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault() -> None:
        raise OSError("no /sys today")

    with monkeypatch.context() as patch:
        patch.setattr(machine.watch._reader, "counters", fault)
        await machine.watch.start()
    assert "could not be counted" in caplog.text
    assert machine.watch.health() is None
    assert (await machine.watch.look()).days
    await machine.watch.stop()


async def test_it_looks_again_and_again_and_outlives_a_fault(
    machine: Machine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: asyncio.Queue[Event] = asyncio.Queue()
    machine.bus.attach(asyncio.get_running_loop())
    machine.bus.subscribe(heard.put_nowait)
    watch = machine.process(look_every_s=0.0)
    await watch.start()
    assert watch.health() is None
    for _ in range(3):
        assert isinstance(await asyncio.wait_for(heard.get(), WITHIN_S), CardMeasured)

    def fault() -> None:
        monkeypatch.undo()
        raise OSError("no /sys today")

    monkeypatch.setattr(watch._reader, "counters", fault)
    while "could not be counted" not in caplog.text:
        await asyncio.wait_for(heard.get(), WITHIN_S)
    assert isinstance(await asyncio.wait_for(heard.get(), WITHIN_S), CardMeasured)
    assert watch.health() is None
    await watch.stop()
    assert watch.health() == "nobody counts what the card takes"


async def test_smart_is_asked_once_a_day_and_not_at_the_start(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def health(*, ask_smart: bool) -> Health:
        asked.append(ask_smart)
        return Health(life_used_percent=(95, 95), failing=True) if ask_smart else Health(errors=len(asked))

    monkeypatch.setattr(machine.watch._reader, "health", health)
    await machine.watch.start()
    cards: list[Card] = []
    for _ in range(3):
        machine.passes(60)
        cards.append(await machine.watch.look())
    machine.passes(SMART_EVERY_S)
    await machine.watch.look()
    await machine.watch.stop()
    assert asked == [False, True, False, False, True, False]
    assert [card.health.life_used_percent for card in cards] == [(95, 95)] * 3  # what it said last
    assert cards[-1].health.failing and cards[-1].health.errors == 4


def test_a_glance_without_a_mail_process_keeps_nothing(machine: Machine) -> None:
    reader = machine.fake.reader(machine.path)
    assert glance(machine.path, reader, endurance_tb=None, timezone="UTC").days == ()
    assert not machine.path.parent.exists()


async def test_a_glance_counts_on_from_what_was_written_down(machine: Machine) -> None:
    await machine.watch.start()
    for _ in range(3):
        machine.passes(DAY_S, written=1300 * MIB, ours=MIB)
        await machine.watch.look()
    await machine.watch.stop()
    before = machine.path.read_bytes()
    machine.passes(DAY_S, written=2600 * MIB)
    machine.fake.caused(77 * MIB)  # the command's own writes are nobody's mail
    card = glance(machine.path, machine.fake.reader(machine.path), endurance_tb=None, timezone="UTC")
    assert card.total_octets == 6500 * MIB
    assert card.life is not None and not card.life.stated
    assert card.per_day is not None and card.per_day.mail_octets == round(3 * MIB / 4)
    assert machine.path.read_bytes() == before
    stated = glance(machine.path, machine.fake.reader(machine.path), endurance_tb=700, timezone="UTC")
    assert stated.life is not None and stated.life.stated and stated.life.years_least > card.life.years_least


class FakeMail:
    """What the teller tells; `answer` is what it hears."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] | None = {"ok": True}
        self.octets: list[int] = []

    def ask(self, verb: str, *, event: Mapping[str, Any]) -> dict[str, Any] | None:
        assert (verb, event["type"], event["process"]) == ("event", "CardWritten", "web")
        self.octets.append(event["octets"])
        return self.answer


def test_another_process_tells_only_what_is_new(tmp_path: Path) -> None:
    fake, mail = FakeSys(tmp_path), FakeMail()
    teller = WriteTeller(mail, "web", OwnWrites(fake.proc / "self"))
    teller.tell()
    assert mail.octets == []
    fake.caused(8192)
    teller.tell()
    teller.tell()
    fake.caused(20_480, 4096)
    mail.answer = None  # nobody there: told next time
    teller.tell()
    mail.answer = {"ok": True}
    teller.tell()
    teller.tell()
    assert mail.octets == [8192, 8192, 8192]


async def test_over_the_real_socket(machine: Machine, tmp_path: Path) -> None:
    """Another process tells its writes, and whoever asks for the snapshot is told the sum."""
    machine.bus.attach(asyncio.get_running_loop())
    board = Board(machine.bus)
    server = StatusServer(tmp_path / "run" / "status.sock", machine.bus, board, {})
    await server.start()
    await machine.watch.start()
    client = StatusClient(tmp_path / "run" / "status.sock")
    other = FakeSys(tmp_path / "other")
    other.caused(3 * MIB)
    await asyncio.to_thread(WriteTeller(client, "web", OwnWrites(other.proc / "self")).tell)
    machine.passes(60, written=9 * MIB, ours=MIB, logs=MIB // 2, flushes=7)
    await machine.watch.look()
    snapshot = await asyncio.to_thread(client.snapshot)
    assert snapshot is not None and snapshot.card is not None
    (day,) = snapshot.card.days
    assert (day.written_octets, day.mail_octets, day.logs_octets, day.rest_octets, day.flushes) == (
        9 * MIB,
        3 * MIB + MIB // 2,
        MIB // 2,
        5 * MIB,
        7,
    )
    answer = await asyncio.to_thread(client.ask, "snapshot")
    assert answer is not None
    assert json.loads(json.dumps(answer))["snapshot"]["card"]["disk"]["model"] == "SC32G"
    await machine.watch.stop()
    await server.stop()
