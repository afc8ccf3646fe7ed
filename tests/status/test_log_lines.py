"""Each event that is news has one line; nobody outside can forge a second one."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.status.bus import Bus
from appliance.status.events import (
    Accepted,
    Attempted,
    Event,
    Filed,
    ListenerChanged,
    Outcome,
    Phase,
    PhaseChanged,
    QueueChanged,
    QueueVerb,
    Refused,
    SignedIn,
)
from appliance.status.log_lines import LINES, VALUE_MOST, LogListener, refused
from appliance.status.log_stream import JournalFormatter, priority, to_stderr
from appliance.status.problems import found

ACCEPTED = Accepted(
    at=1.0,
    trace_id="t1",
    reverse_path="",
    recipients=("a@example.org", "b@example.org"),
    size_octets=900,
    ip="192.0.2.1",
    helo="mx.example.net",
    protocol="ESMTPS",
    tls="TLSv1.3",
    account=None,
    message_id="<1@example.net>",
    subject="Hello",
)


def attempted(outcome: Outcome) -> Attempted:
    return Attempted(
        at=1.0,
        trace_id="t1",
        recipient="b@x.example",
        host="mx",
        outcome=outcome,
        reply="450 4.2.1 later",
        sentence="-",
    )


LOGGED: dict[str, tuple[Event, str, str]] = {
    "accepted": (
        ACCEPTED,
        "INFO",
        'accepted trace=t1 reverse_path=<> to="a@example.org, b@example.org" octets=900 ip=192.0.2.1 helo=mx.example.net'
        " protocol=ESMTPS tls=TLSv1.3 message_id=<1@example.net>",
    ),
    "filed": (
        Filed(at=1.0, trace_id="t1", recipient="a@b.example", account="a@b.example", mailbox="My mail", uid=7),
        "INFO",
        'filed trace=t1 to=a@b.example account=a@b.example mailbox="My mail" uid=7',
    ),
    "deferred": (
        attempted(Outcome.DEFERRED),
        "WARNING",
        'deferred trace=t1 to=b@x.example host=mx reply="450 4.2.1 later"',
    ),
    "delivered": (
        attempted(Outcome.DELIVERED),
        "INFO",
        'delivered trace=t1 to=b@x.example host=mx reply="450 4.2.1 later"',
    ),
    "verb": (QueueVerb(at=1.0, trace_id="t1", verb="hold"), "INFO", "queue verb=hold trace=t1"),
    "wrong password": (
        SignedIn(at=1.0, account="a@b.example", protocol="imap", ip="192.0.2.7", ok=False),
        "WARNING",
        "sign-in-failed account=a@b.example protocol=imap ip=192.0.2.7",
    ),
    "phase": (PhaseChanged(at=1.0, phase=Phase.RUNNING), "INFO", "phase running"),
    "danger": (
        found("storage-failed", 1.0, what="EIO"),
        "ERROR",
        "problem id=storage-failed The card did not keep what was written to it (EIO)."
        " Make a backup now and replace the card.",
    ),
    "port closed": (
        ListenerChanged(at=1.0, name="smtp", port=25, ok=False, detail="in use"),
        "ERROR",
        'not-listening name=smtp port=25 detail="in use"',
    ),
}


@pytest.mark.parametrize("name", LOGGED)
def test_an_event_that_is_news_has_one_line(name: str, caplog: pytest.LogCaptureFixture) -> None:
    event, level, text = LOGGED[name]
    bus = Bus()
    LogListener(bus)
    with caplog.at_level(logging.DEBUG):
        bus.publish(event)
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [(level, text)]


def test_what_happens_all_the_time_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    bus = Bus()
    listener = LogListener(bus)
    with caplog.at_level(logging.DEBUG):
        bus.publish(QueueChanged(at=1.0, waiting=1))
        listener.close()
        bus.publish(ACCEPTED)
    assert not caplog.records


@given(st.text(), st.text(), st.text())
@settings(max_examples=60, deadline=None)
def test_strangers_can_neither_forge_a_line_nor_fill_the_log(helo: str, path: str, recipient: str) -> None:
    event = Refused(
        at=1.0,
        ip="192.0.2.1",
        listener="smtp",
        reverse_path=path,
        recipient=recipient,
        reply=helo,
        reason="x",
        sentence="x",
    )
    _, text = refused(event)
    assert text.isprintable()
    assert len(text) < 4 * (VALUE_MOST + 40)


def test_every_line_is_made_for_the_event_it_is_listed_under() -> None:
    for event_type, line in LINES.items():
        assert line.__annotations__["e"] == event_type.__name__


PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


@pytest.mark.parametrize("level", PRIORITIES)
def test_levels_are_what_journald_calls_them(level: int) -> None:
    assert priority(level) == PRIORITIES[level]


def test_every_line_of_a_traceback_bears_its_priority() -> None:
    try:
        raise RuntimeError("two\nlines")
    except RuntimeError:
        record = logging.LogRecord("m", logging.ERROR, "f", 1, "failed", (), sys.exc_info())
    lines = JournalFormatter("%(message)s").format(record).splitlines()
    assert len(lines) > 3
    assert all(line.startswith("<3>") for line in lines)


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:], root.level = handlers, level


def test_the_journal_gets_priorities_and_a_terminal_gets_times(
    root_logger: logging.Logger, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    with open(f"{tmp_path}/log", "w+") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        to_stderr(stream=stream)
        root_logger.warning("to the journal")
        monkeypatch.setenv("JOURNAL_STREAM", "1:1")
        to_stderr(stream=stream)
        root_logger.warning("to a file")
        stream.seek(0)
        first, second = stream.read().splitlines()
    assert first == "<4>root: to the journal"
    assert second.startswith("20") and second.endswith("WARNING root: to a file")


def test_a_stream_that_is_no_file_is_no_journal(root_logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    stream = io.StringIO()
    to_stderr(stream=stream)
    root_logger.error("plain")
    assert stream.getvalue().endswith("ERROR root: plain\n")
