"""The ports of the mail process: which are open, and opening, closing and replacing them as the configuration says."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from ..accounts.accounts import Accounts
from ..config import Config
from ..imap.server import ImapServer, ImapSettings
from ..imap.text_index import TextIndex
from ..intake.accept import Intake
from ..pop3.locks import MaildropLocks
from ..pop3.server import Pop3Server
from ..pop3.session import Pop3Settings
from ..smtp.limits import ConnectionLimits as SmtpConnectionLimits
from ..smtp.repeats import RepeatWindow
from ..smtp.server import SmtpServer
from ..smtp.settings import Listener, SmtpSettings
from ..status.bus import Bus
from ..status.events import ListenerChanged, ListenerClosed
from ..store.interface import Store
from ..tls.contexts import ServerContext
from ..wire.listener import ConnectionLimits
from .sockets import inherited

log = logging.getLogger("merpati.listeners")

BACKLOG = 128
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
    index: TextIndex | None = None


@dataclass(slots=True, frozen=True)
class _Open:
    server: Server
    port: int
    made_of: tuple[object, ...]


class Listeners:
    """A component with `apply` in place of `start`. A port that cannot be opened is told as a problem and keeps no other
    closed; `open_the_rest` tries it again."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._open: dict[str, _Open] = {}
        self._closed: dict[str, str] = {}  # those that could not be opened, and why
        self._wanted: tuple[Config, Parts] | None = None
        self._had: dict[str, tuple[str, int]] = {}  # address and port, where it was open last
        self._inherited = inherited()
        # These outlive a reload, and what they know is shared by all ports of their protocol.
        self._repeats = RepeatWindow(time.monotonic)
        self._locks = MaildropLocks()

    @property
    def ports(self) -> dict[str, int]:
        """The open ones by name."""
        return {name: self._open[name].port for name in NAMES if name in self._open}

    @property
    def closed(self) -> bool:
        """Whether one that is wanted could not be opened."""
        return bool(self._closed)

    async def apply(self, config: Config, parts: Parts) -> None:
        """Opens, closes and replaces what has to be. What is to be closed is closed first, so that two servers may
        change places; the others and their connections are left alone."""
        self._wanted = config, parts
        changed = [name for name in NAMES if not self._stands(name, config)]
        await self._stop([name for name in changed if name in self._open])
        for name in changed:
            if getattr(config.listen, name) == "off":
                self._closed.pop(name, None)
                self._bus.publish(ListenerClosed(at=time.time(), name=name))
        await self.open_the_rest()

    async def open_the_rest(self) -> None:
        """Tries those that are wanted and not open: the port may have become free, the address may have come."""
        if self._wanted is None:
            return
        config, parts = self._wanted
        factories = self._factories(config, parts)
        for name in NAMES:
            if name not in self._open and getattr(config.listen, name) != "off":
                await self._start(name, config, factories[name]())

    async def stop(self) -> None:
        self._wanted = None
        await self._stop(list(self._open))

    def health(self) -> str | None:
        return next((sick for there in self._open.values() if (sick := there.server.health())), None)

    def _stands(self, name: str, config: Config) -> bool:
        """Whether nothing has to be done about it."""
        if getattr(config.listen, name) == "off":
            return name not in self._open and name not in self._closed
        return name in self._open and self._open[name].made_of == _made_of(config, name)

    async def _stop(self, names: list[str]) -> None:
        """All at once: each may wait some seconds for its sessions to end."""
        stopping = [self._open.pop(name).server.stop() for name in names]
        for fault in await asyncio.gather(*stopping, return_exceptions=True):
            if isinstance(fault, BaseException):
                log.error("a listener did not stop well", exc_info=fault)

    async def _start(self, name: str, config: Config, server: Server) -> None:
        address, wanted = config.listen.address, int(getattr(config.listen, name))
        try:
            port = await server.start(address, wanted, sock=self._socket(name, address, wanted))
        except OSError as fault:
            detail = os.strerror(fault.errno) if fault.errno else str(fault)
            if self._closed.get(name) != f"{wanted} {detail}":  # it is tried often, and told once
                self._closed[name] = f"{wanted} {detail}"
                self._bus.publish(ListenerChanged(at=time.time(), name=name, port=wanted, ok=False, detail=detail))
            return
        self._closed.pop(name, None)
        self._open[name] = _Open(server, port, _made_of(config, name))
        self._had[name] = address, port
        self._bus.publish(ListenerChanged(at=time.time(), name=name, port=port, ok=True))

    def _socket(self, name: str, address: str, port: int) -> socket.socket:
        """systemd's, of which we keep our own copy: a server closes what it is given, and may be replaced. Else one of
        ours; `::` is every address of this machine, IPv4 too. Raises OSError."""
        if name in self._inherited:
            return self._inherited[name].dup()
        had_address, had = self._had.get(name, ("", 0))
        if port == 0 and had_address == address:  # any will do, so best the one that the clients know
            with contextlib.suppress(OSError):
                return bind(address, had)
        return bind(address, port)

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
            hostname=config.hostname,
            message_octets=config.limits.message_size,
            postmaster=f"postmaster@{parts.domains[0]}",
            limits=ConnectionLimits(*most),
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
            return ImapServer(imap, parts.store, parts.accounts, tls=parts.tls, implicit_tls=tls, index=parts.index)

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


def bind(address: str, port: int) -> socket.socket:
    """Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family, backlog=BACKLOG, dualstack_ipv6=address == "::")


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
