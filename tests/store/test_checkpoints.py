"""The log is moved into the database beside the commits, has an end, and its errors are those of the card."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.store import checkpoints
from appliance.store.changes.accounts import set_setting
from appliance.store.checkpoints import Checkpoints, Log
from appliance.store.database import connect_checkpointer
from appliance.store.interface import Store
from appliance.store.refusals import StorageFailed
from tests.support.stores import mailbox_of, new_account, open_store, put, uids_of, wait_until
from tests.support.watched_connection import IO_ERROR, Watched

PASSIVE = "PRAGMA wal_checkpoint(PASSIVE)"


@pytest.fixture(autouse=True)
def few_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "CHECKPOINT_PAGES", 60)
    monkeypatch.setattr(checkpoints, "AGAIN_PAGES", 30)
    monkeypatch.setattr(checkpoints, "BLOCK_PAGES", 200)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "home") as store:
        yield store


@pytest.fixture
def inbox(store: Store) -> int:
    return mailbox_of(store, new_account(store).id).id


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The threads on which passes ran."""
    ran: list[str] = []
    real = Checkpoints._pass

    def noted(connection: sqlite3.Connection) -> None:
        ran.append(threading.current_thread().name)
        real(connection)

    monkeypatch.setattr(Checkpoints, "_pass", staticmethod(noted))
    return ran


def pages(store: Store) -> int:
    return store._writer._log.pages


def octets(seed: int) -> bytes:
    return random.Random(seed).randbytes(20_000)


def fill(store: Store, mailbox_id: int, to_pages: int) -> None:
    while pages(store) < to_pages:
        put(store, mailbox_id, octets(pages(store)))


def failing(monkeypatch: pytest.MonkeyPatch, code: int) -> list[Watched]:
    """Checkpoint connections whose first pass fails."""
    made: list[Watched] = []

    def connect(path: Path) -> Watched:
        made.append(Watched(connect_checkpointer(path)))
        if len(made) == 1:
            made[-1].fail[PASSIVE] = code
        return made[-1]

    monkeypatch.setattr(checkpoints, "connect_checkpointer", connect)
    return made


def test_its_length_is_counted_as_sqlite_counts_it(store: Store, inbox: int) -> None:
    log = Log(store.home / "store.db-wal")
    for n in range(10):
        put(store, inbox, b"x" * 3000 * n)
        _, counted = log.look()
        _, length, _ = _length(store)
        assert counted == length == pages(store)
    log.close()


def _length(store: Store) -> tuple[int, int, int]:
    """SQLite tells it only together with a pass; on a connection that is a reader, a pass finds nothing it may move."""
    connection = sqlite3.connect(store.home / "store.db", isolation_level=None)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        found: tuple[int, int, int] = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return found
    finally:
        connection.close()


class SlowPass:
    """A pass on the checkpoint's thread begins when `go` says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        real = Checkpoints._pass

        def slow(connection: sqlite3.Connection) -> None:
            if threading.current_thread().name == "store-checkpoint":
                self.begun.set()
                assert self.go.wait(20)
            real(connection)

        monkeypatch.setattr(Checkpoints, "_pass", staticmethod(slow))


def test_commits_go_on_while_it_is_moved_and_then_it_is_begun_anew(
    store: Store, inbox: int, monkeypatch: pytest.MonkeyPatch, passes: list[str]
) -> None:
    slow = SlowPass(monkeypatch)
    fill(store, inbox, 60)
    assert slow.begun.wait(20)
    before = pages(store)
    for n in range(5):
        store.write_now(set_setting("key", str(n)))
    assert pages(store) > before
    assert passes == []
    slow.go.set()
    wait_until(lambda: _quiet(store))
    store.write_now(set_setting("key", "last but one"))
    wait_until(lambda: passes[-1] == "store-writer")
    store.write_now(set_setting("key", "last"))
    assert pages(store) < 10


def test_when_commits_come_faster_than_it_can_be_moved_they_wait(
    store: Store, inbox: int, monkeypatch: pytest.MonkeyPatch, passes: list[str]
) -> None:
    slow = SlowPass(monkeypatch)
    fill(store, inbox, 190)
    assert slow.begun.wait(20)
    put(store, inbox, random.Random(1).randbytes(47_000))  # it is committed; what comes after it waits
    after = store._writer.submit(set_setting("after", "1"))
    assert not after.done()
    slow.go.set()
    after.result(20)
    assert passes[-1] == "store-writer"
    assert pages(store) < 20


def test_a_reader_of_an_old_state_keeps_its_state_and_passes_stay_rare(
    store: Store, inbox: int, passes: list[str]
) -> None:
    first = put(store, inbox, b"x")
    reader = sqlite3.connect(store.home / "store.db", isolation_level=None)
    try:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM messages").fetchone() == (1,)
        fill(store, inbox, 180)
        assert reader.execute("SELECT count(*) FROM messages").fetchone() == (1,)
        assert len(passes) <= 3 * (180 - 60) // 30 + 3
    finally:
        reader.close()

    def begun_anew() -> bool:
        put(store, inbox, octets(pages(store)))
        return pages(store) < 60

    wait_until(begun_anew)
    assert uids_of(store, inbox)[0] == first


def _quiet(store: Store) -> bool:
    thread = store._writer._checkpoints._thread
    return thread is None or not thread.is_alive()


def test_an_error_of_the_disk_is_a_failure_of_the_card(
    store: Store, inbox: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, IO_ERROR)
    with pytest.raises(StorageFailed, match="disk I/O error"):
        fill(store, inbox, 200)
    assert store.failure == "disk I/O error"
    assert uids_of(store, inbox), "what was committed is in the log still"


def test_the_writers_own_pass_tells_of_it_too(store: Store, inbox: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Checkpoints._pass

    def broken(connection: sqlite3.Connection) -> None:
        if threading.current_thread().name == "store-writer":
            fault = sqlite3.OperationalError("disk I/O error")
            fault.sqlite_errorcode = IO_ERROR
            raise fault
        real(connection)

    monkeypatch.setattr(Checkpoints, "_pass", staticmethod(broken))
    with pytest.raises(StorageFailed):
        fill(store, inbox, 200)
    assert store.failure == "disk I/O error"


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM])
def test_what_only_lacks_room_is_tried_again(
    store: Store, inbox: int, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    made = failing(monkeypatch, code)
    fill(store, inbox, 60)
    wait_until(lambda: made and _quiet(store))
    for n in range(12):
        put(store, inbox, octets(n))
    assert store.failure is None
    assert pages(store) < 200


def test_a_thread_that_dies_of_a_bug_costs_no_mail(
    store: Store, inbox: int, monkeypatch: pytest.MonkeyPatch, passes: list[str]
) -> None:
    def buggy(self: Checkpoints) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Checkpoints, "_write_out", buggy)
    for n in range(30):
        put(store, inbox, octets(n))
    assert store.failure is None
    assert pages(store) < 200
    assert "store-writer" in passes, "the writer does what is left"


def test_when_no_thread_can_be_started_the_writer_goes_on(
    store: Store, inbox: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Checkpoints) -> threading.Thread:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as crowded:
        crowded.setattr(Checkpoints, "_started", refuse)
        fill(store, inbox, 100)
        assert store.failure is None
    for n in range(20):
        put(store, inbox, octets(n))
    assert pages(store) < 200
