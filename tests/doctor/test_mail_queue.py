"""The queue: mail on its way is well, mail that has waited for hours is not, and held mail waits for its owner."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.doctor import mail_queue
from appliance.doctor.finding import Status
from appliance.store.changes import queue as changes
from appliance.store.queue_rows import QueuedMessage, all_messages
from tests.support.homes import put_in_queue
from tests.support.stores import open_store

NOW = 1_900_000_000.0
HOUR = 3600.0


def waiting_since(*hours: float) -> list[QueuedMessage]:
    return [
        QueuedMessage(n, f"t{n}", n, b"", "a@b.example", None, NOW - h * HOUR, 10, False, False, None, None, "", "")
        for n, h in enumerate(hours)
    ]


CASES: dict[str, tuple[list[QueuedMessage], int, Status, str]] = {
    "nothing": ([], 0, Status.GOOD, "No mail waits to go out."),
    "one": (waiting_since(0.1), 0, Status.GOOD, "1 message is on its way out."),
    "two": (waiting_since(0.1, 3.9), 0, Status.GOOD, "2 messages are on their way out."),
    "from the future": (waiting_since(-5), 0, Status.GOOD, "1 message is on its way out."),
    "one for long": (waiting_since(4), 0, Status.NEEDS_YOU, "1 message waits to go out, the oldest for 4 hours."),
    "one of two for long": (
        waiting_since(0.1, 30.9),
        0,
        Status.NEEDS_YOU,
        "2 messages wait to go out, the oldest for 30",
    ),
    "one held": ([], 1, Status.NOTE, "1 message is held back."),
    "some held": ([], 3, Status.NOTE, "3 messages are held back."),
    "one held, one going": (waiting_since(1), 1, Status.GOOD, "is on its way out; 1 message is held back."),
    "one held, one stuck": (waiting_since(5), 2, Status.NEEDS_YOU, "for 5 hours; 2 messages are held back."),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_said_of_a_queue(name: str) -> None:
    waiting, held, status, words = CASES[name]
    finding = mail_queue.judge(waiting, held, NOW)
    assert (finding.topic, finding.status) == ("queue", status)
    assert words in finding.what
    assert bool(finding.do) == (status is not Status.GOOD)


def test_what_is_held_for_all_is_held_and_what_goes_to_one_is_going(tmp_path: Path) -> None:
    with open_store(tmp_path / "home") as store:
        assert mail_queue.check(store).what == "No mail waits to go out."
        put_in_queue(store, "t1", "a@far.example", "b@far.example")
        put_in_queue(store, "t2", "a@far.example")
        first, second = store.read_now(all_messages)
        assert mail_queue.check(store).what == "2 messages are on their way out."
        store.write_now(changes.hold(second.id))
        assert mail_queue.check(store).what == "1 message is on its way out; 1 message is held back."
        assert mail_queue.check(store, first.accepted_at + 5 * HOUR).status is Status.NEEDS_YOU
        store.write_now(changes.hold(first.id))
        assert mail_queue.check(store, first.accepted_at + 5 * HOUR).what == "2 messages are held back."
