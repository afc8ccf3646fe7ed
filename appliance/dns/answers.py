"""What the domain name system answered, as values: found, no such name, no such data, try again.

The four are what its callers must tell apart: the first three are facts about the name, the last is one about the
moment. Pure; `resolver.py` makes them. RFC 2308 (negative answers), RFC 5321 5.1 (why they matter for mail).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import dns.rdata
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.PTR
import dns.rdtypes.ANY.TXT
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA

R_co = TypeVar("R_co", covariant=True)


@dataclass(slots=True, frozen=True)
class Mx:
    """host: lower case, without the last dot; `` is the root, which RFC 7505 uses to say: no mail here."""

    preference: int
    host: str


@dataclass(slots=True, frozen=True)
class Found(Generic[R_co]):
    """At least one record. ttl_s: for how long it stays true."""

    records: tuple[R_co, ...]
    ttl_s: float


@dataclass(slots=True, frozen=True)
class NoSuchName:
    """The name does not exist at all."""

    ttl_s: float = 0


@dataclass(slots=True, frozen=True)
class NoData:
    """The name exists, but not with such records."""

    ttl_s: float = 0


@dataclass(slots=True, frozen=True)
class TryAgain:
    """Nothing is known: the name servers did not answer, or not sensibly. reason: for the owner, one clause."""

    reason: str


Answer = Found[R_co] | NoSuchName | NoData | TryAgain


def record(rdata: dns.rdata.Rdata) -> Mx | str | bytes:
    """One record as a value: an `Mx`, an IP address, a host name, or the octets of a TXT with its strings joined."""
    match rdata:
        case dns.rdtypes.ANY.MX.MX():
            return Mx(rdata.preference, _host(rdata.exchange))
        case dns.rdtypes.IN.A.A() | dns.rdtypes.IN.AAAA.AAAA():
            return str(rdata.address)
        case dns.rdtypes.ANY.PTR.PTR():
            return _host(rdata.target)
        case dns.rdtypes.ANY.TXT.TXT():
            return b"".join(rdata.strings)  # RFC 7208 3.3, RFC 6376 3.6.2.2: joined without anything between
    raise TypeError(f"no value for {type(rdata).__name__}")


def both(ipv6: Answer[str], ipv4: Answer[str]) -> Answer[str]:
    """The answers for AAAA and A as one: what was found, IPv6 first; else the less certain of the two."""
    match ipv6, ipv4:
        case Found(six, ttl6), Found(four, ttl4):
            return Found(six + four, min(ttl6, ttl4))
        case (Found() as found, _) | (_, Found() as found):
            return found
        case (TryAgain() as again, _) | (_, TryAgain() as again):
            return again
        case (NoData() as nothing, _) | (_, NoData() as nothing):
            return nothing
    return ipv4


def _host(name: object) -> str:
    return str(name).rstrip(".").lower()
