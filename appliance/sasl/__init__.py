"""Signing in over SASL: server-side machines that turn a client's responses into credentials, for every protocol.

Pure: no sockets, no accounts, no clock. May import nothing of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .login import Login
from .mechanism import CANCEL, Challenge, Credentials, Fault, Mechanism, Step, decode_response
from .plain import Plain

__all__ = ["CANCEL", "MECHANISMS", "Challenge", "Credentials", "Fault", "Mechanism", "Step", "decode_response"]

# By name in capitals; RFC 4422 3.1 has them in capitals, clients send them in any case. The strongest stands first.
MECHANISMS: Mapping[str, Callable[[], Mechanism]] = {"PLAIN": Plain, "LOGIN": Login}
