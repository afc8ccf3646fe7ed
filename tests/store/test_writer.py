"""One flush serves whatever gathered; what fails, fails alone or is undone whole; what is lazy is never lost for long."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import random
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.status.bus import Bus
from appliance.status.events import AccountsChanged, MailboxListChanged
from appliance.store import writer
from appliance.store.accounts import setting
from appliance.store.changes.accounts import set_setting
from appliance.store.changes.flags import store_flags
from appliance.store.changes.messages import append
from appliance.store.checkpoints import BLOCK_PAGES
from appliance.store.database import CHECKPOINT_PAGES
from appliance.store.flags import SEEN
from appliance.store.interface import Store
from appliance.store.messages import snapshot
from appliance.store.refusals import AddressTaken, StorageFailed, StorageLow
from appliance.store.transaction import Tx
from tests.support.stores import (
    mailbox_of,
    new_account,
    new_message,
    open_store,
    put,
    read_message,
    recorded,
    uids_of,
    wait_until,
)
from tests.support.watched_connection import IO_ERROR, Watched, watch

LARGE = random.Random(1).randbytes(60_000)


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> list[Watched]:
    return watch(monkeypatch)


@pytest.fixture
def store(tmp_path: Path, connection: list[Watched]) -> Iterator[Store]:
    with open_store(tmp_path / "home", bus=Bus()) as store:
        yield store


class Held:
    """Keeps the writer busy inside a change until `release`, so that others gather behind it."""

    def __init__(self, store: Store) -> None:
        self._begun, self._release = threading.Event(), threading.Event()
        self.done = store._writer.submit(self._hold)
        assert self._begun.wait(20)

    def _hold(self, tx: Tx) -> None:
        self._begun.set()
        assert self._release.wait(20)

    def release(self) -> None:
        self._release.set()
        self.done.result(20)


def value_of(store: Store, key: str) -> str | None:
    return store.read_now(lambda c: setting(c, key))


def raising(fault: BaseException) -> Callable[[Tx], None]:
    def change(tx: Tx) -> None:
        set_setting("half", "done")(tx)
        raise fault

    return change


# ---- group commit


@pytest.mark.parametrize(("changes", "commits"), [(1, 1), (10, 1), (200, 1), (201, 2), (450, 3)])
def test_whatever_gathered_shares_a_commit(store: Store, connection: list[Watched], changes: int, commits: int) -> None:
    held = Held(store)
    futures = [store._writer.submit(set_setting(f"key {n}", str(n))) for n in range(changes)]
    held.release()
    before = 1
    for future in futures:
        future.result(20)
    assert connection[0].count("COMMIT") - before == commits
    assert value_of(store, f"key {changes - 1}") == str(changes - 1)


async def test_fifty_at_once_take_far_fewer_commits(store: Store, connection: list[Watched]) -> None:
    await asyncio.gather(*(store.write(set_setting(f"key {n}", "x")) for n in range(50)))
    assert connection[0].count("COMMIT") < 25


def test_changes_run_in_the_order_they_came(store: Store) -> None:
    held, order = Held(store), []

    def numbered(n: int) -> Callable[[Tx], None]:
        return lambda tx: order.append(n)

    futures = [store._writer.submit(numbered(n), durable=n % 2 == 0) for n in range(50)]
    held.release()
    for future in futures:
        future.result(20)
    assert order == list(range(50))


def test_one_durable_change_makes_the_commit_durable(store: Store, connection: list[Watched]) -> None:
    for durables, level in (([False, False], "NORMAL"), ([False, True, False], "FULL")):
        held = Held(store)
        futures = [store._writer.submit(set_setting("key", "x"), durable=durable) for durable in durables]
        held.release()
        for future in futures:
            future.result(20)
        assert store.write_now(lambda tx: tx.connection.execute("SELECT 1").fetchone(), durable=level == "FULL") == (1,)
        assert store._writer._synchronous == level


# ---- what fails, alone or together


@pytest.mark.parametrize(
    "fault",
    [
        AddressTaken("bob@example.org"),
        ValueError("a bug"),
        KeyError("a bug"),
        RecursionError("a bug"),
        MemoryError(),
        SystemExit(1),
        sqlite3.ProgrammingError("Incorrect number of bindings supplied"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_change_that_raises_is_undone_alone(store: Store, fault: BaseException) -> None:
    held = Held(store)
    futures = [
        store._writer.submit(change) for change in (set_setting("a", "1"), raising(fault), set_setting("b", "2"))
    ]
    held.release()
    assert futures[1].exception(20) is fault
    assert (futures[0].exception(20), futures[2].exception(20)) == (None, None)
    assert (value_of(store, "a"), value_of(store, "half"), value_of(store, "b")) == ("1", None, "2")
    assert store.failure is None


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT nonsense",
        "INSERT INTO settings VALUES ('a', '1'), ('a', '1')",
        "INSERT INTO settings VALUES ('x', NULL)",
    ],
)
def test_bad_sql_is_the_changes_fault_and_not_the_cards(store: Store, sql: str) -> None:
    held = Held(store)
    bad = store._writer.submit(lambda tx: tx.connection.execute(sql))
    good = store._writer.submit(set_setting("good", "1"))
    held.release()
    assert isinstance(bad.exception(20), sqlite3.Error)
    good.result(20)
    assert store.failure is None


def armed(connection: list[Watched], statement: str, code: int) -> Callable[[Tx], None]:
    """A change after which `statement` fails once."""
    return lambda tx: connection[0].fail.update({statement: code})


def test_a_commit_that_fails_refuses_all_of_its_batch_and_everything_after(
    store: Store, connection: list[Watched]
) -> None:
    events = recorded(store.bus)
    store.write_now(set_setting("before", "1"))
    held = Held(store)
    futures = [store._writer.submit(set_setting(f"key {n}", "x")) for n in range(3)]
    refused = store._writer.submit(raising(AddressTaken("bob@example.org")))
    futures.append(store._writer.submit(armed(connection, "COMMIT", IO_ERROR)))
    futures.append(store._writer.submit(lambda tx: tx.tell(AccountsChanged(at=0))))
    held.release()
    for future in futures:
        fault = future.exception(20)
        assert isinstance(fault, StorageFailed)
        assert "disk I/O error" in str(fault)
    assert isinstance(refused.exception(20), AddressTaken)
    with pytest.raises(StorageFailed, match="disk I/O error"):
        store.write_now(set_setting("after", "1"))
    assert store.failure == "disk I/O error"
    assert [value_of(store, key) for key in ("before", "key 0", "after")] == ["1", None, None]
    store.close()
    assert events == [], "nothing is told of what was not kept"


def test_a_transaction_that_cannot_begin_is_a_failure_too(store: Store, connection: list[Watched]) -> None:
    store.write_now(armed(connection, "BEGIN IMMEDIATE", IO_ERROR))
    with pytest.raises(StorageFailed):
        store.write_now(set_setting("a", "1"))
    assert store.failure is not None


@pytest.mark.parametrize(
    ("code", "refusal"),
    [
        (sqlite3.SQLITE_FULL, StorageLow),
        (sqlite3.SQLITE_BUSY, StorageFailed),
        (sqlite3.SQLITE_NOMEM, StorageFailed),
    ],
)
def test_what_passes_is_refused_once(
    store: Store, connection: list[Watched], code: int, refusal: type[Exception]
) -> None:
    held = Held(store)
    arming = store._writer.submit(armed(connection, "COMMIT", code))
    held.release()
    assert isinstance(arming.exception(20), refusal)
    assert store.failure is None
    store.write_now(set_setting("after", "1"))
    assert value_of(store, "after") == "1"


def test_a_database_that_is_really_full_takes_changes_again_once_there_is_room(store: Store) -> None:
    account = new_account(store)
    inbox = mailbox_of(store, account.id)

    def limit(pages: str) -> Callable[[Tx], None]:
        return lambda tx: tx.connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()

    pages = store.read_now(lambda c: c.execute("PRAGMA page_count").fetchone()[0])
    store.write_now(limit(pages + 2))
    held = Held(store)
    futures = [store._writer.submit(_with_content(store, 20_000, inbox.id)) for _ in range(3)]
    held.release()
    for future in futures:
        assert isinstance(future.exception(20), StorageLow)
    assert store.failure is None
    store.write_now(set_setting("small", "fits"))
    store.write_now(limit("1000000"))
    put(store, inbox.id, LARGE[:20_000])
    assert len(uids_of(store, inbox.id)) == 1


def _with_content(store: Store, octets: int, mailbox_id: int) -> Callable[[Tx], Any]:
    return append(mailbox_id, [new_message(store, LARGE[:octets])])


@pytest.mark.parametrize("where", ["posix_fallocate", "pwrite"])
def test_a_segment_without_room_refuses_that_message_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    inbox = mailbox_of(store, new_account(store).id)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as card:
        card.setattr(os, where, full)
        held = Held(store)
        large = store._writer.submit(_with_content(store, 60_000, inbox.id))
        small = store._writer.submit(_with_content(store, 500, inbox.id))
        held.release()
        assert isinstance(large.exception(20), StorageLow)
        small.result(20)
    assert store.failure is None
    uid = put(store, inbox.id, LARGE)
    assert read_message(store, inbox.id, uid) == LARGE
    assert len(uids_of(store, inbox.id)) == 2


def test_a_segment_that_cannot_be_synced_refuses_the_batch_and_all_after(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = mailbox_of(store, new_account(store).id)
    put(store, inbox.id, LARGE)

    def broken(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    held = Held(store)
    small = store._writer.submit(set_setting("small", "1"))
    with monkeypatch.context() as card:
        card.setattr(os, "fdatasync", broken)
        large = store._writer.submit(_with_content(store, 60_000, inbox.id))
        assert isinstance(large.exception(20), StorageFailed)
    held.release()
    assert value_of(store, "small") is None or small.exception(20) is None
    assert "Input/output error" in (store.failure or "")
    assert len(uids_of(store, inbox.id)) == 1
    with pytest.raises(StorageFailed):
        store.write_now(set_setting("after", "1"))


def test_too_many_open_files_is_not_a_broken_card(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox = mailbox_of(store, new_account(store).id)
    put(store, inbox.id, LARGE)

    def no_more(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as limit:
        limit.setattr(os, "pwrite", no_more)
        with pytest.raises(StorageFailed):
            put(store, inbox.id, LARGE)
    assert store.failure is None
    put(store, inbox.id, LARGE)


def test_refused_changes_leave_no_open_files_behind(store: Store) -> None:
    inbox = mailbox_of(store, new_account(store).id)
    held = Held(store)

    def begun_and_refused(tx: Tx) -> None:
        _with_content(store, 60_000, inbox.id)(tx)
        raise AddressTaken("bob@example.org")

    futures = [store._writer.submit(begun_and_refused) for _ in range(5)]
    last = store._writer.submit(_with_content(store, 60_000, inbox.id))
    held.release()
    assert all(isinstance(f.exception(20), AddressTaken) for f in futures)
    last.result(20)
    (uid,) = uids_of(store, inbox.id)
    assert read_message(store, inbox.id, uid) == LARGE
    gc.collect()
    opened = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is_open(fd)]
    ours = str(store.home)
    assert len([path for path in opened if path.startswith(ours) and path.endswith(".seg")]) == 1, (
        "the one that is appended to"
    )


def _is_open(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}")


# ---- lazy changes


def test_a_lazy_change_is_visible_at_once(store: Store) -> None:
    inbox = mailbox_of(store, new_account(store).id)
    uid = put(store, inbox.id, b"x")
    store.write_now(store_flags(inbox.id, [uid], "+", SEEN, ""), durable=False)
    assert store.read_now(lambda c: snapshot(c, inbox.id))[0][1] == SEEN


class Flushes:
    """Counts the writer's own flushes of the WAL."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        fdatasync = os.fdatasync

        def counted(fd: int) -> None:
            if os.readlink(f"/proc/self/fd/{fd}").endswith("-wal"):
                self.count += 1
            fdatasync(fd)

        monkeypatch.setattr(os, "fdatasync", counted)


def test_a_lazy_change_is_flushed_before_long(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    flushes = Flushes(monkeypatch)
    store.write_now(set_setting("a", "1"), durable=False)
    assert flushes.count == 0
    monkeypatch.setattr(writer, "LAZY_S", 0.02)
    store.write_now(set_setting("b", "1"), durable=False)  # wakes the writer, which now is late
    wait_until(lambda: flushes.count == 1)
    assert store._writer._lazy_since is None


def test_many_lazy_changes_share_a_flush(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    flushes = Flushes(monkeypatch)
    for n in range(20):
        store.write_now(set_setting("a", str(n)), durable=False)
    store.close()
    assert flushes.count == 1


def test_the_next_durable_commit_carries_lazy_changes_along(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    flushes = Flushes(monkeypatch)
    store.write_now(set_setting("a", "1"), durable=False)
    store.write_now(set_setting("b", "1"))
    wait_until(lambda: store._writer._lazy_since is None)
    store.close()
    assert flushes.count == 0, "the commit's own flush was enough"


@pytest.mark.parametrize("nothing", ["a read", "a refusal"])
def test_a_durable_change_that_writes_nothing_does_not_count_as_a_flush(
    store: Store, monkeypatch: pytest.MonkeyPatch, nothing: str
) -> None:
    """SQLite flushes nothing for a commit without a page; the lazy change before it must not be forgotten."""
    flushes = Flushes(monkeypatch)
    store.write_now(set_setting("a", "1"), durable=False)
    if nothing == "a read":
        store.write_now(lambda tx: tx.connection.execute("SELECT 1").fetchone())
    else:
        with pytest.raises(AddressTaken):
            store.write_now(raising(AddressTaken("bob@example.org")))
    store.close()
    assert flushes.count == 1


def test_a_lazy_change_that_changes_nothing_causes_no_flush(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    flushes = Flushes(monkeypatch)
    store.write_now(lambda tx: None, durable=False)
    store.close()
    assert flushes.count == 0


def test_a_flush_that_fails_is_a_failure_of_the_card(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as card:
        card.setattr(os, "fdatasync", broken)
        card.setattr(writer, "LAZY_S", 0.0)
        store.write_now(set_setting("a", "1"), durable=False)
        wait_until(lambda: store.failure is not None)
    with pytest.raises(StorageFailed):
        store.write_now(set_setting("b", "1"))


# ---- callers, events, the end


async def test_a_caller_that_gives_up_gives_up_the_answer_and_not_the_change(store: Store) -> None:
    held = Held(store)
    waiting = asyncio.ensure_future(store.write(set_setting("a", "1")))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.to_thread(held.release)
    store.write_now(set_setting("b", "1"))
    assert value_of(store, "a") == "1"


def test_a_change_cannot_be_called_back_once_it_was_handed_over(store: Store) -> None:
    """Or the writer would have nobody to answer to, and stop."""
    held = Held(store)
    future = store._writer.submit(set_setting("a", "1"))
    assert not future.cancel()
    held.release()
    future.result(20)
    store.write_now(set_setting("b", "1"))
    assert value_of(store, "a") == "1"


async def test_events_are_told_after_the_commit_in_the_order_of_changes_on_the_loop(store: Store) -> None:
    store.bus.attach(asyncio.get_running_loop())
    told: list[tuple[object, str | None]] = []
    done = asyncio.Event()

    def listen(event: object) -> None:
        told.append((event, value_of(store, "key")))
        if len(told) == 3:
            done.set()

    store.bus.subscribe(listen)

    def telling(n: int) -> Callable[[Tx], None]:
        def change(tx: Tx) -> None:
            tx.tell(MailboxListChanged(at=0, account_id=n))
            set_setting("key", str(n))(tx)

        return change

    def refused(tx: Tx) -> None:
        telling(9)(tx)
        raise AddressTaken("bob@example.org")

    held = Held(store)
    futures = [store._writer.submit(change) for change in (telling(1), refused, telling(2), telling(3))]
    held.release()
    await done.wait()
    assert [event for event, _ in told] == [MailboxListChanged(at=0, account_id=n) for n in (1, 2, 3)]
    assert {value for _, value in told} == {"3"}, "each listener finds the change made"
    assert isinstance(futures[1].exception(), AddressTaken)


def test_what_was_submitted_before_the_end_is_done_and_what_comes_after_is_refused(tmp_path: Path) -> None:
    with open_store(tmp_path / "home") as store:
        held = Held(store)
        last = store._writer.submit(set_setting("last", "1"))
        closing = threading.Thread(target=store.close)
        closing.start()
        wait_until(lambda: store._writer._closed)
        after = store._writer.submit(set_setting("after", "1"))
        assert isinstance(after.exception(20), StorageFailed)
        held.release()
        last.result(20)
        closing.join(20)
        store.close()
        with pytest.raises(StorageFailed, match="closed"):
            store.read_now(lambda c: setting(c, "last"))
    with open_store(tmp_path / "home") as store:
        assert (value_of(store, "last"), value_of(store, "after")) == ("1", None)


def test_the_wal_stays_as_long_as_it_became_and_no_longer(store: Store) -> None:
    """A checkpoint each 8 MB, not at each commit and not never."""
    inbox = mailbox_of(store, new_account(store).id)
    wal = store.home / "store.db-wal"
    sizes = []
    for _ in range(40):
        put_many(store, inbox.id, 20)
        sizes.append(wal.stat().st_size)
    assert sizes == sorted(sizes), "never truncated"
    # 35 MB went through it. How far it grows while it is moved is a matter of speed; there is an end to it all the same.
    assert CHECKPOINT_PAGES * 4096 < sizes[-1] < (BLOCK_PAGES + 500) * 4120


def put_many(store: Store, mailbox_id: int, count: int) -> None:
    held = Held(store)
    futures = [store._writer.submit(_with_content(store, 40_000, mailbox_id)) for _ in range(count)]
    held.release()
    for future in futures:
        future.result(20)
