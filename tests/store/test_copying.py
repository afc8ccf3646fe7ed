"""Large contents are on the card before anything refers to them, and whatever comes in between loses no place."""

from __future__ import annotations

import errno
import os
import random
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.store import copying, segments
from appliance.store.changes.accounts import set_setting
from appliance.store.changes.flags import store_flags
from appliance.store.changes.messages import NewMessage, append, remove
from appliance.store.check import check
from appliance.store.database import connect_writer
from appliance.store.flags import SEEN
from appliance.store.interface import Store
from appliance.store.refusals import AddressTaken, StorageFailed
from appliance.store.transaction import Tx, WithContents
from tests.store.test_writer import Held
from tests.support.stores import (
    mailbox_of,
    new_account,
    new_message,
    open_store,
    put,
    read_message,
    uids_of,
    wait_until,
)
from tests.support.watched_connection import Watched, watch

SEGMENT = 512 * 1024


def octets(seed: int, size: int = 60_000) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> list[Watched]:
    return watch(monkeypatch)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connection: list[Watched]) -> Iterator[Store]:
    monkeypatch.setattr(segments, "SEGMENT_OCTETS", SEGMENT)
    with open_store(tmp_path / "home") as store:
        yield store


@pytest.fixture
def inbox(store: Store) -> int:
    return mailbox_of(store, new_account(store).id).id


def places(store: Store) -> list[tuple[int, int, int]]:
    return store.read_now(
        lambda c: c.execute(
            "SELECT segment_id, position, stored_octets FROM blobs WHERE segment_id IS NOT NULL ORDER BY id"
        ).fetchall()
    )


def freed(store: Store) -> list[tuple[int, int, int]]:
    return store.read_now(
        lambda c: c.execute("SELECT segment_id, position, stored_octets FROM freed ORDER BY id").fetchall()
    )


def files(store: Store) -> list[str]:
    return sorted(os.listdir(store.home / "blobs"))


def give_back(store: Store) -> None:
    """Two rounds, as minutes later in this process or another."""
    connection = connect_writer(store.home / "store.db")
    try:
        upto = store._segments.give_back(connection, 0)
        store._segments.give_back(connection, upto)
    finally:
        connection.close()


class SlowSync:
    """Segments are synced when `go` says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        fdatasync = os.fdatasync

        def slow(fd: int) -> None:
            if os.readlink(f"/proc/self/fd/{fd}").endswith(".seg"):
                self.begun.set()
                assert self.go.wait(20)
            fdatasync(fd)

        monkeypatch.setattr(os, "fdatasync", slow)


# ---- the order of events


def test_a_content_is_synced_before_the_transaction_that_refers_to_it_begins(
    store: Store, inbox: int, connection: list[Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, inbox, octets(0))
    sync = SlowSync(monkeypatch)
    connection[0].executed.clear()
    large = store._writer.submit(append(inbox, [new_message(store, octets(1))]))
    assert sync.begun.wait(20)
    assert connection[0].executed == [], "nothing has been begun that could refer to it"
    assert not large.done()
    sync.go.set()
    large.result(20)
    assert connection[0].count("COMMIT") == 1


def test_small_messages_share_the_commit_and_a_lazy_change_waits_for_nobody(
    store: Store, inbox: int, connection: list[Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = put(store, inbox, b"here already")
    sync = SlowSync(monkeypatch)
    large = store._writer.submit(append(inbox, [new_message(store, octets(1))]))
    assert sync.begun.wait(20)
    small = [store._writer.submit(append(inbox, [new_message(store, b"small %d" % n)])) for n in range(5)]
    store.write_now(store_flags(inbox, [uid], "+", SEEN, ""), durable=False)
    assert not any(future.done() for future in (large, *small))
    connection[0].executed.clear()
    sync.go.set()
    for future in (large, *small):
        future.result(20)
    assert connection[0].count("COMMIT") == 1
    assert len(uids_of(store, inbox)) == 7


def test_a_change_that_did_not_tell_of_its_contents_runs_again_when_they_are_copied(
    store: Store, inbox: int, connection: list[Watched]
) -> None:
    messages = [new_message(store, octets(n)) for n in range(3)]
    runs = 0

    def untold(tx: Tx) -> None:
        nonlocal runs
        runs += 1
        append(inbox, messages)(tx)

    connection[0].executed.clear()
    store.write_now(untold)
    assert runs == 2
    assert connection[0].count("COMMIT") == 1, "the first run flushed nothing"
    assert [read_message(store, inbox, uid) for uid in uids_of(store, inbox)] == [octets(n) for n in range(3)]
    assert freed(store) == []


def test_one_that_told_of_some_only_has_all_of_them_copied_anew(store: Store, inbox: int) -> None:
    messages = [new_message(store, octets(n)) for n in range(3)]
    store.write_now(WithContents((messages[1].content,), append(inbox, messages)))
    assert [read_message(store, inbox, uid) for uid in uids_of(store, inbox)] == [octets(n) for n in range(3)]
    assert [place[0] for place in freed(store)] == [1], "the first copy's place"
    put(store, inbox, octets(4))


def test_one_that_brings_others_each_time_is_refused(store: Store, inbox: int) -> None:
    def changing(tx: Tx) -> None:
        append(inbox, [new_message(store, octets(1))])(tx)

    with pytest.raises(StorageFailed, match="each time"):
        store.write_now(changing)
    assert store.failure is None
    put(store, inbox, octets(2))


def test_without_a_thread_to_be_had_a_message_is_refused_and_the_next_one_is_not(
    store: Store, inbox: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as crowded:
        crowded.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            put(store, inbox, octets(1))
    put(store, inbox, octets(2))


def test_those_that_wait_together_share_a_sync(store: Store, inbox: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = SlowSync(monkeypatch)
    first = store._writer.submit(append(inbox, [new_message(store, octets(0))]))
    assert sync.begun.wait(20)
    count = 0
    fdatasync = os.fdatasync

    def counted(fd: int) -> None:
        nonlocal count
        count += os.readlink(f"/proc/self/fd/{fd}").endswith(".seg")
        fdatasync(fd)

    others = [store._writer.submit(append(inbox, [new_message(store, octets(n))])) for n in range(1, 5)]
    monkeypatch.setattr(os, "fdatasync", counted)
    sync.go.set()
    for future in (first, *others):
        future.result(20)
    assert count == 1
    assert [read_message(store, inbox, uid) for uid in uids_of(store, inbox)] == [octets(n) for n in range(5)]


# ---- what goes wrong in between


def test_a_crash_between_copy_and_commit_costs_nothing(store: Store, inbox: int, tmp_path: Path) -> None:
    """What lies behind the recorded end belongs to nobody: the next content takes its place."""
    kept = put(store, inbox, octets(0))
    held = Held(store)
    lost = store._writer.submit(append(inbox, [new_message(store, octets(1))]))
    wait_until(lambda: store._writer._jobs.qsize() == 1)  # copied and synced; its commit has yet to come
    shutil.copytree(tmp_path / "home", tmp_path / "after")
    (tmp_path / "after" / "store.db-shm").unlink()
    held.release()
    lost.result(20)
    with open_store(tmp_path / "after") as again:
        assert uids_of(again, inbox) == [kept]
        new = put(again, inbox, octets(2))
        (first, second) = places(again)
        assert second[:2] == (first[0], first[1] + first[2])
        assert freed(again) == []
        assert files(again) == ["00000001.seg"]
        assert [read_message(again, inbox, uid) for uid in (kept, new)] == [octets(0), octets(2)]


def test_a_refused_change_s_place_is_given_back_with_the_next_commit(store: Store, inbox: int) -> None:
    put(store, inbox, octets(0))
    message = new_message(store, octets(1, 100_000))

    def refused(tx: Tx) -> None:
        append(inbox, [message])(tx)
        raise AddressTaken("bob@example.org")

    with pytest.raises(AddressTaken):
        store.write_now(WithContents((message.content,), refused))
    assert freed(store) == [], "nobody has gone past it yet"
    put(store, inbox, octets(2))
    first, second = places(store)
    gap = (1, first[1] + first[2], message.content.stored_octets)
    assert freed(store) == [gap]
    assert second[1] == gap[1] + gap[2]
    path = store.home / "blobs" / "00000001.seg"
    before = path.stat().st_blocks
    give_back(store)
    assert path.stat().st_blocks <= before - 100_000 // 512 + 16
    assert freed(store) == []
    assert [read_message(store, inbox, uid) for uid in uids_of(store, inbox)] == [octets(0), octets(2)]


def test_a_batch_that_is_undone_leaves_its_places_to_the_next_commit(
    store: Store, inbox: int, connection: list[Watched]
) -> None:
    put(store, inbox, octets(0))
    connection[0].fail["COMMIT"] = 5  # SQLITE_BUSY: another process had the database for too long
    with pytest.raises(StorageFailed):
        put(store, inbox, octets(1))
    assert store.failure is None
    put(store, inbox, octets(2))
    first, second = places(store)
    assert freed(store) == [(1, first[1] + first[2], second[1] - first[1] - first[2])]
    assert check(store) == []


def test_a_sync_that_fails_refuses_those_it_was_for_and_their_companions(
    store: Store, inbox: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, inbox, octets(0))
    begun, go = threading.Event(), threading.Event()

    def broken(fd: int) -> None:
        begun.set()
        assert go.wait(20)
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as card:
        card.setattr(os, "fdatasync", broken)
        large = store._writer.submit(append(inbox, [new_message(store, octets(1))]))
        assert begun.wait(20)
        small = store._writer.submit(append(inbox, [new_message(store, b"small")]))
        go.set()
        for future in (large, small):
            assert isinstance(future.exception(20), StorageFailed)
    assert "Input/output error" in (store.failure or "")
    assert len(uids_of(store, inbox)) == 1


def test_an_error_while_a_content_is_written_out_is_one_of_the_card(
    store: Store, inbox: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(copying, "push", broken)
    with pytest.raises(StorageFailed):
        put(store, inbox, octets(1))
    assert "Input/output error" in (store.failure or "")


def test_one_that_gives_up_while_it_is_copied_is_refused_alone(
    store: Store, inbox: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = new_message(store, octets(1, 400_000))
    message.content.discard()
    with pytest.raises(ValueError):
        store.write_now(append(inbox, [message]))
    assert store.failure is None
    put(store, inbox, octets(2))


def test_a_content_that_is_added_twice_lies_there_twice(store: Store, inbox: int) -> None:
    content = store.spool_bytes(octets(1))
    store.write_now(append(inbox, [NewMessage(content, 0, "", 0), NewMessage(content, 0, "", 0)]))
    assert [read_message(store, inbox, uid) for uid in uids_of(store, inbox)] == [octets(1)] * 2


def test_whatever_waits_when_the_store_is_closed_is_done_first(tmp_path: Path) -> None:
    with open_store(tmp_path / "home") as store:
        inbox = mailbox_of(store, new_account(store).id).id
        held = Held(store)
        futures = [store._writer.submit(append(inbox, [new_message(store, octets(n))])) for n in range(5)]
        untold = append(inbox, [new_message(store, octets(n)) for n in range(5, 8)])
        futures.append(store._writer.submit(lambda tx: untold(tx)))
        closing = threading.Thread(target=store.close)
        closing.start()
        wait_until(lambda: store._writer._closed)
        held.release()
        closing.join(20)
        for future in futures:
            future.result(0)


# ---- several processes


def test_two_at_once_append_to_segments_of_their_own(store: Store, inbox: int, tmp_path: Path) -> None:
    """A lock belongs to an open file, so that two stores of one process stand for two processes."""
    other = Store(store.home, scratch=tmp_path)
    try:
        seeds = iter(range(40))
        lock = threading.Lock()

        def work(mine: Store) -> None:
            while True:
                with lock:
                    seed = next(seeds, None)
                if seed is None:
                    return
                put(mine, inbox, octets(seed))

        threads = [threading.Thread(target=work, args=(mine,)) for mine in (store, other) * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(read_message(store, inbox, uid) for uid in uids_of(store, inbox)) == sorted(
            octets(n) for n in range(40)
        )
        assert check(store) == []
        assert freed(store) == []
    finally:
        other.close()


def test_what_another_holds_is_not_taken_and_not_removed_until_it_lets_go(
    store: Store, inbox: int, tmp_path: Path
) -> None:
    uid = put(store, inbox, octets(0))
    other = Store(store.home, scratch=tmp_path)
    put(other, inbox, octets(1))
    assert [place[0] for place in places(store)] == [1, 2]
    store.write_now(remove(inbox, [uid]))
    give_back(store)
    assert files(store) == ["00000001.seg", "00000002.seg"], "empty, but its holder may be about to append"
    again = put(store, inbox, octets(2))
    assert [place[0] for place in places(store)] == [2, 1]
    store.write_now(remove(inbox, [again]))
    other.close()
    third = Store(store.home, scratch=tmp_path)
    try:
        put(third, inbox, octets(3))
        assert [place[0] for place in places(store)] == [2, 2], "the one that was let go of"
    finally:
        third.close()


def test_a_file_that_a_crash_left_without_a_row_is_taken_next(store: Store, inbox: int) -> None:
    (store.home / "blobs").mkdir(mode=0o700)
    (store.home / "blobs" / "00000001.seg").write_bytes(b"left by a process that was killed before its commit")
    uid = put(store, inbox, octets(0))
    assert files(store) == ["00000001.seg"]
    assert read_message(store, inbox, uid) == octets(0)


def test_a_file_whose_row_went_is_removed_but_never_one_that_a_message_needs(store: Store, inbox: int) -> None:
    for n in range(14):
        put(store, inbox, octets(n))
    assert files(store) == ["00000001.seg", "00000002.seg"]
    path = store.home / "blobs" / "00000001.seg"
    whole = store.read_now(lambda c: c.execute("SELECT * FROM segments WHERE id = 1").fetchall())
    store.write_now(lambda tx: tx.connection.execute("DELETE FROM segments WHERE id = 1"))
    give_back(store)
    assert path.exists(), "damage of one table must not become loss of mail"
    store.write_now(lambda tx: tx.connection.execute("INSERT INTO segments VALUES (?, ?, ?)", whole[0]))
    store.write_now(remove(inbox, uids_of(store, inbox)))
    store.write_now(lambda tx: tx.connection.execute("DELETE FROM segments WHERE id = 1"))
    give_back(store)
    assert files(store) == ["00000002.seg"]


def test_a_sweep_that_fails_leaves_no_transaction_open(
    store: Store, inbox: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = put(store, inbox, octets(0))
    store.write_now(remove(inbox, [uid]))

    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as crowded:
        crowded.setattr(segments.Segments, "_choosing", refuse)
        store._writer._free_upto = 1
        store._writer._free_at = 0.0
        store.write_now(set_setting("wake", "up"))
        wait_until(lambda: store._writer._free_at > 0.0)
    put(store, inbox, octets(1))
    assert store.failure is None
