"""What can be asked of the domain name system, as a value.

Promises: a `Question` can always be put on the wire; two spellings of one name give the same question. Pure.
RFC 1035 2.3.4 (sizes), RFC 1035 3.5 and RFC 3596 2.5 (reverse names).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import StrEnum

import dns.exception
import dns.name
import dns.reversename


class Kind(StrEnum):
    A = "A"
    AAAA = "AAAA"
    MX = "MX"
    TXT = "TXT"
    PTR = "PTR"


@dataclass(slots=True, frozen=True)
class Question:
    """name: lower case, A-labels, without the last dot."""

    name: str
    kind: Kind


def about(name: str, kind: Kind) -> Question | None:
    """None when no such name can exist: empty, a label over 63 octets, over 255 in all, or not in A-labels."""
    if not name.isascii():
        return None
    try:
        parsed = dns.name.from_text(name)
        parsed.to_wire()
    except (dns.exception.DNSException, ValueError):
        return None
    if parsed == dns.name.root:
        return None
    return Question(parsed.to_text(omit_final_dot=True).lower(), kind)


def reverse(ip: str) -> Question | None:
    """The question for the name of an IP address; None when it is none. An IPv4 address in IPv6 clothes is IPv4."""
    try:
        address = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    name = dns.reversename.from_address(str(address))
    return Question(name.to_text(omit_final_dot=True), Kind.PTR)
