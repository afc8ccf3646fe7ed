"""Time in tests: the event loop's own clock, put forward by hand, so that a deadline of minutes passes in no time; and
waiting for something to become true inside the server, which has no event for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


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


async def until(condition: Callable[[], bool]) -> None:
    """Lets everything else run until `condition` holds."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0)
