"""The page's lights blink as the LEDs do: the numbers in lights.css are those of leds/rhythm.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import web
from appliance.leds import rhythm
from appliance.leds.signals import Signal, Signals

STATIC = Path(web.__file__).parent / "static"
CSS = (STATIC / "lights.css").read_text()
JS = (STATIC / "dashboard.js").read_text()


@pytest.mark.parametrize("signal", [Signal.SLOW, Signal.FAST])
@pytest.mark.parametrize(("part", "animation"), [("lamp", "lamp"), ("glow", "glow")])
def test_blinking_has_the_same_period(signal: Signal, part: str, animation: str) -> None:
    found = re.search(
        rf'\[data-rhythm="{signal}"\] \.{part} {{ animation: {animation} (\d+)ms ([^;]+) infinite; }}', CSS
    )
    assert found is not None
    dark_from = rhythm.next_edge(signal, 0.0)
    lit_again = rhythm.next_edge(signal, dark_from or 0.0)
    assert dark_from is not None and lit_again is not None
    assert int(found.group(1)) == round(lit_again * 1000)
    assert dark_from == lit_again / 2  # lit for the first half, as in the keyframes
    assert rhythm.level(signal, 0.0) and not rhythm.level(signal, dark_from)


@pytest.mark.parametrize(("name", "lit", "dark"), [("lamp", "var(--lit)", "#444b50"), ("glow", "0.28", "0")])
def test_lit_for_the_first_half_and_dark_for_the_second(name: str, lit: str, dark: str) -> None:
    found = re.search(rf"@keyframes {name} {{ 0%, 49.99% {{ \w+: ([^;]+); }} 50%, 100% {{ \w+: ([^;]+); }} }}", CSS)
    assert found is not None and found.groups() == (lit, dark)


def test_a_wink_lasts_as_long() -> None:
    durations = set(re.findall(r"\.is-winking \.\w+ { animation: lit-\w+ (\d+)ms", CSS))
    assert durations == {str(round(rhythm.WINK_S * 1000))}
    assert f"WINK_EVERY_MS = {round(rhythm.WINK_EVERY_S * 1000)};" in JS
    assert f"WINKS_WAITING_MOST = {rhythm.WINKS_WAITING_MOST};" in JS


def test_steady_is_lit_and_off_is_not() -> None:
    assert '[data-rhythm="steady"] .lamp { fill: var(--lit); }' in CSS
    assert '[data-rhythm="off"]' not in CSS
    for name in Signals.__slots__:
        assert f"#light-{name} {{ --lit:" in CSS


def test_whoever_wants_less_motion_sees_none() -> None:
    reduced = CSS[CSS.index("prefers-reduced-motion") :]
    assert "animation: none !important" in reduced
