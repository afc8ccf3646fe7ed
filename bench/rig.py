"""A mail server under measurement: started from its description, watched while it works, ended whatever happens.

`Peer` describes a server (`peers/`), `Server` runs one: it waits until SMTP greets and a user can sign in over IMAP, adds
up what its processes use, and ends all of them by their pids. `Folder` stands in for the simulated card where only the
way is to be tried and no figure counts. Nothing here knows what is sent to a server; that is `load.py`'s.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol

HOST = "127.0.0.1"
DOMAIN = "near.example"
PASSWORD = "correct horse battery"
START_S = 120.0
STOP_S = 30.0
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True, frozen=True)
class Ports:
    smtp: int
    submission: int
    imap: int
    pop3: int
    lmtp: int
    web: int

    @classmethod
    def free(cls) -> Ports:
        """Free a moment ago, and all different."""
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(socket.socket()) for _ in range(6)]
            for each in sockets:
                each.bind((HOST, 0))
            return cls(*(each.getsockname()[1] for each in sockets))


@dataclass(slots=True, frozen=True)
class Place:
    """data: on the card, for what must survive; run: beside it, for what need not. users: addresses, all with PASSWORD.

    resolver, mx_port: where the server asks for names, and where it takes other domains' servers to listen; None: it
    sends nothing out.
    """

    data: Path
    run: Path
    ports: Ports
    users: tuple[str, ...]
    resolver: tuple[str, int] | None = None
    mx_port: int | None = None


@dataclass(slots=True, frozen=True)
class Command:
    """Runs in the foreground until SIGTERM. counted: its own memory belongs to the server's."""

    words: list[str]
    env: dict[str, str] = field(default_factory=dict)
    counted: bool = True


class Peer(Protocol):
    @property
    def name(self) -> str: ...

    def missing(self) -> str | None:
        """What has to be installed before it can be measured; None: nothing."""

    def set_up(self, place: Place) -> None:
        """Once, while the data folder is empty."""

    def commands(self, place: Place) -> list[Command]: ...


class Counters(Protocol):
    """What reached the card since they were reset."""

    @property
    def written_octets(self) -> int: ...

    @property
    def flushes(self) -> int: ...

    @property
    def erase_programs(self) -> int: ...


class Medium(Protocol):
    """What a server's data lie on: `card.Card` or `Folder`."""

    @property
    def mount(self) -> Path: ...

    def sync(self) -> None: ...

    def counters(self) -> Counters | None: ...

    def reset_counters(self) -> None: ...

    def slow(self, on: bool) -> None: ...


class Folder:
    """A plain folder in place of a card: counts nothing."""

    def __init__(self, mount: Path) -> None:
        self.mount = mount

    def sync(self) -> None:
        pass

    def counters(self) -> None:
        return None

    def reset_counters(self) -> None:
        pass

    def slow(self, on: bool) -> None:
        pass


@contextlib.contextmanager
def medium(profile: str, work: Path) -> Iterator[Medium]:
    """A fresh one. profile: of the simulated card, or `folder`."""
    if profile == "folder":
        mount = Path(tempfile.mkdtemp(prefix="data-", dir=work))
        try:
            yield Folder(mount)
        finally:
            shutil.rmtree(mount)
        return
    from bench.card.card import Card

    with Card(work / "card", profile=profile) as card:
        yield card


class Server:
    """One of the peers, running. A context manager; inside it may be stopped and started again."""

    def __init__(self, peer: Peer, place: Place) -> None:
        self.peer = peer
        self.place = place
        self.start_s = 0.0
        self._processes: list[tuple[Command, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> Server:
        os.chmod(self.place.run, 0o755)  # servers with users of their own have to get in
        self.place.data.mkdir(exist_ok=True)
        self.peer.set_up(self.place)
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        begun = time.monotonic()
        with open(self.log, "ab") as log:
            for command in self.peer.commands(self.place):
                with _undisturbed():
                    process = subprocess.Popen(
                        command.words,
                        env={**os.environ, **command.env},
                        cwd=self.place.run,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,  # Ctrl-C is for the bench, which then ends its servers in order
                    )
                    self._processes.append((command, process))
        while not self._ready():
            ended = [process for _, process in self._processes if process.poll() is not None]
            if ended or time.monotonic() - begun > START_S:
                raise RuntimeError(f"{self.peer.name} does not start:\n{self.log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.01)
        self.start_s = time.monotonic() - begun

    def stop(self) -> None:
        """SIGTERM; whoever is still there after STOP_S is killed."""
        for _, process in reversed(self._processes):
            process.terminate()
        for _, process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S)
        deadline = time.monotonic() + STOP_S
        while left := [pid for _, process in self._processes for pid in _family(process.pid) if _alive(pid)]:
            if time.monotonic() > deadline:
                for pid in left:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        self._processes.clear()

    @property
    def log(self) -> Path:
        return self.place.run / "server.log"

    @property
    def pids(self) -> list[int]:
        """Of the processes that count."""
        return [
            pid
            for command, process in self._processes
            for pid in _family(process.pid)
            if command.counted or pid != process.pid
        ]

    def cpu_s(self) -> float:
        """Used so far by the processes, by those that they have waited for too."""
        ticks = 0
        for _, process in self._processes:
            for pid in _family(process.pid):
                ticks += sum(int(word) for word in _stat(pid)[11:15])
        return ticks / TICKS_A_SECOND

    def pss_octets(self) -> int:
        """Memory, what is shared counted once."""
        return sum(map(_pss_octets, self.pids))

    def _ready(self) -> bool:
        user = self.place.users[0]
        try:
            with socket.create_connection((HOST, self.place.ports.smtp), 5) as smtp:
                greets = smtp.recv(512).startswith(b"220")
                smtp.sendall(b"QUIT\r\n")
            with socket.create_connection((HOST, self.place.ports.imap), 5) as imap, imap.makefile("rb") as lines:
                imap.sendall(f'a LOGIN "{user}" "{PASSWORD}"\r\nb LOGOUT\r\n'.encode())
                return greets and any(line.startswith(b"a OK") for line in lines)
        except OSError:
            return False


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C and SIGTERM come when it is over: a server that was started is also one that we know of."""
    came: list[int] = []
    before = {number: signal.signal(number, lambda n, _: came.append(n)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for each in came:
            signal.raise_signal(each)


def programs_missing(*programs: str) -> list[str]:
    """Those not found, also where a plain user's PATH does not lead."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    return [program for program in programs if shutil.which(program, path=path) is None]


def _stat(pid: int) -> Sequence[str]:
    """The fields after the name, proc(5): state, parent …; a process that is gone has none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ()


def _alive(pid: int) -> bool:
    stat = _stat(pid)
    return bool(stat) and stat[0] != "Z"


def _family(root: int) -> list[int]:
    """The process, all below it, and those of its session, which have lost their parent perhaps."""
    children: dict[int, list[int]] = {}
    found: dict[int, None] = {}
    todo = [root]
    for name in os.listdir("/proc"):
        if name.isdigit() and (stat := _stat(int(name))):
            parent, session = int(stat[1]), int(stat[3])
            children.setdefault(parent, []).append(int(name))
            if session == root:
                todo.append(int(name))
    while todo:
        pid = todo.pop()
        if pid not in found:
            found[pid] = None
            todo += children.get(pid, ())
    return list(found)


def _pss_octets(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) * 1024
