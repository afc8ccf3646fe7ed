"""The queue: does mail leave?"""

from __future__ import annotations

import time

from ..store import queue_rows
from ..store.interface import Store
from .finding import Finding, Status

LONG_S = 4 * 3600.0


def check(store: Store, now: float | None = None) -> Finding:
    now = time.time() if now is None else now
    messages = store.read_now(queue_rows.all_messages)
    if not messages:
        return Finding("queue", Status.GOOD, "No mail waits to go out.")
    oldest_s = now - min(message.accepted_at for message in messages)
    if oldest_s < LONG_S:
        return Finding("queue", Status.GOOD, f"{len(messages)} messages are on their way out.")
    return Finding(
        "queue",
        Status.NEEDS_YOU,
        f"{len(messages)} messages wait to go out, the oldest for {oldest_s / 3600:.0f} hours.",
        "Look at the queue page: it says why each one waits.",
    )
