"""The mail process, in this process: what it opens, what a reload touches, what it tells its supervisor and the owner."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.config import edit
from appliance.services import mail as module
from appliance.services.alone import NotAlone, alone
from appliance.services.mail import MailService
from appliance.services.places import Places
from appliance.setup.set_up import Answers, set_up
from appliance.status.events import Phase
from appliance.status.snapshot import Snapshot
from appliance.status.socket import AsyncStatusClient
from appliance.store.interface import Store
from appliance.store.quota import Limits
from appliance.transport.sign import load_keys
from tests.support.homes import Homes
from tests.support.world import ADMIN_PASSWORD, FREE_PORTS

PATIENCE_S = 60
ALL = {"smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"}


class Told:
    """The other end of the notify socket: what systemd or the supervisor hears."""

    def __init__(self, path: Path) -> None:
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._line.bind(str(path))
        self._line.setblocking(False)
        self.heard: list[dict[str, str]] = []

    async def until(self, holds: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """The first message from now on of which it holds."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE_S):
            while True:
                octets = await loop.sock_recv(self._line, 65536)
                self.heard.append(dict(line.split("=", 1) for line in octets.decode().splitlines()))
                if holds(self.heard[-1]):
                    return self.heard[-1]

    async def ready(self) -> dict[str, int]:
        """The ports, the next time that READY=1 is said."""
        ports: dict[str, int] = json.loads((await self.until(lambda m: m.get("READY") == "1"))["MERPATI_PORTS"])
        return ports

    def rest(self) -> list[dict[str, str]]:
        with contextlib.suppress(BlockingIOError):
            while True:
                octets = self._line.recv(65536)
                self.heard.append(dict(line.split("=", 1) for line in octets.decode().splitlines()))
        return self.heard

    def close(self) -> None:
        self._line.close()


class Process:
    """ports: as it told them last."""

    def __init__(self, places: Places, told: Told) -> None:
        self.places = places
        self.told = told
        self.service = MailService(places)
        self.ports: dict[str, int] = {}
        self._task = asyncio.create_task(self.service.run())

    async def config(self, **values: object) -> dict[str, Any]:
        """Changes keys (`__` is a dot) and has it reload; the answer."""
        edit(self.places.config, {key.replace("__", "."): value for key, value in values.items()})
        return await self.reload()

    async def reload(self) -> dict[str, Any]:
        answer = await AsyncStatusClient(self.places.status_socket).ask("reload")
        assert answer is not None
        if answer["ok"]:
            self.ports = await self.told.ready()
        return answer

    async def when(self, holds: Callable[[Snapshot], bool]) -> Snapshot:
        async with asyncio.timeout(PATIENCE_S):
            async for heard in AsyncStatusClient(self.places.status_socket).events():
                if isinstance(heard, Snapshot) and holds(heard):
                    return heard
        raise AssertionError("it ended")

    async def end(self) -> None:
        self.service._ended.set()
        async with asyncio.timeout(PATIENCE_S):
            await self._task


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    told = Told(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    yield told
    told.close()


@contextlib.asynccontextmanager
async def running(home: Path, told: Told) -> AsyncIterator[Process]:
    places = Places(home, home / "run")
    places.make()
    process = Process(places, told)
    try:
        process.ports = await told.ready()
        yield process
    finally:
        await process.end()


@pytest.fixture
async def process(tmp_path: Path, told: Told, homes: Homes) -> AsyncIterator[Process]:
    async with running(homes.copy(tmp_path / "home"), told) as process:
        yield process


class Line:
    """A client that says and hears lines."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def to(cls, port: int) -> Line:
        line = cls(*await asyncio.open_connection("127.0.0.1", port))
        line.greeting = await line.hear()
        return line

    greeting: bytes = b""

    async def hear(self) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self._reader.readline()

    async def ask(self, said: bytes, last: bytes) -> None:
        """Until a line that begins with `last`."""
        self._writer.write(said + b"\r\n")
        while not (heard := await self.hear()).startswith(last):
            assert heard, "it hung up"

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


async def refused(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


async def test_ready_names_every_port_and_each_greets(process: Process) -> None:
    assert process.ports.keys() == ALL
    for name, word in {"smtp": b"220 ", "submission": b"220 ", "imap": b"* OK ", "pop3": b"+OK "}.items():
        line = await Line.to(process.ports[name])
        assert line.greeting.startswith(word)
        await line.close()
    snapshot = await process.when(lambda s: s.storage is not None)
    assert snapshot.phase is Phase.RUNNING
    assert {listener.name for listener in snapshot.listeners} == ALL


async def test_what_the_card_takes_is_told_from_the_start(process: Process) -> None:
    snapshot = await process.when(lambda snapshot: True)
    assert snapshot.card is not None
    assert (snapshot.card.disk is None) is not (snapshot.card.hidden is None)
    assert len(snapshot.card.days) == 1
    await process.config(limits__card_endurance=117, locale__timezone="Asia/Jakarta")
    assert (process.service._card.endurance_tb, process.service._card.timezone) == (117, "Asia/Jakarta")


async def test_searches_share_an_index_whose_octets_are_metered(process: Process) -> None:
    parts = process.service._listeners._wanted
    assert parts is not None and parts[1].index is process.service._text_index
    assert process.service._text_index.health() is None
    process.service._text_index._index.meter.octets = 4711
    assert process.service._card._counters().index == 4711


async def test_what_accounts_may_keep_is_taken_from_the_configuration(process: Process) -> None:
    assert not process.service._store.default_limits.any
    await process.config(limits__account_size=1_000_000, limits__account_messages=100)
    assert process.service._store.default_limits == Limits(1_000_000, 100)


async def test_before_the_set_up_no_port_is_open_and_after_it_all_are(tmp_path: Path, told: Told) -> None:
    home = tmp_path / "home"
    edit(home / "merpati.yaml", FREE_PORTS)
    async with running(home, told) as process:
        assert process.ports == {}
        assert (await process.when(lambda s: True)).phase is Phase.UNCLAIMED
        store = Store(home)
        answers = Answers(hostname="mx.near.example", domain="near.example", admin_password=ADMIN_PASSWORD)
        await asyncio.to_thread(set_up, home, store, answers)
        store.close()
        assert (await process.reload())["ok"]
        assert process.ports.keys() == ALL
        assert (await process.when(lambda s: True)).phase is Phase.RUNNING


async def test_a_port_is_closed_and_opened_while_others_keep_their_connections(process: Process) -> None:
    imap = await Line.to(process.ports["imap"])
    pop3, smtp = process.ports["pop3"], process.ports["smtp"]
    assert (await process.config(listen__pop3="off"))["ok"]
    assert process.ports.keys() == ALL - {"pop3"}
    assert await refused(pop3)
    assert process.ports["smtp"] == smtp
    await imap.ask(b"a NOOP", b"a OK")
    assert (await process.config(listen__pop3=pop3))["ok"]
    assert process.ports["pop3"] == pop3
    assert not await refused(pop3)
    await imap.ask(b"b NOOP", b"b OK")
    await imap.close()


async def test_two_ports_change_places(process: Process) -> None:
    one, other = free_port(), free_port()
    await process.config(listen__imap=one, listen__pop3=other)
    answer = await process.config(listen__imap=other, listen__pop3=one)
    assert answer["ok"]
    assert (process.ports["imap"], process.ports["pop3"]) == (other, one)
    line = await Line.to(one)
    assert line.greeting.startswith(b"+OK ")
    await line.close()


async def test_the_way_out_is_made_anew_only_when_it_changes(process: Process) -> None:
    before = process.service._runner
    await process.config(limits__connections=7)
    assert process.service._runner is before
    await process.config(outbound__mx_port=2525)
    assert process.service._runner is not before


async def test_a_taken_port_is_a_problem_until_it_is_free(
    tmp_path: Path, told: Told, homes: Homes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OPEN_AGAIN_S", 0.02)
    home = homes.copy(tmp_path / "home")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        edit(home / "merpati.yaml", {"listen.pop3": port})
        async with running(home, told) as process:
            assert process.ports.keys() == ALL - {"pop3"}
            snapshot = await process.when(lambda s: bool(s.problems))
            assert [p.id for p in snapshot.problems] == ["listener:pop3"]
            assert str(port) in snapshot.problems[0].what
            other.close()
            async with asyncio.timeout(PATIENCE_S):
                while (await told.ready()).get("pop3") != port:
                    pass
            await process.when(lambda s: not s.problems)


async def test_what_cannot_be_is_refused_and_changes_nothing(process: Process, tmp_path: Path) -> None:
    before = dict(process.ports)
    good = process.places.config.read_text()
    wrong = {
        "not valid": ("listen: {smtp: many}\n", "listen.smtp"),
        "not YAML": ("listen: [\n", "not YAML"),
        "taken away": ("locale: {language: id}\n", "hostname and domains are needed"),
        "no certificate": (good + "\ntls: {certificate: no.crt, key: no.key}\n", "certificate cannot be used"),
    }
    for name, (text, sentence) in wrong.items():
        process.places.config.write_text(text)
        answer = await process.reload()
        assert not answer["ok"], name
        assert sentence in answer["error"], name
        assert process.service._listeners.ports == before, name
    assert (await process.when(lambda s: True)).phase is Phase.RUNNING


async def test_a_certificate_that_cannot_be_used_is_told_and_mail_still_comes_in(
    tmp_path: Path, told: Told, homes: Homes, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = homes.copy(tmp_path / "home")
    edit(home / "merpati.yaml", {"tls.certificate": "own.crt", "tls.key": "own.key"})
    async with running(home, told) as process:
        line = await Line.to(process.ports["smtp"])
        await line.ask(b"EHLO there", b"250 ")
        await line.close()
        await process.when(lambda s: any(p.id == "certificate" for p in s.problems))
        for end in ("crt", "key"):
            (home / f"own.{end}").write_bytes((home / "keys" / "tls" / f"self-signed.{end}").read_bytes())
        await process.service._look()
        await process.when(lambda s: not s.problems)


async def test_a_start_waits_for_nothing_that_only_makes_it_quicker(
    tmp_path: Path, told: Told, homes: Homes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log gets its full length while mail comes in; a stop in the middle of it is a stop like any other."""
    begun = asyncio.Event()

    async def prepare(_: Store) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Store, "prepare", prepare)
    async with running(homes.copy(tmp_path / "home"), told) as process:
        line = await Line.to(process.ports["smtp"])
        await line.ask(b"EHLO there", b"250 ")
        await line.close()
        await asyncio.wait_for(begun.wait(), PATIENCE_S)


async def test_a_domain_that_is_new_gets_its_keys(process: Process) -> None:
    assert (await process.config(domains=["near.example", "other.example"]))["ok"]
    assert len(load_keys(process.places.home / "keys" / "dkim", "other.example")) == 2


async def test_the_watchdog_is_fed_while_nothing_is_wrong_that_a_new_start_would_mend(
    tmp_path: Path, told: Told, homes: Homes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    async with running(homes.copy(tmp_path / "home"), told) as process:
        await told.until(lambda m: m.get("WATCHDOG") == "1")
        runner = process.service._runner
        assert runner is not None
        runner._unwritten = "the card is full"
        await told.until(lambda m: m.get("STATUS") == "the card is full")
        await told.until(lambda m: m.get("WATCHDOG") == "1")
        runner._unwritten = None
        await told.until(lambda m: m.get("STATUS") == "well")
        process.service._store._writer.failure = "EIO"
        assert "WATCHDOG" not in await told.until(lambda m: m.get("STATUS") == "EIO")
        await process.when(lambda s: any(p.id == "storage-failed" for p in s.problems))
        process.service._store._writer.failure = None


async def test_it_says_goodbye(tmp_path: Path, told: Told, homes: Homes) -> None:
    async with running(homes.copy(tmp_path / "home"), told) as process:
        imap = await Line.to(process.ports["imap"])
    assert (await imap.hear()).startswith(b"* BYE ")
    await imap.close()
    assert {"STOPPING": "1"} in told.rest()
    assert not process.places.status_socket.exists()


def test_a_second_one_is_refused(tmp_path: Path, homes: Homes) -> None:
    """Also in another runtime folder: they would send what is queued twice."""
    home = homes.copy(tmp_path / "home")
    held = alone(Places(home, home / "run").mail_lock, home)
    with pytest.raises(NotAlone, match="is running on"):
        module.main(Places(home, tmp_path / "elsewhere"))
    os.close(held)
