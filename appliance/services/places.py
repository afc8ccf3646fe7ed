"""Where things lie: the data folder, the runtime folder, and the files in them that several processes share."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

APPLIANCE_HOME = Path("/var/lib/merpati")  # the data partition, where systemd's StateDirectory puts us


@dataclass(slots=True, frozen=True)
class Places:
    """home: what must survive; runtime: sockets, pids and spools, which need not."""

    home: Path
    runtime: Path

    @property
    def config(self) -> Path:
        return self.home / "merpati.yaml"

    @property
    def status_socket(self) -> Path:
        return self.runtime / "status.sock"

    @property
    def notify_socket(self) -> Path:
        return self.runtime / "notify.sock"

    @property
    def ready(self) -> Path:
        return self.runtime / "ready.json"

    @property
    def mail_lock(self) -> Path:
        """Held by the one mail process of this home."""
        return self.home / "mail.lock"

    @property
    def run_lock(self) -> Path:
        """Held by the supervisor to whom ready.json and the notify socket belong."""
        return self.runtime / "run.lock"

    @property
    def trace(self) -> Path:
        return self.home / "derived" / "trace.db"

    @property
    def card(self) -> Path:
        """The days of what was written to the card."""
        return self.home / "derived" / "card.json"

    def make(self) -> None:
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.runtime.mkdir(mode=0o750, parents=True, exist_ok=True)


def find_places(home: str | None = None) -> Places:
    """home: from the command line, else $MERPATI_HOME, else the appliance's, else ./var. Runtime folder: as systemd
    sets $RUNTIME_DIRECTORY, else `run` in the home."""
    chosen = home or os.environ.get("MERPATI_HOME")
    path = Path(chosen) if chosen else APPLIANCE_HOME if APPLIANCE_HOME.is_dir() else Path("var")
    runtime = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    path = path.absolute()
    return Places(path, Path(runtime) if runtime else path / "run")
