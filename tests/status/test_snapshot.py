"""The snapshot is what the events say: each kind of event changes what it should and nothing else."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.status.board import Board
from appliance.status.bus import Bus
from appliance.status.events import (
    AccountsChanged,
    AddressKnown,
    Attempted,
    Bounced,
    Event,
    Filed,
    ListenerChanged,
    ListenerClosed,
    Outcome,
    Phase,
    PhaseChanged,
    ProblemSolved,
    QueueChanged,
    Severity,
    StorageMeasured,
)
from appliance.status.problems import WORDS, found, in_words
from appliance.status.snapshot import KEPT_DELIVERIES, STUCK_AFTER_S, Snapshot, as_of, first_snapshot, fold

GB = 1_000_000_000


def filed(at: float, trace_id: str = "t1", recipient: str = "ani@example.org") -> Filed:
    return Filed(at=at, trace_id=trace_id, recipient=recipient, account=recipient, mailbox="INBOX", uid=1)


def attempted(at: float, outcome: Outcome = Outcome.DELIVERED, trace_id: str = "t1") -> Attempted:
    return Attempted(
        at=at,
        trace_id=trace_id,
        recipient="bob@example.net",
        host="mx.example.net",
        outcome=outcome,
        reply="250 OK",
        sentence="Taken.",
    )


def after(*events: Event, start: float = 1000.0) -> Snapshot:
    snapshot = first_snapshot(start)
    for event in events:
        snapshot = fold(snapshot, event)
    return snapshot


def test_a_new_appliance_is_starting_and_all_is_well() -> None:
    snapshot = first_snapshot(5.0)
    assert (snapshot.phase, snapshot.queue.waiting, snapshot.problems, snapshot.mail_flashes) == (
        Phase.STARTING,
        0,
        (),
        0,
    )


def test_the_phase_is_the_last_one_told() -> None:
    assert (
        after(PhaseChanged(at=1.0, phase=Phase.UNCLAIMED), PhaseChanged(at=2.0, phase=Phase.RUNNING)).phase == "running"
    )


def test_an_event_that_shows_nowhere_leaves_the_same_object() -> None:
    before = first_snapshot(1.0)
    assert fold(before, AccountsChanged(at=2.0)) is before


def test_a_message_for_three_recipients_flashes_once_in_each_direction() -> None:
    snapshot = after(
        filed(1.0, recipient="a@example.org"),
        filed(1.0, recipient="b@example.org"),
        attempted(2.0),
        attempted(2.1),
        filed(3.0, "t2"),
    )
    assert snapshot.mail_flashes == 3
    assert snapshot.delivered_at == 3.0


@pytest.mark.parametrize("outcome", [Outcome.DEFERRED, Outcome.FAILED])
def test_what_was_not_delivered_is_listed_and_does_not_flash(outcome: Outcome) -> None:
    snapshot = after(attempted(1.0, outcome))
    assert snapshot.mail_flashes == 0
    assert [d.outcome for d in snapshot.deliveries] == [outcome]


def test_a_deferred_message_that_leaves_at_last_flashes() -> None:
    assert after(attempted(1.0, Outcome.DEFERRED), attempted(2.0)).mail_flashes == 1


def test_only_the_newest_deliveries_are_kept_and_the_newest_stands_first() -> None:
    snapshot = after(*(filed(float(n), f"t{n}") for n in range(KEPT_DELIVERIES + 20)))
    assert len(snapshot.deliveries) == KEPT_DELIVERIES
    assert snapshot.deliveries[0].trace_id == f"t{KEPT_DELIVERIES + 19}"
    assert snapshot.mail_flashes == KEPT_DELIVERIES + 20


def test_the_queue_counts_are_the_last_ones_told() -> None:
    queue = after(QueueChanged(at=1.0, waiting=5, deferred=2, held=1)).queue
    assert (queue.waiting, queue.deferred, queue.held, queue.stuck) == (5, 2, 1, False)


STUCK = {
    "just before 30 minutes": ([QueueChanged(at=0.0, waiting=1)], STUCK_AFTER_S - 1, False),
    "after 30 minutes": ([QueueChanged(at=0.0, waiting=1)], STUCK_AFTER_S, True),
    "more mail does not move it": (
        [QueueChanged(at=0.0, waiting=1), QueueChanged(at=STUCK_AFTER_S - 5.0, waiting=2)],
        STUCK_AFTER_S,
        True,
    ),
    "a delivery moves it": (
        [QueueChanged(at=0.0, waiting=2), attempted(100.0), QueueChanged(at=100.0, waiting=1)],
        STUCK_AFTER_S + 50,
        False,
    ),
    "a deferral does not": (
        [
            QueueChanged(at=0.0, waiting=1),
            attempted(100.0, Outcome.DEFERRED),
            QueueChanged(at=100.0, waiting=1, deferred=1),
        ],
        STUCK_AFTER_S + 50,
        True,
    ),
    "empty in between starts anew": (
        [QueueChanged(at=0.0, waiting=1), QueueChanged(at=900.0), QueueChanged(at=1000.0, waiting=1)],
        STUCK_AFTER_S + 50,
        False,
    ),
    "an empty queue is never stuck": ([QueueChanged(at=0.0, stuck=True)], STUCK_AFTER_S * 2, False),
    "the queue may say so itself": ([QueueChanged(at=0.0, waiting=1, stuck=True)], 1.0, True),
}


@pytest.mark.parametrize("name", STUCK)
def test_the_queue_is_stuck_when_nothing_left_for_30_minutes(name: str) -> None:
    events, now, stuck = STUCK[name]
    assert as_of(after(*events, start=0.0), now).queue.stuck is stuck


def test_a_bounce_needs_the_owner_for_a_day_or_until_seen() -> None:
    snapshot = after(Bounced(at=1000.0, trace_id="t1", recipient="bo@example.net", report_trace_id="t2"))
    assert [p.id for p in snapshot.problems] == ["bounced"]
    assert "bo@example.net" in snapshot.problems[0].what
    assert snapshot.problems[0].severity is Severity.NEEDS_YOU
    assert as_of(snapshot, 1000.0 + 24 * 3600 - 1).problems
    assert not as_of(snapshot, 1000.0 + 24 * 3600).problems
    assert not fold(snapshot, ProblemSolved(at=1001.0, id="bounced")).problems


def test_danger_stands_before_what_can_wait_and_a_problem_keeps_its_age() -> None:
    snapshot = after(
        found("bounced", 1.0, recipient="a@b.example"),
        found("storage-failed", 2.0, what="EIO"),
        found("bounced", 3.0, recipient="c@d.example"),
    )
    assert [(p.id, p.since) for p in snapshot.problems] == [("storage-failed", 2.0), ("bounced", 1.0)]
    assert "c@d.example" in snapshot.problems[1].what


STORAGE = {
    "plenty": (10 * GB, []),
    "below twice the reserve": (int(1.9 * GB), ["storage-low"]),
    "at the reserve": (1 * GB, ["storage-full"]),
    "nothing": (0, ["storage-full"]),
}


@pytest.mark.parametrize("name", STORAGE)
@pytest.mark.parametrize("before", STORAGE)
def test_storage_is_a_problem_exactly_while_it_is_short(before: str, name: str) -> None:
    free, problems = STORAGE[name]
    first = StorageMeasured(at=1.0, free_octets=STORAGE[before][0], total_octets=32 * GB, reserve_octets=GB)
    snapshot = after(first, StorageMeasured(at=2.0, free_octets=free, total_octets=32 * GB, reserve_octets=GB))
    assert [p.id for p in snapshot.problems] == problems
    assert snapshot.storage is not None and snapshot.storage.free_octets == free


def test_a_port_that_did_not_open_is_a_problem_until_it_opens() -> None:
    closed = after(
        ListenerChanged(at=1.0, name="smtp", port=25, ok=False, detail="in use"),
        ListenerChanged(at=1.0, name="imap", port=143, ok=True),
    )
    assert [p.id for p in closed.problems] == ["listener:smtp"]
    assert "smtp (25)" in closed.problems[0].what
    opened = fold(closed, ListenerChanged(at=2.0, name="smtp", port=25, ok=True))
    assert not opened.problems
    assert sorted((x.name, x.ok) for x in opened.listeners) == [("imap", True), ("smtp", True)]


def test_a_port_that_is_not_wanted_any_more_is_no_problem() -> None:
    before = after(
        ListenerChanged(at=1.0, name="smtp", port=25, ok=False, detail="in use"),
        ListenerChanged(at=1.0, name="imap", port=143, ok=True),
    )
    closed = fold(before, ListenerClosed(at=2.0, name="smtp"))
    assert not closed.problems
    assert [x.name for x in closed.listeners] == ["imap"]


def test_the_address_is_remembered() -> None:
    assert after(AddressKnown(at=1.0, address="192.168.1.20")).address == "192.168.1.20"


def test_at_never_goes_back() -> None:
    assert after(PhaseChanged(at=2000.0, phase=Phase.RUNNING), QueueChanged(at=1500.0, waiting=1)).at == 2000.0


EVENTS = st.lists(
    st.one_of(
        st.builds(filed, st.floats(0, 1e6), st.sampled_from(["t1", "t2", "t3"])),
        st.builds(attempted, st.floats(0, 1e6), st.sampled_from(list(Outcome)), st.sampled_from(["t1", "t2", "t3"])),
        st.builds(QueueChanged, at=st.floats(0, 1e6), waiting=st.integers(0, 3), deferred=st.integers(0, 3)),
        st.builds(PhaseChanged, at=st.floats(0, 1e6), phase=st.sampled_from(list(Phase))),
    ),
    max_size=30,
)


@given(EVENTS)
@settings(max_examples=60, deadline=None)
def test_flashes_only_grow_and_every_snapshot_survives_the_wire(events: list[Event]) -> None:
    snapshot = first_snapshot(0.0)
    for event in events:
        after_it = fold(snapshot, event)
        assert after_it.mail_flashes >= snapshot.mail_flashes
        assert msgspec.json.decode(msgspec.json.encode(after_it), type=Snapshot) == after_it
        snapshot = after_it


def test_the_board_folds_what_the_bus_carries_and_stamps_it_with_now() -> None:
    bus, now = Bus(), [10.0]
    board = Board(bus, clock=lambda: now[0])
    bus.publish(QueueChanged(at=10.0, waiting=1))
    now[0] = 12.0
    assert (board.snapshot.queue.waiting, board.snapshot.at) == (1, 12.0)
    board.close()
    bus.publish(QueueChanged(at=12.0, waiting=9))
    assert board.snapshot.queue.waiting == 1


def test_every_problem_says_what_to_do() -> None:
    assert all(words.what.endswith(".") and words.do.endswith(".") for words in WORDS.values())


def test_an_unknown_problem_is_a_fault_of_ours() -> None:
    with pytest.raises(KeyError):
        found("no-such-problem", 1.0)


@pytest.mark.parametrize(("size", "words"), [(0, "0 MB"), (12_345_678, "12 MB"), (1_500_000_000, "1.5 GB")])
def test_sizes_read_as_people_say_them(size: int, words: str) -> None:
    assert in_words(size) == words
