"""The name of one accepted message, in `Accepted as …`, Received, the queue, the trace and the log."""

from __future__ import annotations

import secrets

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: nothing to mix up when it is read out
LENGTH = 12  # 60 bits


_AT_ONCE = 64  # the kernel is asked for so many: a look into its dice takes longer than all the rest
_LETTERS = bytes(ord(_ALPHABET[octet % 32]) for octet in range(256))
_ready: list[str] = []


def new_trace_id() -> str:
    """From any thread."""
    try:
        return _ready.pop()
    except IndexError:
        letters = secrets.token_bytes(LENGTH * _AT_ONCE).translate(_LETTERS).decode()
        first, *others = (letters[at : at + LENGTH] for at in range(0, len(letters), LENGTH))
        _ready.extend(others)
        return first
