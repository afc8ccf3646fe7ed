"""UIDs, MODSEQ, tombstones, flags and the events about them; what the model does not reach."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.status.bus import Bus
from appliance.status.events import MailboxChanged
from appliance.store.changes.flags import store_flags
from appliance.store.changes.messages import append, copy, expunge, move, remove
from appliance.store.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN, join_keywords, to_bits, to_names
from appliance.store.interface import Store
from appliance.store.messages import changed_since, flags_of, rows, snapshot
from appliance.store.refusals import NoSuchMailbox
from tests.support import strategies
from tests.support.stores import INTERNAL_DATE, mailbox_of, new_account, new_message, open_store, put, recorded, uids_of


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "home", bus=Bus()) as store:
        new_account(store)
        yield store


@pytest.fixture
def inbox(store: Store) -> int:
    return mailbox_of(store, 1).id


@pytest.fixture
def archive(store: Store) -> int:
    return mailbox_of(store, 1, "Archive").id


def told(store: Store, events: list[object]) -> list[MailboxChanged]:
    store.close()
    return [event for event in events if isinstance(event, MailboxChanged)]


def test_uids_are_never_given_again(store: Store, inbox: int) -> None:
    first = [put(store, inbox, b"x") for _ in range(3)]
    store.write_now(remove(inbox, first))
    assert put(store, inbox, b"y") == first[-1] + 1


def test_who_was_away_is_told_what_changed_and_what_went(store: Store, inbox: int) -> None:
    """RFC 7162: QRESYNC."""
    uids = [put(store, inbox, b"%d" % n) for n in range(5)]
    then = mailbox_of(store, 1).highest_modseq
    store.write_now(store_flags(inbox, uids[:2], "+", SEEN, ""))
    store.write_now(remove(inbox, [uids[4], uids[3]]))
    new = put(store, inbox, b"new")
    changed, gone = store.read_now(lambda c: changed_since(c, inbox, then))
    assert [uid for uid, *_ in changed] == [*uids[:2], new]
    assert gone == uids[3:]
    now = mailbox_of(store, 1).highest_modseq
    assert store.read_now(lambda c: changed_since(c, inbox, now)) == ([], [])
    assert max(modseq for *_, modseq in changed) == now


def test_each_kind_of_change_has_a_modseq_of_its_own(store: Store, inbox: int, archive: int) -> None:
    """Who has seen everything up to one of them is told of the next, an expunge too."""
    uids = [put(store, inbox, b"%d" % n) for n in range(4)]
    for change in (
        append(inbox, [new_message(store, b"x")]),
        store_flags(inbox, uids[:1], "+", SEEN | DELETED, ""),
        copy(inbox, uids[:1], inbox),
        expunge(inbox, uids[:1]),
        remove(inbox, uids[1:2]),
        move(inbox, uids[2:3], archive),
    ):
        seen = mailbox_of(store, 1).highest_modseq
        store.write_now(change)
        assert mailbox_of(store, 1).highest_modseq == seen + 1
        changed, gone = store.read_now(lambda c, seen=seen: changed_since(c, inbox, seen))
        assert bool(changed) != bool(gone)


def test_one_change_has_one_modseq_and_what_changes_nothing_has_none(store: Store, inbox: int, archive: int) -> None:
    uids = [put(store, inbox, b"x", flags=SEEN) for _ in range(3)]
    before = mailbox_of(store, 1).highest_modseq
    store.write_now(store_flags(inbox, uids, "+", SEEN, ""))
    store.write_now(expunge(inbox))
    store.write_now(remove(inbox, [999]))
    store.write_now(copy(inbox, [999], archive))
    store.write_now(move(inbox, [], archive))
    store.write_now(append(inbox, []))
    assert mailbox_of(store, 1).highest_modseq == before
    assert mailbox_of(store, 1, "Archive").highest_modseq == 1
    now = store.write_now(store_flags(inbox, uids, "+", FLAGGED, ""))
    assert {modseq for *_, modseq in now} == {before + 1} == {mailbox_of(store, 1).highest_modseq}


def test_a_flag_that_was_there_keeps_the_modseq_of_its_message(store: Store, inbox: int) -> None:
    seen, unseen = put(store, inbox, b"x", flags=SEEN), put(store, inbox, b"y")
    (_, *_, modseq), _ = store.read_now(lambda c: snapshot(c, inbox))
    store.write_now(store_flags(inbox, [seen, unseen], "+", SEEN, ""))
    after = {uid: m for uid, *_, m in store.read_now(lambda c: flags_of(c, inbox, [seen, unseen]))}
    assert after[seen] == modseq
    assert after[unseen] > modseq


def test_a_flag_change_of_a_mailbox_that_is_gone_is_refused(store: Store) -> None:
    with pytest.raises(NoSuchMailbox):
        store.write_now(store_flags(99, [1], "+", SEEN, ""))


def test_a_copy_keeps_flags_and_internal_date_and_a_move_leaves_a_tombstone(
    store: Store, inbox: int, archive: int
) -> None:
    message = new_message(store, b"x", SEEN | ANSWERED, "$Junk later")
    store.write_now(append(inbox, [message]))
    store.write_now(copy(inbox, [1], archive))
    _, pairs = store.write_now(move(inbox, [1], archive))
    assert pairs == [(1, 2)]
    for row in store.read_now(lambda c: rows(c, archive, [1, 2])):
        assert (row.flags, row.keywords, row.internal_date) == (SEEN | ANSWERED, "$Junk later", INTERNAL_DATE)
    assert store.read_now(lambda c: changed_since(c, inbox, 0)) == ([], [1])


def test_a_move_within_one_mailbox_gives_new_uids(store: Store, inbox: int) -> None:
    uids = [put(store, inbox, b"%d" % n) for n in range(2)]
    _, pairs = store.write_now(move(inbox, uids, inbox))
    assert pairs == [(1, 3), (2, 4)]
    assert uids_of(store, inbox) == [3, 4]


def test_what_happened_to_a_mailbox_is_told(store: Store, inbox: int, archive: int) -> None:
    events: list[object] = []
    store.bus.subscribe(events.append)
    message = [new_message(store, b"x"), new_message(store, b"y")]
    store.write_now(append(inbox, message))
    store.write_now(store_flags(inbox, [2, 1], "+", DELETED, ""))
    store.write_now(move(inbox, [1], archive))
    store.write_now(expunge(inbox))
    changes = [(e.mailbox_id, e.appended, e.flagged, e.expunged) for e in told(store, events)]
    assert changes == [
        (inbox, (1, 2), (), ()),
        (inbox, (), (2, 1), ()),
        (archive, (1,), (), ()),
        (inbox, (), (), (1,)),
        (inbox, (), (), (2,)),
    ]


def test_nothing_is_told_of_what_did_not_happen(store: Store, inbox: int) -> None:
    events = recorded(store.bus)
    put(store, inbox, b"x", flags=SEEN)
    events.clear()
    store.write_now(store_flags(inbox, [1], "+", SEEN, ""))
    store.write_now(expunge(inbox))
    store.write_now(copy(inbox, [], inbox))
    assert told(store, list(events)) == []


@pytest.mark.parametrize(
    ("names", "bits", "keywords"),
    [
        ([], 0, ""),
        (["\\Seen"], SEEN, ""),
        (["\\SEEN", "\\seen", "\\dRAFT"], SEEN | DRAFT, ""),
        (["\\Recent", "\\Nonsense"], 0, ""),
        (["later", "$Junk", "Later"], 0, "$Junk later"),
        (["b", "A", "c"], 0, "A b c"),
    ],
)
def test_flag_names_become_bits_and_keywords(names: list[str], bits: int, keywords: str) -> None:
    found = to_bits(names)
    assert found[0] == bits
    assert found[1].lower() == keywords.lower()


@settings(max_examples=100, deadline=None)
@given(strategies.flag_names)
def test_names_survive_the_way_through_the_store(names: set[str]) -> None:
    assert set(to_names(*to_bits(names))) == names


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["a", "A", "b", "$c", "$C"])))
def test_two_spellings_of_a_keyword_are_one(keywords: list[str]) -> None:
    joined = join_keywords(keywords).split()
    assert len(joined) == len({k.lower() for k in keywords})
    assert [k.lower() for k in joined] == sorted({k.lower() for k in keywords})
    for kept in joined:
        assert kept == next(k for k in keywords if k.lower() == kept.lower())
