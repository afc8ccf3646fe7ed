"""Quiet hours, also past midnight."""

from __future__ import annotations

import pytest

from appliance.leds.quiet import QuietHours

SPANS = {
    "by day, before": ("13:00-14:30", 12 * 60 + 59, False),
    "by day, first minute": ("13:00-14:30", 13 * 60, True),
    "by day, last minute": ("13:00-14:30", 14 * 60 + 29, True),
    "by day, after": ("13:00-14:30", 14 * 60 + 30, False),
    "past midnight, evening": ("22:00-07:00", 22 * 60, True),
    "past midnight, midnight": ("22:00-07:00", 0, True),
    "past midnight, last minute": ("22:00-07:00", 6 * 60 + 59, True),
    "past midnight, morning": ("22:00-07:00", 7 * 60, False),
    "past midnight, noon": ("22:00-07:00", 12 * 60, False),
    "no span at all": ("08:00-08:00", 8 * 60, False),
}


@pytest.mark.parametrize("name", SPANS)
def test_a_minute_is_quiet_exactly_inside_the_span(name: str) -> None:
    text, minute, quiet = SPANS[name]
    assert QuietHours.parse(text).includes(minute) is quiet


@pytest.mark.parametrize("text", ["", "22:00", "22-07", "24:00-07:00", "22:60-07:00", "a:b-c:d"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        QuietHours.parse(text)
