"""A power cut leaves the write-ahead log short, or its last frame torn: what is left is a prefix of the changes.

The log of a store that stands still is cut at every frame, and in the middle of every frame, and each copy is opened.
That is what a cut leaves of changes that were not flushed, lazy ones above all: they may be lost, but never alone and
never in the middle.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.store import segments
from appliance.store.changes.accounts import add_account, set_alias
from appliance.store.changes.delivery import DeliveryPlan, Dispatch, Filing, Forwarding, deliver
from appliance.store.changes.flags import store_flags
from appliance.store.changes.mailboxes import create_mailbox, rename_mailbox
from appliance.store.changes.messages import append, expunge, move
from appliance.store.changes.queue import note_attempt, settle
from appliance.store.check import check
from appliance.store.flags import DELETED, SEEN
from appliance.store.interface import Store
from appliance.store.mailboxes import list_mailboxes
from appliance.store.messages import rows, snapshot
from appliance.store.queue_rows import all_recipients
from tests.support.stores import INTERNAL_DATE, new_message, octets_of

WAL_HEADER, FRAME = 32, 24 + 4096
LARGE = random.Random(11).randbytes(120_000)


def changes(store: Store) -> list[tuple[Callable[[Any], Any], bool]]:
    """(change, durable), one transaction each; INBOX is mailbox 1, Archive 4."""
    plan = DeliveryPlan(
        trace_id="t",
        content=store.spool_bytes(b"Subject: both\r\n\r\n" + LARGE[:90_000]),
        prefix=b"Return-Path: <>\r\n",
        internal_date=INTERNAL_DATE,
        filings=(Filing(1, "bob", "bob"),),
        dispatches=(Dispatch("", (Forwarding("a@b.c", "b.c"), Forwarding("d@e.f", "e.f")), b""),),
    )
    return [
        (add_account("bob@example.org", "hash"), True),
        (append(1, [new_message(store, b"first"), new_message(store, LARGE[:60_000])]), True),
        (store_flags(1, [1], "+", SEEN, "$later"), False),
        (deliver(plan), True),
        (note_attempt([1, 2], 2e9, 1e9), True),
        (store_flags(1, [2], "+", DELETED, ""), False),
        (settle(gone=[1]), True),
        (move(1, [1], 4), True),
        (expunge(1), True),
        (set_alias("info@example.org", ["bob@example.org"]), True),
        (create_mailbox(1, "a/b"), True),
        (rename_mailbox(1, "a", "c"), True),
        (append(1, [new_message(store, LARGE)]), True),
        (settle(gone=[2]), True),
    ]


def state_of(store: Store) -> Any:
    """All that anybody can see of the store, contents included."""

    def look(connection: Any) -> Any:
        seen = []
        for mailbox in list_mailboxes(connection, 1):
            found = snapshot(connection, mailbox.id)
            contents = [
                (row.prefix, octets_of(store.content_in(connection, row.blob_id)))
                for row in rows(connection, mailbox.id, [uid for uid, *_ in found])
            ]
            seen.append((mailbox, found, contents))
        accounts = connection.execute("SELECT * FROM accounts").fetchall()
        aliases = connection.execute("SELECT * FROM aliases").fetchall()
        return accounts, aliases, seen, all_recipients(connection)

    return store.read_now(look)


def test_a_cut_anywhere_in_the_log_leaves_a_prefix_of_the_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "SEGMENT_OCTETS", 256 * 1024)
    home, copy = tmp_path / "home", tmp_path / "copy"
    store = Store(home, scratch=tmp_path)
    states = [state_of(store)]
    todo = changes(store)
    for change, durable in todo:
        store.write_now(change, durable=durable)
        states.append(state_of(store))
    assert len({repr(state) for state in states}) == len(todo) + 1
    copy.mkdir()
    shutil.copytree(home / "blobs", copy / "blobs")
    database, wal = (home / "store.db").read_bytes(), (home / "store.db-wal").read_bytes()
    store.close()
    frames = (len(wal) - WAL_HEADER) // FRAME
    assert frames > 2 * len(todo)

    reached = 0
    ends = [0, WAL_HEADER - 1]
    for frame in range(frames + 1):
        whole = WAL_HEADER + frame * FRAME
        ends += [whole] if frame == frames else [whole, whole + 24, whole + FRAME - 1]
    for end in ends:
        for name in ("store.db-shm", "store.db-wal"):
            (copy / name).unlink(missing_ok=True)
        (copy / "store.db").write_bytes(database)
        (copy / "store.db-wal").write_bytes(wal[:end])
        cut = Store(copy, scratch=tmp_path)
        try:
            state = state_of(cut)
            assert check(cut, contents=end % FRAME == WAL_HEADER) == []
        finally:
            cut.close()
        assert state in states[reached : reached + 2], f"cut at {end}: not the next state"
        reached = states.index(state)
    assert reached == len(todo), "the whole log holds all changes"


def test_a_torn_frame_in_the_middle_takes_what_follows_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A card may write the frames of several transactions in any order before a flush: a gap must not be bridged."""
    monkeypatch.setattr(segments, "SEGMENT_OCTETS", 256 * 1024)
    home, copy = tmp_path / "home", tmp_path / "copy"
    store = Store(home, scratch=tmp_path)
    states = [state_of(store)]
    for change, durable in changes(store):
        store.write_now(change, durable=durable)
        states.append(state_of(store))
    copy.mkdir()
    shutil.copytree(home / "blobs", copy / "blobs")
    database, wal = (home / "store.db").read_bytes(), (home / "store.db-wal").read_bytes()
    store.close()
    for torn in range((len(wal) - WAL_HEADER) // FRAME):
        at = WAL_HEADER + torn * FRAME + 24
        for name in ("store.db-shm", "store.db-wal"):
            (copy / name).unlink(missing_ok=True)
        (copy / "store.db").write_bytes(database)
        (copy / "store.db-wal").write_bytes(wal[:at] + bytes(512) + b"\xff" * 16 + wal[at + 528 :])
        cut = Store(copy, scratch=tmp_path)
        try:
            assert state_of(cut) in states[:-1]
            assert check(cut, contents=False) == []
        finally:
            cut.close()
