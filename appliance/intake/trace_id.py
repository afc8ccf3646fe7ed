"""The name of one accepted message, in `Accepted as …`, Received, the queue, the trace and the log."""

from __future__ import annotations

import secrets

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: nothing to mix up when it is read out
LENGTH = 12  # 60 bits


def new_trace_id() -> str:
    return "".join(_ALPHABET[octet % 32] for octet in secrets.token_bytes(LENGTH))
