"""The state of the appliance → four signals. Pure, and the only place that decides what an LED says.

| LED    | steady               | slow                                | fast                      | flash                 |
| power  | healthy              | starting, unclaimed, being updated  | shutting down: wait       |                       |
| queue  | mail waits to go out | a destination does not answer       | nothing left for 30 min   |                       |
| mail   |                      |                                     |                           | a message was delivered |
| alert  |                      | needs the owner                     | data at risk              |                       |

What cannot be proved is not shown: when nothing was heard for 15 s, everything is dark and `alert` is fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..status.events import Phase, Severity
from ..status.snapshot import Snapshot

SILENT_AFTER_S = 15.0
FIRST_WORD_WITHIN_S = 60.0  # a small board needs that long from the first LED to the first mail process
FLASH_SHOWN_S = 2.0  # how long after a delivery a page that looks now and then still sees the flash


class Signal(StrEnum):
    OFF = "off"
    STEADY = "steady"
    SLOW = "slow"
    FAST = "fast"
    FLASH = "flash"


@dataclass(slots=True, frozen=True)
class Signals:
    power: Signal = Signal.OFF
    queue: Signal = Signal.OFF
    mail: Signal = Signal.OFF
    alert: Signal = Signal.OFF


FAULT = Signals(alert=Signal.FAST)
STARTING = Signals(power=Signal.SLOW)

_POWER = {
    Phase.STARTING: Signal.SLOW,
    Phase.UNCLAIMED: Signal.SLOW,
    Phase.UPDATING: Signal.SLOW,
    Phase.RUNNING: Signal.STEADY,
    Phase.STOPPING: Signal.FAST,
}
_URGENCY = (Signal.OFF, Signal.FLASH, Signal.STEADY, Signal.SLOW, Signal.FAST)


def signals(
    snapshot: Snapshot | None, now: float, *, quiet: bool = False, watching_since: float | None = None
) -> Signals:
    """What the four LEDs tell.

    Args:
        snapshot: the newest one, or None when none was ever heard.
        now: seconds since the epoch, by the clock of `snapshot.at`.
        quiet: it is a quiet hour: only `alert` is shown.
        watching_since: since when one listens for the first snapshot; for a minute, silence is starting.
    """
    told = _all(snapshot, now, watching_since)
    return Signals(alert=told.alert) if quiet else told


def most_urgent(all_four: Signals) -> Signal:
    """What a single LED tells. It is steady when all is well; `rhythm.py` lets a flash show on it as well."""
    return max(all_four.power, all_four.queue, all_four.mail, all_four.alert, key=_URGENCY.index)


def _all(snapshot: Snapshot | None, now: float, watching_since: float | None) -> Signals:
    if snapshot is None:
        waits = watching_since is not None and now - watching_since <= FIRST_WORD_WITHIN_S
        return STARTING if waits else FAULT
    if now - snapshot.at > SILENT_AFTER_S:
        return FAULT
    return Signals(
        power=_POWER[snapshot.phase], queue=_queue(snapshot), mail=_mail(snapshot, now), alert=_alert(snapshot)
    )


def _queue(snapshot: Snapshot) -> Signal:
    queue = snapshot.queue
    if queue.stuck:
        return Signal.FAST
    if queue.deferred:
        return Signal.SLOW
    return Signal.STEADY if queue.waiting or queue.held else Signal.OFF


def _mail(snapshot: Snapshot, now: float) -> Signal:
    recent = snapshot.delivered_at is not None and now - snapshot.delivered_at < FLASH_SHOWN_S
    return Signal.FLASH if recent else Signal.OFF


def _alert(snapshot: Snapshot) -> Signal:
    severities = {problem.severity for problem in snapshot.problems}
    if Severity.DANGER in severities:
        return Signal.FAST
    return Signal.SLOW if severities else Signal.OFF
