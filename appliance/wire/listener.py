"""Listening for connections: a task for each, limits on how many there are, an orderly stop.

Promises: no more than `most` connections at once and `most_per_ip` from one address, over all ports of one Listener; who
comes on top reads one line and is hung up on. `stop` lets every session say goodbye, and cuts off those that do not end.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .connection import Connection, ConnectionGone

log = logging.getLogger("merpati.wire")

HANDSHAKE_S = 30.0
STOP_S = 5.0


@dataclass(slots=True, frozen=True)
class ConnectionLimits:
    """Thunderbird opens five, a phone three to six; a household behind one address has some of both. Programs of this
    machine count in the total only."""

    most: int = 200
    most_per_ip: int = 50


class Listener:
    """serve: one connection from greeting to goodbye, cancelled when the server stops. too_many: the line for who is
    turned away. tls: where connections begin with a handshake; asked anew for each, so that a renewed certificate is used
    at once."""

    def __init__(
        self,
        serve: Callable[[Connection], Awaitable[None]],
        *,
        limits: ConnectionLimits,
        too_many: bytes,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        self._serve = serve
        self._limits = limits
        self._too_many = too_many
        self._tls = tls
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._by_ip: Counter[str] = Counter()

    async def start(self, host: str, port: int, *, sock: socket.socket | None = None) -> int:
        """Returns the port. sock: a listening socket that somebody else opened; host and port are not used then."""
        loop = asyncio.get_running_loop()

        def connection() -> Connection:
            return Connection(self._accepted, hold=self._tls is not None)

        if sock is not None:
            server = await loop.create_server(connection, sock=sock)
        else:
            server = await loop.create_server(connection, host, port)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_S)
            if late:
                log.warning("%d sessions did not end in time", len(late))

    def health(self) -> str | None:
        """None when all is well, else what is wrong."""
        if self._servers and all(server.is_serving() for server in self._servers):
            return None
        return "not listening"

    @property
    def connections(self) -> int:
        return len(self._tasks)

    def _accepted(self, connection: Connection) -> None:
        ip = connection.peer_ip
        crowded = self._by_ip[ip] >= self._limits.most_per_ip and not is_loopback(ip)
        if len(self._tasks) >= self._limits.most or crowded:
            if self._tls is None:
                connection.write(self._too_many)
            connection.hang_up()
            return
        self._by_ip[ip] += 1
        task = asyncio.get_running_loop().create_task(self._session(connection))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._ended(done, ip))

    def _ended(self, task: asyncio.Task[None], ip: str) -> None:
        self._tasks.discard(task)
        self._by_ip[ip] -= 1
        if not self._by_ip[ip]:
            del self._by_ip[ip]

    async def _session(self, connection: Connection) -> None:
        try:
            if self._tls is not None:
                await connection.start_tls(self._tls(), HANDSHAKE_S)
            await self._serve(connection)
        except ConnectionGone:
            pass
        except asyncio.CancelledError:
            pass  # `stop` did it, and the session has said what it had to say
        except Exception:
            log.exception("a session ended by a fault of ours")
        finally:
            connection.hang_up()
            await connection.closed(STOP_S)


def is_loopback(ip: str) -> bool:
    try:
        return ipaddress.ip_address(ip).is_loopback
    except ValueError:
        return False
