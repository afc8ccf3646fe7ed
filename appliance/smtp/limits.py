"""How much one peer may ask for: connections, mistakes, octets after the limit, patience. Pure; no clock of its own."""

from __future__ import annotations

import ipaddress
from collections import Counter
from functools import lru_cache

from .relay_policy import is_loopback

MIB = 1024 * 1024

# A peer that is slower than this over a quarter of an hour holds a place that somebody else could use; GPRS, the
# slowest line still in use, carries thirty times as much.
LEAST_OCTETS_PER_S = 100
PATIENCE_S = 900.0


class ConnectionLimits:
    """Counts the connections of all listeners that share it.

    An IPv6 peer is counted by its /64, for that is what one household has. Loopback counts in the total only: behind it
    stand programs of this machine.
    """

    def __init__(self, total: int = 250, per_ip: int = 30) -> None:
        self.total = total
        self.per_ip = per_ip
        self._by_network: Counter[str] = Counter()

    @property
    def open(self) -> int:
        return self._by_network.total()

    def enter(self, ip: str) -> bool:
        """False: too many; then nothing was counted. Each True is to be followed by one `leave`."""
        network = _network(ip)
        if self.open >= self.total:
            return False
        if self._by_network[network] >= self.per_ip and not is_loopback(ip):
            return False
        self._by_network[network] += 1
        return True

    def leave(self, ip: str) -> None:
        network = _network(ip)
        self._by_network[network] -= 1
        if not self._by_network[network]:
            del self._by_network[network]


@lru_cache(1024)
def _network(ip: str) -> str:
    address = ipaddress.ip_address(ip)
    if address.version == 6 and not address.is_loopback:
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return ip


class Budget:
    """So many mistakes, then it is enough."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._spent = 0

    def spend(self) -> bool:
        """True when this was the last one allowed."""
        self._spent += 1
        return self._spent >= self._most

    def renew(self) -> None:
        self._spent = 0


def drain_limit(message_size_octets: int) -> int:
    """How many octets of one message are read before the connection is closed: those accepted, and as many again
    (at most 64 MiB) that are only thrown away so that the peer can be told."""
    return message_size_octets + min(message_size_octets, 64 * MIB)


def too_slow(octets: int, elapsed_s: float) -> bool:
    """Whether a message comes so slowly that it is broken off. RFC 5321 4.5.3.2 knows no such limit, only one for each
    piece; without it one octet every four minutes would hold a connection for ever."""
    return elapsed_s > PATIENCE_S and octets < LEAST_OCTETS_PER_S * (elapsed_s - PATIENCE_S)
