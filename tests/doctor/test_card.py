"""Room on the card, by the store's own reserve: 5 % or 200 MiB, whichever is less."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.doctor import card
from appliance.doctor.finding import Status
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
