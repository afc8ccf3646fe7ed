"""Where mail for a domain goes: its MX hosts in order, the domain itself, an address literal, or nowhere.

Promises: equal preferences in random order (the randomness is given); never a host that would send it back to us; a
domain that takes no mail is a failure, name servers that do not answer are not. Leaves the hosts' addresses to
`deliver.py`. Pure. RFC 5321 5.1 (order, implicit MX, our own name), RFC 7505 (null MX), RFC 5321 4.1.3 (literals),
RFC 3463 3.2, 3.5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..dns.answers import Answer, Found, Mx, NoData, NoSuchName, TryAgain
from ..mail.reason import Reason, because
from ..status.events import Outcome

HOSTS_MOST = 10  # RFC 5321 5.1: at least two must be tried; Postfix tries 5


@dataclass(slots=True, frozen=True)
class Route:
    """hosts: names, best first; a single IP address when `literal`; implicit: the domain itself, for want of an MX."""

    hosts: tuple[str, ...]
    implicit: bool = False
    literal: bool = False


@dataclass(slots=True, frozen=True)
class NoRoute:
    """DEFERRED or FAILED, before any host was tried."""

    outcome: Outcome
    status: str
    reason: Reason


def literal(domain: str) -> Route | None:
    """The route to an address literal such as `[192.0.2.1]`; None for a domain name."""
    if not domain.startswith("["):
        return None
    return Route((domain[1:-1].removeprefix("IPv6:"),), literal=True)


def next_hop(
    domain: str, answer: Answer[Mx], own_names: frozenset[str], random: Callable[[], float]
) -> Route | NoRoute:
    """own_names: host names under which we would answer, lower case."""
    match answer:
        case TryAgain(why):
            return NoRoute(Outcome.DEFERRED, "4.4.3", because("names-unanswered", domain=domain, why=why))
        case NoSuchName():
            return NoRoute(Outcome.FAILED, "5.1.2", because("no-such-domain", domain=domain))
        case NoData():
            if domain in own_names:
                return NoRoute(Outcome.FAILED, "5.4.6", because("leads-back", domain=domain))
            return Route((domain,), implicit=True)
        case Found(records):
            return _ordered(domain, records, own_names, random)


def no_address(domain: str, hosts: tuple[str, ...], unanswered: str | None) -> NoRoute:
    """Not one of the hosts has an address. unanswered: what kept the name servers from telling, for at least one."""
    if unanswered is not None:
        return NoRoute(Outcome.DEFERRED, "4.4.3", because("names-unanswered", domain=domain, why=unanswered))
    return NoRoute(Outcome.FAILED, "5.4.4", because("no-host", domain=domain, hosts=", ".join(hosts)))


def _ordered(
    domain: str, records: tuple[Mx, ...], own_names: frozenset[str], random: Callable[[], float]
) -> Route | NoRoute:
    named = [mx for mx in records if mx.host]
    if not named:
        return NoRoute(Outcome.FAILED, "5.1.10", because("null-mx", domain=domain))
    ours = [mx.preference for mx in named if mx.host in own_names]
    if ours:
        # RFC 5321 5.1: hosts as good as ourselves or worse would only give it back.
        named = [mx for mx in named if mx.preference < min(ours)]
        if not named:
            return NoRoute(Outcome.FAILED, "5.4.6", because("leads-back", domain=domain))
    shuffled = sorted(((mx.preference, random(), mx.host) for mx in named), key=lambda each: each[:2])
    return Route(tuple(dict.fromkeys(host for _, _, host in shuffled))[:HOSTS_MOST])
