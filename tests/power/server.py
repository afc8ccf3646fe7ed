"""`merpati mail` with its data on a card and its runtime folder beside it, ended as a power cut ends it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from appliance.accounts.accounts import Accounts
from appliance.config import edit
from appliance.setup.set_up import Answers, set_up
from appliance.store.interface import Store
from tests.support.world import ADMIN_PASSWORD, FREE_PORTS, PASSWORD, PATIENCE_S

DOMAIN = "near.example"
_MAIN = "from appliance.cli import main; main()"


def set_up_home(home: Path, users: tuple[str, ...], settings: Mapping[str, Any]) -> Path:
    """With an account for each of `users`, and all its keys."""
    store = Store(home)
    try:
        answers = Answers(hostname=f"mx.{DOMAIN}", domain=DOMAIN, outbound="direct", admin_password=ADMIN_PASSWORD)
        set_up(home, store, answers)
        edit(home / "merpati.yaml", {**FREE_PORTS, "leds.enabled": False, "limits.connections_per_ip": 250, **settings})
        accounts = Accounts(store, (DOMAIN,))
        for user in users:
            accounts.add(f"{user}@{DOMAIN}", PASSWORD)
        accounts.close()
    finally:
        store.close()
    return home


class Server:
    """home: on the card; run: a folder that is not, where its log goes too. command: mail, run for all
    three processes, or web for one more beside mail in the same runtime folder. before: Python that its process does first,
    such as making a period shorter; looks_every_s: at the card's free space and its own health."""

    def __init__(
        self, home: Path, run: Path, *, command: str = "mail", before: str = "", looks_every_s: float | None = None
    ) -> None:
        self.home = home
        self.run = run
        self._command = command
        self._before = before
        self._looks = {} if looks_every_s is None else {"WATCHDOG_USEC": str(int(looks_every_s * 2_000_000))}
        self.ports: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Does not wait until it is ready."""
        if self._command != "web":  # a tmpfs does not outlive the power either
            shutil.rmtree(self.run / "run", ignore_errors=True)
            (self.run / "run").mkdir(parents=True)
        path = self.run / "run" / f"notify-{self._command}"
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(path))
        with open(self.run / "server.log", "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"{self._before}\n{_MAIN}", "--home", str(self.home), self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment() | self._looks | {"NOTIFY_SOCKET": str(path)},
            )

    def start(self) -> None:
        self.launch()
        self.wait_ready()

    def wait_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        self._notify.settimeout(0.2)
        while time.monotonic() < deadline:
            assert self._process is not None and self._process.poll() is None, f"it ended:\n{self.log()[-5000:]}"
            if self._command == "run":  # which tells nobody but who looks
                with contextlib.suppress(FileNotFoundError):
                    self.ports = json.loads((self.run / "run" / "ready.json").read_text())["ports"]
                    return
            with contextlib.suppress(TimeoutError):
                lines = dict(line.split("=", 1) for line in self._notify.recv(65536).decode().splitlines())
                if "READY" in lines:
                    self.ports = json.loads(lines["MERPATI_PORTS"])
                    return
        raise AssertionError(f"not ready:\n{self.log()[-5000:]}")

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """It has no more to say, whatever it is at."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(PATIENCE_S)
            self._notify.close()

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            status = process.wait(PATIENCE_S)
            self._notify.close()
            assert status == 0, self.log()[-5000:]

    def cli(self, *words: str, good: tuple[int, ...] = (0,)) -> str:
        """What `merpati …` prints."""
        done = subprocess.run(
            [sys.executable, "-m", "appliance", "--home", str(self.home), *words],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S * 5,
            env=self._environment(),
        )
        assert done.returncode in good, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def log(self) -> str:
        return (self.run / "server.log").read_text(errors="replace")

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k not in ("MERPATI_HOME", "NOTIFY_SOCKET")}
        return kept | {"RUNTIME_DIRECTORY": str(self.run / "run")}
