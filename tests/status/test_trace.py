"""Each message's story can be found and told; the file stays small, is written rarely, and may be lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from pathlib import Path

import pytest

from appliance.status import trace as trace_module
from appliance.status.bus import Bus
from appliance.status.events import (
    Accepted,
    Attempted,
    Bounced,
    Filed,
    Outcome,
    QueueChanged,
    Queued,
    QueueVerb,
    Refused,
)
from appliance.status.story import TracedEvent, story_of, tell
from appliance.status.trace import TraceFile, TraceReader, TraceWriter

WITHIN_S = 10.0


def accepted(trace_id: str = "t1", at: float = 100.0, **changes: object) -> Accepted:
    values: dict[str, object] = {
        "at": at,
        "trace_id": trace_id,
        "reverse_path": "bo@example.net",
        "recipients": ("ani@example.org",),
        "size_octets": 1234,
        "ip": "192.0.2.1",
        "helo": "mx.example.net",
        "protocol": "ESMTPS",
        "tls": "TLSv1.3",
        "account": None,
        "message_id": f"<{trace_id}@example.net>",
        "subject": "Lunch",
    }
    return Accepted(**(values | changes))  # type: ignore[arg-type]


def filed(trace_id: str = "t1", at: float = 99.0) -> Filed:
    return Filed(
        at=at, trace_id=trace_id, recipient="ani@example.org", account="ani@example.org", mailbox="INBOX", uid=5
    )


def attempted(
    outcome: Outcome, at: float, reply: str, *, next_at: float | None = None, tls: str | None = None
) -> Attempted:
    return Attempted(
        at=at,
        trace_id="t1",
        recipient="cy@example.com",
        host="mx.example.com",
        outcome=outcome,
        reply=reply,
        sentence="The mailbox is full." if outcome is not Outcome.DELIVERED else "Taken.",
        tls=tls,
        next_attempt_at=next_at,
    )


def refused(recipient: str = "nobody@example.org", at: float = 50.0, reply: str = "550 5.1.1 no") -> Refused:
    return Refused(
        at=at,
        ip="192.0.2.9",
        listener="smtp",
        reverse_path="spam@example.info",
        recipient=recipient,
        reply=reply,
        reason="no-such-address",
        sentence="Somebody wrote to an address that does not exist.",
    )


SENT = [
    Queued(at=99.0, trace_id="t1", recipient="cy@example.com"),
    accepted(account="ani@example.org", recipients=("cy@example.com",), protocol="ESMTPSA"),
    attempted(Outcome.DEFERRED, 101.0, "452 4.2.2 full", next_at=1_700_000_000.0, tls="TLSv1.3"),
    QueueVerb(at=102.0, trace_id="t1", verb="flush"),
    attempted(Outcome.FAILED, 103.0, "552 5.2.2 full"),
    Bounced(at=104.0, trace_id="t1", recipient="cy@example.com", report_trace_id="t2"),
]


def test_a_story_is_told_in_order_in_plain_words_with_the_other_servers_own_words_beside() -> None:
    steps = tell(story_of("t1", SENT))
    assert [(step.sentence, step.technical) for step in steps] == [
        (
            "ani@example.org sent mail to cy@example.com.",
            "ESMTPSA from mx.example.net [192.0.2.1], TLSv1.3, 1234 octets, <t1@example.net>",
        ),
        ("It was put into the queue for cy@example.com.", ""),
        (
            "It could not be delivered to cy@example.com yet. The mailbox is full.",
            "mx.example.com, TLSv1.3: 452 4.2.2 full (next try 2023-11-14 22:13 UTC)",
        ),
        ("You had it tried again at once.", ""),
        ("It cannot be delivered to cy@example.com. The mailbox is full.", "mx.example.com, no TLS: 552 5.2.2 full"),
        ("bo@example.net was told that it did not reach cy@example.com.", "the report is t2"),
    ]
    assert [step.at for step in steps] == [100.0, 99.0, 101.0, 102.0, 103.0, 104.0]


TOLD: dict[str, tuple[list[TracedEvent], list[str]]] = {
    "from outside": (
        [filed(), accepted()],
        [
            "Mail from bo@example.net for ani@example.org came in.",
            "It was filed for ani@example.org in the mailbox INBOX of ani@example.org.",
        ],
    ),
    "a report": ([accepted(reverse_path="")], ["A report for ani@example.org came in."]),
    "delivered": (
        [attempted(Outcome.DELIVERED, 1.0, "250 OK")],
        ["It was delivered to cy@example.com: mx.example.com took it."],
    ),
    "refused": ([refused()], ["It was refused. Somebody wrote to an address that does not exist."]),
    "a verb of a later version": ([QueueVerb(at=1.0, trace_id="t", verb="postpone")], ["postpone"]),
    "bounced, the beginning forgotten": (
        [Bounced(at=1.0, trace_id="t", recipient="x@y.example", report_trace_id="r")],
        ["the sender was told that it did not reach x@y.example."],
    ),
}


@pytest.mark.parametrize("name", TOLD)
def test_each_kind_of_step_has_its_sentence(name: str) -> None:
    events, sentences = TOLD[name]
    assert [step.sentence for step in tell(story_of("t", events))] == sentences


def test_a_story_without_its_beginning_still_names_its_recipients() -> None:
    story = story_of("t1", SENT[2:])
    assert (story.recipients, story.at, story.subject) == (("cy@example.com",), 101.0, "")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "derived" / "trace.db"


def fill(path: Path, *events: TracedEvent) -> None:
    file = TraceFile(path)
    file.write(events)
    file.close()


FOUND = {
    "trace id": ("t1", ["t1"]),
    "trace id in capitals": ("T1", ["t1"]),
    "recipient": ("ani@example.org", ["t2", "t1"]),
    "recipient in capitals": ("Ani@Example.ORG", ["t2", "t1"]),
    "reverse-path": ("bo@example.net", ["t2", "t1"]),
    "message-id": ("<t2@example.net>", ["t2"]),
    "message-id without brackets": ("t2@example.net", ["t2"]),
    "part of the subject": ("ünch", ["t2"]),
    "part of the subject in capitals": ("LÜNCH", ["t2"]),
    "a subject with what JSON escapes": ('say "hi" \\', ["t2"]),
    "half an address is not enough": ("ani@", []),
    "a host is not searched": ("mx.example.net", []),
    "a field of the JSON is not searched": ("recipients", []),
    "a LIKE wildcard is nothing special": ("%", []),
    "nothing": ("  ", []),
    "a stranger": ("zoe@example.org", []),
}


@pytest.mark.parametrize("name", FOUND)
def test_stories_are_found_by_id_address_message_id_and_subject(name: str, path: Path) -> None:
    fill(path, accepted("t1", at=1.0), filed("t1", 1.0), accepted("t2", at=2.0, subject='Lünch, say "hi" \\ bye'))
    text, ids = FOUND[name]
    assert [story.trace_id for story in TraceReader(path).find(text)] == ids


def test_a_story_is_whole_though_written_in_several_batches(path: Path) -> None:
    for event in SENT:
        fill(path, event)
    reader = TraceReader(path)
    (story,) = reader.find("cy@example.com")
    assert story == story_of("t1", SENT)
    assert reader.story("t1") == story
    assert reader.story("t9") is None


def test_a_refusal_is_found_though_it_never_became_a_message(path: Path) -> None:
    fill(path, refused(), refused("other@example.org"))
    (story,) = TraceReader(path).find("nobody@example.org")
    assert (story.trace_id, story.reverse_path, story.recipients) == ("", "spam@example.info", ("nobody@example.org",))
    assert len(TraceReader(path).find("spam@example.info")) == 2


def test_recent_is_what_something_happened_to_last(path: Path) -> None:
    fill(path, *(accepted(f"t{n}", at=float(n)) for n in range(10)))
    fill(path, Queued(at=50.0, trace_id="t3", recipient="x@y.example"))
    assert [story.trace_id for story in TraceReader(path).recent(3)] == ["t3", "t9", "t8"]


def test_an_absent_file_is_an_empty_trace_and_is_not_made_by_reading(path: Path) -> None:
    reader = TraceReader(path)
    assert (reader.find("x"), reader.recent(5), reader.story("t1")) == ([], [], None)
    assert not path.exists()


DAMAGE = {
    "not a database": lambda path: path.write_bytes(b"x" * 8192),
    "pages overwritten": lambda path: path.write_bytes(
        path.read_bytes()[:100] + os.urandom(len(path.read_bytes()) - 100)
    ),
    "cut short": lambda path: os.truncate(path, 5000),
    "tables missing": lambda path: drop_tables(path),
}


def drop_tables(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript("DROP TABLE steps; DROP TABLE refusals;")


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_never_hurts_and_is_written_anew(name: str, path: Path) -> None:
    fill(path, *(accepted(f"t{n}", subject="x" * 200) for n in range(100)))
    DAMAGE[name](path)
    assert isinstance(TraceReader(path).find("ani@example.org"), list)
    fill(path, accepted("new"))
    assert [s.trace_id for s in TraceReader(path).find("<new@example.net>")] == ["new"]
    if name != "tables missing":
        assert path.with_name("trace.db.damaged").exists()


@pytest.mark.parametrize("fault", [OSError(30, "Read-only file system"), sqlite3.OperationalError("disk I/O error")])
def test_a_card_that_cannot_be_written_costs_the_trace_and_nothing_else(
    path: Path, fault: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Path) -> sqlite3.Connection:
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(trace_module, "_open_for_writing", fail)
        fill(path, accepted("lost"))
    assert f"the trace could not be written: {fault}" in caplog.text
    fill(path, accepted("kept"))
    assert [s.trace_id for s in TraceReader(path).recent(5)] == ["kept"]


def test_a_text_that_is_none_takes_nothing_else_along(path: Path) -> None:
    file = TraceFile(path)
    file.write([accepted("t1", subject="half a pair: \ud800"), accepted("t2"), filed("t2")])
    file.close()
    reader = TraceReader(path)
    assert (story := reader.story("t1")) is not None and story.subject == "half a pair: ?"
    assert reader.story("t2") == story_of("t2", [accepted("t2"), filed("t2")])


def test_only_the_newest_rows_are_kept(path: Path) -> None:
    file = TraceFile(path, steps_most=50, refusals_most=10)
    for n in range(200):
        file.write([accepted(f"t{n}", at=float(n)), refused(at=float(n))])
    file.close()
    reader = TraceReader(path)
    kept = [s.trace_id for s in reader.recent(1000)]
    assert 50 <= len(kept) <= 56
    assert kept[0] == "t199"
    assert 10 <= len(reader.find("nobody@example.org")) <= 12


def test_the_file_stays_below_its_bound(path: Path) -> None:
    most = 512 * 1024
    file = TraceFile(path, file_most_octets=most)
    for n in range(60):
        file.write([accepted(f"t{n}-{m}", subject="x" * 900) for m in range(40)])
        assert path.stat().st_size <= most + 80 * 1024
    file.close()
    assert TraceReader(path).recent(1)[0].trace_id.startswith("t59-")


async def test_an_idle_appliance_writes_nothing(path: Path) -> None:
    bus = Bus()
    writer = TraceWriter(path, bus)
    await writer.start()
    bus.publish(QueueChanged(at=1.0, waiting=1))
    await writer.sync()
    await writer.stop()
    assert not os.listdir(path.parents[1])


async def test_the_verb_writes_what_was_heard_at_once(path: Path) -> None:
    bus = Bus()
    writer = TraceWriter(path, bus)
    await writer.start()
    bus.publish(accepted(), filed())
    await writer.sync({"verb": "trace-sync"})
    assert len(TraceReader(path).find("t1")[0].events) == 2
    assert writer.health() is None
    await writer.stop()
    assert writer.health() == "the trace is not being kept"


async def written(writes: asyncio.Queue[int]) -> int:
    return await asyncio.wait_for(writes.get(), WITHIN_S)


@pytest.fixture
async def writes(monkeypatch: pytest.MonkeyPatch) -> asyncio.Queue[int]:
    """The size of each batch that reaches the file."""
    queue: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    write = TraceFile.write

    def told(self: TraceFile, events: list[TracedEvent]) -> None:
        write(self, events)
        loop.call_soon_threadsafe(queue.put_nowait, len(events))

    monkeypatch.setattr(TraceFile, "write", told)
    return queue


async def test_events_are_written_together_after_a_while(path: Path, writes: asyncio.Queue[int]) -> None:
    bus = Bus()
    writer = TraceWriter(path, bus, write_after_s=0.02)
    await writer.start()
    bus.publish(accepted(), filed(), accepted("t2"))
    assert await written(writes) == 3
    bus.publish(accepted("t3"))
    assert await written(writes) == 1
    await writer.stop()
    assert writes.empty()


async def test_many_events_do_not_wait(path: Path, writes: asyncio.Queue[int]) -> None:
    bus = Bus()
    writer = TraceWriter(path, bus, write_after_s=3600)
    await writer.start()
    bus.publish(*(accepted(f"t{n}") for n in range(trace_module.WRITE_AFTER_EVENTS)))
    assert await written(writes) == trace_module.WRITE_AFTER_EVENTS
    await writer.stop()


async def test_what_comes_while_a_batch_is_written_is_written_too(path: Path, writes: asyncio.Queue[int]) -> None:
    bus = Bus()
    writer = TraceWriter(path, bus, write_after_s=0.02)
    await writer.start()
    bus.publish(*(accepted(f"t{n}") for n in range(trace_module.WRITE_AFTER_EVENTS)))
    await asyncio.sleep(0)  # the writing task has taken its batch
    bus.publish(accepted("late"))
    assert await written(writes) == trace_module.WRITE_AFTER_EVENTS
    assert await written(writes) == 1
    await writer.stop()


async def test_strangers_do_not_choose_how_much_is_written(path: Path, writes: asyncio.Queue[int]) -> None:
    bus = Bus()
    writer = TraceWriter(path, bus)
    await writer.start()
    bus.publish(*(refused() for _ in range(1000)), accepted())
    await writer.stop()
    assert await written(writes) == trace_module.REFUSALS_PER_BATCH + 1


async def test_memory_is_bounded_when_the_card_is_too_slow(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(trace_module, "WAITING_MOST", 10)
    bus = Bus()
    writer = TraceWriter(path, bus)
    bus.publish(*(accepted(f"t{n}") for n in range(25)))
    await writer.start()
    await writer.stop()
    assert "15 events were not traced" in caplog.text
    assert len(TraceReader(path).recent(100)) == 10
