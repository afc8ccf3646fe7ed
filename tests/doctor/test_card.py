"""Room on the card, by the store's own reserve (5 % or 200 MiB, whichever is less), and how long the card lasts."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.doctor import card
from appliance.doctor.finding import Status
from appliance.status.card import Card, Day, Disk, Health, Hidden, Kind, Life
from appliance.store.interface import RESERVE_OCTETS, Store

GB = 1_000_000_000
R = RESERVE_OCTETS
SMALL = 1 * GB  # a twentieth is less than the reserve of large cards

CASES: dict[str, tuple[int, int, Status, str]] = {
    "all free": (32 * GB, 32 * GB, Status.GOOD, "There is room on the card: 32.0 GB of 32.0 GB are free."),
    "twice the reserve": (32 * GB, 2 * R, Status.GOOD, "419 MB of 32.0 GB"),
    "less than twice": (32 * GB, 2 * R - 1, Status.NEEDS_YOU, "The card is nearly full: 419 MB of 32.0 GB are free."),
    "just the reserve": (32 * GB, R, Status.NEEDS_YOU, "nearly full"),
    "less than the reserve": (32 * GB, R - 1, Status.BROKEN, "The card is full: 210 MB of 32.0 GB are free"),
    "nothing free": (32 * GB, 0, Status.BROKEN, "0 MB of 32.0 GB"),
    "small, twice its reserve": (SMALL, SMALL // 10, Status.GOOD, "100 MB of 1.0 GB"),
    "small, its reserve": (SMALL, SMALL // 20, Status.NEEDS_YOU, "50 MB"),
    "small, less": (SMALL, SMALL // 20 - 1, Status.BROKEN, "50 MB"),
}


@pytest.mark.parametrize("name", CASES)
def test_how_full_is_too_full(name: str) -> None:
    total, free, status, words = CASES[name]
    finding = card.judge(total, free)
    assert (finding.topic, finding.status) == ("card", status)
    assert words in finding.what
    assert bool(finding.do) == (status is not Status.GOOD)


def test_it_is_broken_exactly_when_the_store_refuses_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    try:
        _, total, reserve = store.room()
    finally:
        store.close()
    assert card.judge(total, reserve).status is Status.NEEDS_YOU
    assert card.judge(total, reserve - 1).status is Status.BROKEN


def test_it_looks_where_the_home_is_or_would_be(tmp_path: Path) -> None:
    there, missing = card.check(tmp_path), card.check(tmp_path / "not" / "yet")
    assert there.what.rpartition(" of ")[2] == missing.what.rpartition(" of ")[2]
    assert not (tmp_path / "not").exists()


SD = Disk(name="mmcblk0", kind=Kind.SD, size_octets=32 * GB)
A_DAY = Day(day="", written_octets=57_000_000)
WEAR: dict[str, tuple[Card, list[tuple[Status, str]]]] = {
    "an estimate": (
        Card(
            disk=SD,
            per_day=A_DAY,
            life=Life(years_least=10, years_most=20, endurance_octets=9_600 * GB, stated=False),
        ),
        [
            (
                Status.GOOD,
                "At this rate the card lasts for at least 10 years, and perhaps for more than 20."
                " About 57 MB a day are written to it.",
            )
        ],
    ),
    "a register": (
        Card(disk=SD, health=Health(life_used_percent=(10, 20))),
        [(Status.GOOD, "The card says of itself that 10–20 percent of its life is used.")],
    ),
    "too early": (Card(disk=SD), [(Status.NOTE, "How long the card lasts can be said after a day of counting.")]),
    "hidden": (Card(hidden=Hidden.MEMORY), [(Status.NOTE, "The data folder lies in memory, not on a card")]),
    "a hard disk": (
        Card(disk=Disk(name="sda", kind=Kind.HARD_DISK, size_octets=GB)),
        [(Status.GOOD, "This is a hard disk: writing does not wear it out.")],
    ),
    "worn, and with errors": (
        Card(disk=SD, health=Health(life_used_percent=(90, 100), errors=3)),
        [
            (Status.BROKEN, "The file system on the card has noted errors: 3 so far."),
            (Status.NEEDS_YOU, "it says that 90 percent of its life is used, or more."),
        ],
    ),
}


@pytest.mark.parametrize("name", WEAR)
def test_how_worn_it_is_is_said_as_the_lights_say_it(name: str) -> None:
    seen, expected = WEAR[name]
    findings = card.judge_wear(seen)
    assert [(finding.topic, finding.status) for finding in findings] == [
        ("card-wear", status) for status, _ in expected
    ]
    for finding, (status, words) in zip(findings, expected, strict=True):
        assert words in finding.what
        assert bool(finding.do) == (status in (Status.BROKEN, Status.NEEDS_YOU))
