"""The queue: does mail leave?"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence

from ..store import queue_rows
from ..store.interface import Store
from ..store.queue_rows import QueuedMessage, State
from .finding import Finding, Status, count

LONG_S = 4 * 3600.0


def check(store: Store, now: float | None = None) -> Finding:
    """Raises StoreDamaged where the store cannot be read."""
    messages, held = store.read_now(_look)
    return judge(messages, held, time.time() if now is None else now)


def judge(waiting: Sequence[QueuedMessage], held: int, now: float) -> Finding:
    """waiting: messages that are to go to somebody; held: how many are kept back for all their recipients."""
    kept = f"{_messages(held)} {'is' if held == 1 else 'are'} held back" if held else ""
    if not waiting:
        if kept:
            return Finding("queue", Status.NOTE, f"{kept}.", "Let them go with merpati queue release, if they should.")
        return Finding("queue", Status.GOOD, "No mail waits to go out.")
    besides = f"; {kept}" if kept else ""
    oldest_s = now - min(message.accepted_at for message in waiting)
    if oldest_s < LONG_S:
        verb = "is on its" if len(waiting) == 1 else "are on their"
        return Finding("queue", Status.GOOD, f"{_messages(len(waiting))} {verb} way out{besides}.")
    verb = "waits" if len(waiting) == 1 else "wait"
    return Finding(
        "queue",
        Status.NEEDS_YOU,
        f"{_messages(len(waiting))} {verb} to go out, the oldest for {count(int(oldest_s // 3600), 'hour')}{besides}.",
        "Look at the queue page: it says why each one waits.",
    )


def _look(connection: sqlite3.Connection) -> tuple[list[QueuedMessage], int]:
    going = {each.message_id for each in queue_rows.all_recipients(connection) if each.state is State.WAITING}
    messages = queue_rows.all_messages(connection)
    return [message for message in messages if message.id in going], sum(m.id not in going for m in messages)


def _messages(number: int) -> str:
    return count(number, "message")
