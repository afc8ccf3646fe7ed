"""How guessing is slowed down, over all protocols together. Pure: the clock is handed in.

Failures are counted for each network, each pair of account and network, and each account. After the first few, each
further one doubles the wait, up to a quarter of an hour. The owner, coming from another network than whoever guesses,
waits only when very many guesses at the account came from everywhere. Nobody is locked out for good.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

FREE = {"pair": 5, "network": 20, "account": 200}  # failures before there is any wait
LONGEST_WAIT_S = 900.0
FORGET_AFTER_S = 3600.0
REMEMBER_MOST = 10_000  # keys; the oldest go first


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last_at: float = 0.0


class SignInLimits:
    def __init__(self) -> None:
        self._failures: OrderedDict[tuple[str, str, str], _Failures] = OrderedDict()

    def wait_s(self, account: str, ip: str, now: float) -> float:
        """How long from `now` the next try has to wait; 0 for not at all."""
        return max((self._wait_s(key, now) for key in _keys(account, ip)), default=0.0)

    def failed(self, account: str, ip: str, now: float) -> None:
        for key in _keys(account, ip):
            entry = self._failures.setdefault(key, _Failures())
            if now - entry.last_at > FORGET_AFTER_S:
                entry.count = 0
            entry.count += 1
            entry.last_at = now
            self._failures.move_to_end(key)
        while len(self._failures) > REMEMBER_MOST:
            self._failures.popitem(last=False)

    def succeeded(self, account: str, ip: str) -> None:
        """Clears the pair; the network's own count stays, or one good account would cover guesses at others."""
        self._failures.pop(("pair", account, network_of(ip)), None)

    def _wait_s(self, key: tuple[str, str, str], now: float) -> float:
        entry = self._failures.get(key)
        if entry is None or entry.count < FREE[key[0]] or now - entry.last_at > FORGET_AFTER_S:
            return 0.0
        doubled: float = 2.0 ** min(20, entry.count - FREE[key[0]])
        return max(0.0, entry.last_at + min(LONGEST_WAIT_S, doubled) - now)


def network_of(ip: str) -> str:
    """The /24 or /64 that an address belongs to: what one household or attacker usually has."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 64), strict=False))


def _keys(account: str, ip: str) -> tuple[tuple[str, str, str], ...]:
    network = network_of(ip)
    return ("pair", account, network), ("network", "", network), ("account", account, "")
