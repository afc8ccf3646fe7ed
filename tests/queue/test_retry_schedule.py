"""When to try again, when to tell of a delay, when to give up."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.queue.retry_schedule import DAY_S, HOUR_S, Delivered, GiveUp, Schedule, TryAgain, after_attempt
from appliance.status.events import Outcome

S = Schedule()
T0 = 1_800_000_000.0


def after(outcome: Outcome = Outcome.DEFERRED, **changes: object) -> Delivered | TryAgain | GiveUp:
    values: dict[str, object] = {
        "attempts": 1, "accepted_at": T0, "delay_warned": False, "now": T0, "jitter": 0.0, "schedule": S
    }  # fmt: skip
    return after_attempt(outcome, **(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("attempts", "minutes"),
    [(1, 1), (2, 5), (3, 15), (4, 30), (5, 60), (6, 120), (7, 240), (8, 240), (35, 240)],
)
def test_waits(attempts: int, minutes: int) -> None:
    assert after(attempts=attempts) == TryAgain(T0 + minutes * 60, warn=False)
    assert S.wait_s(attempts, 1.0) == pytest.approx(minutes * 60 * 1.2)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"outcome": Outcome.DELIVERED}, Delivered(), id="delivered"),
        pytest.param({"outcome": Outcome.FAILED}, GiveUp(expired=False), id="refused"),
        pytest.param({"now": T0 + 6 * DAY_S, "attempts": 30}, GiveUp(expired=True), id="five days are over"),
        pytest.param(
            {"now": T0 + 6 * DAY_S, "attempts": 2},
            TryAgain(T0 + 6 * DAY_S + 300, warn=False),
            id="switched off for a week, or a clock that jumped",
        ),
        pytest.param(
            {"now": T0 + 4 * HOUR_S, "attempts": 7}, TryAgain(T0 + 8 * HOUR_S, warn=True), id="four hours late"
        ),
        pytest.param(
            {"now": T0 + 4 * HOUR_S, "attempts": 7, "delay_warned": True},
            TryAgain(T0 + 8 * HOUR_S, warn=False),
            id="told already",
        ),
        pytest.param(
            {"now": T0 - 9 * DAY_S, "attempts": 7}, TryAgain(T0 - 9 * DAY_S + 4 * HOUR_S, warn=False), id="clock behind"
        ),
    ],
)
def test_after_an_attempt(changes: dict[str, object], expected: object) -> None:
    assert after(**changes) == expected  # type: ignore[arg-type]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=60, max_size=60))
def test_a_life_in_the_queue(jitters: list[float]) -> None:
    """Waits never shrink below the schedule's, there is one warning, and the end comes in the sixth day at the latest."""
    now, warned, warnings = T0, False, 0
    for attempts, jitter in enumerate(jitters, 1):
        match after(attempts=attempts, now=now, delay_warned=warned, jitter=jitter):
            case TryAgain(next_at, warn):
                assert now + 60 <= next_at <= now + S.longest_wait_s
                warnings += warn
                warned = warned or warn
                now = next_at
            case GiveUp(expired):
                assert expired
                break
    else:
        raise AssertionError("it is never given up")
    assert warnings == 1
    assert 5 * DAY_S <= now - T0 < 5.3 * DAY_S
