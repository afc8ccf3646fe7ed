"""The claim code: one winner, slow guessing, no lock-out."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from web.sign_in.claim_code import (
    ALPHABET,
    HOLDER_GIVES_WAY_AFTER_S,
    LONGEST_WAIT_S,
    ClaimCode,
    Taken,
    Wait,
    Won,
    Wrong,
    normalised,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def claim(tmp_path: Path, clock: Clock) -> ClaimCode:
    return ClaimCode(tmp_path, clock=clock)


def test_the_code_is_eight_unambiguous_characters_for_our_eyes_only(
    claim: ClaimCode, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    code = claim.ensure()
    assert len(normalised(code)) == 8 and set(normalised(code)) <= set(ALPHABET)
    assert not set("ILOU") & set(ALPHABET)
    path = tmp_path / "CLAIM.TXT"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().strip() == code
    assert code in caplog.text and caplog.records[0].name == "merpati.claim"


def test_a_code_that_is_there_already_stays(claim: ClaimCode, tmp_path: Path) -> None:
    code = claim.ensure()
    assert claim.ensure() == code
    assert ClaimCode(tmp_path).ensure() == code


@pytest.mark.parametrize(
    ("typed", "read_as"),
    [
        ("7f3k-92qx", "7F3K92QX"),
        (" 7F3K 92QX ", "7F3K92QX"),
        ("OIL0-1111", "01101111"),
        ("7F3K92QX", "7F3K92QX"),
    ],
)
def test_what_is_easily_misread_is_read_right(typed: str, read_as: str) -> None:
    assert normalised(typed) == read_as


def test_the_right_code_wins_once_and_is_gone(claim: ClaimCode, tmp_path: Path) -> None:
    code = claim.ensure()
    won = claim.claim(code.lower(), "192.0.2.1")
    assert isinstance(won, Won)
    assert not (tmp_path / "CLAIM.TXT").exists()
    assert claim.holds(won.token) and not claim.holds("another") and not claim.holds(None)
    assert claim.claim(code, "192.0.2.2") == Taken()  # a replay
    assert won.token not in (tmp_path / "claimed").read_text()


def test_of_two_at_the_same_moment_one_wins(tmp_path: Path) -> None:
    """Also between two processes: here each thread has a ClaimCode of its own."""
    for round_ in range(20):
        folder = tmp_path / str(round_)
        folder.mkdir()
        code = ClaimCode(folder).ensure()
        results: list[object] = []
        start = threading.Barrier(4)

        def try_it(
            code: str = code, results: list[object] = results, start: threading.Barrier = start, f: Path = folder
        ) -> None:
            mine = ClaimCode(f)
            start.wait()
            results.append(mine.claim(code, "192.0.2.1"))

        threads = [threading.Thread(target=try_it) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(isinstance(result, Won) for result in results) == 1


def test_wrong_tries_have_to_wait_longer_each_time(claim: ClaimCode, clock: Clock) -> None:
    claim.ensure()
    for wait_s in (1, 2, 4, 8, 16, 32, LONGEST_WAIT_S, LONGEST_WAIT_S):
        wrong = claim.claim("00000000", "192.0.2.1")
        assert isinstance(wrong, Wrong) and wrong.wait_s == wait_s
        early = claim.claim("00000000", "192.0.2.1")
        assert early == Wait(wait_s)
        clock.now += wait_s


def test_waiting_is_not_for_others_and_trying_early_makes_it_no_longer(claim: ClaimCode, clock: Clock) -> None:
    code = claim.ensure()
    claim.claim("00000000", "192.0.2.1")
    clock.now += 0.9
    assert isinstance(claim.claim(code, "192.0.2.1"), Wait)
    assert isinstance(claim.claim(code, "192.0.2.2"), Won)


def test_nobody_is_locked_out(claim: ClaimCode, clock: Clock) -> None:
    claim.ensure()
    for _ in range(30):
        claim.claim("00000000", "192.0.2.1")
        clock.now += LONGEST_WAIT_S
    assert isinstance(claim.claim(claim.ensure(), "192.0.2.1"), Won)


def test_five_wrong_tries_from_anywhere_change_the_code(claim: ClaimCode, caplog: pytest.LogCaptureFixture) -> None:
    first = claim.ensure()
    for i in range(4):
        wrong = claim.claim("00000000", f"192.0.2.{i}")
        assert isinstance(wrong, Wrong) and not wrong.changed
    assert claim.ensure() == first
    wrong = claim.claim("00000000", "192.0.2.9")
    assert isinstance(wrong, Wrong) and wrong.changed
    second = claim.ensure()
    assert second != first and second in caplog.text
    assert isinstance(claim.claim(first, "192.0.2.10"), Wrong)
    assert isinstance(claim.claim(second, "192.0.2.11"), Won)


def test_a_winner_who_stays_away_gives_way_to_a_new_code(claim: ClaimCode, clock: Clock) -> None:
    won = claim.claim(claim.ensure(), "192.0.2.1")
    assert isinstance(won, Won)
    clock.now += HOLDER_GIVES_WAY_AFTER_S - 1
    assert not claim.is_open()
    assert claim.holds(won.token)  # a sign of life
    clock.now += HOLDER_GIVES_WAY_AFTER_S - 1
    assert not claim.is_open()
    clock.now += 2
    assert claim.is_open()
    again = claim.claim(claim.ensure(), "192.0.2.2")
    assert isinstance(again, Won)
    assert claim.holds(again.token) and not claim.holds(won.token)


def test_after_a_restart_the_winner_goes_on_and_the_console_shows_a_new_code(claim: ClaimCode, tmp_path: Path) -> None:
    won = claim.claim(claim.ensure(), "192.0.2.1")
    assert isinstance(won, Won)
    restarted = ClaimCode(tmp_path)
    code = restarted.ensure()
    assert restarted.holds(won.token)
    assert isinstance(restarted.claim(code, "192.0.2.2"), Won)
    assert not restarted.holds(won.token)


def test_nothing_is_left_when_it_is_over(claim: ClaimCode, tmp_path: Path) -> None:
    won = claim.claim(claim.ensure(), "192.0.2.1")
    assert isinstance(won, Won)
    claim.close()
    claim.close()
    assert list(tmp_path.iterdir()) == [] and not claim.holds(won.token)


@pytest.mark.parametrize("typed", ["", "\0", "é" * 8, "\ud800", "A" * 100_000])
def test_nonsense_is_only_wrong(claim: ClaimCode, typed: str) -> None:
    claim.ensure()
    assert isinstance(claim.claim(typed, "192.0.2.1"), Wrong)
