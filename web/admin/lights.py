"""The four lights as the page mirrors them: the signals of the LEDs themselves, with words. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.leds.signals import signals
from appliance.status.snapshot import Snapshot

from .panels import LIGHT_NAMES, LIGHT_WORDS, RHYTHM_NAMES


@dataclass(slots=True, frozen=True)
class Light:
    """name: of the LED; rhythm: a `leds.signals.Signal`; called, says: the rhythm and its meaning in words."""

    name: str
    label: str
    rhythm: str
    called: str
    says: str


def lights_of(snapshot: Snapshot | None, now: float) -> list[Light]:
    """now: seconds since the epoch. Quiet hours are for eyes in the room, not for whoever opened the page."""
    told = signals(snapshot, now)
    lights = []
    for name, label in LIGHT_NAMES.items():
        rhythm = str(getattr(told, name))
        lights.append(Light(name, label, rhythm, RHYTHM_NAMES[rhythm], LIGHT_WORDS[name][rhythm]))
    return lights
