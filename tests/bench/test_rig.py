"""A server is ended whole, whatever it started and whoever of it has lost its parent."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from bench.rig import Command, Place, Ports, Server

# Greets as SMTP and IMAP do; its child goes on when it ends, and gets no SIGTERM.
SERVER = """
import os, socket, sys, time
for port, words in ((int(sys.argv[1]), b"220 here\\r\\n"), (int(sys.argv[2]), b"a OK\\r\\n")):
    if os.fork() == 0:
        listener = socket.create_server(("127.0.0.1", port))
        while True:
            connection, _ = listener.accept()
            connection.sendall(words)
            connection.close()
if os.fork() == 0:
    time.sleep(3600)
time.sleep(3600)
"""


class Fake:
    name = "a fake"

    def missing(self) -> str | None:
        return None

    def set_up(self, place: Place) -> None:
        (place.data / "made").touch()

    def commands(self, place: Place) -> list[Command]:
        return [Command([sys.executable, "-c", SERVER, str(place.ports.smtp), str(place.ports.imap)])]


def a_place(folder: Path) -> Place:
    (folder / "run").mkdir()
    return Place(folder / "data", folder / "run", Ports.free(), ("ann@near.example",))


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.rig.STOP_S", 0.5)


def test_it_is_started_and_ended_with_all_its_children(tmp_path: Path, impatient: None) -> None:
    place = a_place(tmp_path)
    with Server(Fake(), place) as server:
        pids = server.pids
        assert len(pids) == 4
        assert server.pss_octets() > 1024 * 1024
        assert server.cpu_s() >= 0
        with socket.create_connection(("127.0.0.1", place.ports.smtp)) as smtp:
            assert smtp.recv(100) == b"220 here\r\n"
    assert all(gone(pid) for pid in pids)
    assert (place.data / "made").exists()


def test_one_that_does_not_start_says_why(tmp_path: Path) -> None:
    class Broken(Fake):
        def commands(self, place: Place) -> list[Command]:
            return [Command([sys.executable, "-c", "import sys; sys.exit('the card is full')"])]

    with pytest.raises(RuntimeError, match="the card is full"):
        Server(Broken(), a_place(tmp_path)).__enter__()


def test_ctrl_c_while_it_starts_leaves_nothing_behind(tmp_path: Path, impatient: None) -> None:
    """The signal comes as soon as there is a process to lose."""
    server = Server(Fake(), a_place(tmp_path))
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    seen: list[int] = []
    before = set(children.read_text().split())

    def interrupt() -> None:
        deadline = time.monotonic() + 20
        while not (new := set(children.read_text().split()) - before) and time.monotonic() < deadline:
            pass
        seen.extend(map(int, new))
        os.kill(os.getpid(), signal.SIGINT)
        if not over.wait(5):  # it met a destructor or the garbage collector, where exceptions are lost
            os.kill(os.getpid(), signal.SIGINT)

    over = threading.Event()
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt), server:
        time.sleep(20)
    over.set()
    thread.join()
    assert seen
    assert all(gone(pid) for pid in seen)
