"""The LED process: follows the status socket, plays the lamps, and passes on what the button asks.

One thread and one `select`: it sleeps until a lamp has to change, the mail process says something, or the button is
touched. No event loop and no thread per lamp: both would cost memory for nothing (asyncio alone is 8 MB).
Promises: never shows what it has not heard in the last 15 s; finds the mail process again whenever it comes back; no
trouble with a pin ends it. Known limit: the mail process does not know the verbs `claim-window` and `factory-reset` yet,
so those two wishes are shown as refused.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import selectors
import signal as signals_of_the_system
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from ..status.client import LineBuffer, StatusClient
from ..status.lines import LineFault, encode
from ..status.snapshot import Snapshot
from .button import Presses, Stage, Wish
from .pins import Pins, open_pins
from .player import DONE, REFUSED, Player, lamp_test
from .quiet import QuietHours
from .settings import LedSettings
from .signals import Signals, signals

log = logging.getLogger("merpati.leds")

CONNECT_EVERY_S = 1.0
LOOK_EVERY_S = 5.0  # at the clock and at the age of what was heard

_ENDING = (signals_of_the_system.SIGTERM, signals_of_the_system.SIGINT)

QUESTIONS: dict[Wish, dict[str, Any]] = {
    Wish.FLUSH: {"verb": "queue", "action": "flush"},
    Wish.CLAIM: {"verb": "claim-window"},
    Wish.FACTORY_RESET: {"verb": "factory-reset"},
}


class StatusLine:
    """The line to the mail process, without blocking. `snapshot` is the newest heard, at `heard_at`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._lines = LineBuffer()
        self._next_try_at = 0.0
        self.snapshot: Snapshot | None = None
        self.heard_at = 0.0

    @property
    def socket(self) -> socket.socket | None:
        return self._socket

    def connect(self, now: float) -> float | None:
        """Connects if it is time to. Returns when to try again, None while connected."""
        if self._socket is None and now >= self._next_try_at:
            self._next_try_at = now + CONNECT_EVERY_S
            line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            line.setblocking(False)
            try:
                line.connect(self._path)
                line.send(encode({"verb": "follow", "types": ["Snapshot"]}))
            except OSError:
                line.close()
            else:
                self._socket, self._lines = line, LineBuffer()
        return None if self._socket is not None else self._next_try_at

    def read(self, now: float) -> int:
        """Takes what has come. Returns how many messages were delivered since the snapshot before."""
        assert self._socket is not None
        before = self.snapshot
        try:
            data = self._socket.recv(65536)
            heard = self._lines.feed(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except (OSError, LineFault):
            data, heard = b"", []
        if not data:
            self.close()
        for told in heard:
            if isinstance(told, Snapshot):
                self.snapshot, self.heard_at = told, now
        if before is None or self.snapshot is None or self.snapshot.started_at != before.started_at:
            return 0  # another mail process counts anew
        return max(0, self.snapshot.mail_flashes - before.mail_flashes)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class LedService:
    """`run` until `stop`. The clocks can be replaced: `clock` never goes back, `minute` is the local minute of the day."""

    def __init__(
        self,
        settings: LedSettings,
        *,
        pins: Pins | None = None,
        clock: Callable[[], float] = time.monotonic,
        minute: Callable[[], int] | None = None,
    ) -> None:
        self._settings = settings
        self._pins = pins if pins is not None else open_pins(settings)
        self._clock = clock
        self._quiet = QuietHours.parse(settings.quiet_hours) if settings.quiet_hours else None
        self._minute = minute or (_local_minute(settings.timezone) if self._quiet else lambda: 0)
        self._player = Player(self._pins.lamps)
        self._line = StatusLine(settings.status_socket)
        self._presses = Presses()
        self._touched: queue.SimpleQueue[tuple[bool, float]] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._stopping = False
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._started_at = clock()
        self._shown: Signals | None = None
        if self._pins.button is not None:
            self._pins.button.when_pressed = self._pressed
            self._pins.button.when_released = self._released

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Plays until `stop` is called; then everything is dark and the pins are free."""
        selector = selectors.DefaultSelector()
        selector.register(self._woken, selectors.EVENT_READ)
        following: socket.socket | None = None
        try:
            ready()
            while not self._stopping:
                now = self._clock()
                again_at = self.step(now)
                if self._line.socket is not following:
                    if following is not None:
                        selector.unregister(following)
                    following = self._line.socket
                    if following is not None:
                        selector.register(following, selectors.EVENT_READ)
                for key, _ in selector.select(max(0.0, again_at - self._clock())):
                    if key.fileobj is following:
                        self.hear(self._clock())
                with contextlib.suppress(BlockingIOError):
                    self._woken.recv(4096)
        finally:
            selector.close()
            self.close()

    def close(self) -> None:
        """Everything dark, the pins and the line free."""
        self._player.dark()
        self._pins.close()
        self._line.close()
        self._woken.close()
        self._waker.close()

    def stop(self) -> None:
        """From any thread or signal handler."""
        self._stopping = True
        self._wake()

    def step(self, now: float) -> float:
        """All that is due at `now`. Returns when to step again, if nothing happens before."""
        retry_at = self._line.connect(now)
        while not self._answers.empty():
            self._player.play(DONE if self._answers.get() else REFUSED, now)
        self._feel(now)
        told = self._signals(now)
        if told != self._shown:
            log.debug("LEDs: %s", told)
            self._shown = told
        self._player.show(told, now)
        self._player.press(self._presses.stage(now), now)
        edge_at = self._player.tick(now)
        due = (retry_at, edge_at, self._presses.next_change(now), now + LOOK_EVERY_S)
        return min(at for at in due if at is not None)

    def hear(self, now: float) -> None:
        """Something has come on the status line."""
        delivered = self._line.read(now)
        if delivered and not self._is_quiet():
            self._player.wink(delivered, now)

    def _signals(self, now: float) -> Signals:
        snapshot = self._line.snapshot
        # The age is counted by our own clock: the wall clock of a board without a battery jumps when it is set.
        heard_now = now if snapshot is None else snapshot.at + (now - self._line.heard_at)
        return signals(snapshot, heard_now, quiet=self._is_quiet(), watching_since=self._started_at)

    def _is_quiet(self) -> bool:
        return self._quiet is not None and self._quiet.includes(self._minute())

    # -- the button; gpiozero calls from a thread of its own

    def _pressed(self) -> None:
        self._touched.put((True, self._clock()))
        self._wake()

    def _released(self) -> None:
        self._touched.put((False, self._clock()))
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            self._waker.send(b"\0")

    def _feel(self, now: float) -> None:
        while not self._touched.empty():
            down, at = self._touched.get()
            self._presses, wish = self._presses.press(at) if down else self._presses.release(at)
            # What is shown has to end before what the wish plays begins.
            self._player.press(Stage.IDLE if wish else self._presses.stage(now), now)
            if wish is not None:
                self._carry_out(wish, now)
        self._presses = self._presses.forgotten(now)

    def _carry_out(self, wish: Wish, now: float) -> None:
        log.info("the button asks for: %s", wish)
        if wish is Wish.LAMP_TEST:
            snapshot = self._line.snapshot
            self._player.play(lamp_test(snapshot.address if snapshot else None), now)
            return
        threading.Thread(target=self._ask, args=(wish,), name="merpati-wish", daemon=True).start()

    def _ask(self, wish: Wish) -> None:
        answer = StatusClient(self._settings.status_socket).ask(QUESTIONS[wish])
        done = answer is not None and answer["ok"] is True
        if not done:
            log.warning("%s was not done: %s", wish, answer["error"] if answer else "the mail process does not answer")
        self._answers.put(done)
        self._wake()


def main(settings: LedSettings, ready: Callable[[], None] = lambda: None) -> None:
    """The process: until SIGTERM or SIGINT. ready: called once the lamps can be played."""
    if not settings.enabled:
        log.info("the LEDs are switched off (leds.enabled)")
        # Not an Event: a handler that sets one while the same thread is about to wait for it never returns.
        signals_of_the_system.pthread_sigmask(signals_of_the_system.SIG_BLOCK, _ENDING)
        ready()
        signals_of_the_system.sigwait(_ENDING)
        return
    service = LedService(settings)
    _on_end(service.stop)
    service.run(ready)


def _on_end(stop: Callable[[], None]) -> None:
    for number in _ENDING:
        signals_of_the_system.signal(number, lambda *_: stop())


def _local_minute(timezone: str) -> Callable[[], int]:
    zone: tzinfo = UTC
    try:
        zone = ZoneInfo(timezone)
    except Exception:  # ZoneInfo raises several kinds; a clock that cannot be read must not end the lamps
        log.warning("the time zone %s is not known here: quiet hours are counted in UTC", timezone)

    def minute() -> int:
        now = datetime.now(zone)
        return now.hour * 60 + now.minute

    return minute
