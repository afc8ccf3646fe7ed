"""Quiet hours: the span of the day in which only `alert` is shown. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class QuietHours:
    """Minutes since midnight: quiet from the first until before the second; past midnight when it is the smaller one.
    The same twice is no span at all."""

    start_min: int
    end_min: int

    @classmethod
    def parse(cls, text: str) -> QuietHours:
        """`22:00-07:00`. Raises ValueError."""
        start, _, end = text.partition("-")
        return cls(_minutes(start), _minutes(end))

    def includes(self, minute: int) -> bool:
        if self.start_min <= self.end_min:
            return self.start_min <= minute < self.end_min
        return minute >= self.start_min or minute < self.end_min


def _minutes(text: str) -> int:
    hours, colon, minutes = text.partition(":")
    value = int(hours) * 60 + int(minutes)
    if not colon or not (0 <= int(hours) < 24 and 0 <= int(minutes) < 60):
        raise ValueError(f"{text!r} is not a time of day")
    return value
