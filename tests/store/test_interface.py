"""The one door: room on the card, contents, two processes at once, snapshots that stand still."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.store import interface
from appliance.store.changes.accounts import set_setting
from appliance.store.changes.messages import remove
from appliance.store.interface import Store
from appliance.store.messages import rows, snapshot
from appliance.store.quota import Use, use_of
from appliance.store.refusals import NoSuchMessage, StorageLow
from tests.support.stores import mailbox_of, new_account, octets_of, open_store, put, read_message, uids_of

MIB = 1024 * 1024


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "home") as store:
        yield store


@pytest.mark.parametrize(
    ("card_mib", "free_mib", "more_mib", "low"),
    [
        (32 * 1024, 201, 0, False),
        (32 * 1024, 199, 0, True),
        (32 * 1024, 230, 29, False),
        (32 * 1024, 230, 31, True),
        (1024, 52, 0, False),  # on a small card the reserve is a twentieth
        (1024, 51, 0, True),
        (1024, 0, 0, True),
    ],
)
def test_the_reserve_is_not_touched(
    store: Store, monkeypatch: pytest.MonkeyPatch, card_mib: int, free_mib: int, more_mib: int, low: bool
) -> None:
    card = SimpleNamespace(f_frsize=4096, f_blocks=card_mib * 256, f_bavail=free_mib * 256, f_bfree=free_mib * 256)
    monkeypatch.setattr(interface.os, "statvfs", lambda path: card)
    if low:
        with pytest.raises(StorageLow):
            store.need_room(more_mib * MIB)
    else:
        store.need_room(more_mib * MIB)


def test_on_a_full_card_deleting_still_works(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox = mailbox_of(store, new_account(store).id).id
    uid = put(store, inbox, b"x")
    card = SimpleNamespace(f_frsize=4096, f_blocks=10**6, f_bavail=0, f_bfree=0)
    monkeypatch.setattr(interface.os, "statvfs", lambda path: card)
    assert store.write_now(remove(inbox, [uid])) == [uid]


async def test_the_forms_for_the_loop_and_for_threads_are_the_same(store: Store) -> None:
    await store.write(set_setting("a", "1"))
    store.write_now(set_setting("b", "2"))
    query = "SELECT key, value FROM settings ORDER BY key"
    for found in (
        await store.read(lambda c: c.execute(query).fetchall()),
        await asyncio.to_thread(store.read_now, lambda c: c.execute(query).fetchall()),
    ):
        assert found == [("a", "1"), ("b", "2")]


async def test_what_a_query_raises_comes_to_its_caller_and_the_next_one_works(store: Store) -> None:
    def wrong(connection: Any) -> None:
        raise KeyError("a bug")

    for _ in range(5):
        with pytest.raises(KeyError):
            await store.read(wrong)
    assert await store.read(lambda c: c.execute("SELECT 1").fetchone()) == (1,)


def test_a_query_cannot_write(store: Store) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        store.read_now(lambda c: c.execute("DELETE FROM settings"))


def test_a_query_sees_one_instant_and_holds_up_no_writer(store: Store) -> None:
    inbox = mailbox_of(store, new_account(store).id).id
    put(store, inbox, b"first")

    def look(connection: Any) -> tuple[int, int]:
        before = len(snapshot(connection, inbox))
        writing = threading.Thread(target=put, args=(store, inbox, b"second"))
        writing.start()
        writing.join(20)
        assert not writing.is_alive()
        return before, len(snapshot(connection, inbox))

    assert store.read_now(look) == (1, 1)
    assert len(uids_of(store, inbox)) == 2


def test_a_reader_does_not_wait_for_the_writer(store: Store) -> None:
    begun, release = threading.Event(), threading.Event()

    def slow(tx: Any) -> None:
        set_setting("a", "1")(tx)
        begun.set()
        assert release.wait(20)

    future = store._writer.submit(slow)
    assert begun.wait(20)
    assert store.read_now(lambda c: c.execute("SELECT count(*) FROM settings").fetchone()) == (0,)
    release.set()
    future.result(20)


def test_two_processes_worth_of_stores_see_each_others_changes_at_once(tmp_path: Path) -> None:
    with open_store(tmp_path / "home") as here, open_store(tmp_path / "home") as there:
        inbox = mailbox_of(here, new_account(here).id).id
        stores, uids = (here, there), []
        for n in range(20):
            uids.append(put(stores[n % 2], inbox, os.urandom(60_000 if n % 3 == 0 else 100)))
            assert uids_of(stores[(n + 1) % 2], inbox) == uids
        for uid in uids:
            assert read_message(here, inbox, uid) == read_message(there, inbox, uid)


def test_two_stores_that_write_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    with open_store(tmp_path / "home") as here, open_store(tmp_path / "home") as there:
        inbox = mailbox_of(here, new_account(here).id).id
        contents = {store: [os.urandom(60_000 if n % 5 == 0 else 300) for n in range(25)] for store in (here, there)}
        threads = [
            threading.Thread(target=lambda s=store: [put(s, inbox, octets) for octets in contents[s]])
            for store in (here, there)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        uids = uids_of(here, inbox)
        assert uids == list(range(1, 51))
        found = [read_message(here, inbox, uid) for uid in uids]
        assert sorted(found) == sorted([*contents[here], *contents[there]])
        for store in (here, there):
            assert [octets for octets in found if octets in contents[store]] == contents[store], "each in its own order"


def test_the_id_of_a_content_is_never_given_again(store: Store) -> None:
    """A reader may still hold it: it must find nothing, and never another message."""
    inbox = mailbox_of(store, new_account(store).id).id
    seen: set[int] = set()
    for n in range(12):
        uid = put(store, inbox, b"message %d" % n)
        (row,) = store.read_now(lambda c, u=uid: rows(c, inbox, [u]))
        assert row.blob_id not in seen
        seen.add(row.blob_id)
        store.write_now(remove(inbox, [uid]))
        with pytest.raises(NoSuchMessage):
            store.content(row.blob_id)
    assert store.read_now(lambda c: c.execute("SELECT count(*) FROM blobs").fetchone()) == (1,), "emptied rows go"


def test_the_id_is_not_given_again_after_a_restart_either(tmp_path: Path) -> None:
    for n in range(1, 4):
        with open_store(tmp_path / "home") as store:
            account = new_account(store, f"bob{n}@example.org")
            inbox = mailbox_of(store, account.id).id
            uid = put(store, inbox, b"x")
            (row,) = store.read_now(lambda c, i=inbox, u=uid: rows(c, i, [u]))
            assert row.blob_id == n
            store.write_now(remove(inbox, [uid]))


def test_a_content_is_a_value_that_can_be_read_again_and_after_the_row_is_gone(store: Store) -> None:
    inbox = mailbox_of(store, new_account(store).id).id
    uid = put(store, inbox, b"kept")
    (row,) = store.read_now(lambda c: rows(c, inbox, [uid]))
    content = store.content(row.blob_id)
    assert octets_of(content) == octets_of(content) == b"kept"
    store.write_now(remove(inbox, [uid]))
    assert octets_of(content) == b"kept"


def test_rows_come_in_the_order_of_uids_whatever_was_asked(store: Store) -> None:
    inbox = mailbox_of(store, new_account(store).id).id
    uids = [put(store, inbox, b"%d" % n) for n in range(5)]
    asked = [uids[3], 999, uids[0], *range(2000, 3200), uids[4], uids[1]]
    assert [row.uid for row in store.read_now(lambda c: rows(c, inbox, asked))] == [uids[0], uids[1], uids[3], uids[4]]
    assert store.read_now(lambda c: use_of(c, 1)) == Use(5, 5)
