"""One listener: opens and closes the door, counts who is in.

`stop` is graceful: nobody new comes in, sessions that wait hear `421 4.3.2`, what is under way gets `stop_grace_s` to
end, and a message that is being stored is waited for. RFC 5321 3.8.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

from ..mail.reason import because
from ..mail.reply import Reply
from ..status.bus import Bus
from ..status.events import AccessEnded, Event
from .connection import Connection
from .doors import Finished, Intake, SignIn, Sleep, TlsContext
from .handler import Handler, refusal_event
from .limits import ConnectionLimits
from .repeats import RepeatWindow
from .session import SmtpSession
from .settings import Listener, SmtpSettings

log = logging.getLogger("merpati.smtp")

BACKLOG = 128


@dataclass(slots=True, frozen=True)
class ServerState:
    """port: None while it does not listen; storing: messages between their last octet and their reply."""

    listening: bool
    port: int | None
    connections: int
    storing: int


class SmtpServer(Generic[Finished]):
    """limits: to be shared by all listeners that should count together."""

    def __init__(
        self,
        settings: SmtpSettings,
        listener: Listener,
        *,
        intake: Intake[Finished],
        sign_in: SignIn,
        tls: TlsContext,
        bus: Bus,
        limits: ConnectionLimits | None = None,
        repeats: RepeatWindow | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._sign_in = sign_in
        self._tls = tls
        self._bus = bus
        self._limits = limits if limits is not None else ConnectionLimits()
        self._sleep = sleep
        self._handler = Handler(intake, bus, repeats if repeats is not None else RepeatWindow(time.monotonic))
        self._server: asyncio.Server | None = None
        self._port: int | None = None
        self._sessions: set[SmtpSession] = set()
        self._unsubscribe: Callable[[], None] | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0, *, sock: socket.socket | None = None) -> int:
        """The port it listens on. `sock` is a socket that is bound already, such as systemd hands over.

        Raises OSError when the port cannot be had.
        """
        loop = asyncio.get_running_loop()
        if sock is None:
            sock = _bind(host, port)
        try:
            self._server = await loop.create_server(lambda: self._session(loop), sock=sock, backlog=BACKLOG)
        except BaseException:
            sock.close()
            raise
        self._unsubscribe = self._bus.subscribe(self._hear)
        bound = int(sock.getsockname()[1])
        self._port = bound
        log.info("%s listens on %s port %d", self._listener, sock.getsockname()[0], bound)
        return bound

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        self._server = None
        self._port = None
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        for session in tuple(self._sessions):
            session.shut_down()
        tasks = {session.task for session in self._sessions if session.task is not None}
        # A message that is being stored is waited for also when its peer has gone.
        under_way = tasks | self._handler.storing
        if under_way:
            await asyncio.wait(under_way, timeout=self._settings.stop_grace_s)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def health(self) -> str | None:
        """None when all is well, else a sentence."""
        return None if self._server is not None else f"{self._listener} is closed"

    def state(self) -> ServerState:
        return ServerState(self._server is not None, self._port, len(self._sessions), len(self._handler.storing))

    def _hear(self, event: Event) -> None:
        if isinstance(event, AccessEnded):
            for session in self._sessions:
                if session.account is not None and session.account.id == event.account_id:
                    session.end_access()

    def _session(self, loop: asyncio.AbstractEventLoop) -> SmtpSession:
        return SmtpSession(
            self._handler,
            settings=self._settings,
            listener=self._listener,
            tls=self._tls,
            sign_in=self._sign_in,
            admit=self._admit,
            begun=self._begun,
            sleep=self._sleep,
            loop=loop,
        )

    def _admit(self, ip: str) -> Reply | None:
        """None: come in; the place is given back when `_begun`'s task ends."""
        if self._server is None:
            return Reply(421, "3.2", because("shutting-down"))
        if self._limits.enter(ip):
            return None
        reply = Reply(421, "7.0", because("connections-full", ip=ip))
        self._bus.publish(refusal_event(ip, self._listener, reply))
        return reply

    def _begun(self, session: Connection, task: asyncio.Task[None]) -> None:
        assert isinstance(session, SmtpSession)
        self._sessions.add(session)

        def ended(_: asyncio.Task[None]) -> None:
            self._sessions.discard(session)
            self._limits.leave(session.ip)

        task.add_done_callback(ended)


def _bind(host: str, port: int) -> socket.socket:
    """`::` means every address of this machine, IPv4 too."""
    if ":" in host:
        return socket.create_server((host, port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=host == "::")
    return socket.create_server((host, port), backlog=BACKLOG)
