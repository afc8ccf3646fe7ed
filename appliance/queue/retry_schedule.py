"""When a recipient is tried again, when its reverse-path hears of the delay, and when it is given up.

Promises: waits only grow, spread by jitter so that mail put off together does not come back together; nobody is given up
before `attempts_least` tries, whatever the clock says: a Raspberry Pi has no clock of its own and may wake up days
ahead, or may have been switched off for a week. Pure. RFC 5321 4.5.4.1 (at least 30 minutes between tries on the whole,
give up after 4-5 days; the first tries come sooner here because greylisting is over within minutes).
"""

from __future__ import annotations

from dataclasses import dataclass

from ..status.events import Outcome

MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86400.0


@dataclass(slots=True, frozen=True)
class Schedule:
    """steps_s: the waits after the first tries; then_s: the wait after each further one; jitter: the largest share by
    which a wait is made longer."""

    steps_s: tuple[float, ...] = (
        1 * MINUTE_S,
        5 * MINUTE_S,
        15 * MINUTE_S,
        30 * MINUTE_S,
        1 * HOUR_S,
        2 * HOUR_S,
    )
    then_s: float = 4 * HOUR_S
    jitter: float = 0.2
    warn_after_s: float = 3.75 * HOUR_S  # comes true at the seventh try, some four hours in
    give_up_after_s: float = 5 * DAY_S
    attempts_least: int = 8

    def wait_s(self, attempts: int, jitter: float) -> float:
        """attempts: made so far, 1 or more; jitter: from 0 to 1."""
        steps = self.steps_s
        wait_s = steps[attempts - 1] if 0 < attempts <= len(steps) else self.then_s
        return wait_s * (1 + self.jitter * jitter)

    @property
    def longest_wait_s(self) -> float:
        return max(*self.steps_s, self.then_s) * (1 + self.jitter)


@dataclass(slots=True, frozen=True)
class Delivered:
    """It is elsewhere now."""


@dataclass(slots=True, frozen=True)
class TryAgain:
    """It stays queued. next_attempt_at: seconds since the epoch; warn: the reverse-path has waited long enough to be
    told."""

    next_attempt_at: float
    warn: bool


@dataclass(slots=True, frozen=True)
class GiveUp:
    """It leaves the queue unsent. expired: not because it was refused, but because it was put off for too long."""

    expired: bool


def after_attempt(
    outcome: Outcome,
    *,
    attempts: int,
    accepted_at: float,
    delay_warned: bool,
    now: float,
    jitter: float,
    schedule: Schedule,
) -> Delivered | TryAgain | GiveUp:
    """attempts: with this one; times: seconds since the epoch; jitter: from 0 to 1."""
    match outcome:
        case Outcome.DELIVERED:
            return Delivered()
        case Outcome.FAILED:
            return GiveUp(expired=False)
        case Outcome.DEFERRED:
            age_s = now - accepted_at
            if age_s >= schedule.give_up_after_s and attempts >= schedule.attempts_least:
                return GiveUp(expired=True)
            # As with giving up: after a jump of the clock a young message must not seem late.
            late = age_s >= schedule.warn_after_s and attempts > len(schedule.steps_s)
            return TryAgain(now + schedule.wait_s(attempts, jitter), warn=late and not delay_warned)
