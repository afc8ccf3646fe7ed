"""Asking name servers, with time-outs, retries and a small memory. On dnspython.

Promises: every method answers with a value within `lifetime_s` and raises nothing but cancellation; the same question
asked twice at once goes out once. Leaves what an answer means for mail to its callers. A truncated answer is asked for
again over TCP. Without name servers of its own it uses the system's, and notices when those change.
RFC 1035, RFC 2308 5 (how long a negative answer is kept), RFC 6761 6.3 (localhost).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import dns.asyncresolver
import dns.exception
import dns.message
import dns.nameserver
import dns.rdatatype
import dns.resolver

from .answers import Answer, Found, Mx, NoData, NoSuchName, TryAgain, both, record
from .cache import Cache
from .questions import Kind, Question, about, reverse

SYSTEM = "/etc/resolv.conf"
NEGATIVE_LONGEST_S = 900.0
NEGATIVE_UNKNOWN_S = 60.0  # a negative answer that does not say how long it holds


class Resolver:
    """nameservers: (IP address, port) each, or None for the system's; timeout_s: for one question to one server;
    lifetime_s: for all tries together."""

    def __init__(
        self,
        nameservers: Sequence[tuple[str, int]] | None = None,
        *,
        timeout_s: float = 3.0,
        lifetime_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._nameservers = tuple(nameservers) if nameservers is not None else None
        self._timeout_s = timeout_s
        self._lifetime_s = lifetime_s
        self._cache: Cache[Question, Answer[object]] = Cache(clock)
        self._under_way: dict[Question, asyncio.Task[Answer[object]]] = {}
        self._asker: dns.asyncresolver.Resolver | None = None
        self._system_stamp: int | None = None

    async def mx(self, domain: str) -> Answer[Mx]:
        return cast(Answer[Mx], await self.ask(about(domain, Kind.MX)))

    async def addresses(self, host: str) -> Answer[str]:
        """IP addresses as text, IPv6 before IPv4."""
        if host.rstrip(".").lower() == "localhost":
            return Found(("127.0.0.1", "::1"), 3600)
        ipv6, ipv4 = await asyncio.gather(self.ask(about(host, Kind.AAAA)), self.ask(about(host, Kind.A)))
        return both(cast(Answer[str], ipv6), cast(Answer[str], ipv4))

    async def txt(self, name: str) -> Answer[bytes]:
        """One element for each record, its strings joined."""
        return cast(Answer[bytes], await self.ask(about(name, Kind.TXT)))

    async def ptr(self, ip: str) -> Answer[str]:
        """Host names without the last dot."""
        return cast(Answer[str], await self.ask(reverse(ip)))

    async def ask(self, question: Question | None) -> Answer[object]:
        """None is a question about a name that cannot exist."""
        if question is None:
            return NoSuchName(NEGATIVE_LONGEST_S)
        known = self._cache.get(question)
        if known is not None:
            answer, left_s = known
            return answer if isinstance(answer, TryAgain) else replace(answer, ttl_s=left_s)
        task = self._under_way.get(question)
        if task is None:
            task = asyncio.create_task(self._ask(question))
            self._under_way[question] = task
            task.add_done_callback(lambda _: self._under_way.pop(question, None))
        # Shielded: who gives up waiting does not take the answer away from the others that wait for it.
        return await asyncio.shield(task)

    def forget(self) -> None:
        """Everything is asked anew, as after the owner has changed a zone and wants to see whether it works."""
        self._cache.clear()

    async def _ask(self, question: Question) -> Answer[object]:
        answer = await self._ask_servers(question)
        if not isinstance(answer, TryAgain):
            self._cache.put(question, answer, answer.ttl_s)
        return answer

    async def _ask_servers(self, question: Question) -> Answer[object]:
        try:
            answer = await self._resolver().resolve(
                question.name + ".", question.kind.value, search=False, raise_on_no_answer=False
            )
        except dns.resolver.NXDOMAIN as none:
            responses = list(none.responses().values())  # type: ignore[no-untyped-call]
            return NoSuchName(_negative_ttl_s(responses[0]) if responses else NEGATIVE_UNKNOWN_S)
        except dns.resolver.LifetimeTimeout:
            return TryAgain(f"the name servers did not answer within {self._lifetime_s:g} seconds")
        except dns.resolver.NoNameservers:
            return TryAgain("the name servers could not answer")
        except dns.resolver.NoResolverConfiguration:
            return TryAgain("this machine has no name servers")
        except (dns.exception.DNSException, OSError, EOFError) as fault:
            return TryAgain(f"the name servers answered wrongly ({type(fault).__name__})")
        if answer.rrset is None:
            return NoData(_negative_ttl_s(answer.response))
        return Found(tuple(record(each) for each in answer.rrset), float(answer.ttl))

    def _resolver(self) -> dns.asyncresolver.Resolver:
        """Raises NoResolverConfiguration."""
        stamp = _mtime(SYSTEM) if self._nameservers is None else None
        if self._asker is not None and stamp == self._system_stamp:
            return self._asker
        asker = dns.asyncresolver.Resolver(configure=self._nameservers is None)
        if self._nameservers is not None:
            asker.nameservers = [dns.nameserver.Do53Nameserver(ip, port) for ip, port in self._nameservers]
        asker.timeout = self._timeout_s
        asker.lifetime = self._lifetime_s
        asker.cache = None
        self._asker, self._system_stamp = asker, stamp
        return asker


def _negative_ttl_s(response: dns.message.Message) -> float:
    """RFC 2308 5: the lesser of the SOA's own TTL and its MINIMUM."""
    for rrset in response.authority:
        if rrset.rdtype == dns.rdatatype.SOA:
            return min(float(rrset.ttl), float(rrset[0].minimum), NEGATIVE_LONGEST_S)
    return NEGATIVE_UNKNOWN_S


def _mtime(path: str) -> int | None:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None
