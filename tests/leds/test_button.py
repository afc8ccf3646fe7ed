"""What each press means, and what is shown while it lasts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.leds.button import Presses, Stage, Wish

HOLDS = {
    "a touch": (0.05, Wish.LAMP_TEST),
    "just under 1 s": (0.999, Wish.LAMP_TEST),
    "1 s: too long for a lamp test": (1.0, None),
    "just under 3 s": (2.999, None),
    "3 s": (3.0, Wish.FLUSH),
    "just under 10 s": (9.999, Wish.FLUSH),
    "10 s": (10.0, Wish.CLAIM),
    "just under 20 s": (19.999, Wish.CLAIM),
    "20 s alone does nothing": (20.0, None),
    "an hour does nothing": (3600.0, None),
}


@pytest.mark.parametrize("name", HOLDS)
def test_how_long_it_was_held_says_what_is_wanted(name: str) -> None:
    held_s, wish = HOLDS[name]
    presses, at_once = Presses().press(0.0)
    assert at_once is None
    assert presses.release(held_s)[1] is wish


RESETS = {
    "again at once": (20.0, 0.0, Wish.FACTORY_RESET),
    "again after 5 s": (25.0, 5.0, Wish.FACTORY_RESET),
    "too late": (25.0, 5.001, None),
    "not long enough before": (19.9, 1.0, None),
}


@pytest.mark.parametrize("name", RESETS)
def test_factory_reset_needs_20_s_and_a_second_press_within_5_s(name: str) -> None:
    held_s, pause_s, wish = RESETS[name]
    presses, _ = Presses().press(0.0)
    presses, _ = presses.release(held_s)
    presses, again = presses.press(held_s + pause_s)
    assert again is wish


def test_the_press_that_confirms_means_nothing_more_when_it_ends() -> None:
    presses, _ = Presses().press(0.0)
    presses, _ = presses.release(20.0)
    presses, wish = presses.press(21.0)
    assert wish is Wish.FACTORY_RESET
    assert presses.stage(32.0) is Stage.PRESSED
    presses, wish = presses.release(33.0)
    assert (presses, wish) == (Presses(), None)


STAGES = [
    (0.0, Stage.PRESSED),
    (2.9, Stage.PRESSED),
    (3.0, Stage.FLUSH),
    (10.0, Stage.CLAIM),
    (20.0, Stage.RESET),
    (99.0, Stage.RESET),
]


@pytest.mark.parametrize(("held_s", "stage"), STAGES)
def test_each_threshold_is_a_stage_of_its_own(held_s: float, stage: Stage) -> None:
    presses, _ = Presses().press(100.0)
    assert presses.stage(100.0 + held_s) is stage


def test_arming_ends_by_itself() -> None:
    presses, _ = Presses().press(0.0)
    presses, _ = presses.release(20.0)
    assert [presses.stage(t) for t in (20.0, 25.0, 25.1)] == [Stage.ARMED, Stage.ARMED, Stage.IDLE]
    assert presses.forgotten(25.0) == presses
    assert presses.forgotten(25.1) == Presses()


def test_the_stage_changes_when_it_says_it_will() -> None:
    presses, _ = Presses().press(0.0)
    assert [presses.next_change(t) for t in (0.0, 3.0, 10.0, 20.0)] == [3.0, 10.0, 20.0, None]
    presses, _ = presses.release(20.0)
    assert [presses.next_change(t) for t in (20.0, 25.1)] == [25.0, None]
    assert Presses().next_change(0.0) is None


def test_a_bouncing_contact_is_one_press() -> None:
    presses, _ = Presses().press(0.0)
    assert presses.press(0.001) == (presses, None)
    assert Presses().release(1.0) == (Presses(), None)


@given(st.lists(st.tuples(st.booleans(), st.floats(0.0, 30.0)), max_size=30))
@settings(max_examples=150, deadline=None)
def test_no_single_hold_ever_resets(touches: list[tuple[bool, float]]) -> None:
    """However it is touched: a reset follows on a release after 20 s or more, then a press within 5 s."""
    presses, now, released_at, pressed_at, long_ago = Presses(), 0.0, None, None, False
    for down, pause_s in touches:
        now += pause_s
        before = presses
        presses, wish = presses.press(now) if down else presses.release(now)
        if wish is Wish.FACTORY_RESET:
            assert down and long_ago and released_at is not None and now - released_at <= 5.0
        if before.pressed_at is None and presses.pressed_at is not None:
            pressed_at = now
        elif before.pressed_at is not None and presses.pressed_at is None:
            assert pressed_at is not None
            released_at, long_ago = now, now - pressed_at >= 20.0 and not before.confirmed
