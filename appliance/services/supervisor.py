"""`merpati run`: the three processes in the foreground, where no systemd does it.

Starts `merpati mail`, `web` and `leds` as children, hears by systemd's own notify protocol when each is ready, writes
ready.json when all are, starts again what ends by itself, and takes everything down on SIGTERM. When this process is
killed its children are too (Linux PR_SET_PDEATHSIG), so no listener is left behind. Imports little: it idles for months.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field

from .places import Places

log = logging.getLogger("merpati.run")

PROCESSES = ("mail", "web", "leds")
STOP_WITHIN_S = 8.0  # SIGTERM has to be obeyed within 10 s
RESTART_AFTER_S = 0.1
RESTART_AFTER_MOST_S = 10.0
STEADY_AFTER_S = 60.0  # a process that ran this long starts again without waiting
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None)


@dataclass(slots=True)
class _Child:
    name: str
    process: subprocess.Popen[bytes] | None = None
    ready: bool = False
    ports: dict[str, int] = field(default_factory=dict)
    started_at: float = 0.0
    restart_at: float = 0.0
    wait_s: float = RESTART_AFTER_S


class Supervisor:
    def __init__(self, places: Places) -> None:
        self._places = places
        self._children = {name: _Child(name) for name in PROCESSES}
        self._stopping = False
        self._announced: str | None = None

    def run(self) -> int:
        """Returns the exit status."""
        self._places.make()
        self._places.ready.unlink(missing_ok=True)
        with self._notify_socket() as notify:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._stop_asked)
            signal.signal(signal.SIGCHLD, lambda *_: None)  # so that a child's end interrupts the wait below
            while not self._stopping:
                self._start_what_is_due()
                self._hear(notify)
                self._look_after()
                self._announce()
            self._stop_all()
        self._places.ready.unlink(missing_ok=True)
        self._places.notify_socket.unlink(missing_ok=True)
        return 0

    def _notify_socket(self) -> socket.socket:
        self._places.notify_socket.unlink(missing_ok=True)
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(str(self._places.notify_socket))
        notify.settimeout(0.5)
        return notify

    def _stop_asked(self, *_: object) -> None:
        self._stopping = True

    def _start_what_is_due(self) -> None:
        now = time.monotonic()
        for child in self._children.values():
            if child.process is None and child.restart_at <= now:
                child.ready, child.ports, child.started_at = False, {}, now
                child.process = subprocess.Popen(
                    [sys.executable, "-m", "appliance", "--home", str(self._places.home), child.name],
                    env=os.environ | {"NOTIFY_SOCKET": str(self._places.notify_socket)},
                    preexec_fn=_die_with_parent,
                    stdin=subprocess.DEVNULL,
                )

    def _hear(self, notify: socket.socket) -> None:
        """One message of systemd's kind: lines of NAME=value. Ours has MERPATI_NAME and MERPATI_PORTS besides."""
        try:
            message = notify.recv(65536)
        except (TimeoutError, InterruptedError):
            return
        lines = dict(line.split("=", 1) for line in message.decode("utf-8", "replace").splitlines() if "=" in line)
        child = self._children.get(lines.get("MERPATI_NAME", ""))
        if child is None:
            return
        if "MERPATI_PORTS" in lines:
            child.ports = json.loads(lines["MERPATI_PORTS"])
        child.ready = child.ready or lines.get("READY") == "1"

    def _look_after(self) -> None:
        now = time.monotonic()
        for child in self._children.values():
            if child.process is None or child.process.poll() is None:
                continue
            log.error("merpati-%s ended with status %s; starting it again", child.name, child.process.returncode)
            child.process = None
            child.ready = False
            child.wait_s = (
                RESTART_AFTER_S
                if now - child.started_at > STEADY_AFTER_S
                else min(RESTART_AFTER_MOST_S, child.wait_s * 2)
            )
            child.restart_at = now + child.wait_s

    def _announce(self) -> None:
        """ready.json is there exactly while everything is up, and says where."""
        if not all(child.ready for child in self._children.values()):
            if self._announced is not None:
                self._places.ready.unlink(missing_ok=True)
                self._announced = None
            return
        ports: dict[str, int] = {}
        for child in self._children.values():
            ports |= child.ports
        pids = {c.name: c.process.pid for c in self._children.values() if c.process is not None}
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


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
