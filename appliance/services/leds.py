"""The LED process: its settings from merpati.yaml, and READY=1 once the lamps can be played.

Reading the file takes a YAML parser and the command line another library, together as large as all the rest of this
process. So the process, once it knows its settings, replaces itself by one that never loaded them (same pid).
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys

from ..leds.service import main as run
from ..leds.settings import LedSettings
from ..status.log_stream import to_stderr
from .places import Places
from .ready import tell_ready


def main(places: Places) -> None:
    """Does not return."""
    from ..config import load

    config = load(places.config)
    leds = config.leds
    settings = LedSettings(
        status_socket=str(places.status_socket),
        enabled=leds.enabled,
        power=leds.power,
        queue=leds.queue,
        mail=leds.mail,
        alert=leds.alert,
        single=leds.single,
        button=leds.button,
        active_low=leds.active_low,
        quiet_hours=leds.quiet_hours,
        timezone=config.locale.timezone,
    )
    told = json.dumps(dataclasses.asdict(settings))
    os.execv(sys.executable, [sys.executable, "-m", "appliance.services.leds", told])


def play(settings: LedSettings) -> None:
    """Until SIGTERM."""
    to_stderr()
    run(settings, ready=lambda: tell_ready("leds", {}))


if __name__ == "__main__":
    play(LedSettings(**json.loads(sys.argv[1])))
