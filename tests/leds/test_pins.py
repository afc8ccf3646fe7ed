"""Real pins where there are some, mock pins elsewhere, and no trouble with a pin ends anything."""

from __future__ import annotations

import importlib
import logging
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gpiozero.pins.local
import pytest
from gpiozero.pins.mock import MockFactory

from appliance.leds import pins
from appliance.leds.pins import open_factory, open_pins
from appliance.leds.settings import LedSettings

from . import fake_gpiod

SETTINGS = LedSettings("status.sock", button=23)


@pytest.fixture
def pi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that says it is a Raspberry Pi and has two chips; no GPIO library yet."""
    model = tmp_path / "model"
    model.write_text("Raspberry Pi Zero 2 W Rev 1.0\0")
    for name in ("gpiochip0", "gpiochip1"):
        (tmp_path / name).touch()
    monkeypatch.setattr(pins, "MODEL", model)
    monkeypatch.setattr(pins, "CHIPS", f"{tmp_path}/gpiochip*")
    monkeypatch.setattr(gpiozero.pins.local, "get_pi_revision", lambda: 0x902120)
    for name in ("gpiod", "gpiod.line", "lgpio"):
        monkeypatch.setitem(sys.modules, name, None)
    return tmp_path


@pytest.fixture
def gpiod(pi: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[fake_gpiod.Kernel]:
    """libgpiod on that machine; the header is the second chip."""
    kernel = fake_gpiod.Kernel(
        {str(pi / "gpiochip0"): "raspberrypi-exp-gpio", str(pi / "gpiochip1"): "pinctrl-bcm2835"}
    )
    for name, module in kernel.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "appliance.leds.libgpiod_pins", raising=False)
    yield kernel
    sys.modules.pop("appliance.leds.libgpiod_pins", None)
    gpiozero.pins.local.LocalPiFactory.pins.clear()
    gpiozero.pins.local.LocalPiFactory._reservations.clear()


def test_the_desk_plays_mock_pins_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pins, "MODEL", tmp_path / "none")
    with caplog.at_level(logging.INFO):
        opened = open_pins(SETTINGS)
    assert not opened.real
    assert isinstance(opened.factory, MockFactory)
    assert sorted(opened.lamps) == ["alert", "mail", "power", "queue"]
    assert opened.button is not None
    assert "only played in memory: this is no Raspberry Pi" in caplog.text
    opened.close()


NO_PINS = {
    "no chips": (lambda pi: [p.unlink() for p in pi.glob("gpiochip*")], "Raspberry Pi Zero 2 W Rev 1.0 has no"),
    "no library": (lambda pi: None, "neither libgpiod nor lgpio is installed"),
}


@pytest.mark.parametrize("name", NO_PINS)
def test_a_pi_without_usable_pins_plays_mock_pins_and_says_why(
    pi: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    prepare, sentence = NO_PINS[name]
    prepare(pi)
    with caplog.at_level(logging.INFO):
        factory, real = open_factory()
    assert (type(factory), real) == (MockFactory, False)
    assert sentence in caplog.text


def test_a_chip_is_chosen_by_its_label(gpiod: fake_gpiod.Kernel, pi: Path) -> None:
    factory, real = open_factory()
    assert (real, factory.chip) == (True, str(pi / "gpiochip1"))


@pytest.mark.parametrize("revision", [0x902120, 0xFFFFFF, None])
def test_a_board_that_gpiozero_does_not_know_has_the_same_pins(
    gpiod: fake_gpiod.Kernel, monkeypatch: pytest.MonkeyPatch, revision: int | None
) -> None:
    def found() -> int:
        if revision is None:
            raise gpiozero.PinUnknownPi("nothing says which")
        return revision

    monkeypatch.setattr(gpiozero.pins.local, "get_pi_revision", found)
    opened = open_pins(SETTINGS)
    assert sorted(opened.lamps) == ["alert", "mail", "power", "queue"]
    opened.close()


def test_without_the_headers_chip_the_others_are_named(
    gpiod: fake_gpiod.Kernel, caplog: pytest.LogCaptureFixture
) -> None:
    gpiod.labels[next(iter(gpiod.labels))] = "a"
    gpiod.labels[list(gpiod.labels)[1]] = "b"
    with caplog.at_level(logging.INFO):
        assert open_factory()[1] is False
    assert "gpiochip0: a" in caplog.text and "gpiochip1: b" in caplog.text


def test_chips_that_cannot_be_opened_are_no_reason_to_fail(
    gpiod: fake_gpiod.Kernel, caplog: pytest.LogCaptureFixture
) -> None:
    gpiod.forbidden = True
    with caplog.at_level(logging.INFO):
        assert open_factory()[1] is False
    assert "none that could be opened" in caplog.text


def test_an_old_libgpiod_is_passed_over(pi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpiod", types.ModuleType("gpiod"))
    assert open_factory()[1] is False


def test_lgpio_is_used_where_libgpiod_is_not(pi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a fake lgpio, as real ones only load on a Pi: what matters is which chip is chosen."""
    lgpio = types.ModuleType("lgpio")
    labels = ["raspberrypi-exp-gpio", "pinctrl-rp1"]
    lgpio.gpiochip_open = lambda number: number  # type: ignore[attr-defined]
    lgpio.gpiochip_close = lambda handle: 0  # type: ignore[attr-defined]
    lgpio.gpio_get_chip_info = lambda handle: (0, 54, f"gpiochip{handle}", labels[handle])  # type: ignore[attr-defined]
    factories = types.ModuleType("gpiozero.pins.lgpio")
    factories.LGPIOFactory = lambda chip: ("lgpio", chip)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lgpio", lgpio)
    monkeypatch.setitem(sys.modules, "gpiozero.pins.lgpio", factories)
    monkeypatch.setattr(pins, "_number", lambda path: int(path[-1]))
    monkeypatch.setenv("LG_WD", str(pi))
    assert open_factory() == (("lgpio", 1), True)


def test_an_empty_lgpio_is_passed_over(pi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lgpio", types.ModuleType("lgpio"))
    monkeypatch.setenv("LG_WD", str(pi))
    assert open_factory()[1] is False


def test_lamps_and_button_work_on_libgpiod(gpiod: fake_gpiod.Kernel) -> None:
    opened = open_pins(SETTINGS)
    assert opened.real
    told: list[str] = []
    opened.lamps["power"].on()
    opened.lamps["alert"].on()
    opened.lamps["alert"].off()
    assert gpiod.levels[17] == [0, 1]
    assert gpiod.levels[24] == [0, 1, 0]

    def pressed() -> None:
        told.append("pressed")

    def released() -> None:
        told.append("released")
        gpiod.done.set()

    opened.button.when_pressed = pressed
    opened.button.when_released = released
    assert (gpiod.lines[23].bias, gpiod.lines[23].debounce_s) == ("PULL_UP", pins.BOUNCE_S)
    gpiod.drive(23, 0)
    gpiod.drive(23, 1)
    assert gpiod.done.wait(10)
    assert told == ["pressed", "released"]
    opened.close()
    assert gpiod.lines == {}


def test_a_lamp_lit_by_a_low_pin_does_not_blink_when_opened(gpiod: fake_gpiod.Kernel) -> None:
    opened = open_pins(LedSettings("status.sock", active_low=True))
    opened.lamps["mail"].on()
    assert gpiod.levels[22] == [1, 0]
    opened.close()


def test_a_busy_pin_is_left_out_and_the_others_work(gpiod: fake_gpiod.Kernel, caplog: pytest.LogCaptureFixture) -> None:
    gpiod.busy = {27, 23}
    with caplog.at_level(logging.WARNING):
        opened = open_pins(SETTINGS)
    assert sorted(opened.lamps) == ["alert", "mail", "power"]
    assert opened.button is None
    assert "LED queue cannot have GPIO 27" in caplog.text
    assert "button cannot have GPIO 23" in caplog.text
    opened.close()


def test_a_pin_that_does_not_exist_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    opened = open_pins(LedSettings("status.sock", power=53), MockFactory())
    assert sorted(opened.lamps) == ["alert", "mail", "queue"]
    assert "LED power cannot have GPIO 53" in caplog.text
    opened.close()


def test_a_single_led_stands_in_for_the_four() -> None:
    opened = open_pins(LedSettings("status.sock", single=18), MockFactory())
    assert list(opened.lamps) == ["single"]
    opened.close()


WRONG: dict[str, tuple[str, Any, str]] = {
    "function": ("function", "dance", "invalid function"),
    "pull": ("pull", "sideways", "invalid pull"),
    "bounce": ("bounce", -1, "bounce must be"),
    "edges": ("edges", "both sides", "invalid edges"),
    "state of an input": ("state", 1, "cannot set state"),
    "frequency": ("frequency", 50, "no PWM"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_a_pin_cannot_do_is_refused_in_gpiozeros_own_words(gpiod: fake_gpiod.Kernel, name: str) -> None:
    attribute, value, words = WRONG[name]
    factory, _ = open_factory()
    pin = factory.pin("GPIO5")
    with pytest.raises(gpiozero.GPIOZeroError, match=words):
        setattr(pin, attribute, value)
    assert (pin.function, pin.state, pin.frequency, pin.bounce, pin.edges) == ("input", False, None, None, "both")
    assert pin.pull == "floating"
    factory.close()


def test_the_module_loads_only_where_libgpiod_is(pi: Path) -> None:
    sys.modules.pop("appliance.leds.libgpiod_pins", None)
    with pytest.raises(ImportError):
        importlib.import_module("appliance.leds.libgpiod_pins")
