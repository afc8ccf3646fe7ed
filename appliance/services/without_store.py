"""What the mail process does while the mail store cannot be opened: it says so, on every port and to the owner.

SMTP is told to come later (421), so that no mail is refused for good; IMAP and POP3 hear a sentence. Page, lights and
`merpati status` show the problem and what to do. Now and then the store is tried again: a card may only have been slow
to come. RFC 5321 3.8, RFC 3501 7.1.5, RFC 5530, RFC 3206.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import ssl
import time
from pathlib import Path

from ..config import Config, ConfigFault, load
from ..mail.reason import because
from ..setup.records import certificate_files
from ..status.board import Board
from ..status.bus import Bus
from ..status.events import Phase, PhaseChanged
from ..status.log_lines import LogListener
from ..status.problems import found
from ..status.socket import StatusServer
from ..tls.contexts import ServerContext
from .listeners import NAMES, bind
from .notify import notify, watchdog_every_s
from .opening import TRY_AGAIN_S, can_be_opened
from .places import Places
from .ready import tell_ready
from .sockets import inherited

log = logging.getLogger("merpati.mail")

HEARD_WITHIN_S = 5.0
CONNECTIONS_MOST = 100
_IMPLICIT_TLS = ("submissions", "imaps", "pop3s")


class WithoutStore:
    """fault: what opening the store came to."""

    def __init__(self, places: Places, fault: Exception) -> None:
        self._places = places
        self._fault = fault
        self._bus = Bus()
        self._board = Board(self._bus)
        self._log = LogListener(self._bus)
        self._ended = asyncio.Event()
        self._servers: list[asyncio.Server] = []
        self._connections = 0
        self._status = StatusServer(places.status_socket, self._bus, self._board, {})

    async def run(self) -> None:
        """Until SIGTERM, or until the store can be opened: then whoever started this process starts it again."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ended.set)
        self._bus.attach(loop)
        try:
            await self._status.start()
            self._bus.publish(
                PhaseChanged(at=time.time(), phase=Phase.RUNNING),
                found("store-unusable", time.time(), what=str(self._fault)),
            )
            tell_ready("mail", await self._open())
            notify(status="the mail store cannot be opened")
            await self._wait()
        finally:
            notify(stopping=True)
            for server in self._servers:
                server.close()
            await self._status.stop()

    async def _wait(self) -> None:
        every_s = min(TRY_AGAIN_S, watchdog_every_s() or TRY_AGAIN_S)
        tried_at = time.monotonic()
        while not self._ended.is_set():
            notify(watchdog=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every_s):
                    await self._ended.wait()
            if time.monotonic() - tried_at >= TRY_AGAIN_S and not self._ended.is_set():
                if await asyncio.to_thread(can_be_opened, self._places.home, self._places.runtime):
                    log.info("the mail store can be opened again")
                    return
                tried_at = time.monotonic()

    async def _open(self) -> dict[str, int]:
        """The ports of merpati.yaml, as far as they can be had."""
        try:
            config = load(self._places.config)
        except ConfigFault as fault:
            log.error("%s", fault)
            return {}
        if not config.is_set_up:
            return {}
        context = await asyncio.to_thread(_context, self._places.home, config)
        given = inherited()
        ports: dict[str, int] = {}
        for name in NAMES:
            wanted = getattr(config.listen, name)
            if wanted == "off" or (name in _IMPLICIT_TLS and context is None):
                continue
            try:
                listening = given[name].dup() if name in given else bind(config.listen.address, int(wanted))
            except OSError as fault:
                log.error("the port for %s could not be opened: %s", name, fault)
                continue
            goodbye = _goodbye(name, config.hostname or "")
            server = await asyncio.start_server(
                lambda reader, writer, goodbye=goodbye: self._answer(reader, writer, goodbye),  # type: ignore[misc]
                sock=listening,
                ssl=context if name in _IMPLICIT_TLS else None,
                ssl_handshake_timeout=HEARD_WITHIN_S if name in _IMPLICIT_TLS else None,
            )
            self._servers.append(server)
            ports[name] = listening.getsockname()[1]
        return ports

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, goodbye: bytes) -> None:
        """What they say first is waited for and not read: a connection closed over unread octets is reset, and the
        sentence with it."""
        self._connections += 1
        try:
            if self._connections <= CONNECTIONS_MOST:
                writer.write(goodbye)
                with contextlib.suppress(OSError, TimeoutError):
                    async with asyncio.timeout(HEARD_WITHIN_S):
                        await writer.drain()
                        if writer.can_write_eof():
                            writer.write_eof()
                        while await reader.read(4096):
                            pass
        finally:
            self._connections -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def _goodbye(name: str, hostname: str) -> bytes:
    sentence = because("store-damaged", what="").for_peer
    if name.startswith("imap"):
        return f"* BYE [UNAVAILABLE] {sentence}\r\n".encode()
    if name.startswith("pop3"):
        return f"-ERR [SYS/TEMP] {sentence}\r\n".encode()
    return f"421 4.3.0 {hostname} {sentence}\r\n".encode()


def _context(home: Path, config: Config) -> ssl.SSLContext | None:
    try:
        return ServerContext(*certificate_files(home, config))()
    except (OSError, ValueError) as fault:
        log.error("the certificate cannot be used: %s", fault)
        return None
