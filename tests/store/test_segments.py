"""Large contents lie in segment files: written once, given back once nobody reads them, never in each other's way."""

from __future__ import annotations

import itertools
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.mail.content import Content
from appliance.store import card_calls, segments, writer
from appliance.store.changes.accounts import remove_account, set_setting
from appliance.store.changes.messages import NewMessage, append, copy, remove
from appliance.store.database import connect_writer
from appliance.store.interface import Store
from appliance.store.messages import rows
from appliance.store.refusals import Damaged, NoSuchMessage, StorageFailed
from appliance.store.transaction import IN_DATABASE_OCTETS
from tests.support.stores import (
    mailbox_of,
    new_account,
    new_message,
    octets_of,
    open_store,
    put,
    read_message,
    uids_of,
    wait_until,
)

SEGMENT = 256 * 1024


def octets(seed: int, size: int = 60_000) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(segments, "SEGMENT_OCTETS", SEGMENT)
    with open_store(tmp_path / "home") as store:
        yield store


@pytest.fixture
def inbox(store: Store) -> int:
    return mailbox_of(store, new_account(store).id).id


def places(store: Store) -> list[tuple[int | None, int, int]]:
    return store.read_now(
        lambda c: c.execute(
            "SELECT segment_id, position, stored_octets FROM blobs WHERE refs > 0 ORDER BY id"
        ).fetchall()
    )


def files(store: Store) -> list[str]:
    return sorted(os.listdir(store.home / "blobs")) if (store.home / "blobs").exists() else []


def sweep(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rounds of giving back, as after some minutes."""
    with monkeypatch.context() as soon:
        soon.setattr(writer, "FREE_AFTER_S", 0.01)
        rounds = []
        give_back = store._segments.give_back
        soon.setattr(store._segments, "give_back", lambda *args: rounds.append(give_back(*args)) or rounds[-1])
        store._writer._free_at = 0.0
        store.write_now(set_setting("wake", "up"))
        wait_until(lambda: len(rounds) >= 3)


def test_the_compressed_size_decides_where_a_content_lies(store: Store, inbox: int) -> None:
    put(store, inbox, b"compresses well " * 20_000)
    put(store, inbox, octets(1, IN_DATABASE_OCTETS - 100))
    assert files(store) == []
    put(store, inbox, octets(2, IN_DATABASE_OCTETS + 100))
    assert [segment for segment, _, _ in places(store)] == [None, None, 1]
    assert files(store) == ["00000001.seg"]


def test_contents_follow_each_other_and_a_full_segment_is_followed_by_the_next(store: Store, inbox: int) -> None:
    uids = [put(store, inbox, octets(n)) for n in range(6)]
    found = places(store)
    assert [segment for segment, _, _ in found] == [1, 1, 1, 1, 2, 2]
    for (a, at, length), (b, position, _) in itertools.pairwise(found):
        assert position == (at + length if a == b else 0)
    assert [read_message(store, inbox, uid) for uid in uids] == [octets(n) for n in range(6)]


def test_a_content_larger_than_a_segment_gets_one_of_its_own(store: Store, inbox: int) -> None:
    put(store, inbox, octets(1))
    huge = put(store, inbox, octets(2, 2 * SEGMENT))
    put(store, inbox, octets(3))
    assert [segment for segment, _, _ in places(store)] == [1, 2, 1], "what room is left is used"
    assert read_message(store, inbox, huge) == octets(2, 2 * SEGMENT)


def test_a_segment_is_preallocated_and_synced_before_it_is_used(
    store: Store, inbox: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file, its folder and the folder above: after a power cut the name must still lead to the blocks."""
    synced: list[str] = []
    fsync, fdatasync = os.fsync, os.fdatasync

    def name(fd: int) -> str:
        return os.path.relpath(os.readlink(f"/proc/self/fd/{fd}"), store.home)

    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(name(fd)), fsync(fd)))
    monkeypatch.setattr(os, "fdatasync", lambda fd: (synced.append(name(fd)), fdatasync(fd)))
    put(store, inbox, octets(1))
    assert synced == ["blobs/00000001.seg", "blobs", ".", "blobs/00000001.seg"]
    assert (store.home / "blobs" / "00000001.seg").stat().st_size == SEGMENT
    assert (store.home / "blobs" / "00000001.seg").stat().st_mode & 0o777 == 0o600
    synced.clear()
    put(store, inbox, octets(2))
    assert synced == ["blobs/00000001.seg"]
    synced.clear()
    put(store, inbox, b"small")
    assert synced == []


def test_a_refused_changes_octets_are_written_over(store: Store, inbox: int) -> None:
    kept = put(store, inbox, octets(1))
    message = new_message(store, octets(2))
    with pytest.raises(StorageFailed):
        store.write_now(lambda tx: (append(inbox, [message])(tx), _refuse()))
    message.content.discard()
    after = put(store, inbox, octets(3))
    assert [place[:2] for place in places(store)] == [(1, 0), (1, places(store)[0][2])]
    assert [read_message(store, inbox, uid) for uid in (kept, after)] == [octets(1), octets(3)]


def _refuse() -> None:
    raise StorageFailed("on purpose")


def test_a_spool_that_ends_early_refuses_that_message_alone(
    store: Store, inbox: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = new_message(store, octets(1, 400_000))
    monkeypatch.setattr(message.content, "read", lambda offset, length: b"")
    with pytest.raises(StorageFailed, match="ended early"):
        store.write_now(append(inbox, [message]))
    message.content.discard()
    assert store.failure is None
    put(store, inbox, octets(2))


def test_dropped_contents_stay_readable_for_a_while_and_then_give_their_blocks_back(
    store: Store, inbox: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    uids = [put(store, inbox, octets(n)) for n in range(3)]
    (row,) = store.read_now(lambda c: rows(c, inbox, [uids[1]]))
    held = store.content(row.blob_id)
    path = store.home / "blobs" / "00000001.seg"
    store.write_now(remove(inbox, [uids[1]]))
    before = path.stat().st_blocks
    assert octets_of(held) == octets(1)
    with pytest.raises(NoSuchMessage):
        store.content(row.blob_id)
    sweep(store, monkeypatch)
    assert path.stat().st_blocks < before
    assert path.stat().st_size == SEGMENT
    with pytest.raises(Damaged):
        octets_of(held)
    assert [read_message(store, inbox, uid) for uid in (uids[0], uids[2])] == [octets(0), octets(2)]
    assert store.read_now(lambda c: c.execute("SELECT count(*) FROM freed").fetchone()) == (0,)


def test_what_was_dropped_after_the_last_round_is_not_given_back_in_this_one(store: Store, inbox: int) -> None:
    first, second = (put(store, inbox, octets(n)) for n in range(2))
    held = {uid: _content_of(store, inbox, uid) for uid in (first, second)}
    store.write_now(remove(inbox, [first]))
    upto = _round(store, 0)
    assert octets_of(held[first]) == octets(0)
    store.write_now(remove(inbox, [second]))
    upto = _round(store, upto)
    with pytest.raises(Damaged):
        octets_of(held[first])
    assert octets_of(held[second]) == octets(1)
    left = store.read_now(lambda c: c.execute("SELECT position FROM freed").fetchall())
    assert len(left) == 1
    assert _round(store, upto) == upto
    assert store.read_now(lambda c: c.execute("SELECT count(*) FROM freed").fetchone()) == (0,)


def test_an_empty_segment_stays_for_as_long_as_its_last_reader_may(store: Store, inbox: int) -> None:
    uids = [put(store, inbox, octets(n)) for n in range(5)]
    held = _content_of(store, inbox, uids[3])
    store.write_now(remove(inbox, uids[:4]))
    upto = _round(store, 0)
    assert octets_of(held) == octets(3)
    _round(store, upto)
    assert files(store) == ["00000002.seg"]


def _content_of(store: Store, mailbox_id: int, uid: int) -> Content:
    (row,) = store.read_now(lambda c: rows(c, mailbox_id, [uid]))
    return store.content(row.blob_id)


def _round(store: Store, upto: int) -> int:
    """On a connection of our own, as another process would."""
    connection = connect_writer(store.home / "store.db")
    try:
        return store._segments.give_back(connection, upto)
    finally:
        connection.close()


def test_an_empty_segment_goes_once_it_is_not_the_last(
    store: Store, inbox: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    uids = [put(store, inbox, octets(n)) for n in range(5)]
    assert files(store) == ["00000001.seg", "00000002.seg"]
    store.write_now(remove(inbox, uids))
    sweep(store, monkeypatch)
    assert files(store) == ["00000002.seg"]
    put(store, inbox, octets(9))
    assert places(store)[0][0] == 2


def test_what_another_process_dropped_is_given_back_after_a_restart_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `merpati account remove` does: it ends long before the blocks can be given back."""
    monkeypatch.setattr(segments, "SEGMENT_OCTETS", SEGMENT)
    home = tmp_path / "home"
    with open_store(home) as store:
        account = new_account(store)
        for n in range(5):
            put(store, mailbox_of(store, account.id).id, octets(n))
        store.write_now(remove_account(account.address))
    with open_store(home) as store:
        assert files(store) == ["00000001.seg", "00000002.seg"]
        sweep(store, monkeypatch)
        assert files(store) == ["00000002.seg"]
        assert (home / "blobs" / "00000002.seg").stat().st_blocks < SEGMENT // 512


def test_nothing_is_given_back_once_the_card_has_failed(
    store: Store, inbox: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then nobody knows whether the commit that dropped a content is on the card."""
    uid = put(store, inbox, octets(1))
    store.write_now(remove(inbox, [uid]))
    rounds: list[object] = []
    monkeypatch.setattr(store._segments, "give_back", lambda *args: rounds.append(args))
    store._writer.failure = "on purpose"
    store._writer._free_blocks()
    assert rounds == []
    store._writer.failure = None


def test_a_file_system_without_preallocation_or_holes_will_do(
    store: Store, inbox: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    class NoHoles:
        @staticmethod
        def fallocate(*_: object) -> int:
            return -1

    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    monkeypatch.setattr(card_calls, "_libc", NoHoles)  # nor does it write out in pieces
    uids = [put(store, inbox, octets(n)) for n in range(2)]
    store.write_now(remove(inbox, uids[:1]))
    sweep(store, monkeypatch)
    assert read_message(store, inbox, uids[1]) == octets(1)


def test_a_copy_shares_the_content_and_the_last_reference_frees_it(store: Store, inbox: int) -> None:
    target = mailbox_of(store, 1, "Archive").id
    uid = put(store, inbox, octets(1))
    store.write_now(copy(inbox, [uid], target))
    assert len(places(store)) == 1
    store.write_now(remove(inbox, [uid]))
    (copied,) = uids_of(store, target)
    assert read_message(store, target, copied) == octets(1)
    store.write_now(remove(target, [copied]))
    assert places(store) == []


def test_a_segment_that_is_missing_is_damage_of_its_messages_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "SEGMENT_OCTETS", SEGMENT)
    home = tmp_path / "home"
    with open_store(home) as store:
        inbox = mailbox_of(store, new_account(store).id).id
        large, small = put(store, inbox, octets(1)), put(store, inbox, b"small")
        kept = tmp_path / "kept"
        shutil.move(home / "blobs", kept)
        with pytest.raises(Damaged):
            read_message(store, inbox, large)
        assert read_message(store, inbox, small) == b"small"
        shutil.move(kept, home / "blobs")


def test_one_change_may_append_many(store: Store, inbox: int) -> None:
    new = [NewMessage(store.spool_bytes(octets(n)), 0, "", 0) for n in range(7)]
    store.write_now(append(inbox, new))
    assert [read_message(store, inbox, uid) for uid in uids_of(store, inbox)] == [octets(n) for n in range(7)]
