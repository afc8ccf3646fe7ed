"""What is set aside for a full card: made when there is room, given up piece by piece, and used by who found no block."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from appliance.store import interface
from appliance.store.ballast import OCTETS, PIECE_OCTETS, Ballast
from appliance.store.database import WAL_OCTETS
from appliance.store.interface import Store
from appliance.store.refusals import StorageLow
from appliance.store.transaction import Tx
from tests.support.stores import open_store


def size(home: Path) -> int:
    path = home / "ballast"
    return path.stat().st_size if path.exists() else 0


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    free = {"octets": 10**12}
    monkeypatch.setattr(Ballast, "free", lambda self: free["octets"])
    return free


def test_it_is_made_and_holds_blocks(tmp_path: Path, free: dict[str, int]) -> None:
    Ballast(tmp_path).keep(reserve_octets=0)
    assert size(tmp_path) == OCTETS
    assert (tmp_path / "ballast").stat().st_blocks * 512 >= OCTETS


@pytest.mark.parametrize(("given_up", "enough"), [(0, OCTETS + 5), (PIECE_OCTETS, PIECE_OCTETS + 5)])
def test_the_reserve_is_not_touched_for_it(tmp_path: Path, free: dict[str, int], given_up: int, enough: int) -> None:
    """What is missing of it has to be free besides."""
    ballast = Ballast(tmp_path)
    if given_up:
        ballast.keep(reserve_octets=5)
        ballast.give_up(given_up)
    before, free["octets"] = size(tmp_path), enough - 1
    ballast.keep(reserve_octets=5)
    assert size(tmp_path) == before
    free["octets"] = enough
    ballast.keep(reserve_octets=5)
    assert size(tmp_path) == OCTETS


def test_it_is_given_up_until_nothing_is_left(tmp_path: Path, free: dict[str, int]) -> None:
    ballast = Ballast(tmp_path)
    assert not ballast.give_up()
    ballast.keep(reserve_octets=0)
    assert ballast.give_up(WAL_OCTETS)
    assert size(tmp_path) == OCTETS - WAL_OCTETS
    times = 0
    while ballast.give_up():
        times += 1
    assert times == (OCTETS - WAL_OCTETS) // PIECE_OCTETS
    assert size(tmp_path) == 0


def test_a_card_on_which_it_cannot_be_made_does_without(
    tmp_path: Path, free: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", no_room)
    Ballast(tmp_path).keep(reserve_octets=0)
    assert size(tmp_path) == 0


def full(times: list[int]) -> Any:
    """A change that finds no room in the log so many times."""

    def change(tx: Tx) -> str:
        tx.connection.execute("INSERT INTO settings VALUES ('key', 'value')")
        if times[0]:
            times[0] -= 1
            tx.connection.execute("ROLLBACK")  # as SQLITE_FULL does
            fault = sqlite3.OperationalError("database or disk is full")
            fault.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise fault
        return "made"

    return change


def test_a_change_that_found_no_room_is_made_again(tmp_path: Path) -> None:
    with open_store(tmp_path / "home") as store:
        store.keep_ballast()
        before = size(store.home)
        assert store.write_now(full([2])) == "made"
        assert size(store.home) == before - 2 * PIECE_OCTETS


def test_without_ballast_it_is_refused_once(tmp_path: Path) -> None:
    with open_store(tmp_path / "home") as store:
        with pytest.raises(StorageLow):
            store.write_now(full([1]))
        assert store.failure is None
        assert store.write_now(full([0])) == "made"


def test_opening_a_store_on_a_full_card_takes_one_piece(tmp_path: Path, free: dict[str, int]) -> None:
    Store(tmp_path).close()
    Ballast(tmp_path).keep(reserve_octets=0)
    free["octets"] = 0
    Store(tmp_path).close()
    assert size(tmp_path) == OCTETS - PIECE_OCTETS


async def test_a_new_log_takes_what_it_needs(
    tmp_path: Path, free: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    lengthened = []

    def lengthen(wal: Path) -> None:
        lengthened.append(size(tmp_path))
        if len(lengthened) == 1:
            raise OSError(28, os.strerror(28))

    monkeypatch.setattr(interface, "lengthen_wal", lengthen)
    with open_store(tmp_path) as store:
        store.keep_ballast()
        free["octets"] = 2 * PIECE_OCTETS
        await store.prepare()
    assert lengthened == [OCTETS, OCTETS - WAL_OCTETS]
