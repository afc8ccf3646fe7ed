"""A whole server in a temporary home: the real `merpati run` with its real processes, on free ports of loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from appliance.accounts.accounts import Accounts
from appliance.config import edit
from appliance.setup.set_up import Answers, set_up
from appliance.store.interface import Store

PASSWORD = "correct horse battery"
ADMIN_PASSWORD = "administrator staple"
PATIENCE_S = 60.0  # for a machine that is busy with other things; nothing waits this long when all is well
FREE_PORTS = {
    f"listen.{name}": 0 for name in ("smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "web")
}


class World:
    """home: its data folder; users: local-parts that get an account with PASSWORD."""

    def __init__(
        self,
        home: Path,
        *,
        domain: str = "near.example",
        users: tuple[str, ...] = ("bob",),
        aliases: Mapping[str, tuple[str, ...]] | None = None,
        settings: Mapping[str, Any] | None = None,
        fresh: bool = True,
    ) -> None:
        self.home = home
        self.domain = domain
        self.ports: dict[str, int] = {}
        self.pids: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._log = home.parent / f"{home.name}.log"
        if fresh:
            self._make(users, aliases or {}, settings or {})

    def _make(
        self, users: tuple[str, ...], aliases: Mapping[str, tuple[str, ...]], settings: Mapping[str, Any]
    ) -> None:
        store = Store(self.home)
        try:
            answers = Answers(
                hostname=f"mx.{self.domain}", domain=self.domain, outbound="direct", admin_password=ADMIN_PASSWORD
            )
            set_up(self.home, store, answers)
            edit(self.home / "merpati.yaml", {**FREE_PORTS, "leds.enabled": False, **settings})
            accounts = Accounts(store, (self.domain,))
            for user in users:
                accounts.add(f"{user}@{self.domain}", PASSWORD)
            for alias, targets in aliases.items():
                accounts.set_alias(alias, targets)
            accounts.close()
        finally:
            store.close()

    def start(self) -> World:
        (self.home / "run" / "ready.json").unlink(missing_ok=True)
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "appliance", "--home", str(self.home), "run"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={k: v for k, v in os.environ.items() if k not in ("RUNTIME_DIRECTORY", "MERPATI_HOME")},
            )
        self.wait_ready()
        return self

    def wait_ready(self, *, when: Callable[[dict[str, Any]], bool] = lambda ready: True) -> None:
        """Until ready.json is there and `when` holds of it."""
        path = self.home / "run" / "ready.json"

        def ready() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, f"merpati run ended:\n{self.log()}"
            try:
                told = json.loads(path.read_text())
            except FileNotFoundError:
                return False
            if not when(told):
                return False
            self.ports, self.pids = told["ports"], told["pids"]
            return True

        eventually(ready, lambda: f"not ready:\n{self.log()}")

    def stop(self) -> None:
        """As systemd or Ctrl-C would; the exit status has to be 0."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0, self.log()

    def kill(self) -> None:
        """As a power cut would, but for what the kernel still writes."""
        process, self._process = self._process, None
        assert process is not None
        process.kill()
        process.wait(PATIENCE_S)

    def cli(self, *words: str, stdin: str = "", status: int = 0) -> str:
        """What `merpati …` prints."""
        done = subprocess.run(
            [sys.executable, "-m", "appliance", "--home", str(self.home), *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout if status == 0 else done.stderr

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def __enter__(self) -> World:
        return self if self._process is not None else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def eventually(
    holds: Callable[[], bool], otherwise: Callable[[], str] | str = "it never came true", patience_s: float = PATIENCE_S
) -> None:
    """Waits for something that another process does, which gives no other sign."""
    deadline = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(otherwise() if callable(otherwise) else otherwise)
        time.sleep(0.02)
