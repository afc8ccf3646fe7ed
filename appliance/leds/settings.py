"""What the LED process is given: pins, quiet hours, and where the mail process can be heard."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class LedSettings:
    """Pins are GPIO numbers (BCM), None where nothing is wired; `single` in place of the four. active_low: lit when the
    pin is low. quiet_hours: `22:00-07:00` in `timezone`, or None. status_socket: a path."""

    status_socket: str
    enabled: bool = True
    power: int | None = 17
    queue: int | None = 27
    mail: int | None = 22
    alert: int | None = 24
    single: int | None = None
    button: int | None = None
    active_low: bool = False
    quiet_hours: str | None = None
    timezone: str = "UTC"
