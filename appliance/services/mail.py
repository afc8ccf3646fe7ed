"""The mail process: store, intake, queue, SMTP, IMAP, POP3 and the status socket, in one event loop.

Until the set-up there is only the store, the status socket and the phase "unclaimed"; the verb `reload` (or a changed
merpati.yaml) opens the listeners without a restart. A reload restarts only what its keys touch: a listener whose
address, port or limits changed, the queue when the way out did. `merpati.yaml` that is not valid changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..accounts.accounts import Accounts
from ..config import Config, ConfigFault, load
from ..imap.text_index import TextIndex
from ..intake.accept import Intake, IntakeSettings
from ..mail.address import parse_domain
from ..mail.content import Content
from ..queue.runner import QueueRunner
from ..queue.verbs import Verb, change_for
from ..setup.records import certificate_files
from ..status.board import Board
from ..status.bus import Bus
from ..status.card_reader import CardReader
from ..status.card_watch import CardWatch
from ..status.events import AddressKnown, Phase, PhaseChanged, ProblemSolved, QueueChanged, StorageMeasured
from ..status.log_burst import write_together
from ..status.log_lines import LogListener
from ..status.problems import found
from ..status.socket import StatusServer, VerbRefused
from ..status.trace import TraceWriter
from ..store import queue_rows
from ..store.interface import Store
from ..store.quota import Limits
from ..store.reader import speaks_of_damage
from ..store.refusals import StoreDamaged
from ..tls.contexts import ServerContext
from .alone import NotAlone, alone
from .listeners import Listeners, Parts
from .memory import give_back
from .notify import notify, watchdog_every_s
from .opening import UNUSABLE
from .outbound import make_runner
from .places import Places
from .ready import tell_ready

if TYPE_CHECKING:
    from .without_store import WithoutStore

log = logging.getLogger("merpati.mail")

OPEN_AGAIN_S = 10.0  # a port that another program holds, an address that the network has not given yet
LOOK_EVERY_S = 60.0  # at the card's free space and at the store's health


def main(places: Places) -> None:
    """Until SIGTERM. Raises NotAlone when another mail process uses this home."""
    give_back()
    write_together()
    places.make()
    lock = alone(places.mail_lock, places.home)
    try:
        asyncio.run(_service(places).run())
    except FileExistsError as fault:  # two homes, one runtime folder
        raise NotAlone(str(fault)) from None
    finally:
        os.close(lock)


def _service(places: Places) -> MailService | WithoutStore:
    try:
        return MailService(places)
    except (*UNUSABLE, OSError) as fault:
        log.error("the mail store cannot be opened: %s", fault)
        from .without_store import WithoutStore

        return WithoutStore(places, fault)


class MailService:
    def __init__(self, places: Places) -> None:
        self._places = places
        self._bus = Bus()
        self._board = Board(self._bus)
        self._log = LogListener(self._bus)
        self._trace = TraceWriter(places.trace, self._bus)
        self._card = CardWatch(
            places.card,
            self._bus,
            CardReader(places.home),
            logs=lambda: self._trace.written_octets,
            index=lambda: self._text_index.written_octets,
        )
        self._store = Store(places.home, bus=self._bus, scratch=places.runtime)
        self._text_index = TextIndex(self._store)
        self._config: Config | None = None
        self._accounts: Accounts | None = None
        self._intake: Intake | None = None
        self._runner: QueueRunner | None = None
        self._listeners = Listeners(self._bus)
        self._tls: ServerContext | None = None
        self._problems: dict[str, str | None] = {}
        self._told: str | None = None
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
        watch = preparing = None
        try:
            await self._trace.start()
            await self._card.start()
            await self._text_index.start()
            await self._status.start()
            await self._reload()
            with contextlib.suppress(StoreDamaged):  # it is told; what does not lie there goes on
                await self._tell_queue()
            watch = asyncio.create_task(self._watch())
            preparing = asyncio.create_task(self._prepare())
            await self._ended.wait()
        finally:
            self._bus.publish(PhaseChanged(at=time.time(), phase=Phase.STOPPING))
            notify(stopping=True)
            for task in (watch, preparing):
                if task is not None:
                    task.cancel()
            await self._stop()

    async def _stop(self) -> None:
        """Nobody new comes in and nothing new goes out, both at once: each may take some seconds of the ten that we have.
        Then what is left is written."""
        async with self._reloading:
            await _end(self._listeners.stop(), *((self._runner.stop(),) if self._runner is not None else ()))
        await _end(self._text_index.stop())
        await _end(self._status.stop())
        await _end(self._trace.stop())
        await _end(self._card.stop())
        if self._accounts is not None:
            self._accounts.close()
        await asyncio.to_thread(self._store.close)

    async def _reload(self) -> None:
        """Takes up merpati.yaml as it is now. Raises ConfigFault and changes nothing when it is not valid."""
        async with self._reloading:
            config = load(self._places.config)
            before = self._config
            if not config.is_set_up:
                if before is not None:
                    raise ConfigFault(f"{self._places.config}: hostname and domains are needed; nothing was changed")
                self._bus.publish(PhaseChanged(at=time.time(), phase=Phase.UNCLAIMED))
                tell_ready("mail", {})
                return
            if config == before:
                await self._listeners.open_the_rest()
                tell_ready("mail", self._listeners.ports)
                return
            files = await asyncio.to_thread(_make_keys, self._places.home, config)
            tls = ServerContext(*files)
            unusable = _unusable(tls)
            if unusable is not None and before is not None:
                raise ConfigFault(f"the certificate cannot be used: {unusable}; nothing was changed")
            self._config, self._tls = config, tls
            self._card.endurance_tb, self._card.timezone = config.limits.card_endurance, config.locale.timezone
            self._store.set_default_limits(Limits(config.limits.account_size, config.limits.account_messages))
            self._bus.publish(PhaseChanged(at=time.time(), phase=Phase.STARTING))
            try:
                intake, accounts = self._take_in(config)
                if before is None or _ways_out(before) != _ways_out(config):
                    await self._restart_runner(config, intake)
                parts = Parts(
                    store=self._store,
                    bus=self._bus,
                    intake=intake,
                    accounts=accounts,
                    tls=tls,
                    domains=_domains(config),
                    index=self._text_index,
                )
                await self._listeners.apply(config, parts)
            finally:
                self._bus.publish(PhaseChanged(at=time.time(), phase=Phase.RUNNING))
            tell_ready("mail", self._listeners.ports)

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
        return await asyncio.to_thread(_signature, self._places.home / "keys" / "dkim", domain, prefix, content)

    async def _prepare(self) -> None:
        """It takes a second on a slow card, for which no start waits."""
        try:
            await self._store.prepare()
        except Exception:
            log.exception("the store could not be made ready for many changes: each may take longer")

    async def _watch(self) -> None:
        every_s = min(LOOK_EVERY_S, watchdog_every_s() or LOOK_EVERY_S)
        while True:
            try:
                await self._look()
            except Exception:
                log.exception("could not look after myself")
            await asyncio.sleep(min(every_s, OPEN_AGAIN_S) if self._listeners.closed else every_s)

    async def _look(self) -> None:
        """Once a minute. What a new start would mend, the watchdog is told by silence; a card that is full or a name
        server that is away is not of that kind, and what waits to be written down must not be lost to it."""
        self._measure()
        if self._listeners.closed:
            async with self._reloading:
                await self._listeners.open_the_rest()
                tell_ready("mail", self._listeners.ports)
        fatal, hindered = self._health()
        told = fatal or hindered
        if told != self._told:
            self._told = told
            log.log(logging.ERROR if told else logging.INFO, "%s", f"not well: {told}" if told else "well again")
            notify(status=(told or "well").replace("\n", " "))
        if fatal is None:
            notify(watchdog=True)

    def _measure(self) -> None:
        self._store.keep_ballast()
        free, total, reserve = self._store.room()
        self._bus.publish(StorageMeasured(at=time.time(), free_octets=free, total_octets=total, reserve_octets=reserve))
        failure = self._store.failure
        damaged = failure is not None and speaks_of_damage(failure)
        self._problem("storage-failed", None if damaged else failure)
        self._problem("store-not-written", failure if damaged else None)
        address = own_address()
        if address is not None and address != self._board.snapshot.address:  # for the lamp test
            self._bus.publish(AddressKnown(at=time.time(), address=address))
        self._problem("certificate", _unusable(self._tls) if self._tls is not None else None)

    def _problem(self, id: str, what: str | None) -> None:
        """Told when it comes and when it goes."""
        if what != self._problems.get(id):
            self._problems[id] = what
            now = time.time()
            self._bus.publish(found(id, now, what=what) if what is not None else ProblemSolved(at=now, id=id))

    def _health(self) -> tuple[str | None, str | None]:
        """(what a new start would mend, what it would not)"""
        failure = self._store.failure
        if failure is not None and speaks_of_damage(failure):  # a new start would only write to it once more
            return self._status.health() or self._listeners.health(), failure
        fatal = failure or self._status.health() or self._listeners.health()
        return fatal, (
            (self._runner.health() if self._runner is not None else None)
            or self._card.health()
            or self._text_index.health()
        )

    async def _tell_queue(self) -> None:
        waiting, deferred, held = await self._store.read(queue_rows.counts)
        self._bus.publish(QueueChanged(at=time.time(), waiting=waiting, deferred=deferred, held=held))

    # -- verbs of the status socket

    async def _reload_asked(self, _: Mapping[str, Any]) -> None:
        if self._ended.is_set():
            raise VerbRefused("the server is being stopped")
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


async def _end(*stops: Coroutine[Any, Any, None]) -> None:
    """One that fails keeps no other from ending."""
    for fault in await asyncio.gather(*stops, return_exceptions=True):
        if isinstance(fault, BaseException):
            log.error("something did not end well", exc_info=fault)


def _make_keys(home: Path, config: Config) -> tuple[Path, Path]:
    """(certificate, key): made if need be, as are the DKIM keys of a domain that is new. Blocks, for seconds then."""
    folder = home / "keys" / "dkim"
    without = [domain for domain in _domains(config) if not any((folder / domain).glob("*.pem"))]
    if without:
        from ..transport.sign import ensure_keys

        for domain in without:
            ensure_keys(folder, domain)
    return certificate_files(home, config)


def _signature(folder: Path, domain: str, prefix: bytes, content: Content) -> bytes:
    """What it takes to sign is 10 MB large: it comes with the first message that is sent."""
    from ..transport.sign import load_keys, sign

    keys = load_keys(folder, domain)
    return sign(keys, domain, prefix, content) if keys else b""


def _unusable(tls: ServerContext) -> str | None:
    """Why the certificate cannot be used."""
    try:
        tls()
    except OSError as fault:
        return fault.strerror or str(fault)
    return None


def _domains(config: Config) -> tuple[str, ...]:
    return tuple(parse_domain(domain) for domain in config.domains)


def _ways_out(config: Config) -> tuple[object, ...]:
    return config.hostname, config.domains, config.outbound, config.resolver, config.limits.message_size
