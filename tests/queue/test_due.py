"""Whose turn it is: grouped, in order, none twice, and no recipient left behind by a clock that was wrong."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.queue.due import BATCH_MOST, Batch, batches
from appliance.store.queue_rows import QueuedRecipient, State

NOW = 1_800_000_000.0
LONGEST_S = 5 * 3600.0


def row(id: int, message_id: int = 1, domain: str = "a.test", at: float = NOW, held: bool = False) -> QueuedRecipient:
    state = State.HELD if held else State.WAITING
    return QueuedRecipient(id, message_id, f"r{id}@{domain}", domain, None, "", state, 0, at, None, "", "", False)


def whose_turn(*rows: QueuedRecipient, busy: frozenset[int] = frozenset(), smarthost: bool = False) -> list[Batch]:
    return batches(
        rows,
        now=NOW,
        busy=busy,
        destination=(lambda _: "smarthost") if smarthost else (lambda domain: domain),
        longest_wait_s=LONGEST_S,
    )


def shape(found: list[Batch]) -> list[tuple[int, str, tuple[int, ...]]]:
    return [(batch.message_id, batch.destination, batch.ids) for batch in found]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param(
            [row(1), row(2), row(3, domain="b.test")], [(1, "a.test", (1, 2)), (1, "b.test", (3,))], id="grouped"
        ),
        pytest.param([row(1), row(2, message_id=2)], [(1, "a.test", (1,)), (2, "a.test", (2,))], id="two messages"),
        pytest.param(
            [row(1, message_id=1, at=NOW - 1), row(2, message_id=2, at=NOW - 9)],
            [(2, "a.test", (2,)), (1, "a.test", (1,))],
            id="longest waiting first",
        ),
        pytest.param([row(1, at=NOW + 1)], [], id="not yet"),
        pytest.param([row(1, held=True)], [], id="held"),
        pytest.param([row(1, at=NOW + 86400 * 365)], [(1, "a.test", (1,))], id="a clock that was a year ahead"),
        pytest.param([row(1, at=0)], [(1, "a.test", (1,))], id="flushed"),
    ],
)
def test_batches(rows: list[QueuedRecipient], expected: object) -> None:
    assert shape(whose_turn(*rows)) == expected


def test_the_busy_are_left_alone() -> None:
    assert shape(whose_turn(row(1), row(2), busy=frozenset({1}))) == [(1, "a.test", (2,))]


def test_with_a_smarthost_a_message_goes_out_once_for_all_domains() -> None:
    assert shape(whose_turn(row(1), row(2, domain="b.test"), smarthost=True)) == [(1, "smarthost", (1, 2))]


def test_very_many_recipients_are_several_transactions() -> None:
    found = whose_turn(*(row(id) for id in range(1, 251)))
    assert [len(batch.recipients) for batch in found] == [BATCH_MOST, BATCH_MOST, 50]


def test_what_the_owner_asked_for_is_known() -> None:
    assert [batch.asked_for for batch in whose_turn(row(1, at=0), row(2, message_id=2))] == [True, False]


ROWS = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from(["a.test", "b.test"]), st.floats(NOW - 99, NOW + 99), st.booleans()),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(ROWS, st.sets(st.integers(0, 39)))
def test_everybody_who_is_due_is_in_one_batch(rows: list[tuple[int, str, float, bool]], busy: set[int]) -> None:
    made = [row(id, message_id, domain, at, held) for id, (message_id, domain, at, held) in enumerate(rows)]
    found = whose_turn(*made, busy=frozenset(busy))
    ids = [id for batch in found for id in batch.ids]
    due = [r.id for r in made if r.next_attempt_at <= NOW and r.state is State.WAITING and r.id not in busy]
    assert sorted(ids) == sorted(due)
    assert all(len({(r.message_id, r.domain) for r in batch.recipients}) == 1 for batch in found)
