"""The LED process: its settings from merpati.yaml, and READY=1 once the lamps can be played."""

from __future__ import annotations

from ..config import load
from ..leds.service import main as run
from ..leds.settings import LedSettings
from .places import Places
from .ready import tell_ready


def main(places: Places) -> None:
    """Until SIGTERM."""
    config = load(places.config)
    leds = config.leds
    run(
        LedSettings(
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
        ),
        ready=_ready,
    )


def _ready() -> None:
    tell_ready("leds", {})
