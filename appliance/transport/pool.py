"""Open connections that may be used again: several messages for one host need one greeting and one TLS handshake.

Promises: gives only connections that still stand; closes an idle one with QUIT after `idle_s`, each after `uses_most`
transactions, the oldest when there are more than `idle_most`. A connection in use belongs to its user and is not in
here. RFC 5321 3.3 (several transactions), 4.1.1.10 (QUIT).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from .connection import SmtpConnection

Key = tuple[str, int]
"""(host, port)"""


@dataclass(slots=True)
class _Idle:
    key: Key
    connection: SmtpConnection
    timer: asyncio.TimerHandle


class Pool:
    def __init__(self, *, idle_s: float = 10.0, idle_most: int = 8, uses_most: int = 100) -> None:
        self._idle_s = idle_s
        self._idle_most = idle_most
        self._uses_most = uses_most
        self._idle: list[_Idle] = []
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._idle)

    def take(self, key: Key) -> SmtpConnection | None:
        for idle in list(self._idle):
            if not idle.connection.alive:
                self._drop(idle)
            elif idle.key == key:
                self._idle.remove(idle)
                idle.timer.cancel()
                return idle.connection
        return None

    def give(self, key: Key, connection: SmtpConnection) -> None:
        """Back, after use. A connection that is spent is closed."""
        if not connection.alive or connection.uses >= self._uses_most:
            self._close(connection)
            return
        idle = _Idle(key, connection, asyncio.get_running_loop().call_later(self._idle_s, self._expire, connection))
        self._idle.append(idle)
        if len(self._idle) > self._idle_most:
            self._drop(self._idle[0])

    async def close(self) -> None:
        for idle in list(self._idle):
            self._drop(idle)
        while self._closing:
            await asyncio.wait(self._closing)

    def _expire(self, connection: SmtpConnection) -> None:
        for idle in list(self._idle):
            if idle.connection is connection:
                self._drop(idle)

    def _drop(self, idle: _Idle) -> None:
        self._idle.remove(idle)
        idle.timer.cancel()
        self._close(idle.connection)

    def _close(self, connection: SmtpConnection) -> None:
        task = asyncio.get_running_loop().create_task(connection.quit())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
