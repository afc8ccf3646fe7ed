"""The web process: its port when it can be had, its secret, and the end."""

from __future__ import annotations

import signal
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.config import edit, load
from appliance.services import web as module
from appliance.services.places import Places

SECRETS: dict[str, bytes | None] = {
    "none": None,
    "empty": b"",
    "cut off": b"00" * 31,
    "not hex": b"zz" * 32,
    "not text": b"\xff\xfe",
}


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_is_of_no_use_is_made_anew(name: str, tmp_path: Path) -> None:
    path = tmp_path / "keys" / "web-secret"
    path.parent.mkdir()
    before = SECRETS[name]
    if before is not None:
        path.write_bytes(before)
    made = module._secret_key(path)
    assert len(made) == 32
    assert module._secret_key(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


class Mail:
    """The mail process, as far as it is asked."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        self.told: list[dict[str, Any]] = []

    def snapshot(self) -> Any:
        return type("Snapshot", (), {"problems": [type("Problem", (), {"id": id}) for id in self.problems]})

    def ask(self, verb: str, *, event: dict[str, Any]) -> None:
        self.told.append(event)
        self.problems[:] = [] if event["ok"] else ["listener:web"]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    places = Places(tmp_path / "home", tmp_path / "run")
    places.make()
    return places


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other


def test_a_taken_port_is_told_and_tried_again(
    places: Places, taken: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = Mail([])
    ready: list[dict[str, int]] = []
    monkeypatch.setattr(module, "StatusClient", lambda path: mail)
    monkeypatch.setattr(module, "tell_ready", lambda name, ports: ready.append(ports))
    port = taken.getsockname()[1]
    edit(places.config, {"listen.web": port})
    tries: list[float] = []

    def wait(ends: object, wait_s: float) -> None:
        tries.append(wait_s)
        if len(tries) == 3:
            taken.close()

    monkeypatch.setattr(module.signal, "sigtimedwait", wait)
    with module._listen(places, load(places.config).listen) or pytest.fail() as listener:
        assert listener.getsockname()[1] == port
    assert [(event["name"], event["port"], event["ok"]) for event in mail.told] == [
        ("web", port, False),
        ("web", port, True),
    ]
    assert ready == [{}, {}, {}]  # mail does not wait for the page


def test_another_port_that_the_owner_chose_meanwhile_is_taken(
    places: Places, taken: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "StatusClient", lambda path: Mail([]))
    edit(places.config, {"listen.web": taken.getsockname()[1]})
    listen = load(places.config).listen

    def wait(ends: object, wait_s: float) -> None:
        edit(places.config, {"listen.web": 0})

    monkeypatch.setattr(module.signal, "sigtimedwait", wait)
    with module._listen(places, listen) or pytest.fail() as listener:
        assert listener.getsockname()[1] != taken.getsockname()[1]


@pytest.mark.parametrize("port", ["off", "taken"])
def test_without_a_port_it_still_ends_when_it_is_asked_to(
    port: str, places: Places, taken: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(places.config, {"listen.web": taken.getsockname()[1] if port == "taken" else "off"})
    us = threading.get_ident()
    old = signal.pthread_sigmask(signal.SIG_BLOCK, module.ENDS)
    try:
        monkeypatch.setattr(module, "tell_ready", lambda name, ports: signal.pthread_kill(us, signal.SIGTERM))
        assert module._listen(places, load(places.config).listen) is None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)


def test_double_colon_is_every_address() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    from appliance.config import ListenConfig

    with module._open(ListenConfig(address="::", web=0)) or pytest.fail() as listener:
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, listener.getsockname()[1]), timeout=10).close()
