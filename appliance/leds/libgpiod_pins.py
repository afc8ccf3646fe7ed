"""gpiozero pins on libgpiod 2, the way to the header that Debian ships (python3-libgpiod) and that works on every board.

gpiozero itself knows lgpio, RPi.GPIO, pigpio and /dev/gpiomem: the first is not in Debian, the others do not drive a
Pi 5. Here is what LEDs and a button need: output, input, pull, debounce and edges; no PWM, no SPI.
"""

from __future__ import annotations

import importlib
import threading
from datetime import timedelta
from typing import Any

from gpiozero.exc import (
    PinFixedPull,
    PinInvalidBounce,
    PinInvalidEdges,
    PinInvalidFunction,
    PinInvalidPull,
    PinPWMUnsupported,
    PinSetInput,
    PinUnknownPi,
)
from gpiozero.pins.local import LocalPiFactory, LocalPiPin
from gpiozero.pins.pi import PiBoardInfo

# Not a dependency: it comes with the operating system, and is only there on machines that have pins.
gpiod: Any = importlib.import_module("gpiod")
line: Any = importlib.import_module("gpiod.line")

CONSUMER = "merpati"
_ZERO_2_W = 0x902120
_BIASES = {"up": line.Bias.PULL_UP, "down": line.Bias.PULL_DOWN, "floating": line.Bias.DISABLED}
_EDGES = {"both": line.Edge.BOTH, "rising": line.Edge.RISING, "falling": line.Edge.FALLING}
_LOOK_EVERY_S = 0.5  # how soon the listening thread sees that it is to end


class LibgpiodFactory(LocalPiFactory):  # type: ignore[misc]
    """chip: the path of the header's chip, such as /dev/gpiochip0."""

    def __init__(self, chip: str) -> None:
        super().__init__()
        self.chip = chip
        self.pin_class = LibgpiodPin

    def _get_board_info(self) -> Any:
        """A board newer than gpiozero is taken for one that it knows: all have had the same 40 pins for ten years."""
        try:
            return super()._get_board_info()
        except PinUnknownPi:
            self._info = PiBoardInfo.from_revision(_ZERO_2_W)
            return self._info


class LibgpiodPin(LocalPiPin):  # type: ignore[misc]
    """One line, requested from the kernel as long as the pin is open; asked for anew whenever its settings change."""

    when_changed: Any  # the base class's property

    def __init__(self, factory: LibgpiodFactory, info: Any) -> None:
        super().__init__(factory, info)
        self._function = "input"
        self._pull = info.pull or "floating"
        self._bounce_s: float | None = None
        self._wanted_edges = "both"
        self._listener: threading.Thread | None = None
        self._ended = threading.Event()
        self._line: Any = None
        self._request()

    def close(self) -> None:
        self._disable_event_detect()
        self._release()

    def output_with_state(self, state: float) -> None:
        """At once at that level: a lamp that is lit by a low pin must not blink when it is opened."""
        self._disable_event_detect()
        self._function = "output"
        self._request(value=_value(state))

    def _request(self, edges: str | None = None, value: Any = line.Value.INACTIVE) -> None:
        self._release()
        if self._function == "output":
            settings = gpiod.LineSettings(direction=line.Direction.OUTPUT, output_value=value)
        else:
            settings = gpiod.LineSettings(
                direction=line.Direction.INPUT,
                bias=_BIASES[self._pull],
                edge_detection=_EDGES[edges] if edges else line.Edge.NONE,
                debounce_period=timedelta(seconds=self._bounce_s if edges and self._bounce_s else 0),
            )
        self._line = gpiod.request_lines(self.factory.chip, consumer=CONSUMER, config={self._number: settings})

    def _release(self) -> None:
        if self._line is not None:
            self._line.release()
            self._line = None

    def _get_function(self) -> str:
        return self._function

    def _set_function(self, value: str) -> None:
        if value not in ("input", "output"):
            raise PinInvalidFunction(f"invalid function {value!r} for pin {self!r}")
        self._disable_event_detect()
        self._function = value
        self._request()

    def _get_state(self) -> bool:
        return bool(self._line.get_value(self._number) == line.Value.ACTIVE)

    def _set_state(self, value: float) -> None:
        if self._function != "output":
            raise PinSetInput(f"cannot set state of pin {self!r}")
        self._line.set_value(self._number, _value(value))

    def _get_pull(self) -> str:
        return str(self._pull)

    def _set_pull(self, value: str) -> None:
        if self._function != "input":
            raise PinFixedPull(f"cannot set pull on non-input pin {self!r}")
        if value not in _BIASES:
            raise PinInvalidPull(f"invalid pull {value!r} for pin {self!r}")
        if self.info.pull not in (value, ""):
            raise PinFixedPull(f"{self!r} has a physical pull-{self.info.pull} resistor")
        self._pull = value
        self._request()

    def _get_frequency(self) -> None:
        return None

    def _set_frequency(self, value: float | None) -> None:
        if value is not None:
            raise PinPWMUnsupported(f"no PWM on pin {self!r}")

    def _get_bounce(self) -> float | None:
        return self._bounce_s

    def _set_bounce(self, value: float | None) -> None:
        if value is not None and value < 0:
            raise PinInvalidBounce("bounce must be 0 or greater")
        self._bounce_s = value

    def _get_edges(self) -> str:
        return self._wanted_edges

    def _set_edges(self, value: str) -> None:
        if value not in _EDGES:
            raise PinInvalidEdges(f"invalid edges {value!r} for pin {self!r}")
        listener, self.when_changed = self.when_changed, None
        self._wanted_edges = value
        self.when_changed = listener

    def _enable_event_detect(self) -> None:
        self._request(self._wanted_edges)
        self._ended = threading.Event()
        self._listener = threading.Thread(
            target=self._listen, args=(self._line, self._ended), name=f"gpio{self._number}", daemon=True
        )
        self._listener.start()

    def _disable_event_detect(self) -> None:
        listener, self._listener = self._listener, None
        if listener is None:
            return
        self._ended.set()
        if listener is not threading.current_thread():  # it comes here itself when its device is gone
            listener.join()
        self._request()

    def _listen(self, request: Any, ended: threading.Event) -> None:
        while not ended.is_set():
            if request.wait_edge_events(_LOOK_EVERY_S):
                for event in request.read_edge_events():
                    rising = event.event_type == event.Type.RISING_EDGE
                    self._call_when_changed(event.timestamp_ns / 1_000_000_000, int(rising))


def _value(state: float) -> Any:
    return line.Value.ACTIVE if state else line.Value.INACTIVE
