"""The owner's hand on the queue: hold, release, send now, remove; from the mail process or beside it.

Promises: each verb is one durable change in the store and tells how many recipients it touched; the runner, in whatever
process, hears of it by the store's event, or by being told to look, or within a minute. `find` takes what a person has
at hand: the number of a queued message or the id under which it was accepted.
"""

from __future__ import annotations

from enum import StrEnum

from ..store import queue_rows
from ..store.changes import queue as changes
from ..store.interface import Store
from ..store.queue_rows import QueuedMessage
from ..store.transaction import Change


class Verb(StrEnum):
    HOLD = "hold"
    RELEASE = "release"
    FLUSH = "flush"
    REMOVE = "remove"


def change_for(verb: Verb, message_id: int | None) -> Change[int]:
    """For `store.write`. Only FLUSH may be for all messages (None). Raises ValueError for the others without one."""
    if verb is Verb.FLUSH:
        return changes.flush(message_id)
    if message_id is None:
        raise ValueError(f"{verb} needs to know which message")
    match verb:
        case Verb.HOLD:
            return changes.hold(message_id)
        case Verb.RELEASE:
            return changes.release(message_id)
        case Verb.REMOVE:
            return changes.remove(message_id)


def find(store: Store, name: str) -> QueuedMessage | None:
    """By number or by the id in `Accepted as …`. Blocks: for the command line."""
    if name.isascii() and name.isdigit():
        number = int(name[:18])
        found = store.read_now(lambda connection: queue_rows.message(connection, number))
        if found is not None:
            return found
    return next((each for each in store.read_now(queue_rows.all_messages) if each.trace_id == name), None)


def apply_now(store: Store, verb: Verb, message_id: int | None) -> int:
    """How many recipients it touched. Durability: durable. Blocks: for the command line."""
    return store.write_now(change_for(verb, message_id))
