"""The four lights as the page mirrors them: the same signals as the LEDs, with words. Pure but for the clock."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.status.snapshot import Snapshot

from .panels import LIGHT_NAMES, LIGHT_WORDS, RHYTHM_NAMES


@dataclass(slots=True, frozen=True)
class Light:
    """name: of the LED; rhythm: off, steady, slow or fast; called, says: the rhythm and its meaning in words."""

    name: str
    label: str
    rhythm: str
    called: str
    says: str


def lights_of(snapshot: Snapshot | None) -> list[Light]:
    rhythms = {"power": "steady", "queue": "slow", "mail": "off", "alert": "off"}
    return [
        Light(name, label, rhythms[name], RHYTHM_NAMES[rhythms[name]], LIGHT_WORDS[name][rhythms[name]])
        for name, label in LIGHT_NAMES.items()
    ]
