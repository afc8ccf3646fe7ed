"""Commands beside a running server: the queue's verbs, settings taken up, a message's story, the state at a glance."""

from __future__ import annotations

import imaplib
import json
import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from appliance.status import card_tell
from appliance.status.client import StatusClient
from appliance.status.events import AccountsChanged, CardWritten
from appliance.store.changes.queue import PutOff, settle
from appliance.store.interface import Store
from appliance.store.queue_rows import all_recipients
from tests.support.dns_server import DnsServer
from tests.support.homes import Homes, put_in_queue
from tests.support.remote_mta import RemoteMta
from tests.support.world import PASSWORD, World, eventually

from .conftest import Run, refusal, run_in

LATER = "450 4.2.1 come again tomorrow"


@dataclass
class Live:
    world: World
    mta: RemoteMta
    run: Run

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--json").stdout)

    def queue(self) -> Any:
        return self.json("queue", "list")

    def submit(self, recipient: str, subject: str) -> None:
        context = ssl.create_default_context(cafile=str(self.world.home / "keys" / "tls" / "self-signed.crt"))
        context.check_hostname = False  # dialled by its address
        with smtplib.SMTP_SSL("127.0.0.1", self.world.ports["submissions"], context=context, timeout=60) as smtp:
            smtp.login("bob@near.example", PASSWORD)
            text = f"From: bob@near.example\r\nSubject: {subject}\r\nMessage-ID: <{subject}@near.example>\r\n\r\nx\r\n"
            smtp.sendmail("bob@near.example", [recipient], text)

    def put_off(self, subject: str) -> dict[str, Any]:
        """A message that the other server has put off: its row of `queue list`."""
        self.mta.say("RCPT", LATER)
        self.submit("ann@far.example", subject)
        rows: list[dict[str, Any]] = []

        def tried() -> bool:
            rows[:] = [row for row in self.queue() if row["subject"] == subject]
            return bool(rows) and "450" in rows[0]["recipients"][0]["last_reply"]

        eventually(tried, self.world.log)
        self.mta.say("RCPT", None)
        return rows[0]

    def arrived(self, subject: str) -> bool:
        return any(f"Subject: {subject}\r\n".encode() in message.content for message in self.mta.messages)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, homes: Homes) -> Iterator[Live]:
    home = homes.copy(tmp_path_factory.mktemp("live") / "home")
    run = run_in(home)
    with (
        DnsServer("far.example. MX 10 mx.far.example.\nmx.far.example. A 127.0.0.1") as dns,
        RemoteMta() as mta,
        World(home, fresh=False) as world,
    ):
        # Not told before the start, so that it is the running server that takes it up.
        run("config", "set", "resolver", f"127.0.0.1:{dns.address[1]}")
        told = run("config", "set", "outbound.mx_port", str(mta.port)).stdout
        assert told == f"outbound.mx_port is now {mta.port}.\n"
        yield Live(world, mta, run)


@pytest.mark.parametrize("by", ["id", "trace_id"])
def test_hold_release_remove(live: Live, by: str) -> None:
    row = live.put_off(f"held-by-{by}")
    name = str(row[by])
    assert live.run("queue", "hold", name).stdout == "1 recipient held.\n"
    (row,) = live.queue()
    assert row["recipients"][0]["state"] == "held"
    eventually(lambda: live.json("status")["queue"] == {"waiting": 0, "deferred": 0})
    assert live.json("status")["leds"]["queue"] == "steady"
    assert "held  " in live.run("queue", "list").stdout
    assert live.run("queue", "hold", name).stdout == "0 recipients held.\n"
    assert live.run("queue", "flush").stdout == "0 recipients due now.\n"
    assert live.run("queue", "flush", name).stdout == "0 recipients due now.\n"
    assert not live.arrived(row["subject"])
    assert live.run("queue", "release", name).stdout == "1 recipient released.\n"
    live.mta.wait_for(lambda mta: live.arrived(row["subject"]), 60)
    eventually(lambda: live.queue() == [])

    row = live.put_off(f"removed-by-{by}")
    assert live.run("queue", "remove", str(row[by])).stdout == "1 recipient removed.\n"
    assert live.queue() == []
    assert live.run("queue", "flush").stdout == "0 recipients due now.\n"
    assert refusal(live.run("queue", "remove", str(row[by]), status=1)) == (
        f"there is no message {row[by]} in the queue; see `merpati queue list`"
    )
    assert not live.arrived(row["subject"])
    sentences = [step["sentence"] for step in live.json("trace", row["trace_id"])[0]["steps"]]
    assert sentences[-1] == "You removed it from the queue."


def test_flush_sends_at_once_what_was_put_off(live: Live) -> None:
    one, other = live.put_off("one"), live.put_off("other")
    assert live.json("status")["queue"] == {"waiting": 2, "deferred": 2}
    assert live.json("status")["leds"]["queue"] == "slow"
    assert live.run("queue", "flush", one["trace_id"]).stdout == "1 recipient due now.\n"
    live.mta.wait_for(lambda mta: live.arrived("one"), 60)
    eventually(lambda: [row["id"] for row in live.queue()] == [other["id"]])
    assert live.run("queue", "flush").stdout == "1 recipient due now.\n"
    live.mta.wait_for(lambda mta: live.arrived("other"), 60)
    eventually(lambda: live.queue() == [])
    assert live.run("queue", "list").stdout == "Nothing waits.\n"
    eventually(lambda: live.json("status")["leds"]["queue"] == "off")


@pytest.mark.parametrize("verb", ["hold", "release", "remove", "flush"])
@pytest.mark.parametrize("id", ["4711", "0123456789abcdef", "-", "9" * 40, "½", "' OR 1=1"])
def test_what_is_not_in_the_queue(live: Live, verb: str, id: str) -> None:
    assert refusal(live.run("queue", verb, id, status=1)).startswith(f"there is no message {id} in the queue")


def test_the_queue_as_json(live: Live) -> None:
    row = live.put_off("as-json")
    assert row.keys() == {
        "id", "trace_id", "reverse_path", "subject", "message_id", "size_octets", "accepted_at", "recipients",
    }  # fmt: skip
    (recipient,) = row["recipients"]
    assert recipient.keys() == {
        "id", "address", "state", "attempts", "next_attempt_at", "last_attempt_at", "last_host", "last_reply",
    }  # fmt: skip
    assert (row["reverse_path"], recipient["address"], recipient["state"]) == (
        "bob@near.example",
        "ann@far.example",
        "waiting",
    )
    assert recipient["attempts"] == 1
    assert recipient["next_attempt_at"] > recipient["last_attempt_at"] >= row["accepted_at"]
    assert recipient["last_host"] == "mx.far.example"
    told = live.run("queue", "list").stdout
    assert f"{row['id']}  {row['trace_id']}  from <bob@near.example>  as-json" in told
    assert "to ann@far.example: 1 tries, next try 20" in told
    assert "mx.far.example" in told and LATER in told
    live.run("queue", "remove", str(row["id"]))


def test_a_story_is_found_by_whatever_one_has_at_hand(live: Live) -> None:
    live.submit("ann@far.example", "story")
    live.mta.wait_for(lambda mta: live.arrived("story"), 60)

    def found() -> list[Any]:
        stories: list[Any] = live.json("trace", "<story@near.example>")
        return stories if any("mx.far.example took it" in step["sentence"] for step in stories[0]["steps"]) else []

    eventually(lambda: bool(found()))
    (story,) = found()
    assert story.keys() == {"trace_id", "subject", "message_id", "steps"}
    assert {tuple(step) for step in story["steps"]} == {("at", "sentence", "technical")}
    assert [step["at"] for step in story["steps"]] == sorted(step["at"] for step in story["steps"])
    for name in (story["trace_id"], "story@near.example", "STORY@near.example"):
        assert live.json("trace", name) == [story], name
    assert story in live.json("trace", "ann@far.example")
    assert story in live.json("trace", "bob@near.example")
    told = live.run("trace", story["trace_id"]).stdout.splitlines()
    assert told[0] == f"{story['trace_id']}  story"
    assert [line.strip().partition("  ")[2] for line in told[1:] if line.startswith("  20")] == [
        step["sentence"] for step in story["steps"]
    ]


def test_mail_that_was_refused_has_a_story_too(live: Live) -> None:
    with (
        smtplib.SMTP("127.0.0.1", live.world.ports["smtp"], timeout=60) as smtp,
        pytest.raises(smtplib.SMTPRecipientsRefused),
    ):
        smtp.sendmail("eve@far.example", ["nobody@near.example"], "Subject: x\r\n\r\nx\r\n")
    (story,) = live.json("trace", "nobody@near.example")
    assert story["trace_id"] == ""
    (step,) = story["steps"]
    assert step["sentence"].startswith("It was refused. ")
    assert "550 5.1.1" in step["technical"]
    assert "It was refused. " in live.run("trace", "eve@far.example").stdout


@pytest.mark.parametrize("what", ["stranger@far.example", "<no-such-id@far.example>", "0000000000000000", "", "%", "'"])
def test_what_nothing_is_known_of(live: Live, what: str) -> None:
    assert json.loads(live.run("trace", what, "--json", status=1).stdout) == []
    assert refusal(live.run("trace", what, status=1)) == f"nothing is known of {what}"


def test_the_state_at_a_glance(live: Live) -> None:
    eventually(lambda: live.json("status")["leds"]["queue"] == "off")
    told = live.json("status")
    assert told.keys() == {"leds", "queue", "problems", "phase", "card"}
    assert told["leds"] == {"power": "steady", "queue": "off", "mail": told["leds"]["mail"], "alert": "off"}
    assert told["leds"]["mail"] in ("off", "flash")
    assert told["queue"] == {"waiting": 0, "deferred": 0}
    assert told["problems"] == []
    assert live.run("status").stdout.startswith("The server is running.\nLights: power steady, queue off, mail ")


def test_what_the_card_takes_is_told_and_by_whom(live: Live) -> None:
    """Of whatever disk the tests run on; `tests/status/` has one of each kind."""
    card = live.json("status")["card"]
    assert card.keys() == {
        "disk", "hidden", "days", "per_day", "counted_s", "since", "total_octets", "life", "health", "lasts",
    }  # fmt: skip
    assert (card["disk"] is None) is not (card["hidden"] is None)
    (day,) = card["days"]
    assert day.keys() == {
        "day", "seconds", "written_octets", "flushes", "mail_octets", "index_octets", "logs_octets", "rest_octets",
    }  # fmt: skip
    assert card["life"] is None  # it is too early to say
    assert card["lasts"].endswith(".")
    (line,) = (line for line in live.run("status").stdout.splitlines() if line.startswith("Card: "))
    assert re.search(r"written today \(\d+ MB mail, 0 MB search index, \d+ MB logs", line)
    assert line.endswith(card["lasts"])
    assert card["lasts"] in live.run("doctor").stdout


def test_a_problem_says_what_and_what_to_do(live: Live) -> None:
    pop3 = live.world.ports["pop3"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        live.run("config", "set", "listen.pop3", str(port))
        told = live.json("status")
        assert [problem.keys() for problem in told["problems"]] == [{"what", "do"}]
        assert told["problems"][0]["what"] == f"The port for pop3 ({port}) could not be opened: Address already in use."
        assert told["leds"]["alert"] == "slow"
        assert f"! {told['problems'][0]['what']} {told['problems'][0]['do']}" in live.run("status").stdout
    live.run("config", "set", "listen.pop3", "0")
    live.world.wait_ready(when=lambda ready: ready["ports"].get("pop3") == pop3)
    assert live.json("status")["problems"] == []


def test_what_the_running_server_does_not_take_up_is_said(live: Live) -> None:
    before = dict(live.world.ports)
    said = refusal(live.run("config", "set", "tls", "{certificate: no.crt, key: no.key}", status=1))
    assert said.startswith(
        "it is written down, but the running server does not take it up: the certificate cannot be used"
    )
    live.run("config", "set", "tls")
    live.world.wait_ready()
    assert live.world.ports == before


def test_a_wrong_value_does_not_reach_the_server(live: Live) -> None:
    before = (live.world.home / "merpati.yaml").read_bytes()
    refusal(live.run("config", "set", "listen.imap", "many", status=1))
    assert (live.world.home / "merpati.yaml").read_bytes() == before
    socket.create_connection(("127.0.0.1", live.world.ports["imap"]), timeout=10).close()


WHEN = {
    "listen.web": ("8081", "The web page moves there when Merpati is started again."),
    "leds.quiet_hours": ("22:00-07:00", "The LEDs take this up when Merpati is started again."),
    "limits.recipients": ("500", None),
}


@pytest.mark.parametrize("key", WHEN)
def test_what_has_to_wait_for_a_new_start_is_said(live: Live, key: str) -> None:
    value, sentence = WHEN[key]
    lines = live.run("config", "set", key, value).stdout.splitlines()
    live.run("config", "set", key)
    assert lines == [f"{key} is now {value}.", *([sentence] if sentence else [])]


def test_an_account_added_now_has_mail_now(live: Live) -> None:
    with smtplib.SMTP("127.0.0.1", live.world.ports["smtp"], timeout=60) as smtp:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            smtp.sendmail("a@far.example", ["new@near.example"], "Subject: x\r\n\r\nx\r\n")
        live.run("account", "add", "new@near.example", "--password-stdin", stdin=PASSWORD + "\n")
        assert smtp.sendmail("a@far.example", ["new@near.example"], "Subject: x\r\n\r\nx\r\n") == {}


def test_what_a_command_writes_is_told_to_the_server(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it counts as mail and not as the rest of the system; a command that only looks tells nothing."""
    monkeypatch.setattr(card_tell.OwnWrites, "octets", lambda own: 8192)
    told = StatusClient(live.world.home / "run" / "status.sock").events(60, types=("CardWritten", "AccountsChanged"))
    next(told)  # from now on it is connected
    live.run("account", "list")
    live.run("alias", "add", "info@near.example", "bob@near.example")
    heard = [next(told), next(told)]
    assert isinstance(heard[0], AccountsChanged) and isinstance(heard[1], CardWritten)
    assert (heard[1].process, heard[1].octets) == ("command", 8192)
    told.close()  # type: ignore[attr-defined]


def test_a_new_password_ends_what_goes_on_with_the_old_one(live: Live) -> None:
    """The command is another process than the one that the mail program is connected to."""
    live.run("account", "add", "cut@near.example", "--password-stdin", stdin=PASSWORD + "\n")
    imap = imaplib.IMAP4("127.0.0.1", live.world.ports["imap"], timeout=60)
    imap.login("cut@near.example", PASSWORD)
    live.run("account", "passwd", "cut@near.example", "--password-stdin", stdin=PASSWORD + " anew\n")
    assert imap.readline() == b"* BYE The password was changed or the account removed, sign in again\r\n"
    assert imap.readline() == b""
    imap.shutdown()


def test_doctor_beside_the_server(live: Live) -> None:
    findings = json.loads(live.run("doctor", "--json").stdout)
    assert not [finding for finding in findings if finding["status"] == "broken"]


def test_without_a_server_what_waits_is_counted(tmp_path: Path, homes: Homes) -> None:
    home = homes.copy(tmp_path / "home")
    store = Store(home)
    put_in_queue(store, "t1", "a@far.example", "b@far.example")
    first = store.read_now(all_recipients)[0]
    store.write_now(settle(put_off=[PutOff(first.id, LATER, "mx.far.example", 2e9)]))
    store.close()
    told = json.loads(run_in(home)("status", "--json").stdout)
    assert told == {
        "leds": {"power": "off", "queue": "off", "mail": "off", "alert": "off"},
        "queue": {"waiting": 2, "deferred": 1},
        "problems": [{"what": "The mail server is not running.", "do": "Start it with `merpati run`."}],
        "phase": "off",
        "card": told["card"],
    }
    assert run_in(home)("status").stdout.splitlines()[0] == "The server is not running."
