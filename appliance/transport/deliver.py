"""The door of this room: one attempt to deliver one message to its recipients of one destination.

Promises: `deliver` ends in an outcome for every recipient, whatever the network does; it raises only what reading the
content raises. Hosts are tried in the order of RFC 5321 5.1 until one has answered for each recipient; a connection
that stands is used again. Leaves when to
try again to queue/. A host's addresses are tried IPv6 first; where there is no IPv6 that fails at once.
Known limits: no MTA-STS, DANE or REQUIRETLS yet.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..config.schema import OutboundConfig, SmarthostConfig
from ..dns.answers import Found, TryAgain
from ..dns.resolver import Resolver
from ..mail.envelope import Recipient
from ..mail.reason import Reason, because
from ..status.events import Outcome
from . import smarthost as smarthost_rules
from .connection import (
    ConnectionFault,
    Contexts,
    Credentials,
    Refused,
    SignInFault,
    SmtpConnection,
    Target,
    Timeouts,
    TlsFault,
    TransportFault,
    open_connection,
)
from .interpret import RecipientOutcome, Step, status_of
from .next_hop import NoRoute, Route, literal, next_hop, no_address
from .pool import Pool
from .tls_policy import OPPORTUNISTIC, TlsPolicy
from .transaction import Job, transact

ADDRESSES_MOST = 10  # over all hosts in one attempt: with 30 s for each, five minutes at worst


@dataclass(slots=True, frozen=True)
class _Way:
    """What the mode decides: where to, on which port, how safely, and as whom."""

    route: Route
    port: int
    policy: TlsPolicy
    credentials: Credentials | None = None


class Deliverer:
    """hostname: our own, for EHLO; home: the data folder, to which paths in the configuration are relative."""

    def __init__(
        self,
        outbound: OutboundConfig,
        resolver: Resolver,
        *,
        hostname: str,
        home: Path,
        timeouts: Timeouts | None = None,
        pool: Pool | None = None,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._outbound = outbound
        self._resolver = resolver
        self._hostname = hostname
        self._home = home
        self._timeouts = timeouts or Timeouts()
        self._pool = pool if pool is not None else Pool()
        self._random = random
        self._contexts = Contexts()

    def destination(self, domain: str) -> str:
        """What mail for the domain competes for: with a smarthost all mail has the same."""
        if self._outbound.mode == "smarthost" and self._outbound.smarthost is not None:
            return self._outbound.smarthost.host
        return domain

    async def deliver(self, job: Job) -> list[RecipientOutcome]:
        """One outcome for each of `job.recipients`, in their order."""
        try:
            way = await self._way(job.domain)
        except SignInFault as fault:
            host = self._outbound.smarthost.host if self._outbound.smarthost is not None else ""
            way = NoRoute(Outcome.DEFERRED, "4.7.0", because("smarthost-password", host=host, why=fault.why))
        if isinstance(way, NoRoute):
            return [_without_host(recipient, way) for recipient in job.recipients]
        attempt = _Attempt(self, job, way)
        return await attempt.run()

    async def close(self) -> None:
        await self._pool.close()

    async def _way(self, domain: str) -> _Way | NoRoute:
        """Raises SignInFault when the smarthost's password cannot be read."""
        match self._outbound.mode, self._outbound.smarthost:
            case "smarthost", SmarthostConfig() as smarthost:
                signs_in = await asyncio.to_thread(smarthost_rules.credentials, smarthost, self._home)
                policy = smarthost_rules.tls_policy(smarthost, self._home)
                return _Way(Route((smarthost.host,), literal=_is_ip(smarthost.host)), smarthost.port, policy, signs_in)
            case "direct", _:
                route = literal(domain) or next_hop(
                    domain, await self._resolver.mx(domain), frozenset({self._hostname.lower()}), self._random
                )
                return route if isinstance(route, NoRoute) else _Way(route, self._outbound.mx_port, OPPORTUNISTIC)
        return NoRoute(Outcome.DEFERRED, "4.3.2", because("outbound-off", address=domain))

    # What an attempt uses.

    async def addresses(self, host: str, is_literal: bool) -> tuple[str, ...] | TryAgain:
        if is_literal:
            return (host,)
        match await self._resolver.addresses(host):
            case Found(addresses):
                return addresses
            case TryAgain() as unanswered:
                return unanswered
        return ()

    async def open(self, target: Target, credentials: Credentials | None) -> SmtpConnection:
        return await open_connection(
            target,
            helo=self._hostname,
            contexts=self._contexts,
            timeouts=self._timeouts,
            credentials=credentials,
        )

    @property
    def pool(self) -> Pool:
        return self._pool


class _Attempt:
    """Goes from host to host with the recipients that none has answered for yet."""

    def __init__(self, deliverer: Deliverer, job: Job, way: _Way) -> None:
        self._deliverer = deliverer
        self._job = job
        self._way = way
        self._outcomes: dict[Recipient, RecipientOutcome] = {}  # the latest for each
        self._open: tuple[Recipient, ...] = tuple(dict.fromkeys(job.recipients))
        self._addresses_left = ADDRESSES_MOST

    async def run(self) -> list[RecipientOutcome]:
        unanswered: str | None = None
        reached_any_address = False
        for host in self._way.route.hosts:
            if not self._open or not self._addresses_left:
                break
            reached_any_address |= await self._with_pooled(host)
            if not self._open:
                break
            addresses = await self._deliverer.addresses(host, self._way.route.literal)
            if isinstance(addresses, TryAgain):
                unanswered = addresses.reason
                continue
            for ip in addresses[: self._addresses_left]:
                reached_any_address = True
                self._addresses_left -= 1
                if await self._with_new(host, ip):
                    break
        if self._open and not reached_any_address:
            nowhere = no_address(self._job.domain, self._way.route.hosts, unanswered)
            for recipient in self._open:
                self._outcomes[recipient] = _without_host(recipient, nowhere)
        return [self._outcomes[recipient] for recipient in self._job.recipients]

    async def _with_pooled(self, host: str) -> bool:
        """True when a standing connection served at least to say something about the recipients."""
        connection = self._deliverer.pool.take((host, self._way.port))
        if connection is None:
            return False
        before = self._open
        await self._transact(connection)
        return self._open != before

    async def _with_new(self, host: str, ip: str) -> bool:
        """True when this host has been spoken to: its other addresses need not be tried."""
        target = Target(host, ip, self._way.port, self._way.policy)
        credentials = self._way.credentials
        try:
            if credentials is not None and not smarthost_rules.may_send_password(target.policy, ip):
                raise SignInFault("it would go over the network without TLS")
            connection = await self._deliverer.open(target, credentials)
        except TransportFault as fault:
            self._note_fault(target, fault)
            return isinstance(fault, (SignInFault, TlsFault))
        await self._transact(connection)
        return True

    async def _transact(self, connection: SmtpConnection) -> None:
        try:
            results = await transact(connection, self._job, self._open)
        except BaseException:
            connection.abort()
            raise
        self._deliverer.pool.give((connection.target.host, connection.target.port), connection)
        for result in results:
            self._outcomes[result.outcome.recipient] = result.outcome
        self._open = tuple(result.outcome.recipient for result in results if result.elsewhere)

    def _note_fault(self, target: Target, fault: TransportFault) -> None:
        host, reply, status = target.host, "", "4.4.1"
        reason: Reason
        match fault:
            case Refused():
                reply = str(fault.reply)
                status = status_of(fault.step, fault.reply, Outcome.DEFERRED)
                reason = because("host-put-off", host=host, reply=reply)
            case SignInFault():
                reply = str(fault.reply) if fault.reply is not None else ""
                status = "4.7.0"
                reason = because("smarthost-sign-in", host=host, why=fault.why)
            case TlsFault():
                status = "4.7.5"
                reason = because("host-not-safe", host=host, why=fault.why)
            case ConnectionFault() if fault.step is not Step.CONNECT:
                status = "4.4.2"
                reason = because("host-broke-off", host=host, why=fault.why)
            case _:
                reason = because("host-unreachable", host=host, ip=target.ip, why=fault.why)
        for recipient in self._open:
            self._outcomes[recipient] = RecipientOutcome(
                recipient, Outcome.DEFERRED, status, reply, reason, host, target.ip, unreachable=True
            )


def _without_host(recipient: Recipient, route: NoRoute) -> RecipientOutcome:
    return RecipientOutcome(recipient, route.outcome, route.status, "", route.reason)


def _is_ip(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()
