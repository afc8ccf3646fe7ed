"""How guessing is slowed down, over all protocols together. The clock is handed in; any thread may ask.

Failures are counted for each network, each pair of account and network, and each account. After the first few, each
further one doubles the wait, up to a quarter of an hour. Nobody is locked out, neither for good nor by others:
- Where an account has signed in before, only the failures of that account from there count. Guesses from elsewhere, or
  at the house's other accounts, do not keep its owner out.
- The same wrong password again is not a guess but a program that was not told of the new one, and does not count.
"""

from __future__ import annotations

import ipaddress
import threading
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
    guess: bytes = b""


class SignInLimits:
    def __init__(self) -> None:
        self._failures: OrderedDict[tuple[str, str, str], _Failures] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()  # accounts and networks that signed in
        self._lock = threading.Lock()

    def wait_s(self, account: str, ip: str, now: float) -> float:
        """How long from `now` the next try has to wait; 0 for not at all."""
        keys = _keys(account, ip)
        with self._lock:
            if (account, network_of(ip)) in self._known:
                keys = keys[:1]
            return max(self._wait_s(key, now) for key in keys)

    def failed(self, account: str, ip: str, now: float, guess: bytes = b"") -> None:
        """guess: stands for the password that was tried, without telling it; empty where that is not known."""
        keys = _keys(account, ip)
        with self._lock:
            pair = self._failures.get(keys[0])
            if pair is not None and guess and pair.guess == guess:
                return
            for key in keys:
                entry = self._failures.setdefault(key, _Failures())
                if now - entry.last_at > FORGET_AFTER_S:
                    entry.count = 0
                entry.count += 1
                entry.last_at = now
                entry.guess = guess
                self._failures.move_to_end(key)
            while len(self._failures) > REMEMBER_MOST:
                self._failures.popitem(last=False)

    def succeeded(self, account: str, ip: str) -> None:
        """Clears the pair; the network's own count stays, or one good account would cover guesses at others."""
        network = network_of(ip)
        with self._lock:
            self._failures.pop(("pair", account, network), None)
            self._known[account, network] = None
            self._known.move_to_end((account, network))
            while len(self._known) > REMEMBER_MOST:
                self._known.popitem(last=False)

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
