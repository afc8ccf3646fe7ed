"""What a supervisor is told, over a real datagram socket; and silence when there is none."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.services.notify import notify, watchdog_every_s


@pytest.fixture
def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield line


TOLD = {
    "ready": ({"ready": True}, b"READY=1"),
    "stopping": ({"stopping": True}, b"STOPPING=1"),
    "watchdog": ({"watchdog": True}, b"WATCHDOG=1"),
    "reloading and a word": ({"reloading": True, "status": "one moment"}, b"STATUS=one moment\nRELOADING=1"),
    "ours besides": ({"ready": True, "MERPATI_NAME": "mail"}, b"MERPATI_NAME=mail\nREADY=1"),
}


@pytest.mark.parametrize("name", TOLD)
def test_a_notification_is_one_datagram_of_lines(supervisor: socket.socket, name: str) -> None:
    said, octets = TOLD[name]
    assert notify(**said)  # type: ignore[arg-type]
    assert supervisor.recv(4096) == octets


def test_linux_abstract_sockets_are_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"merpati-test-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(f"\0{name}")
        line.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        assert notify(ready=True)
        assert line.recv(4096) == b"READY=1"


def test_nothing_to_say_sends_nothing(supervisor: socket.socket) -> None:
    assert not notify(watchdog=False)
    supervisor.setblocking(False)
    with pytest.raises(BlockingIOError):
        supervisor.recv(1)


@pytest.mark.parametrize("path", [None, "", "nonsense", "/nowhere/at/all"])
def test_without_a_supervisor_nobody_is_told_and_nothing_fails(
    path: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if path is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", path)
    assert not notify(ready=True)


def test_a_line_cannot_smuggle_in_a_second(supervisor: socket.socket) -> None:
    with pytest.raises(ValueError):
        notify(status="fine\nREADY=1")


WATCHDOGS: dict[str, tuple[dict[str, str], float | None]] = {
    "nobody waits": ({}, None),
    "30 s": ({"WATCHDOG_USEC": "30000000"}, 15.0),
    "30 s, meant for us": ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
    "meant for another": ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
    "nonsense": ({"WATCHDOG_USEC": "soon"}, None),
    "never": ({"WATCHDOG_USEC": "0"}, None),
}


@pytest.mark.parametrize("name", WATCHDOGS)
def test_the_watchdog_is_fed_twice_as_often_as_it_asks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variables, every_s = WATCHDOGS[name]
    for variable in ("WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert watchdog_every_s() == every_s
