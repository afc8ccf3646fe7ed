"""Which pins there are: a gpiozero pin factory for this machine, and the lamps and the button on it.

On a Raspberry Pi the header's chip is found by its label, as its number differs between boards and kernels, and driven
by libgpiod or lgpio, whichever is there. Everywhere else, and whenever the pins cannot be had, gpiozero's mock pins are
played: nobody sees them, and everything else works as ever.
"""

from __future__ import annotations

import contextlib
import glob
import importlib
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpiozero import LED, Button
from gpiozero.pins.mock import MockFactory

from .player import FOUR, SINGLE
from .settings import LedSettings

log = logging.getLogger("merpati.leds")

MODEL = Path("/proc/device-tree/model")
CHIPS = "/dev/gpiochip*"
HEADER_LABELS = ("pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1")  # Pi 0 to 3, Pi 4, Pi 5
BOUNCE_S = 0.02


class NoPins(Exception):
    """str() says why there are no real pins here."""


@dataclass(slots=True)
class Pins:
    """lamps by name; what could not be had is left out. `real`: somebody could see them."""

    factory: Any
    lamps: dict[str, Any]
    button: Any | None
    real: bool

    def close(self) -> None:
        for device in (*self.lamps.values(), self.button, self.factory):
            if device is not None:
                with contextlib.suppress(Exception):
                    device.close()


def open_pins(settings: LedSettings, factory: Any | None = None) -> Pins:
    """Never raises for want of a pin: what cannot be had is said in the log and left out."""
    real = True
    if factory is None:
        factory, real = open_factory()
    wired = {name: getattr(settings, name) for name in FOUR if getattr(settings, name) is not None}
    if settings.single is not None:
        wired = {SINGLE: settings.single}
    lamps = {}
    for name, pin in wired.items():
        with _told(f"LED {name}", pin):
            lamps[name] = LED(pin, active_high=not settings.active_low, pin_factory=factory)
    button = None
    if settings.button is not None:
        with _told("button", settings.button):
            button = Button(settings.button, pull_up=True, bounce_time=BOUNCE_S, pin_factory=factory)
    return Pins(factory, lamps, button, real)


def open_factory() -> tuple[Any, bool]:
    """A pin factory for this machine, and whether its pins are real."""
    try:
        return _real_factory(), True
    except NoPins as reason:
        log.info("the LEDs are only played in memory: %s", reason)
    except Exception as fault:
        log.warning("the pins cannot be used, so the LEDs are only played in memory: %s", fault)
    return MockFactory(), False


def _real_factory() -> Any:
    model = ""
    with contextlib.suppress(OSError):
        model = MODEL.read_text(errors="replace").strip("\0\n")
    if not model.startswith("Raspberry Pi"):
        raise NoPins("this is no Raspberry Pi")
    chips = sorted(glob.glob(CHIPS))
    if not chips:
        raise NoPins(f"{model} has no {CHIPS} here")
    if (gpiod := _library("gpiod", "request_lines")) is not None:
        return _by_libgpiod(gpiod, chips)
    # lgpio makes a file in its working folder, which has to be writable: the unit sets LG_WD.
    os.environ.setdefault("LG_WD", os.environ.get("TMPDIR", "/tmp"))
    if (lgpio := _library("lgpio", "gpiochip_open")) is not None:
        return _by_lgpio(lgpio, chips)
    raise NoPins("neither libgpiod nor lgpio is installed for Python")


def _library(name: str, needed: str) -> Any | None:
    """The module; None when it is not there, or is an old or an empty one without what is `needed`."""
    try:
        module = importlib.import_module(name)
    except ImportError:
        return None
    return module if hasattr(module, needed) else None


def _by_libgpiod(gpiod: Any, chips: list[str]) -> Any:
    from .libgpiod_pins import LibgpiodFactory

    def label(path: str) -> str:
        with gpiod.Chip(path) as chip:
            return str(chip.get_info().label)

    return LibgpiodFactory(_header(chips, label))


def _by_lgpio(lgpio: Any, chips: list[str]) -> Any:
    factories = importlib.import_module("gpiozero.pins.lgpio")

    def label(path: str) -> str:
        handle = lgpio.gpiochip_open(_number(path))
        try:
            return str(lgpio.gpio_get_chip_info(handle)[3])
        finally:
            lgpio.gpiochip_close(handle)

    return factories.LGPIOFactory(chip=_number(_header(chips, label)))


def _header(chips: list[str], label: Callable[[str], str]) -> str:
    """The chip that drives the 40 pins. Raises NoPins."""
    labels = {}
    for path in chips:
        with contextlib.suppress(OSError):
            labels[path] = label(path)
    for path, text in labels.items():
        if text in HEADER_LABELS:
            return path
    seen = ", ".join(f"{path}: {text}" for path, text in labels.items()) or "none that could be opened"
    raise NoPins(f"no chip drives the pin header ({seen})")


def _number(path: str) -> int:
    return int(path.removeprefix("/dev/gpiochip"))


@contextlib.contextmanager
def _told(what: str, pin: int) -> Iterator[None]:
    try:
        yield
    except Exception as fault:
        log.warning("the %s cannot have GPIO %s: %s", what, pin, fault)
