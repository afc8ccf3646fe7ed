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
        """Whatever can run now sets its timers first; those that were due meanwhile have run when this returns."""
        await self._settle()
        self._ahead_s += seconds
        await self._settle()

    async def _settle(self) -> None:
        for _ in range(20):  # a callback wakes a task, which may wake another, …
            await asyncio.sleep(0)
