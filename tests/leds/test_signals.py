"""Every cell of the table in the design, and which wins when several are true."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from appliance.leds.signals import (
    FAULT,
    FIRST_WORD_WITHIN_S,
    FLASH_SHOWN_S,
    SILENT_AFTER_S,
    STARTING,
    Signal,
    Signals,
    most_urgent,
    signals,
)
from appliance.status.events import Phase, Severity
from appliance.status.snapshot import Problem, Queue, Snapshot

NOW = 1000.0
WELL = Snapshot(at=NOW, started_at=0.0, phase=Phase.RUNNING)
OFF, STEADY, SLOW, FAST, FLASH = Signal.OFF, Signal.STEADY, Signal.SLOW, Signal.FAST, Signal.FLASH


def problem(severity: Severity) -> Problem:
    return Problem(id=severity, what="w", do="d", severity=severity, since=0.0)


def changed(**changes: object) -> Snapshot:
    return msgspec.structs.replace(WELL, **changes)


CELLS: dict[str, tuple[Snapshot, Signals]] = {
    "power steady: healthy; queue off: nothing waits; alert off: all well": (WELL, Signals(power=STEADY)),
    "power slow: starting": (changed(phase=Phase.STARTING), Signals(power=SLOW)),
    "power slow: waiting to be set up": (changed(phase=Phase.UNCLAIMED), Signals(power=SLOW)),
    "power slow: being updated": (changed(phase=Phase.UPDATING), Signals(power=SLOW)),
    "power fast: shutting down": (changed(phase=Phase.STOPPING), Signals(power=FAST)),
    "queue steady: mail waits": (changed(queue=Queue(waiting=2)), Signals(power=STEADY, queue=STEADY)),
    "queue steady: mail is held": (changed(queue=Queue(held=1)), Signals(power=STEADY, queue=STEADY)),
    "queue slow: deferred": (changed(queue=Queue(waiting=2, deferred=1)), Signals(power=STEADY, queue=SLOW)),
    "queue fast: stuck": (changed(queue=Queue(waiting=2, deferred=1, stuck=True)), Signals(power=STEADY, queue=FAST)),
    "mail flash: just delivered": (changed(delivered_at=NOW), Signals(power=STEADY, mail=FLASH)),
    "mail off: delivered a while ago": (changed(delivered_at=NOW - FLASH_SHOWN_S), Signals(power=STEADY)),
    "alert slow: needs the owner": (
        changed(problems=(problem(Severity.NEEDS_YOU),)),
        Signals(power=STEADY, alert=SLOW),
    ),
    "alert fast: data at risk": (changed(problems=(problem(Severity.DANGER),)), Signals(power=STEADY, alert=FAST)),
    "alert fast: danger wins": (
        changed(problems=(problem(Severity.NEEDS_YOU), problem(Severity.DANGER))),
        Signals(power=STEADY, alert=FAST),
    ),
    "all at once": (
        changed(
            phase=Phase.STOPPING, queue=Queue(waiting=1), delivered_at=NOW, problems=(problem(Severity.NEEDS_YOU),)
        ),
        Signals(power=FAST, queue=STEADY, mail=FLASH, alert=SLOW),
    ),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_state_lights_what_the_table_says(name: str) -> None:
    snapshot, told = CELLS[name]
    assert signals(snapshot, NOW) == told


@pytest.mark.parametrize("name", CELLS)
def test_quiet_hours_darken_everything_but_alert(name: str) -> None:
    snapshot, told = CELLS[name]
    assert signals(snapshot, NOW, quiet=True) == Signals(alert=told.alert)


@pytest.mark.parametrize("name", CELLS)
def test_what_cannot_be_proved_is_not_shown(name: str) -> None:
    snapshot, told = CELLS[name]
    kept = signals(msgspec.structs.replace(snapshot, delivered_at=None), NOW + SILENT_AFTER_S)
    assert (kept.power, kept.queue, kept.alert) == (told.power, told.queue, told.alert)
    assert signals(snapshot, NOW + SILENT_AFTER_S + 0.001) == FAULT == Signals(alert=FAST)


def test_silence_from_the_beginning_is_starting_for_a_minute() -> None:
    assert signals(None, NOW, watching_since=NOW) == STARTING
    assert signals(None, NOW + FIRST_WORD_WITHIN_S, watching_since=NOW) == STARTING
    assert signals(None, NOW + FIRST_WORD_WITHIN_S + 0.001, watching_since=NOW) == FAULT
    assert signals(None, NOW) == FAULT


URGENCY = [OFF, FLASH, STEADY, SLOW, FAST]


@pytest.mark.parametrize(("less", "more"), list(itertools.combinations_with_replacement(URGENCY, 2)))
def test_on_a_single_led_the_most_urgent_wins_wherever_it_comes_from(less: Signal, more: Signal) -> None:
    for here, there in itertools.permutations(range(4), 2):
        four = [OFF] * 4
        four[here], four[there] = less, more
        assert most_urgent(Signals(*four)) is more


def test_the_values_are_those_of_the_contract() -> None:
    assert sorted(Signal) == ["fast", "flash", "off", "slow", "steady"]
