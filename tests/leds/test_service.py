"""The LED process and a real status socket: what the pins are told as the mail process lives, falls silent, returns."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from appliance.leds.pins import Pins
from appliance.leds.player import FOUR
from appliance.leds.service import LedService
from appliance.leds.settings import LedSettings
from appliance.leds.signals import FAULT, STARTING, Signal, Signals
from appliance.status.board import Board as StatusBoard
from appliance.status.bus import Bus
from appliance.status.events import AddressKnown, Filed, Phase, PhaseChanged, QueueChanged
from appliance.status.problems import found
from appliance.status.socket import StatusServer, VerbRefused

from .conftest import START, Board

WITHIN_S = 10.0
WALL = 1_700_000_000.0


class Mail:
    """A mail process's status side at the LEDs' status socket."""

    def __init__(self, path: str) -> None:
        self.bus = Bus()
        self.bus.attach(asyncio.get_running_loop())
        self.asked: list[Mapping[str, Any]] = []
        self.server = StatusServer(
            Path(path),
            self.bus,
            StatusBoard(self.bus, clock=lambda: WALL),
            {"queue": self.queue, "claim-window": self.no},
        )

    async def queue(self, question: Mapping[str, Any]) -> None:
        self.asked.append(question)

    async def no(self, question: Mapping[str, Any]) -> None:
        raise VerbRefused("not now")


class Desk:
    """The service, stepped by hand on the board's clock."""

    def __init__(self, board: Board, minute: Callable[[], int] | None = None) -> None:
        self.board = board
        self.service = LedService(board.settings, pins=board.pins, clock=lambda: board.now, minute=minute)
        board.closing.append(self.service.close)

    def at(self, t: float) -> float:
        """Steps at START + t. Returns when it wants to be stepped again."""
        self.board.now = START + t
        return self.service.step(self.board.now) - START

    async def heard(self, t: float) -> None:
        """Waits until something has come on the line, and steps."""
        self.at(t)
        line = self.service._line.socket
        assert line is not None
        readable, _, _ = await asyncio.to_thread(select.select, [line], [], [], WITHIN_S)
        assert readable
        self.service.hear(self.board.now)
        self.at(t)

    @property
    def shown(self) -> Signals | None:
        return self.service._shown


@pytest.fixture
async def mail(board: Board) -> AsyncIterator[Mail]:
    mail = Mail(board.settings.status_socket)
    await mail.server.start()
    yield mail
    await mail.server.stop()


def test_before_the_first_word_it_is_starting_and_after_a_minute_a_fault(board: Board) -> None:
    desk = Desk(board)
    desk.at(0)
    assert desk.shown == STARTING
    desk.at(60)
    assert desk.shown == STARTING
    desk.at(60.1)
    assert desk.shown == FAULT


def test_the_mail_process_is_looked_for_every_second(board: Board) -> None:
    desk = Desk(board)
    assert desk.at(0) <= 1.0
    assert desk.at(1.5) <= 2.5


async def test_the_pins_follow_the_mail_process(board: Board, mail: Mail) -> None:
    desk = Desk(board)
    mail.bus.publish(PhaseChanged(at=WALL, phase=Phase.RUNNING))
    await desk.heard(0.0)
    assert desk.shown == Signals(power=Signal.STEADY)
    mail.bus.publish(QueueChanged(at=WALL, waiting=2, deferred=1), found("storage-failed", WALL, what="EIO"))
    await desk.heard(1.0)
    while desk.shown == Signals(power=Signal.STEADY):  # the answer to `follow` came first
        await desk.heard(1.0)
    assert desk.shown == Signals(power=Signal.STEADY, queue=Signal.SLOW, alert=Signal.FAST)
    desk.at(1.2)
    assert board.told("power") == [(0.0, True)]
    assert board.told("queue") == [(1.0, True)]
    assert board.told("alert") == [(1.0, True), (1.2, False)]


async def test_each_delivery_winks_but_not_those_from_before(board: Board, mail: Mail) -> None:
    desk = Desk(board)
    mail.bus.publish(filed("t0"), PhaseChanged(at=WALL, phase=Phase.RUNNING))
    await desk.heard(0.0)
    assert board.told("mail") == []
    mail.bus.publish(filed("t1"))
    while not board.told("mail"):
        await desk.heard(1.0)
    desk.at(1.12)
    desk.at(2.0)
    assert board.told("mail") == [(1.0, True), (1.12, False)]


def filed(trace_id: str) -> Filed:
    return Filed(at=WALL, trace_id=trace_id, recipient="a@b.example", account="a@b.example", mailbox="INBOX", uid=1)


async def test_in_quiet_hours_nothing_winks_and_only_alert_is_lit(board: Board, mail: Mail) -> None:
    minutes = [23 * 60]
    settings = LedSettings(board.settings.status_socket, quiet_hours="22:00-07:00")
    board.settings = settings
    desk = Desk(board, minute=lambda: minutes[0])
    mail.bus.publish(PhaseChanged(at=WALL, phase=Phase.RUNNING), found("storage-failed", WALL, what="EIO"))
    await desk.heard(0.0)
    mail.bus.publish(filed("t1"))
    while desk.service._line.snapshot is None or not desk.service._line.snapshot.mail_flashes:
        await desk.heard(0.1)
    assert (board.told("mail"), board.told("power")) == ([], [])
    assert board.told("alert") == [(0.0, True)]
    minutes[0] = 7 * 60
    desk.at(0.3)
    assert board.told("power") == [(0.3, True)]


async def test_a_silent_mail_process_is_a_fault_after_15_s_whatever_the_wall_clock_does(
    board: Board, mail: Mail
) -> None:
    desk = Desk(board)
    mail.bus.publish(PhaseChanged(at=WALL, phase=Phase.RUNNING))
    await desk.heard(0.0)
    desk.at(15.0)
    assert desk.shown == Signals(power=Signal.STEADY)
    desk.at(15.1)
    assert desk.shown == FAULT


async def test_a_mail_process_that_comes_back_is_followed_again(board: Board, mail: Mail) -> None:
    desk = Desk(board)
    mail.bus.publish(PhaseChanged(at=WALL, phase=Phase.RUNNING), filed("t0"))
    await desk.heard(0.0)
    await mail.server.stop()
    while desk.service._line.socket is not None:
        desk.service.hear(board.now)
    assert desk.at(0.5) - 0.5 <= 1.0
    await mail.server.start()
    mail.bus.publish(PhaseChanged(at=WALL, phase=Phase.UPDATING))
    await desk.heard(3.0)
    assert desk.shown is not None and desk.shown.power is Signal.SLOW
    assert board.told("mail") == []


async def test_nonsense_on_the_line_is_hung_up_on(board: Board) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"nonsense\n")
        writer.close()

    server = await asyncio.start_unix_server(talk, board.settings.status_socket)
    desk = Desk(board)
    desk.at(0.0)
    line = desk.service._line.socket
    assert line is not None
    await asyncio.to_thread(select.select, [line], [], [], WITHIN_S)
    desk.service.hear(board.now)
    assert desk.service._line.socket is None
    assert desk.shown == STARTING
    server.close()


def touch(board: Board, desk: Desk, down_at: float, up_at: float) -> None:
    for t, level in ((down_at, "drive_low"), (up_at, "drive_high")):
        desk.at(t)
        getattr(board.pin("button"), level)()
        desk.at(t)


async def answered(desk: Desk, t: float) -> None:
    """The wish's own thread has its answer."""
    answer = await asyncio.to_thread(desk.service._answers.get, True, WITHIN_S)
    desk.service._answers.put(answer)
    desk.at(t)


async def test_a_touch_is_a_lamp_test_and_the_address(board: Board, button: int, mail: Mail) -> None:
    desk = Desk(board)
    mail.bus.publish(AddressKnown(at=WALL, address="192.168.1.2"), PhaseChanged(at=WALL, phase=Phase.STARTING))
    await desk.heard(0.0)
    before = len(board.told("alert"))
    touch(board, desk, 1.0, 1.5)
    t = 1.5
    while t < 8.0:
        t = desk.at(t)
    assert board.told("alert")[before:] == [
        (1.5, True),
        (2.5, False),
        (3.5, True),
        (3.7, False),
        (3.9, True),
        (4.1, False),
    ]
    assert mail.asked == []


async def test_three_seconds_send_the_queue_and_all_lamps_say_so(board: Board, button: int, mail: Mail) -> None:
    desk = Desk(board)
    await desk.heard(0.0)
    touch(board, desk, 1.0, 4.5)
    await answered(desk, 5.0)
    assert mail.asked == [{"verb": "queue", "action": "flush"}]
    desk.at(6.0)
    assert board.told("alert") == [(5.0, True), (6.0, False)]


@pytest.mark.parametrize("name", ["refused", "no mail process"])
async def test_a_wish_that_is_not_granted_is_shown_and_logged(
    board: Board, button: int, mail: Mail, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    if name == "no mail process":
        await mail.server.stop()
    desk = Desk(board)
    with caplog.at_level(logging.WARNING):
        touch(board, desk, 1.0, 12.0)
        await answered(desk, 12.5)
    t = 12.5
    while t < 14.0:
        t = desk.at(t)
    assert [t for t, lit in board.told("alert") if lit] == [12.5, 12.9, 13.3]
    assert ("not now" if name == "refused" else "the mail process does not answer") in caplog.text


class Told:
    """A lamp that can be waited for."""

    def __init__(self) -> None:
        self.lit = threading.Event()
        self.dark = threading.Event()

    def on(self) -> None:
        self.lit.set()

    def off(self) -> None:
        self.dark.set()

    def close(self) -> None: ...


async def test_the_process_runs_until_it_is_stopped_and_leaves_everything_dark(board: Board, mail: Mail) -> None:
    lamps = {name: Told() for name in FOUR}
    service = LedService(board.settings, pins=Pins(None, lamps, None, real=False))
    ready = threading.Event()
    running = asyncio.create_task(asyncio.to_thread(service.run, ready.set))
    assert await asyncio.to_thread(ready.wait, WITHIN_S)
    assert await asyncio.to_thread(lamps["power"].lit.wait, WITHIN_S)
    mail.bus.publish(QueueChanged(at=WALL, waiting=1))
    assert await asyncio.to_thread(lamps["queue"].lit.wait, WITHIN_S)
    for lamp in lamps.values():
        lamp.dark.clear()
    service.stop()
    await asyncio.wait_for(running, WITHIN_S)
    assert all(lamps[name].dark.is_set() for name in ("power", "queue"))


MAIN = """
import json, sys
from appliance.leds.service import main
from appliance.leds.settings import LedSettings
loaded = sorted({name.partition(".")[0] for name in sys.modules})
def ready():
    for line in open("/proc/self/smaps_rollup"):
        if line.startswith("Private_Dirty"):
            private_kib = int(line.split()[1])
    print(json.dumps({"loaded": loaded, "private_kib": private_kib}), flush=True)
main(LedSettings(sys.argv[1], enabled=sys.argv[2] == "on"), ready)
print("ended", flush=True)
"""


@pytest.mark.parametrize("enabled", ["on", "off"])
def test_the_real_process_is_small_and_obeys_sigterm(tmp_path: Path, enabled: str) -> None:
    command = [sys.executable, "-c", MAIN, str(tmp_path / "status.sock"), enabled]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "ended\n"
        assert process.wait(WITHIN_S) == 0
    heavy = {"asyncio", "ssl", "flask", "cryptography", "sqlite3", "ruamel", "click", "zstandard"}
    assert not heavy & set(told["loaded"])
    # Its own pages; with its share of the interpreter, which three processes map, that is below the goal of 20 MB.
    assert told["private_kib"] < 18 * 1024
