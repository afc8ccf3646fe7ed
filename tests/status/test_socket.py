"""Whoever connects hears the state at once and what follows; verbs are answered; nobody makes the mail wait."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.status import socket as status_socket
from appliance.status.board import Board
from appliance.status.bus import Bus
from appliance.status.client import LineBuffer
from appliance.status.events import AccountsChanged, Event, MailboxListChanged, Phase, PhaseChanged, QueueChanged
from appliance.status.lines import LineFault, decode, encode
from appliance.status.snapshot import Snapshot
from appliance.status.socket import AsyncStatusClient, StatusClient, StatusServer, VerbRefused

WITHIN_S = 10.0


class Mail:
    """A mail process's status side: bus, board, server, and the verbs it was asked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bus = Bus()
        self.bus.attach(asyncio.get_running_loop())
        self.board = Board(self.bus)
        self.asked: list[Mapping[str, Any]] = []
        verbs = {"queue": self.queue, "break": self.fail}
        self.server = StatusServer(path, self.bus, self.board, verbs)
        self.heard: list[Event] = []
        self.bus.subscribe(self.heard.append)

    async def queue(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked.append(question)
        if question.get("action") == "remove" and "id" not in question:
            raise VerbRefused("say which message")
        return {"changed": 3}

    async def fail(self, question: Mapping[str, Any]) -> None:
        raise RuntimeError("inner secret")


@pytest.fixture
async def mail(tmp_path: Path) -> AsyncIterator[Mail]:
    mail = Mail(tmp_path / "run" / "status.sock")
    await mail.server.start()
    yield mail
    await mail.server.stop()


async def connected(mail: Mail) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_unix_connection(str(mail.path))


async def line(reader: asyncio.StreamReader) -> Any:
    return json.loads(await asyncio.wait_for(reader.readline(), WITHIN_S))


async def ask(mail: Mail, *arguments: Any, **fields: Any) -> dict[str, Any]:
    answer = await asyncio.to_thread(StatusClient(mail.path).ask, *arguments, **fields)
    assert answer is not None
    return answer


async def test_a_client_gets_the_snapshot_at_once(mail: Mail) -> None:
    mail.bus.publish(QueueChanged(at=1.0, waiting=4))
    reader, writer = await connected(mail)
    first = await line(reader)
    assert (first["type"], first["queue"]["waiting"]) == ("Snapshot", 4)
    writer.close()


async def test_events_follow_as_they_happen_and_a_snapshot_after_them(mail: Mail) -> None:
    reader, writer = await connected(mail)
    await line(reader)
    mail.bus.publish(QueueChanged(at=1.0, waiting=1), QueueChanged(at=2.0, waiting=2))
    heard = [await line(reader) for _ in range(3)]
    assert [h["type"] for h in heard] == ["QueueChanged", "QueueChanged", "Snapshot"]
    assert heard[2]["queue"]["waiting"] == 2
    writer.close()


async def test_a_heartbeat_comes_without_any_event(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    await mail.server.stop()
    monkeypatch.setattr(status_socket, "HEARTBEAT_S", 0.02)
    await mail.server.start()
    reader, writer = await connected(mail)
    first, second, third = [await line(reader) for _ in range(3)]
    assert first["at"] <= second["at"] <= third["at"]
    assert third["type"] == "Snapshot"
    writer.close()


async def test_a_client_may_choose_what_it_hears(mail: Mail) -> None:
    reader, writer = await connected(mail)
    await line(reader)
    writer.write(encode({"verb": "follow", "types": ["Snapshot"]}))
    assert (await line(reader)) == {"type": "Answer", "ok": True, "error": "", "result": {}}
    mail.bus.publish(QueueChanged(at=1.0, waiting=7))
    heard = await line(reader)
    assert (heard["type"], heard["queue"]["waiting"]) == ("Snapshot", 7)
    writer.close()


async def test_verbs_reach_their_handlers_with_all_they_say(mail: Mail) -> None:
    assert await ask(mail, {"verb": "queue", "action": "hold", "id": "q1"}) == {"ok": True, "changed": 3}
    assert await ask(mail, "queue", action="flush") == {"ok": True, "changed": 3}
    assert mail.asked == [{"verb": "queue", "action": "hold", "id": "q1"}, {"verb": "queue", "action": "flush"}]


REFUSED = {
    "handler": ({"verb": "queue", "action": "remove"}, "say which message"),
    "unknown verb": ({"verb": "dance"}, "there is no verb 'dance'"),
    "no verb": ({"word": "x"}, '"verb" is expected'),
    "unknown type": ({"verb": "follow", "types": ["Gossip"]}, "no type 'Gossip'"),
    "types is no list": ({"verb": "follow", "types": "Filed"}, "a list of names"),
    "no event": ({"verb": "event"}, "not an event"),
    "unknown event": ({"verb": "event", "event": {"type": "Gossip", "at": 1}}, "not an event"),
    "event with a wrong field": (
        {"verb": "event", "event": {"type": "QueueChanged", "at": 1, "waiting": "x"}},
        "not an",
    ),
    "a bug of ours": ({"verb": "break"}, "something went wrong here"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_refusal_is_an_answer_with_a_sentence(mail: Mail, name: str) -> None:
    question, sentence = REFUSED[name]
    answer = await ask(mail, question)
    assert answer["ok"] is False
    assert sentence in answer["error"]
    assert "inner secret" not in answer["error"]


async def test_what_is_no_json_is_refused_and_the_line_stays_open(mail: Mail) -> None:
    reader, writer = await connected(mail)
    await line(reader)
    writer.write(b"{oops\n" + encode({"verb": "snapshot"}))
    assert (await line(reader))["ok"] is False
    answer = await line(reader)
    assert answer["result"]["snapshot"]["type"] == "Snapshot"
    writer.close()


async def test_an_endless_line_ends_the_connection(mail: Mail) -> None:
    reader, writer = await connected(mail)
    await line(reader)
    writer.write(b"x" * (status_socket.lines.LINE_MOST_OCTETS + 100_000))
    assert await asyncio.wait_for(reader.read(), WITHIN_S) == b""
    writer.close()


async def test_what_another_process_did_is_published_here(mail: Mail) -> None:
    event = MailboxListChanged(at=5.0, account_id=3)
    assert (await ask(mail, {"verb": "event", "event": msgspec.to_builtins(event)}))["ok"]
    assert mail.heard == [event]


async def test_a_client_that_does_not_read_is_dropped_and_the_others_hear_all(mail: Mail) -> None:
    lazy = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    lazy.setblocking(False)
    await asyncio.get_running_loop().sock_connect(lazy, str(mail.path))
    reader, writer = await connected(mail)
    await line(reader)
    writer.write(encode({"verb": "follow", "types": ["PhaseChanged"]}))
    await line(reader)
    event = PhaseChanged(at=1.0, phase=Phase.RUNNING)
    rounds = 0
    while len(mail.server._followers) > 1 and rounds < 100:
        mail.bus.publish(*[event] * 1000)
        octets = await asyncio.wait_for(reader.readexactly(1000 * len(encode(event))), WITHIN_S)
        assert octets == encode(event) * 1000
        rounds += 1
    assert len(mail.server._followers) == 1
    lazy.close()
    writer.close()


async def test_the_socket_is_for_owner_and_group_only(mail: Mail) -> None:
    assert stat.S_IMODE(mail.path.stat().st_mode) == 0o660
    assert [p.name for p in mail.path.parent.iterdir()] == ["status.sock"]


async def test_a_living_server_is_not_pushed_aside(mail: Mail) -> None:
    other = StatusServer(mail.path, mail.bus, mail.board, {})
    with pytest.raises(FileExistsError, match="another mail process"):
        await other.start()
    assert (await ask(mail, "snapshot"))["ok"]


async def test_what_a_dead_server_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "status.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    mail = Mail(path)
    await mail.server.start()
    assert (await ask(mail, "snapshot"))["ok"]
    assert mail.server.health() is None
    await mail.server.stop()
    assert mail.server.health() == "the status socket is closed"
    assert not path.exists()


async def test_stopping_tells_the_last_words_and_ends_every_line(mail: Mail) -> None:
    reader, writer = await connected(mail)
    await line(reader)
    mail.bus.publish(PhaseChanged(at=1.0, phase=Phase.STOPPING))
    await mail.server.stop()
    told = [json.loads(text) for text in (await asyncio.wait_for(reader.read(), WITHIN_S)).splitlines()]
    assert [(t["type"], t["phase"]) for t in told] == [("PhaseChanged", "stopping"), ("Snapshot", "stopping")]
    writer.close()


async def test_an_absent_server_is_a_value_not_a_traceback(tmp_path: Path) -> None:
    client = StatusClient(tmp_path / "nothing.sock")
    assert client.ask("snapshot") is None
    assert client.snapshot() is None
    assert list(client.events()) == []
    assert [x async for x in AsyncStatusClient(tmp_path / "nothing.sock").events()] == []
    assert await AsyncStatusClient(tmp_path / "nothing.sock").ask("snapshot") is None


async def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "mute.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as mute:
        mute.bind(str(path))
        mute.listen()
        assert await asyncio.to_thread(StatusClient(path, timeout_s=0.05).ask, "snapshot") is None


async def test_the_clients_without_and_with_a_loop_hear_the_same(mail: Mail) -> None:
    def first_two() -> list[object]:
        heard = []
        for told in StatusClient(mail.path).events(timeout_s=WITHIN_S, types=("Snapshot", "AccountsChanged")):
            heard.append(told)
            if isinstance(told, AccountsChanged):
                return heard
        return heard

    async def async_two() -> list[object]:
        heard = []
        async for told in AsyncStatusClient(mail.path).events(("Snapshot", "AccountsChanged")):
            heard.append(told)
            if isinstance(told, AccountsChanged):
                return heard
        return heard

    both = asyncio.gather(asyncio.to_thread(first_two), async_two())
    while sum(bool(f.types) for f in mail.server._followers) < 2:  # noqa: ASYNC110 - nothing tells that both asked
        await asyncio.sleep(0)
    mail.bus.publish(QueueChanged(at=1.0), AccountsChanged(at=2.0))
    for heard in await asyncio.wait_for(both, WITHIN_S):
        assert isinstance(heard[0], Snapshot)
        assert heard[-1] == AccountsChanged(at=2.0)
        assert not [h for h in heard if isinstance(h, QueueChanged)]


async def test_the_snapshot_of_the_client_is_the_boards(mail: Mail) -> None:
    mail.bus.publish(QueueChanged(at=1.0, waiting=2))
    snapshot = await asyncio.to_thread(StatusClient(mail.path).snapshot)
    assert snapshot is not None
    assert snapshot.queue.waiting == 2


async def test_events_end_at_their_time(mail: Mail) -> None:
    heard = await asyncio.to_thread(lambda: list(StatusClient(mail.path).events(timeout_s=0.05)))
    assert [type(h).__name__ for h in heard] == ["Snapshot"]


def test_lines_are_understood_however_they_are_cut() -> None:
    told = [QueueChanged(at=1.0, waiting=1), AccountsChanged(at=2.0)]
    octets = b"".join(encode(t) for t in told)
    for step in range(1, len(octets)):
        buffer = LineBuffer()
        heard = [h for i in range(0, len(octets), step) for h in buffer.feed(octets[i : i + step])]
        assert heard == told


def test_a_type_from_a_newer_server_is_passed_over() -> None:
    assert decode(b'{"type":"Invention","at":1}') is None


@pytest.mark.parametrize("text", [b"nonsense", b'{"type":"QueueChanged","at":"x"}', b"\xff"])
def test_a_broken_line_is_a_fault(text: bytes) -> None:
    with pytest.raises(LineFault):
        decode(text)
