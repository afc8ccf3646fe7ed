"""The event loop's own clock, put forward by hand, so that a deadline of minutes passes in no time."""

from __future__ import annotations

import asyncio


class LoopClock:
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ahead_s = 0.0
        real = self._loop.time
        self._loop.time = lambda: real() + self._ahead_s  # type: ignore[method-assign]

    async def forward(self, seconds: float) -> None:
        """Timers that were due meanwhile have run when this returns."""
        self._ahead_s += seconds
        for _ in range(5):  # a timer's callback wakes a task, which may end a task that waits for it, …
            await asyncio.sleep(0)
