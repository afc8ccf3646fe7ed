"""Mock pins on a fake clock: what the pins were told, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gpiozero.pins.mock
import pytest
from gpiozero.pins.mock import MockFactory

from appliance.leds.pins import open_pins
from appliance.leds.player import Player
from appliance.leds.settings import LedSettings

# A start that has no exact binary form, so that rounding has its chance to go wrong.
START = 1234.1


class Board:
    """A Pi's header on the desk. `now` is its clock."""

    def __init__(self, settings: LedSettings) -> None:
        self.settings = settings
        self.now = START
        self.closing: list[Callable[[], None]] = []
        self.factory = MockFactory()
        self.pins = open_pins(settings, self.factory)
        for name in self.pins.lamps:
            self.pin(name).clear_states()

    def pin(self, name: str) -> Any:
        return self.factory.pin(f"GPIO{getattr(self.settings, name)}")

    def told(self, name: str) -> list[tuple[float, bool]]:
        """Each change of the pin: (seconds since START, high)."""
        at, changes = 0.0, []
        for state in self.pin(name).states[1:]:
            at += state.timestamp
            changes.append((round(at, 3), state.state))
        return changes

    def play(self, player: Player, until: float) -> int:
        """Ticks as the service would, from one edge to the next. Returns how often it woke up."""
        ticks = 0
        while True:
            next_at = player.tick(self.now)
            ticks += 1
            assert next_at is None or next_at > self.now
            assert ticks < 10_000
            if next_at is None or next_at > START + until:
                self.now = START + until
                return ticks
            self.now = next_at


@pytest.fixture
def button() -> int:
    """For tests that touch the button; gpiozero takes a tenth of a second to close one."""
    return 23


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Board]:
    """The four LEDs where the configuration has them, and a button when the test asks for one."""
    wired = request.getfixturevalue("button") if "button" in request.fixturenames else None
    yield from _board(monkeypatch, LedSettings(str(tmp_path / "status.sock"), button=wired))


@pytest.fixture
def single(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Board]:
    """One LED for everything."""
    yield from _board(monkeypatch, LedSettings(str(tmp_path / "status.sock"), single=18))


def _board(monkeypatch: pytest.MonkeyPatch, settings: LedSettings) -> Iterator[Board]:
    boards: list[Board] = []
    monkeypatch.setattr(gpiozero.pins.mock, "monotonic", lambda: boards[0].now if boards else START)
    boards.append(Board(settings))
    yield boards[0]
    for close in (*boards[0].closing, boards[0].pins.close):
        close()
