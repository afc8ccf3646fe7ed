"""The budget of the card: samples in, days and years out; and what of it needs the owner."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.leds.signals import Signal, signals
from appliance.status.card import (
    CYCLES,
    DAY_S,
    ENOUGH_S,
    KEPT_DAYS,
    SHOWN_DAYS,
    YEARS,
    Budget,
    Card,
    Counters,
    Day,
    Disk,
    Health,
    Hidden,
    Kind,
    Life,
    Sample,
    count,
    lasts,
    resumed,
    seen,
)
from appliance.status.card_words import HIDDEN, PROBLEMS, SURE_S, lifetime, troubles
from appliance.status.events import CardMeasured, Phase, PhaseChanged
from appliance.status.problems import WORDS
from appliance.status.snapshot import Snapshot, first_snapshot, fold

MB, GB, TB = 10**6, 10**9, 10**12
SD = Disk(name="mmcblk0", kind=Kind.SD, size_octets=32 * GB)


def sample(uptime_s: float, written: int | None, day: str = "2026-11-24", disk: str = "a", **more: int) -> Sample:
    counters = Counters(uptime_s=uptime_s, written_octets=written, flushes=more.pop("flushes", None), **more)
    return Sample(day=day, disk=disk, counters=counters)


def after(*samples: Sample, budget: Budget | None = None) -> Budget:
    budget = budget or Budget()
    for each in samples:
        budget = count(budget, each)
    return budget


def test_what_was_written_before_the_first_look_is_not_counted() -> None:
    (day,) = after(sample(5000, 9 * GB, flushes=700, ours=5 * MB)).days
    assert (day.written_octets, day.flushes, day.mail_octets, day.seconds) == (0, 0, 0, 0)


def test_each_room_gets_what_is_its_own_and_the_system_the_rest() -> None:
    (day,) = after(
        sample(100, 1000, flushes=10, ours=100, logs=10, index=5),
        sample(160, 9000, flushes=13, ours=4100, logs=510, index=105),
    ).days
    assert (day.mail_octets, day.index_octets, day.logs_octets, day.rest_octets) == (3400, 100, 500, 4000)
    assert (day.written_octets, day.flushes, day.seconds) == (8000, 3, 60)


def test_the_rest_is_never_less_than_nothing() -> None:
    """What we wrote just now may not have reached the disk yet."""
    (day,) = after(sample(100, 1000, ours=0), sample(160, 1000, ours=4096)).days
    assert (day.written_octets, day.mail_octets, day.rest_octets) == (0, 4096, 0)


def test_what_is_taken_back_is_not_counted_twice() -> None:
    (day,) = after(*(sample(60.0 * n, 0, ours=ours) for n, ours in enumerate((0, 8000, 3000, 8000, 9000)))).days
    assert day.mail_octets == 9000


def test_a_new_day_begins_a_new_line_and_a_clock_that_was_wrong_none_of_its_own() -> None:
    days = ("2026-11-24", "1970-01-01", "2026-11-24", "2026-11-25")
    budget = after(sample(0, 0), *(sample(60.0 + n, 100 * (n + 1), day=day) for n, day in enumerate(days)))
    assert [(day.day, day.written_octets) for day in budget.days] == [
        ("2026-11-24", 200),
        ("1970-01-01", 100),
        ("2026-11-25", 100),
    ]


def test_only_so_many_days_are_kept() -> None:
    budget = after(*(sample(n * DAY_S, n * MB, day=f"day {n:03}") for n in range(KEPT_DAYS + 9)))
    assert len(budget.days) == KEPT_DAYS
    assert budget.days[-1].day == f"day {KEPT_DAYS + 8:03}"
    assert budget.total_octets == (KEPT_DAYS + 8) * MB  # which forgetting does not lessen


RESTARTS = {
    # name: (before, now) as (uptime, written), and what is counted
    "the mail process was away": ((1000, 5 * MB), (4000, 9 * MB), 4 * MB, 3000),
    "the machine was started anew": ((50_000, 900 * MB), (30, 20 * MB), 20 * MB, 30),
    "anew, and it has been up for longer": ((50, 900 * MB), (400, 20 * MB), 20 * MB, 400),
}


@pytest.mark.parametrize("name", RESTARTS)
def test_the_count_goes_on_after_a_new_start(name: str) -> None:
    (uptime, written), (uptime_now, written_now), counted, seconds = RESTARTS[name]
    kept = after(sample(uptime, written, ours=77_000, logs=900, flushes=50))
    (day,) = after(sample(uptime_now, written_now, ours=4096, flushes=60), budget=resumed(kept)).days
    assert (day.written_octets, day.mail_octets, day.seconds) == (counted, 4096, seconds)


def test_another_card_begins_with_nothing_and_the_days_stay() -> None:
    budget = after(sample(0, 0), sample(60, 5 * MB), sample(90, 900 * GB, day="2026-11-25", disk="b"))
    assert budget.total_octets == 0
    assert budget.since == "2026-11-25"
    assert [(day.day, day.written_octets) for day in budget.days] == [("2026-11-24", 5 * MB), ("2026-11-25", 0)]


def test_what_the_disk_does_not_count_stays_unknown_and_ours_is_known() -> None:
    budget = after(sample(0, None), sample(60, None, ours=4096, logs=96))
    (day,) = budget.days
    assert (day.written_octets, day.flushes, day.rest_octets) == (None, None, None)
    assert (day.mail_octets, day.logs_octets) == (4000, 96)
    card = seen(budget, None, Hidden.LAYERS, Health())
    assert card.life is None
    assert "overlay" in lifetime(card)[0]


def days_of(written: int, number: int = 3, seconds: float = DAY_S) -> Budget:
    days = tuple(Day(day=f"d{n}", seconds=seconds, written_octets=written, flushes=40) for n in range(number))
    return Budget(days=days, total_octets=written * number)


def test_a_day_is_averaged_over_the_time_that_somebody_counted() -> None:
    budget = Budget(
        days=(
            Day(day="a", seconds=DAY_S, written_octets=40 * MB, flushes=100, logs_octets=MB),
            Day(day="b", seconds=DAY_S / 2, written_octets=35 * MB, flushes=50, mail_octets=9 * MB),
        )
    )
    per_day = seen(budget, SD, None, Health()).per_day
    assert per_day == Day(
        day="", seconds=DAY_S, written_octets=50 * MB, flushes=100, mail_octets=6 * MB, logs_octets=666_667
    )


def test_nothing_is_said_of_a_day_before_there_was_one() -> None:
    early, enough = days_of(MB, 1, ENOUGH_S - 1), days_of(MB, 1, ENOUGH_S)
    assert seen(early, SD, None, Health()).per_day is None
    assert "after a day of counting" in lifetime(seen(early, SD, None, Health()))[0]
    assert seen(enough, SD, None, Health()).per_day is not None


def test_the_newest_days_are_shown_newest_first() -> None:
    card = seen(days_of(MB, 12), SD, None, Health())
    assert [day.day for day in card.days] == [f"d{n}" for n in range(11, 11 - SHOWN_DAYS, -1)]


LIFE = {
    # name: (disk, written a day, so far, stated TB, years at least, at most)
    "a household": (SD, 50 * MB, 0, None, 10, 20),
    "a quiet one": (SD, 10 * MB, 0, None, 20, 20),
    "one that logs too much": (SD, 1300 * MB, 0, None, 0.5, 5),
    "swapping": (SD, 60 * GB, 0, None, 0, 0),
    "nothing at all": (SD, 0, 0, None, 20, 20),
    "most is used up": (SD, 50 * MB, 290 * GB, None, 0.5, 20),
    "all is used up": (SD, 50 * MB, 32 * TB, None, 0, 0),
    "with a stated endurance": (SD, 1300 * MB, 0, 117, 5, 20),
    "an SSD": (Disk(name="sda", kind=Kind.SSD, size_octets=250 * GB), 10 * GB, 0, None, 5, 20),
    "a virtual disk, stated": (Disk(name="vda", kind=Kind.VIRTUAL, size_octets=9 * GB), GB, 0, 40, 3, 20),
}


@pytest.mark.parametrize("name", LIFE)
def test_years_are_a_range_of_round_numbers(name: str) -> None:
    disk, per_day, so_far, stated, least, most = LIFE[name]
    assert lasts(disk, per_day, so_far, stated) == Life(
        years_least=least,
        years_most=most,
        endurance_octets=disk.size_octets * CYCLES if stated is None else stated * TB,
        stated=stated is not None,
    )


NO_ESTIMATE = {
    "a hard disk does not wear": (Kind.HARD_DISK, 50 * MB),
    "nobody knows what is below": (Kind.VIRTUAL, 50 * MB),
    "nobody counts": (Kind.SD, None),
}


@pytest.mark.parametrize("name", NO_ESTIMATE)
def test_what_cannot_be_known_is_not_guessed(name: str) -> None:
    kind, per_day = NO_ESTIMATE[name]
    assert lasts(Disk(name="x", kind=kind, size_octets=GB), per_day, 0, None) is None


def test_a_register_beats_the_estimate() -> None:
    card = seen(days_of(50 * MB), SD, None, Health(life_used_percent=(10, 20)))
    assert card.life is None
    sentence, named = lifetime(card)
    assert sentence % named == "The card says of itself that 10–20 percent of its life is used."


def card_with(years: tuple[float, float] | None = None, counted_s: float = SURE_S, **health: object) -> Card:
    life = years and Life(years_least=years[0], years_most=years[1], endurance_octets=TB, stated=False)
    return Card(
        disk=SD,
        per_day=Day(day="", written_octets=1_300 * MB),
        counted_s=counted_s,
        life=life or None,
        health=Health(**health),  # type: ignore[arg-type]
    )


SENTENCES = {
    "long": ((20, 20), "At this rate the card lasts for more than 20 years."),
    "long, or longer": ((5, 20), "At this rate the card lasts for at least 5 years, and perhaps for more than 20."),
    "some years": ((0.5, 5), "At this rate the card lasts for ½ to 5 years."),
    "one figure": ((3, 3), "At this rate the card lasts for about 3 years."),
    "perhaps": (
        (0, 3),
        "At this rate the card may be worn out within half a year; if all goes well, it lasts 3 years.",
    ),
    "no more": ((0, 0), "At this rate the card may be worn out within half a year."),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_how_long_it_lasts_is_one_sentence(name: str) -> None:
    years, told = SENTENCES[name]
    sentence, named = lifetime(card_with(years))
    assert sentence % named == told


def test_each_reason_for_not_knowing_has_its_words() -> None:
    assert HIDDEN.keys() == set(Hidden)
    for hidden in Hidden:
        assert lifetime(Card(hidden=hidden)) == (HIDDEN[hidden], {})
    for kind in (Kind.HARD_DISK, Kind.VIRTUAL):
        assert f"This is a {kind.replace('-', ' ')}" in lifetime(Card(disk=Disk(name="x", kind=kind, size_octets=1)))[0]


TROUBLES: dict[str, tuple[Card, dict[str, dict[str, str]], Signal]] = {
    "all is well": (card_with((10, 20), life_used_percent=(0, 10), spare_blocks=1), {}, Signal.OFF),
    "half a year is enough": (card_with((0.5, 5)), {}, Signal.OFF),
    "it ends": (card_with((0, 2)), {"card-ending": {"per_day": "1.3 GB"}}, Signal.SLOW),
    "it may end, but it is too early to say": (card_with((0, 2), SURE_S - 1), {}, Signal.OFF),
    "used by 80 to 90 percent": (card_with(life_used_percent=(80, 90)), {}, Signal.OFF),
    "used by 90 and more": (card_with(life_used_percent=(90, 100)), {"card-worn": {"used": "90"}}, Signal.SLOW),
    "used up": (card_with(life_used_percent=(100, 100)), {"card-worn": {"used": "100"}}, Signal.SLOW),
    "spare blocks run out": (card_with(spare_blocks=2), {"card-spare": {}}, Signal.SLOW),
    "spare blocks nearly gone": (card_with(spare_blocks=3), {"card-spare": {}}, Signal.SLOW),
    "errors": (card_with((10, 20), errors=2), {"card-errors": {"count": "2"}}, Signal.FAST),
    "it fails": (card_with(failing=True), {"card-failing": {}}, Signal.FAST),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_what_needs_the_owner_shows_in_the_light(name: str) -> None:
    card, expected, light = TROUBLES[name]
    assert troubles(card) == expected
    snapshot = fold(
        fold(first_snapshot(0.0), PhaseChanged(at=1.0, phase=Phase.RUNNING)), CardMeasured(at=2.0, card=card)
    )
    assert snapshot.card == card
    assert [problem.id for problem in snapshot.problems] == list(expected)
    assert signals(snapshot, 2.0).alert is light
    for problem in snapshot.problems:
        assert "{" not in problem.what + problem.do
    mended = fold(snapshot, CardMeasured(at=3.0, card=Card(disk=SD)))
    assert mended.problems == () and signals(mended, 3.0).alert is Signal.OFF


def test_all_that_can_be_wrong_is_among_the_problems() -> None:
    told = set().union(*(expected for _, expected, _ in TROUBLES.values()))
    assert told == set(PROBLEMS) <= WORDS.keys()


COUNTERS = st.builds(
    Counters,
    uptime_s=st.floats(0, 1e7),
    written_octets=st.none() | st.integers(0, TB),
    flushes=st.none() | st.integers(0, 10**6),
    ours=st.integers(0, GB),
    index=st.integers(0, GB),
    logs=st.integers(0, GB),
)
SAMPLES = st.lists(
    st.builds(Sample, day=st.sampled_from(["a", "b", "c"]), disk=st.sampled_from("xy"), counters=COUNTERS)
)


@given(SAMPLES, st.sampled_from(Kind), st.none() | st.integers(1, 900))
@settings(max_examples=60, deadline=None)
def test_whatever_the_counters_say_no_figure_is_negative_and_all_survives_the_wire(
    samples: list[Sample], kind: Kind, stated: int | None
) -> None:
    budget = after(*samples)
    card = seen(budget, Disk(name="x", kind=kind, size_octets=GB), None, Health(), endurance_tb=stated)
    for day in (*card.days, *((card.per_day,) if card.per_day else ())):
        figures = (day.seconds, day.written_octets, day.flushes, day.mail_octets, day.index_octets, day.logs_octets)
        assert all(figure is None or figure >= 0 for figure in (*figures, day.rest_octets))
    if card.life is not None:
        assert card.life.years_least <= card.life.years_most
        assert {card.life.years_least, card.life.years_most} <= {0.0, *YEARS}
    assert lifetime(card)[0] % lifetime(card)[1]
    snapshot = fold(first_snapshot(0.0), CardMeasured(at=1.0, card=card))
    assert msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot) == snapshot
