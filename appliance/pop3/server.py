"""The POP3 component: listens, and gives each client a session. RFC 1939 3, RFC 8314 3 for the port that begins with TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

from ..accounts.accounts import Accounts
from ..mail.reason import because
from ..store.interface import Store
from ..wire.connection import Connection
from ..wire.listener import Listener
from .grammar import Code, err
from .locks import MaildropLocks
from .session import Pop3Settings, Session, Sleep


class Pop3Server:
    """tls: asked for each handshake; None switches STLS off. locks: to be shared by all servers of one store.
    implicit_tls: connections begin with the handshake."""

    def __init__(
        self,
        settings: Pop3Settings,
        store: Store,
        accounts: Accounts,
        *,
        locks: MaildropLocks,
        tls: Callable[[], ssl.SSLContext] | None,
        implicit_tls: bool = False,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._store = store
        self._accounts = accounts
        self._locks = locks
        self._tls = tls
        self._sleep = sleep
        self._listener = Listener(
            self._serve,
            limits=settings.limits,
            too_many=err(because("connections-full").for_peer, Code.SYS_TEMP),
            tls=tls if implicit_tls else None,
        )

    async def start(self, host: str, port: int, *, sock: socket.socket | None = None) -> int:
        """Returns the port; 0 asks for any. A listening socket that somebody else opened is taken in place of both."""
        return await self._listener.start(host, port, sock=sock)

    async def stop(self) -> None:
        """Sessions end without a word, as RFC 1939 3 wants it, and delete nothing that QUIT did not ask for."""
        await self._listener.stop()

    def health(self) -> str | None:
        return self._listener.health()

    @property
    def connections(self) -> int:
        return self._listener.connections

    async def _serve(self, connection: Connection) -> None:
        session = Session(
            connection,
            store=self._store,
            accounts=self._accounts,
            settings=self._settings,
            locks=self._locks,
            tls=self._tls,
            sleep=self._sleep,
        )
        with self._store.bus.listening(session.hear):
            await session.run()
