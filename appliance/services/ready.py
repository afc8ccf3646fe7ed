"""What a process adds to systemd's READY=1 for our own supervisor: its name and its ports."""

from __future__ import annotations

import json
from collections.abc import Mapping


def told_ports(process: str, ports: Mapping[str, int]) -> dict[str, str]:
    """Lines for `notify`; systemd ignores what it does not know."""
    return {"MERPATI_NAME": process, "MERPATI_PORTS": json.dumps(dict(ports))}
