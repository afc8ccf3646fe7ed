"""The mail process: store, intake, queue, SMTP, IMAP, POP3 and the status socket, in one event loop.

Until the set-up there is only the store, the status socket and the phase "unclaimed"; the verb `reload` (or a changed
merpati.yaml) opens the listeners without a restart. A reload restarts only what its keys touch: a listener whose
address, port or limits changed, the queue when the way out did. `merpati.yaml` that is not valid changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Mapping
from typing import Any

from ..accounts.accounts import Accounts
from ..config import Config, ConfigFault, load
from ..intake.accept import Intake, IntakeSettings
from ..mail.address import parse_domain
from ..mail.content import Content
from ..queue.runner import QueueRunner
from ..queue.verbs import Verb, change_for
from ..setup.records import certificate_files
from ..status.board import Board
from ..status.bus import Bus
from ..status.events import Phase, PhaseChanged, QueueChanged, StorageMeasured
from ..status.log_lines import LogListener
from ..status.problems import found
from ..status.socket import StatusServer, VerbRefused
from ..status.trace import TraceWriter
from ..store import queue_rows
from ..store.interface import Store
from ..tls.contexts import ServerContext
from ..transport.sign import load_keys, sign
from .alone import alone
from .listeners import Listeners, Parts
from .memory import give_back
from .notify import notify, watchdog_every_s
from .outbound import make_runner
from .places import Places
from .ready import tell_ready

log = logging.getLogger("merpati.mail")

LAST_ONE_ENDS_WITHIN_S = 5.0
LOOK_EVERY_S = 60.0  # at the card's free space and at the store's health


def main(places: Places) -> None:
    """Until SIGTERM. Raises NotAlone when another mail process uses this home."""
    give_back()
    places.make()
    lock = alone(places.mail_lock, places.home, LAST_ONE_ENDS_WITHIN_S)
    try:
        asyncio.run(MailService(places).run())
    finally:
        os.close(lock)


class MailService:
    def __init__(self, places: Places) -> None:
        self._places = places
        self._bus = Bus()
        self._board = Board(self._bus)
        self._log = LogListener(self._bus)
        self._trace = TraceWriter(places.trace, self._bus)
        self._store = Store(places.home, bus=self._bus, scratch=places.runtime)
        self._config: Config | None = None
        self._accounts: Accounts | None = None
        self._intake: Intake | None = None
        self._runner: QueueRunner | None = None
        self._listeners = Listeners(self._bus)
        self._reloading = asyncio.Lock()
        self._ended = asyncio.Event()
        self._status = StatusServer(
            places.status_socket,
            self._bus,
            self._board,
            {"reload": self._reload_asked, "queue": self._queue_asked, "trace-sync": self._trace_asked},
        )

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ended.set)
        self._bus.attach(loop)
        watch = None
        try:
            await self._store.prepare()
            await self._trace.start()
            await self._status.start()
            await self._reload()
            await self._tell_queue()
            watch = asyncio.create_task(self._watch())
            await self._ended.wait()
        finally:
            self._bus.publish(PhaseChanged(at=time.time(), phase=Phase.STOPPING))
            notify(stopping=True)
            if watch is not None:
                watch.cancel()
            await self._stop()

    async def _stop(self) -> None:
        """First nobody new comes in, then nothing new goes out, then what is left is written."""
        await self._listeners.stop()
        if self._runner is not None:
            await self._runner.stop()
        await self._status.stop()
        await self._trace.stop()
        if self._accounts is not None:
            self._accounts.close()
        await asyncio.to_thread(self._store.close)

    async def _reload(self) -> None:
        """Takes up merpati.yaml as it is now. Raises ConfigFault and changes nothing when it is not valid."""
        async with self._reloading:
            config = load(self._places.config)
            if not config.is_set_up:
                self._bus.publish(PhaseChanged(at=time.time(), phase=Phase.UNCLAIMED))
                tell_ready("mail", {})
                return
            before, self._config = self._config, config
            self._bus.publish(PhaseChanged(at=time.time(), phase=Phase.STARTING))
            intake, accounts = self._take_in(config)
            if before is None or _ways_out(before) != _ways_out(config):
                await self._restart_runner(config, intake)
            certificate, key = certificate_files(self._places.home, config)
            ports = await self._listeners.apply(
                config,
                Parts(
                    store=self._store,
                    bus=self._bus,
                    intake=intake,
                    accounts=accounts,
                    tls=ServerContext(certificate, key),
                    domains=_domains(config),
                ),
            )
            self._bus.publish(PhaseChanged(at=time.time(), phase=Phase.RUNNING))
            tell_ready("mail", ports)

    def _take_in(self, config: Config) -> tuple[Intake, Accounts]:
        """Intake and accounts live as long as the process; what the configuration says of them is renewed."""
        assert config.hostname is not None
        settings = IntakeSettings(
            hostname=parse_domain(config.hostname),
            domains=_domains(config),
            message_size=config.limits.message_size,
            sends=config.outbound.mode != "off",
        )
        if self._intake is None or self._accounts is None:
            self._accounts = Accounts(self._store, config.domains)
            self._intake = Intake(settings, self._store, self._sign)
        else:
            self._accounts.domains = settings.domains
            self._intake.settings = settings
        return self._intake, self._accounts

    async def _restart_runner(self, config: Config, intake: Intake) -> None:
        if self._runner is not None:
            await self._runner.stop()
        self._runner = make_runner(config, self._places.home, self._store, self._bus, intake)
        await self._runner.start()

    async def _sign(self, domain: str, prefix: bytes, content: Content) -> bytes:
        """DKIM takes tens of milliseconds on a Pi: not on the loop."""
        keys = load_keys(self._places.home / "keys" / "dkim", domain)
        return await asyncio.to_thread(sign, keys, domain, prefix, content) if keys else b""

    async def _watch(self) -> None:
        every_s = min(LOOK_EVERY_S, watchdog_every_s() or LOOK_EVERY_S)
        while True:
            self._measure()
            sick = self._health()
            if sick is None:
                notify(watchdog=True)
            else:
                log.error("not well: %s", sick)
            await asyncio.sleep(every_s)

    def _measure(self) -> None:
        free, total, reserve = self._store.room()
        self._bus.publish(StorageMeasured(at=time.time(), free_octets=free, total_octets=total, reserve_octets=reserve))
        if self._store.failure is not None:
            self._bus.publish(found("storage-failed", time.time(), what=self._store.failure))

    def _health(self) -> str | None:
        parts = (self._status, self._runner, self._listeners)
        return self._store.failure or next((sick for part in parts if part and (sick := part.health())), None)

    async def _tell_queue(self) -> None:
        waiting, deferred, held = await self._store.read(queue_rows.counts)
        self._bus.publish(QueueChanged(at=time.time(), waiting=waiting, deferred=deferred, held=held))

    # -- verbs of the status socket

    async def _reload_asked(self, _: Mapping[str, Any]) -> None:
        try:
            await self._reload()
        except ConfigFault as fault:
            raise VerbRefused(str(fault)) from fault

    async def _queue_asked(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        message_id = question.get("id")
        if message_id is not None and not isinstance(message_id, int):
            raise VerbRefused("the id of a queued message is a number")
        try:
            change = change_for(Verb(str(question.get("action"))), message_id)
        except ValueError as fault:
            raise VerbRefused(str(fault)) from None
        return {"recipients": await self._store.write(change)}

    async def _trace_asked(self, _: Mapping[str, Any]) -> None:
        await self._trace.sync()


def own_address() -> str | None:
    """The IP address that this machine is reached under from its network; None without one. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1, RFC 5737: the kernel chooses our side of the way there
        except OSError:
            return None
        return str(probe.getsockname()[0])


def _domains(config: Config) -> tuple[str, ...]:
    return tuple(parse_domain(domain) for domain in config.domains)


def _ways_out(config: Config) -> tuple[object, ...]:
    return config.hostname, config.domains, config.outbound, config.resolver, config.limits.message_size
