"""What the pins were told, and when: each signal, winks, tunes and the button, on mock pins and a fake clock."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from appliance.leds.button import Stage
from appliance.leds.player import DONE, REFUSED, Player, lamp_test
from appliance.leds.signals import Signal, Signals

from .conftest import START, Board

OFF, STEADY, SLOW, FAST, FLASH = Signal.OFF, Signal.STEADY, Signal.SLOW, Signal.FAST, Signal.FLASH
Changes = list[tuple[float, bool]]

RHYTHMS: dict[Signal, Changes] = {
    OFF: [],
    STEADY: [(0.0, True)],
    SLOW: [(0.0, True), (1.0, False), (2.0, True), (3.0, False)],
    FAST: [(round(k * 0.2, 3), k % 2 == 0) for k in range(20)],
    FLASH: [],
}


@pytest.mark.parametrize("name", ["power", "queue", "mail", "alert"])
@pytest.mark.parametrize("signal", list(Signal))
def test_a_pin_is_told_the_rhythm_of_its_signal_and_the_others_nothing(board: Board, name: str, signal: Signal) -> None:
    player = Player(board.pins.lamps)
    player.show(Signals(**{name: signal}), board.now)
    board.play(player, 3.9)
    assert {n: board.told(n) for n in board.pins.lamps if board.told(n)} == (
        {name: RHYTHMS[signal]} if RHYTHMS[signal] else {}
    )


def test_nobody_wakes_up_for_lamps_that_do_not_change(board: Board) -> None:
    player = Player(board.pins.lamps)
    player.show(Signals(power=STEADY, queue=STEADY), board.now)
    assert player.tick(board.now) is None


def test_a_signal_that_is_told_again_keeps_its_rhythm(board: Board) -> None:
    player = Player(board.pins.lamps)
    for at in (0.0, 0.5, 1.3, 2.7):
        board.now = START + at
        player.show(Signals(power=SLOW), board.now)
        board.play(player, at + 0.2)
    board.play(player, 3.9)
    assert board.told("power")[:1] == [(0.0, True)]
    assert [lit for _, lit in board.told("power")] == [True, False, True, False]


def test_a_new_signal_begins_with_light(board: Board) -> None:
    player = Player(board.pins.lamps)
    player.show(Signals(alert=SLOW), board.now)
    board.play(player, 1.5)
    player.show(Signals(alert=FAST), board.now)
    board.play(player, 1.8)
    assert board.told("alert") == [(0.0, True), (1.0, False), (1.5, True), (1.7, False)]


def test_each_message_is_one_wink_of_120_ms_beside_steady_power(board: Board) -> None:
    player = Player(board.pins.lamps)
    player.show(Signals(power=STEADY, mail=FLASH), board.now)
    player.wink(2, board.now)
    board.play(player, 5.0)
    assert board.told("mail") == [(0.0, True), (0.12, False), (0.4, True), (0.52, False)]
    assert board.told("power") == [(0.0, True)]


def test_a_wink_wakes_up_for_its_two_edges_only(board: Board) -> None:
    player = Player(board.pins.lamps)
    player.wink(1, board.now)
    assert board.play(player, 5.0) == 2


SINGLE: dict[str, tuple[Signals, int, Changes]] = {
    "all well": (Signals(power=STEADY), 0, [(0.0, True)]),
    "a message is a moment of darkness": (
        Signals(power=STEADY, mail=FLASH),
        1,
        [(0.12, True)],
    ),
    "quiet hours, a message is a moment of light": (Signals(), 1, [(0.0, True), (0.12, False)]),
    "the most urgent wins, a message cannot be seen": (
        Signals(power=STEADY, queue=SLOW, mail=FLASH),
        1,
        [(0.0, True), (1.0, False)],
    ),
    "danger": (Signals(power=STEADY, queue=SLOW, alert=FAST), 0, [(round(k * 0.2, 3), k % 2 == 0) for k in range(8)]),
}


@pytest.mark.parametrize("name", SINGLE)
def test_a_single_led_tells_the_most_urgent(single: Board, name: str) -> None:
    signals, messages, changes = SINGLE[name]
    player = Player(single.pins.lamps)
    player.show(signals, single.now)
    player.wink(messages, single.now)
    single.play(player, 1.5)
    assert single.told("single") == changes


def test_the_lamp_test_lights_everything_then_blinks_the_address_then_goes_back(board: Board) -> None:
    player = Player(board.pins.lamps)
    player.show(Signals(power=STEADY), board.now)
    player.tick(board.now)
    player.play(lamp_test("192.168.1.203"), board.now)
    board.play(player, 20.0)
    lit = [(0.0, 1.0), (2.0, 2.2), (2.4, 2.6), (4.0, 5.0), (6.2, 6.4), (6.6, 6.8), (7.0, 7.2)]
    assert board.told("alert") == [(at, on) for start, end in lit for at, on in ((start, True), (end, False))]
    assert board.told("power")[0] == (0.0, True)
    assert board.told("power")[-1] == (8.2, True)


@pytest.mark.parametrize("address", [None, "", "fe80::1", "host.example"])
def test_without_an_address_of_numbers_the_lamp_test_is_only_that(board: Board, address: str | None) -> None:
    player = Player(board.pins.lamps)
    player.play(lamp_test(address), board.now)
    board.play(player, 9.0)
    assert board.told("queue") == [(0.0, True), (1.0, False)]


def test_what_was_done_and_what_was_refused_look_different(board: Board) -> None:
    player = Player(board.pins.lamps)
    player.play(DONE, board.now)
    board.play(player, 3.0)
    player.play(REFUSED, board.now)
    board.play(player, 6.0)
    assert board.told("power") == [(0.0, True), (1.0, False)]
    assert board.told("alert")[2:] == [(3.0, True), (3.2, False), (3.4, True), (3.6, False), (3.8, True), (4.0, False)]


def shown(board: Board, player: Player, stages: list[tuple[float, Stage]]) -> None:
    for at, stage in stages:
        if at:
            board.play(player, at)
        player.press(stage, START + at)
    player.tick(board.now)


HELD = [(0.0, Stage.PRESSED), (3.0, Stage.FLUSH), (10.0, Stage.CLAIM), (20.0, Stage.RESET), (21.0, Stage.ARMED)]


def test_each_threshold_of_the_button_is_shown(board: Board) -> None:
    player = Player(board.pins.lamps)
    player.show(Signals(power=SLOW, queue=STEADY), board.now)
    shown(board, player, HELD)
    board.play(player, 21.3)
    player.press(Stage.IDLE, board.now)
    board.play(player, 21.3)
    assert board.told("power")[:2] == [(3.0, True), (21.2, False)]
    assert board.told("queue")[:2] == [(10.0, True), (21.2, False)]
    assert board.told("mail") == [(20.0, True), (21.2, False)]
    assert board.told("alert") == [(20.0, True), (21.2, False)]


def test_a_single_led_counts_the_thresholds(single: Board) -> None:
    player = Player(single.pins.lamps)
    player.show(Signals(power=STEADY), single.now)
    shown(single, player, HELD)
    single.play(player, 21.1)
    told = single.told("single")
    flush = [x for x in told if 3.0 <= x[0] < 10.0]
    claim = [x for x in told if 10.0 <= x[0] < 20.0]
    assert flush[:4] == [(3.0, True), (3.2, False), (5.0, True), (5.2, False)]
    assert claim[:6] == [(10.0, True), (10.2, False), (10.4, True), (10.6, False), (12.0, True), (12.2, False)]
    assert [x for x in told if x[0] >= 20.0] == [(20.0, True)]


def test_active_low_lamps_are_lit_by_a_low_pin(board: Board) -> None:
    board.pins.close()
    low = Board(type(board.settings)(board.settings.status_socket, active_low=True))
    player = Player(low.pins.lamps)
    player.tick(low.now)
    assert low.pin("power").state is True
    player.show(Signals(power=STEADY), low.now)
    player.tick(low.now)
    assert low.pin("power").state is False
    low.pins.close()


def test_the_end_is_dark(board: Board) -> None:
    player = Player(board.pins.lamps)
    player.show(Signals(STEADY, STEADY, STEADY, STEADY), board.now)
    player.tick(board.now)
    player.dark()
    assert [board.pin(name).state for name in board.pins.lamps] == [False] * 4


class Broken:
    def on(self) -> None:
        raise OSError("the wire fell off")

    def off(self) -> None:
        raise AssertionError("told again")


def test_a_lamp_that_fails_is_left_alone_and_the_others_play_on(board: Board, caplog: pytest.LogCaptureFixture) -> None:
    lamps: dict[str, Any] = {**board.pins.lamps, "queue": Broken()}
    player = Player(lamps)
    player._lit["queue"] = False  # as if it had been dark before
    with caplog.at_level(logging.WARNING):
        player.show(Signals(power=SLOW, queue=SLOW), board.now)
        board.play(player, 2.5)
        player.show(Signals(), board.now)
        player.tick(board.now)
    assert caplog.text.count("the wire fell off") == 1
    assert board.told("power") == [(0.0, True), (1.0, False), (2.0, True), (2.5, False)]
