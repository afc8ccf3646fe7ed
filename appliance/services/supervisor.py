"""`merpati run`: the three processes in the foreground, where no systemd does it.

Starts `merpati mail`, `web` and `leds` as children, hears by systemd's own notify protocol when each is ready, writes
ready.json when all are, starts again what ends by itself, and takes everything down on SIGTERM. When this process is
killed its children are too (Linux PR_SET_PDEATHSIG), so no listener is left behind. A message counts by the process that
the kernel says it is from, so that what a dead child said last is not taken for its successor's word.

Lamps are not worth waiting for: LEDs that cannot be started do not keep ready.json back. Imports little and sleeps until
something happens: it idles for months.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from .alone import alone
from .places import Places

log = logging.getLogger("merpati.run")

PROCESSES = ("mail", "web", "leds")
STOP_WITHIN_S = 8.0  # SIGTERM has to be obeyed within 10 s
RESTART_AFTER_S = 0.1
RESTART_AFTER_MOST_S = 10.0
STEADY_AFTER_S = 60.0  # a process that ran this long starts again without waiting
LAST_ONE_ENDS_WITHIN_S = 5.0  # a mail process whose supervisor was killed just now
_PR_SET_PDEATHSIG = 1
_CREDENTIALS = struct.Struct("3i")  # unix(7), struct ucred: process, user, group

_libc = ctypes.CDLL(None)


class _Child:
    __slots__ = ("falls", "name", "ports", "process", "ready", "restart_at", "started_at", "wait_s")

    def __init__(self, name: str) -> None:
        self.name = name
        self.process: subprocess.Popen[bytes] | None = None
        self.ready = False
        self.ports: dict[str, int] = {}
        self.falls = 0
        self.started_at = 0.0
        self.restart_at = 0.0
        self.wait_s = RESTART_AFTER_S

    @property
    def is_waited_for(self) -> bool:
        return not self.ready and not (self.name == "leds" and self.falls)


class Supervisor:
    def __init__(self, places: Places) -> None:
        self._places = places
        self._children = {name: _Child(name) for name in PROCESSES}
        self._stopping = False
        self._announced: str | None = None

    def run(self) -> int:
        """Returns the exit status. Raises NotAlone when another server uses this home."""
        self._places.make()
        lock = alone(self._places.run_lock, self._places.home)
        os.close(alone(self._places.mail_lock, self._places.home, LAST_ONE_ENDS_WITHIN_S))
        self._places.ready.unlink(missing_ok=True)
        try:
            with _signals_heard(self._stop_asked) as signalled, self._notify_socket() as notify:
                while not self._stopping:
                    self._start_what_is_due()
                    _wait(notify, signalled, self._next_due_s())
                    self._hear(notify)
                    self._look_after()
                    self._announce()
                self._stop_all()
        finally:
            self._places.ready.unlink(missing_ok=True)
            self._places.notify_socket.unlink(missing_ok=True)
            os.close(lock)
        return 0

    def _notify_socket(self) -> socket.socket:
        self._places.notify_socket.unlink(missing_ok=True)
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        notify.bind(str(self._places.notify_socket))
        notify.setblocking(False)
        return notify

    def _stop_asked(self, *_: object) -> None:
        self._stopping = True

    def _start_what_is_due(self) -> None:
        now = time.monotonic()
        for child in self._children.values():
            if child.process is None and child.restart_at <= now:
                child.ready, child.ports, child.started_at = False, {}, now
                try:
                    child.process = self._start(child.name)
                except (OSError, subprocess.SubprocessError) as fault:  # no memory for another process, as a rule
                    log.error("merpati-%s could not be started: %s", child.name, fault)
                    self._put_off(child, now)

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        us = os.getpid()

        def die_with_us() -> None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != us:  # we were killed in between
                os._exit(1)

        return subprocess.Popen(
            [sys.executable, "-m", "appliance", "--home", str(self._places.home), name],
            env=os.environ | {"NOTIFY_SOCKET": str(self._places.notify_socket)},
            preexec_fn=die_with_us,
            stdin=subprocess.DEVNULL,
        )

    def _next_due_s(self) -> float | None:
        """How long there is nothing to start; None when everything runs."""
        due = [child.restart_at for child in self._children.values() if child.process is None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _hear(self, notify: socket.socket) -> None:
        """Messages of systemd's kind, lines of NAME=value. Ours has MERPATI_PORTS besides."""
        with contextlib.suppress(BlockingIOError):
            while True:
                message, credentials, *_ = notify.recvmsg(65536, socket.CMSG_SPACE(_CREDENTIALS.size))
                child = self._child_of(credentials)
                if child is None:
                    continue
                lines = dict(
                    line.split("=", 1) for line in message.decode("utf-8", "replace").splitlines() if "=" in line
                )
                if "MERPATI_PORTS" in lines:
                    child.ports = json.loads(lines["MERPATI_PORTS"])
                child.ready = child.ready or lines.get("READY") == "1"

    def _child_of(self, credentials: list[tuple[int, int, bytes]]) -> _Child | None:
        for level, kind, data in credentials:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                pid = _CREDENTIALS.unpack(data[: _CREDENTIALS.size])[0]
                return next((c for c in self._children.values() if c.process and c.process.pid == pid), None)
        return None

    def _look_after(self) -> None:
        now = time.monotonic()
        for child in self._children.values():
            if child.process is None or child.process.poll() is None:
                continue
            if not self._stopping:
                log.error("merpati-%s ended with status %s; starting it again", child.name, child.process.returncode)
            child.process = None
            child.ready, child.ports = False, {}
            self._put_off(child, now)

    @staticmethod
    def _put_off(child: _Child, now: float) -> None:
        child.falls += 1
        steady = now - child.started_at > STEADY_AFTER_S
        child.wait_s = RESTART_AFTER_S if steady else min(RESTART_AFTER_MOST_S, child.wait_s * 2)
        child.restart_at = now + child.wait_s

    def _announce(self) -> None:
        """ready.json is there exactly while everything is up, and says where."""
        if any(child.is_waited_for for child in self._children.values()):
            if self._announced is not None:
                self._places.ready.unlink(missing_ok=True)
                self._announced = None
            return
        ports: dict[str, int] = {}
        for child in self._children.values():
            ports |= child.ports
        pids = {c.name: c.process.pid for c in self._children.values() if c.process is not None and c.ready}
        text = json.dumps({"pid": os.getpid(), "ports": ports, "pids": pids})
        if text != self._announced:
            new = self._places.ready.with_suffix(".new")
            new.write_text(text + "\n")
            os.replace(new, self._places.ready)
            self._announced = text

    def _stop_all(self) -> None:
        """All at once; whoever does not end in time is killed."""
        running = [c.process for c in self._children.values() if c.process is not None]
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        deadline = time.monotonic() + STOP_WITHIN_S
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.error("process %d did not end in time and was killed", process.pid)
                process.kill()
                process.wait()


@contextlib.contextmanager
def _signals_heard(stop: Callable[..., None]) -> Iterator[socket.socket]:
    """The socket can be read when a signal has come: one that asks us to stop, or a child's end."""
    heard, told = socket.socketpair()
    with heard, told:
        heard.setblocking(False)
        told.setblocking(False)
        signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        try:
            yield heard
        finally:
            signal.set_wakeup_fd(-1)


def _wait(notify: socket.socket, signalled: socket.socket, at_most_s: float | None) -> None:
    select.select([notify, signalled], [], [], at_most_s)
    with contextlib.suppress(BlockingIOError):
        signalled.recv(4096)
