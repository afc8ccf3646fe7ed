"""The ports of the mail process: which are open, and opening, closing and replacing them as the configuration says."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from ..accounts.accounts import Accounts
from ..config import Config
from ..imap.server import ImapServer, ImapSettings
from ..intake.accept import Intake
from ..pop3.locks import MaildropLocks
from ..pop3.server import Pop3Server
from ..pop3.session import Pop3Settings
from ..smtp.limits import ConnectionLimits as SmtpConnectionLimits
from ..smtp.repeats import RepeatWindow
from ..smtp.server import SmtpServer
from ..smtp.settings import Listener, SmtpSettings
from ..status.bus import Bus
from ..status.events import ListenerChanged
from ..store.interface import Store
from ..tls.contexts import ServerContext
from ..wire.listener import ConnectionLimits
from .sockets import inherited

log = logging.getLogger("merpati.listeners")

NAMES = ("smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s")


class Server(Protocol):
    async def start(self, host: str, port: int, *, sock: socket.socket | None = None) -> int:
        """Returns the port; 0 asks for any. A socket that systemd bound is taken in place of host and port."""
        ...

    async def stop(self) -> None: ...

    def health(self) -> str | None: ...


@dataclass(slots=True, frozen=True)
class Parts:
    """What every server is made of. domains: ours, in A-labels."""

    store: Store
    bus: Bus
    intake: Intake
    accounts: Accounts
    tls: ServerContext
    domains: tuple[str, ...]


@dataclass(slots=True, frozen=True)
class _Open:
    server: Server
    port: int
    made_of: tuple[object, ...]


class Listeners:
    """A component with `apply` in place of `start`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._open: dict[str, _Open] = {}
        self._inherited = inherited()
        # These outlive a reload, and what they know is shared by all ports of their protocol.
        self._repeats = RepeatWindow(time.monotonic)
        self._locks = MaildropLocks()

    async def apply(self, config: Config, parts: Parts) -> dict[str, int]:
        """Opens, closes and replaces what has to be. Returns the open ports by name; one that cannot be opened is told
        as a problem and keeps no other closed."""
        factories = self._factories(config, parts)
        for name in NAMES:
            made_of = _made_of(config, name)
            there = self._open.get(name)
            if there is not None and there.made_of == made_of:
                continue
            if there is not None:
                await there.server.stop()
                del self._open[name]
            if getattr(config.listen, name) != "off":
                await self._start(name, config, factories[name](), made_of)
        return {name: there.port for name, there in self._open.items()}

    async def stop(self) -> None:
        for there in self._open.values():
            await there.server.stop()
        self._open.clear()

    def health(self) -> str | None:
        return next((sick for there in self._open.values() if (sick := there.server.health())), None)

    async def _start(self, name: str, config: Config, server: Server, made_of: tuple[object, ...]) -> None:
        wanted = int(getattr(config.listen, name))
        try:
            port = await server.start(config.listen.address, wanted, sock=self._inherited.get(name))
        except OSError as fault:
            log.error("port %s for %s could not be opened: %s", wanted, name, fault)
            detail = fault.strerror or str(fault)
            self._bus.publish(ListenerChanged(at=time.time(), name=name, port=wanted, ok=False, detail=detail))
            return
        self._open[name] = _Open(server, port, made_of)
        self._bus.publish(ListenerChanged(at=time.time(), name=name, port=port, ok=True))

    def _factories(self, config: Config, parts: Parts) -> dict[str, Callable[[], Server]]:
        """How to make each listener."""
        assert config.hostname is not None
        most = config.limits.connections, config.limits.connections_per_ip
        limits = SmtpConnectionLimits(*most)
        smtp = SmtpSettings(
            hostname=config.hostname,
            message_size_octets=config.limits.message_size,
            recipients_most=config.limits.recipients,
            postmaster_domain=parts.domains[0],
            dsn=True,
        )
        imap = ImapSettings(
            hostname=config.hostname, message_octets=config.limits.message_size, limits=ConnectionLimits(*most)
        )
        pop3 = Pop3Settings(hostname=config.hostname, limits=ConnectionLimits(*most))

        def smtp_server(listener: Listener) -> Server:
            return SmtpServer(
                smtp,
                listener,
                intake=parts.intake,
                sign_in=parts.accounts,
                tls=parts.tls,
                bus=parts.bus,
                limits=limits,
                repeats=self._repeats,
            )

        def imap_server(tls: bool) -> Server:
            return ImapServer(imap, parts.store, parts.accounts, tls=parts.tls, implicit_tls=tls)

        def pop3_server(tls: bool) -> Server:
            return Pop3Server(pop3, parts.store, parts.accounts, tls=parts.tls, locks=self._locks, implicit_tls=tls)

        return {
            "smtp": partial(smtp_server, Listener.SMTP),
            "submission": partial(smtp_server, Listener.SUBMISSION),
            "submissions": partial(smtp_server, Listener.SUBMISSIONS),
            "imap": partial(imap_server, False),
            "imaps": partial(imap_server, True),
            "pop3": partial(pop3_server, False),
            "pop3s": partial(pop3_server, True),
        }


def _made_of(config: Config, name: str) -> tuple[object, ...]:
    """When this changes the listener has to be made anew."""
    return (
        getattr(config.listen, name),
        config.listen.address,
        config.hostname,
        config.domains,
        config.tls,
        config.limits,
    )
