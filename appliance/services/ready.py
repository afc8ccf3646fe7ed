"""Telling that a process is ready: systemd hears READY=1, our own supervisor besides which process and which ports."""

from __future__ import annotations

import json
from collections.abc import Mapping

from .notify import notify


def tell_ready(process: str, ports: Mapping[str, int]) -> None:
    """May be told again when the ports have changed; systemd passes over the lines it does not know."""
    notify(ready=True, MERPATI_NAME=process, MERPATI_PORTS=json.dumps(dict(ports)))
