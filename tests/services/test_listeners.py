"""Which ports are open after which configuration; servers that are not touched stay, those that fail harm no other."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import pytest

from appliance.config import Config, ListenConfig
from appliance.config.load import parse
from appliance.services import listeners as module
from appliance.services.listeners import NAMES, Listeners, Parts
from appliance.status.board import Board
from appliance.status.bus import Bus
from appliance.status.events import Event, ListenerChanged, ListenerClosed

PARTS = cast(Parts, object())


class Door:
    """A server that holds its socket and nothing else."""

    def __init__(self, name: str, story: list[str]) -> None:
        self._name = name
        self._story = story
        self._sock: socket.socket | None = None

    async def start(self, host: str, port: int, *, sock: socket.socket | None = None) -> int:
        assert sock is not None
        self._sock = sock
        self._story.append(f"{self._name} opens")
        return int(sock.getsockname()[1])

    async def stop(self) -> None:
        assert self._sock is not None
        self._sock.close()
        self._story.append(f"{self._name} closes")

    def health(self) -> str | None:
        return None


class House:
    def __init__(self, given: Mapping[str, socket.socket] | None = None) -> None:
        self.story: list[str] = []
        self.events: list[Event] = []
        self.bus = Bus()
        self.board = Board(self.bus)
        self.bus.subscribe(self.events.append)
        self.listeners = Listeners(self.bus)
        self.listeners._inherited = dict(given or {})
        self.listeners._factories = self._factories  # type: ignore[method-assign]

    def _factories(self, config: Config, parts: Parts) -> dict[str, Callable[[], Any]]:
        return {name: (lambda name=name: Door(name, self.story)) for name in NAMES}

    async def apply(self, **ports: object) -> list[str]:
        """What happened. address: 127.0.0.1 unless it is said; a port that is not named is off."""
        self.story.clear()
        await self.listeners.apply(config(**ports), PARTS)
        return self.story[:]

    @property
    def problems(self) -> list[str]:
        return [problem.id for problem in self.board.snapshot.problems]


def config(**ports: object) -> Config:
    said = {**dict.fromkeys(NAMES, "off"), "web": "off", "address": "127.0.0.1", **ports}
    lines = "".join(
        f"  {name}: '{value}'\n" if name == "address" else f"  {name}: {value}\n" for name, value in said.items()
    )
    return parse(f"hostname: mx.near.example\ndomains: [near.example]\nlisten:\n{lines}")


@pytest.fixture
async def house() -> Any:
    house = House()
    yield house
    await house.listeners.stop()


@contextlib.contextmanager
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def free() -> int:
    with taken() as port:
        return port


async def test_what_is_wanted_is_open_and_the_rest_is_not(house: House) -> None:
    assert await house.apply(smtp=0, imap=0) == ["smtp opens", "imap opens"]
    assert house.listeners.ports.keys() == {"smtp", "imap"}
    assert house.listeners.health() is None
    assert not house.listeners.closed


async def test_only_what_changed_is_touched(house: House) -> None:
    await house.apply(smtp=0, imap=0, pop3=0)
    assert await house.apply(smtp=0, imap=0, pop3=0) == []
    assert await house.apply(smtp=0, imap=0) == ["pop3 closes"]
    assert isinstance(house.events[-1], ListenerClosed)
    assert await house.apply(smtp=0, imap=0, pop3=0) == ["pop3 opens"]


async def test_one_that_is_made_anew_comes_back_where_any_port_would_do(house: House) -> None:
    await house.apply(imap=0)
    port = house.listeners.ports["imap"]
    await house.apply()
    await house.apply(imap=0)
    assert house.listeners.ports["imap"] == port
    await house.apply()
    with socket.create_server(("127.0.0.1", port)):
        await house.apply(imap=0)
        assert house.listeners.ports["imap"] != port


async def test_two_may_change_places(house: House) -> None:
    one, other = free(), free()
    await house.apply(imap=one, pop3=other)
    assert await house.apply(imap=other, pop3=one) == ["imap closes", "pop3 closes", "imap opens", "pop3 opens"]
    assert house.listeners.ports == {"imap": other, "pop3": one}
    assert not house.problems


async def test_a_port_that_is_taken_is_told_once_and_opened_when_it_is_free(house: House) -> None:
    with taken() as port:
        await house.apply(smtp=0, pop3=port)
        assert house.listeners.ports.keys() == {"smtp"}
        assert house.listeners.closed
        assert house.problems == ["listener:pop3"]
        told = len(house.events)
        await house.listeners.open_the_rest()
        assert len(house.events) == told
    await house.listeners.open_the_rest()
    assert house.listeners.ports["pop3"] == port
    assert house.problems == []
    assert not house.listeners.closed


async def test_a_port_that_is_taken_and_then_not_wanted_is_no_problem(house: House) -> None:
    with taken() as port:
        await house.apply(pop3=port)
        assert house.problems == ["listener:pop3"]
        await house.apply()
        assert house.problems == []
        assert not house.listeners.closed
        await house.listeners.open_the_rest()
        assert house.listeners.ports == {}


async def test_another_port_that_is_taken_too_is_told(house: House) -> None:
    with taken() as one, taken() as other:
        await house.apply(pop3=one)
        await house.apply(pop3=other)
        told = [event.port for event in house.events if isinstance(event, ListenerChanged)]
        assert told == [one, other]


async def test_an_address_that_is_not_there_yet_is_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.apply(address="192.0.2.77", smtp=0, imap=0)
    assert house.listeners.ports == {}
    assert house.problems == ["listener:smtp", "listener:imap"]
    create = socket.create_server
    monkeypatch.setattr(module.socket, "create_server", lambda address, **more: create(("127.0.0.1", 0), **more))
    await house.listeners.open_the_rest()
    assert house.listeners.ports.keys() == {"smtp", "imap"}
    assert house.problems == []


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_double_colon_is_every_address(house: House) -> None:
    await house.apply(address="::", imap=0)
    for host in ("127.0.0.1", "::1"):
        socket.create_connection((host, house.listeners.ports["imap"]), timeout=10).close()


async def test_systemds_sockets_are_used_and_outlive_their_servers() -> None:
    """A reload replaces the server, and there is nobody to give us the socket a second time."""
    with socket.create_server(("127.0.0.1", 0)) as given:
        port = given.getsockname()[1]
        house = House({"imap": given})
        await house.apply(imap=143)
        assert house.listeners.ports == {"imap": port}
        await house.apply(imap="off")
        await house.apply(imap=143)
        assert house.listeners.ports == {"imap": port}
        await house.listeners.stop()
        assert given.fileno() >= 0


async def test_one_that_does_not_stop_well_keeps_no_other_from_stopping(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.apply(smtp=0, imap=0)
    stop = Door.stop

    async def fails(self: Door) -> None:
        await stop(self)
        if self._name == "smtp":
            raise RuntimeError("stuck")

    monkeypatch.setattr(Door, "stop", fails)
    await house.listeners.stop()
    assert house.story[-2:] == ["smtp closes", "imap closes"]
    assert house.listeners.ports == {}
    assert "stuck" in caplog.text


async def test_after_the_end_nothing_is_opened_again(house: House) -> None:
    await house.apply(smtp=0)
    await house.listeners.stop()
    await house.listeners.open_the_rest()
    assert house.listeners.ports == {}


def test_every_listener_of_the_configuration_is_served() -> None:
    assert {*NAMES, "address", "web", "managesieve"} == set(ListenConfig.__struct_fields__)
