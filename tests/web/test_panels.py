"""What the owner's pages say, from the state of the appliance."""

from __future__ import annotations

import msgspec
import pytest

from appliance.config import Config, ListenConfig, OutboundConfig, SmarthostConfig
from appliance.leds.signals import SILENT_AFTER_S, Signal
from appliance.status.card import Card, Day, Disk, Health, Hidden, Kind, Life
from appliance.status.events import Phase, Severity
from appliance.status.snapshot import Listener, Problem, Queue, Snapshot
from appliance.store.queue_rows import QueuedMessage, QueuedRecipient, State
from web.admin import panels
from web.admin.lights import lights_of
from web.admin.panels import Tone

NOW = 1_700_000_000.0
DIRECT = Config(hostname="mail.example.org", domains=("example.org",), outbound=OutboundConfig(mode="direct"))
OFF = Config(hostname="mail.example.org", domains=("example.org",))
RELAY = Config(
    hostname="mail.example.org",
    domains=("example.org",),
    outbound=OutboundConfig(mode="smarthost", smarthost=SmarthostConfig(host="smtp.provider.example")),
)
RUNNING = Snapshot(at=NOW, started_at=NOW - 60, phase=Phase.RUNNING)


def with_(**changes: object) -> Snapshot:
    return msgspec.structs.replace(RUNNING, **changes)


def problem(severity: Severity = Severity.NEEDS_YOU, since: float = NOW) -> Problem:
    return Problem(id="listener:imap", what="what", do="do", severity=severity, since=since)


@pytest.mark.parametrize(
    ("snapshot", "config", "tone", "words"),
    [
        (None, DIRECT, Tone.DANGER, "does not answer"),
        (with_(phase=Phase.STARTING), DIRECT, Tone.BUSY, "starting"),
        (with_(phase=Phase.UPDATING), DIRECT, Tone.BUSY, "updated"),
        (with_(phase=Phase.STOPPING), DIRECT, Tone.BUSY, "shutting down"),
        (RUNNING, DIRECT, Tone.GOOD, "comes in and goes out"),
        (RUNNING, OFF, Tone.GOOD, "as you chose"),
        (with_(queue=Queue(waiting=2, deferred=1)), DIRECT, Tone.GOOD, "not answering"),
        (with_(queue=Queue(waiting=2, deferred=1, stuck=True)), DIRECT, Tone.NEEDS, "half an hour"),
        (with_(problems=(problem(),)), DIRECT, Tone.NEEDS, "needs you"),
        (with_(problems=(problem(), problem(Severity.DANGER))), DIRECT, Tone.DANGER, "at risk"),
        (
            with_(problems=(problem(Severity.DANGER),), queue=Queue(stuck=True, waiting=1)),
            DIRECT,
            Tone.DANGER,
            "at risk",
        ),
    ],
)
def test_one_sentence_says_whether_all_is_well(
    snapshot: Snapshot | None, config: Config, tone: Tone, words: str
) -> None:
    said = panels.verdict(snapshot, config)
    assert said.tone is tone and words in said.sentence


def test_what_is_too_old_to_be_proved_is_not_shown() -> None:
    assert panels.fresh(RUNNING, NOW + SILENT_AFTER_S) is RUNNING
    assert panels.fresh(RUNNING, NOW + SILENT_AFTER_S + 1) is None
    assert panels.fresh(None, NOW) is None


def test_the_lights_are_those_on_the_case() -> None:
    snapshot = with_(queue=Queue(waiting=1, deferred=1), delivered_at=NOW)
    assert {light.name: light.rhythm for light in lights_of(snapshot, NOW)} == {
        "power": "steady",
        "queue": "slow",
        "mail": "flash",
        "alert": "off",
    }
    assert {light.rhythm for light in lights_of(None, NOW) if light.name == "alert"} == {"fast"}


def test_each_light_has_words_for_each_signal() -> None:
    assert list(panels.LIGHT_NAMES) == ["power", "queue", "mail", "alert"]
    for name in panels.LIGHT_NAMES:
        for signal in Signal:
            assert panels.LIGHT_WORDS[name][signal] and panels.RHYTHM_NAMES[signal]


def queued(**changes: object) -> QueuedRecipient:
    values: dict[str, object] = {
        "id": 1,
        "message_id": 7,
        "address": "bob@elsewhere.example",
        "domain": "elsewhere.example",
        "orcpt": None,
        "notify": "",
        "state": State.WAITING,
        "attempts": 0,
        "next_attempt_at": NOW,
        "last_attempt_at": None,
        "last_reply": "",
        "last_host": "",
        "delay_warned": False,
    }
    return QueuedRecipient(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("recipient", "config", "words"),
    [
        (queued(), DIRECT, "about to be sent"),
        (queued(state=State.HELD), DIRECT, "holding"),
        (queued(), OFF, "switched off"),
        (queued(attempts=1), DIRECT, "being sent"),
        (queued(attempts=1, last_reply="451 4.7.1 Greylisted"), DIRECT, "asked to try again later"),
        (queued(attempts=1, last_reply="421 4.3.2 Too busy"), DIRECT, "busy"),
        (queued(attempts=3, last_reply="timed out"), RELAY, "could not be reached"),
        (queued(attempts=3, last_reply="4"), RELAY, "could not be reached"),
    ],
)
def test_why_a_message_waits(recipient: QueuedRecipient, config: Config, words: str) -> None:
    assert words in panels.why_waiting(recipient, config).sentence


def test_a_queue_line_gathers_its_recipients() -> None:
    message = QueuedMessage(
        id=7,
        trace_id="t7",
        blob_id=1,
        prefix=b"",
        reverse_path="ann@example.org",
        account_id=1,
        accepted_at=NOW,
        size_octets=1000,
        eight_bit=False,
        smtputf8=False,
        ret=None,
        envid=None,
        message_id_header="<x@y>",
        subject="Hello",
    )
    recipients = [queued(), queued(id=2, state=State.HELD), queued(id=3, message_id=8)]
    (line,) = panels.queue_lines([message], recipients, DIRECT)
    assert [each.held for each in line.recipients] == [False, True] and not line.held
    assert [each.next_attempt_at for each in line.recipients] == [NOW, None]
    (line,) = panels.queue_lines([message], [queued(state=State.HELD)], DIRECT)
    assert line.held


def test_the_first_page_says_what_works_and_what_is_missing() -> None:
    config = Config(
        hostname="mail.example.org",
        domains=("example.org",),
        listen=ListenConfig(address="0.0.0.0", smtp=25),
        outbound=RELAY.outbound,
    )
    said = panels.first_look(config, RUNNING, self_signed=False)
    text = " ".join(each.sentence % each.named if each.named else each.sentence for each in said)
    assert "works now" in text and "leaves through smtp.provider.example" in text
    assert "only programs on this machine" not in text and "certificate" not in text
    said = panels.first_look(DIRECT, None, self_signed=True)
    text = " ".join(each.sentence % each.named if each.named else each.sentence for each in said)
    assert "does not answer" in text and "leaves directly" in text and "certificate" in text
    assert "listens at port 2525" in text and "only programs on this machine" in text
    # What a home line cannot help is no error.
    assert Tone.DANGER not in {each.tone for each in panels.first_look(DIRECT, RUNNING, self_signed=True)}


def test_ports_are_those_that_are_open() -> None:
    config = Config(listen=ListenConfig(imaps=0, pop3="off"))
    snapshot = with_(
        listeners=(
            Listener(name="imaps", port=40993, ok=True),
            Listener(name="submissions", port=2465, ok=False, detail="in use"),
        )
    )
    assert panels.listening_port(config, snapshot, "imaps") == 40993
    assert panels.listening_port(config, snapshot, "pop3") is None
    settings = {(each.use, each.port) for each in panels.program_settings(config, snapshot)}
    assert ("Reading (IMAP)", 40993) in settings


def test_danger_stands_first_and_then_what_is_new() -> None:
    old, new, danger = problem(since=1), problem(since=2), problem(Severity.DANGER, since=0)
    assert panels.worst_first([old, danger, new]) == [danger, new, old]


SD = Disk(name="mmcblk0", kind=Kind.SD, size_octets=32_000_000_000)
LONG = Life(years_least=10, years_most=20, endurance_octets=9_600_000_000_000, stated=False)
SHORT = Life(years_least=0, years_most=2, endurance_octets=9_600_000_000_000, stated=False)
A_DAY = Day(day="", written_octets=57_000_000)


@pytest.mark.parametrize(
    ("card", "tone", "words"),
    [
        (Card(disk=SD, per_day=A_DAY, life=LONG), Tone.GOOD, "for at least %(least)s years"),
        (Card(disk=SD, health=Health(life_used_percent=(0, 10))), Tone.GOOD, "%(used)s percent of its life"),
        (Card(disk=SD), Tone.BUSY, "after a day of counting"),
        (Card(hidden=Hidden.LOOP), Tone.BUSY, "cannot be told"),
        (Card(disk=SD, per_day=A_DAY, life=SHORT, counted_s=1e6), Tone.NEEDS, "within half a year"),
        (Card(disk=SD, health=Health(life_used_percent=(90, 100))), Tone.NEEDS, "%(used)s percent of its life"),
        (Card(disk=SD, per_day=A_DAY, life=LONG, health=Health(errors=1)), Tone.DANGER, "for at least"),
    ],
)
def test_how_long_the_card_lasts_is_said_in_one_sentence(card: Card, tone: Tone, words: str) -> None:
    panel = panels.card_panel(card)
    assert panel.lasts.tone is tone and words in panel.lasts.sentence
    assert panel.lasts.sentence % panel.lasts.named
    assert panel.today is None


def test_the_cards_newest_day_is_today() -> None:
    days = (Day(day="2026-11-24", mail_octets=7), Day(day="2026-11-23", mail_octets=5))
    panel = panels.card_panel(Card(disk=SD, days=days))
    assert panel.today == days[0] and panel.days == days
