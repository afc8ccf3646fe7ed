"""Sockets handed over as systemd does it: numbers from 3 on, named in the environment of one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from appliance.services.sockets import inherited

# Plays systemd: puts its sockets at 3, 4, … and becomes the service, as exec keeps the process id.
STARTED = """
import os, socket, sys
kinds, names, service = sys.argv[1].split(","), sys.argv[2], sys.argv[3]
sockets = []
for kind in kinds:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM)
    s.bind(("127.0.0.1", 0))
    if kind == "listening":
        s.listen()
    sockets.append(s)
high = [os.dup(s.fileno()) for s in sockets]
high = [os.dup2(fd, 100 + i) for i, fd in enumerate(high)]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(kinds)), LISTEN_FDNAMES=names)
os.execv(sys.executable, [sys.executable, "-c", service])
"""
SERVICE = """
import json, os
from appliance.services.sockets import inherited
try:
    given = inherited()
except ValueError as fault:
    print(json.dumps({"fault": str(fault)}))
else:
    told = {name: [s.fileno(), s.getsockname()[1] > 0, s.getblocking(), s.get_inheritable()] for name, s in given.items()}
    print(json.dumps({"given": told, "again": sorted(inherited()), "left": sorted(v for v in os.environ if "LISTEN" in v)}))
"""


def started(kinds: str, names: str) -> dict[str, object]:
    run = subprocess.run(
        [sys.executable, "-c", STARTED, kinds, names, SERVICE], capture_output=True, text=True, timeout=60, check=True
    )
    told: dict[str, object] = json.loads(run.stdout)
    return told


def test_sockets_come_by_name_and_only_once() -> None:
    told = started("listening,listening", "smtp:imaps")
    assert told["given"] == {"smtp": [3, True, False, False], "imaps": [4, True, False, False]}
    assert told["again"] == []
    assert told["left"] == []


def test_a_socket_without_a_name_is_unknown() -> None:
    given = started("listening", "")["given"]
    assert isinstance(given, dict) and list(given) == ["unknown"]


WRONG = {
    "not listening": ("bound", "smtp", "the socket 'smtp' from systemd does not listen"),
    "a datagram socket": ("datagram", "smtp", "the socket 'smtp' from systemd does not listen"),
    "two of one name": ("listening,listening", "smtp:smtp", "two sockets from systemd are called 'smtp'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_sockets_that_are_not_ours_are_a_fault_with_a_name(name: str) -> None:
    kinds, names, fault = WRONG[name]
    assert started(kinds, names)["fault"] == fault


ME = str(os.getpid())
NOTHING: dict[str, dict[str, str]] = {
    "not started with sockets": {},
    "meant for another process": {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "smtp"},
    "nonsense for a process": {"LISTEN_PID": "me", "LISTEN_FDS": "1"},
    "nonsense for a number": {"LISTEN_PID": ME, "LISTEN_FDS": "many"},
    "none": {"LISTEN_PID": ME, "LISTEN_FDS": "0"},
    "less than none": {"LISTEN_PID": ME, "LISTEN_FDS": "-3"},
}


@pytest.mark.parametrize("name", NOTHING)
def test_what_is_not_for_us_is_left_alone(name: str) -> None:
    environment = dict(NOTHING[name])
    assert inherited(environment) == {}
    assert environment == {}
