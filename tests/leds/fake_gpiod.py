"""libgpiod 2 for Python as far as our pins use it, with a kernel in memory: lines, levels, edges."""

from __future__ import annotations

import enum
import queue
import threading
import types
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any


class Direction(enum.Enum):
    INPUT = 1
    OUTPUT = 2


class Bias(enum.Enum):
    AS_IS = 0
    DISABLED = 1
    PULL_UP = 2
    PULL_DOWN = 3


class Edge(enum.Enum):
    NONE = 0
    RISING = 1
    FALLING = 2
    BOTH = 3


class Value(enum.Enum):
    INACTIVE = 0
    ACTIVE = 1


@dataclass
class LineSettings:
    direction: Direction
    edge_detection: Edge = Edge.NONE
    bias: Bias = Bias.AS_IS
    debounce_period: timedelta = timedelta(0)
    output_value: Value = Value.INACTIVE


class EventType(enum.Enum):
    RISING_EDGE = 1
    FALLING_EDGE = 2


@dataclass
class EdgeEvent:
    event_type: EventType
    timestamp_ns: int
    Type = EventType


@dataclass
class Request:
    """One line that was asked for."""

    kernel: Kernel
    number: int
    settings: LineSettings
    events: queue.SimpleQueue[EdgeEvent] = field(default_factory=queue.SimpleQueue)
    waiting: EdgeEvent | None = None

    @property
    def bias(self) -> str:
        return self.settings.bias.name

    @property
    def debounce_s(self) -> float:
        return self.settings.debounce_period.total_seconds()

    def get_value(self, number: int) -> Value:
        assert self.kernel.lines[number] is self
        return Value(self.kernel.level(number))

    def set_value(self, number: int, value: Value) -> None:
        assert self.kernel.lines[number] is self
        assert self.settings.direction is Direction.OUTPUT
        self.kernel.levels.setdefault(number, []).append(value.value)

    def wait_edge_events(self, timeout: float) -> bool:
        try:
            self.waiting = self.events.get(timeout=timeout)
        except queue.Empty:
            return False
        return True

    def read_edge_events(self) -> list[EdgeEvent]:
        assert self.waiting is not None
        return [self.waiting]

    def release(self) -> None:
        del self.kernel.lines[self.number]


class Kernel:
    """labels: chip path → label; busy: lines that another program holds; forbidden: no chip may be opened."""

    def __init__(self, labels: dict[str, str]) -> None:
        self.labels = labels
        self.busy: set[int] = set()
        self.forbidden = False
        self.lines: dict[int, Request] = {}
        self.levels: dict[int, list[int]] = {}
        self.done = threading.Event()
        self._time_ns = 0

    def modules(self) -> dict[str, types.ModuleType]:
        gpiod, line = types.ModuleType("gpiod"), types.ModuleType("gpiod.line")
        contents: dict[str, Any] = {"LineSettings": LineSettings, "request_lines": self.request, "Chip": self.chip}
        gpiod.__dict__.update(contents, line=line)
        line.__dict__.update(Direction=Direction, Bias=Bias, Edge=Edge, Value=Value)
        return {"gpiod": gpiod, "gpiod.line": line}

    def level(self, number: int) -> int:
        return self.levels.get(number, [0])[-1]

    def drive(self, number: int, level: int) -> None:
        """Somebody outside pulls the pin."""
        self.levels.setdefault(number, []).append(level)
        self._time_ns += 1_000_000_000
        request = self.lines[number]
        if request.settings.edge_detection is Edge.BOTH:
            request.events.put(EdgeEvent(EventType.RISING_EDGE if level else EventType.FALLING_EDGE, self._time_ns))

    def request(self, path: str, *, consumer: str, config: dict[int, LineSettings]) -> Request:
        assert "bcm" in self.labels[path] and consumer == "merpati"
        ((number, settings),) = config.items()
        if number in self.busy or number in self.lines:
            raise OSError(16, "Device or resource busy")
        self.lines[number] = Request(self, number, settings)
        if settings.direction is Direction.OUTPUT:
            self.levels.setdefault(number, []).append(settings.output_value.value)
        elif settings.bias is Bias.PULL_UP:
            self.levels[number] = [1]
        return self.lines[number]

    def chip(self, path: str) -> Any:
        if self.forbidden:
            raise PermissionError(13, "Permission denied")
        label = self.labels[path]

        class Chip:
            def __enter__(self) -> Chip:
                return self

            def __exit__(self, *_: object) -> None: ...

            def get_info(self) -> Any:
                return types.SimpleNamespace(label=label)

        return Chip()
