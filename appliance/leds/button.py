"""Presses of the one button → what the owner wants. Pure; `service.py` feeds it from the pin.

Under 1 s: lamp test and the address blinked. 3 s: send the queue now. 10 s: open the claim window. 20 s, let go, and
pressed again within 5 s: factory reset. Nothing destructive on a single hold. From 1 s to 3 s nothing is meant, so that
a slow finger does nothing unasked. `stage` is what the LEDs show meanwhile, so that one sees when to let go.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

LAMP_TEST_BELOW_S = 1.0
FLUSH_FROM_S = 3.0
CLAIM_FROM_S = 10.0
RESET_FROM_S = 20.0
CONFIRM_WITHIN_S = 5.0


class Wish(StrEnum):
    LAMP_TEST = "lamp-test"
    FLUSH = "flush"
    CLAIM = "claim"
    FACTORY_RESET = "factory-reset"


class Stage(StrEnum):
    """idle: not touched · pressed: letting go means at most a lamp test · flush, claim: letting go means that ·
    reset: let go now · armed: press again now, or wait and nothing happens."""

    IDLE = "idle"
    PRESSED = "pressed"
    FLUSH = "flush"
    CLAIM = "claim"
    RESET = "reset"
    ARMED = "armed"


@dataclass(slots=True, frozen=True)
class Presses:
    """The button as it stands. Times are seconds of one clock that never goes back."""

    pressed_at: float | None = None
    armed_at: float | None = None
    confirmed: bool = False

    def press(self, now: float) -> tuple[Presses, Wish | None]:
        if self.pressed_at is not None:
            return self, None  # a bounce
        if self.armed_at is not None and now - self.armed_at <= CONFIRM_WITHIN_S:
            return Presses(pressed_at=now, confirmed=True), Wish.FACTORY_RESET
        return Presses(pressed_at=now), None

    def release(self, now: float) -> tuple[Presses, Wish | None]:
        if self.pressed_at is None:
            return self, None
        if self.confirmed:
            return Presses(), None  # the press that confirmed means nothing more, however long it was
        match self._held(now - self.pressed_at):
            case Stage.RESET:
                return Presses(armed_at=now), None
            case Stage.CLAIM:
                return Presses(), Wish.CLAIM
            case Stage.FLUSH:
                return Presses(), Wish.FLUSH
            case _:
                return Presses(), Wish.LAMP_TEST if now - self.pressed_at < LAMP_TEST_BELOW_S else None

    def stage(self, now: float) -> Stage:
        if self.pressed_at is not None:
            return Stage.PRESSED if self.confirmed else self._held(now - self.pressed_at)
        if self.armed_at is not None and now - self.armed_at <= CONFIRM_WITHIN_S:
            return Stage.ARMED
        return Stage.IDLE

    def next_change(self, now: float) -> float | None:
        """When the stage changes by itself."""
        if self.pressed_at is not None and not self.confirmed:
            thresholds = (self.pressed_at + held_s for held_s in (FLUSH_FROM_S, CLAIM_FROM_S, RESET_FROM_S))
            return next((at for at in thresholds if at > now), None)
        if self.armed_at is not None and now - self.armed_at <= CONFIRM_WITHIN_S:
            return self.armed_at + CONFIRM_WITHIN_S
        return None

    def forgotten(self, now: float) -> Presses:
        """The same without an arming whose time is over."""
        over = self.armed_at is not None and now - self.armed_at > CONFIRM_WITHIN_S
        return replace(self, armed_at=None) if over else self

    @staticmethod
    def _held(held_s: float) -> Stage:
        if held_s >= RESET_FROM_S:
            return Stage.RESET
        if held_s >= CLAIM_FROM_S:
            return Stage.CLAIM
        if held_s >= FLUSH_FROM_S:
            return Stage.FLUSH
        return Stage.PRESSED
