"""The queue's rows as values, and the questions about them."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    WAITING = "waiting"
    HELD = "held"


@dataclass(slots=True, frozen=True)
class QueuedRecipient:
    """notify: comma-separated words of RFC 3461, or ''; times: seconds since the epoch; last_reply: '' before the first try."""

    id: int
    message_id: int
    address: str
    domain: str
    orcpt: str | None
    notify: str
    state: State
    attempts: int
    next_attempt_at: float
    last_attempt_at: float | None
    last_reply: str
    last_host: str
    delay_warned: bool


@dataclass(slots=True, frozen=True)
class QueuedMessage:
    """reverse_path: '' is the null reverse-path; size_octets: of the content, without the prefix."""

    id: int
    trace_id: str
    blob_id: int
    prefix: bytes
    reverse_path: str
    account_id: int | None
    accepted_at: float
    size_octets: int
    eight_bit: bool
    smtputf8: bool
    ret: str | None
    envid: str | None
    message_id_header: str
    subject: str


_MESSAGE = (
    "id, trace_id, blob_id, prefix, reverse_path, account_id, accepted_at, size_octets, eight_bit, smtputf8, ret, envid,"
    " message_id_header, subject"
)
_RECIPIENT = (
    "id, message_id, address, domain, orcpt, notify, state, attempts, next_attempt_at, last_attempt_at, last_reply,"
    " last_host, delay_warned"
)


def all_recipients(connection: sqlite3.Connection) -> list[QueuedRecipient]:
    return [_recipient(row) for row in connection.execute(f"SELECT {_RECIPIENT} FROM queue_recipients ORDER BY id")]


def due_recipients(connection: sqlite3.Connection, now: float, longest_wait_s: float) -> list[QueuedRecipient]:
    """Those that wait and whose time has come, or carries a time that lies too far ahead to make sense. A scan, but
    only of what is due becomes values: a thousand put-off recipients must not cost at every delivery."""
    rows = connection.execute(
        f"SELECT {_RECIPIENT} FROM queue_recipients"
        " WHERE state = 'waiting' AND (next_attempt_at <= ? OR next_attempt_at > ?) ORDER BY id",
        (now, now + longest_wait_s),
    )
    return [_recipient(row) for row in rows]


def next_due_at(connection: sqlite3.Connection, now: float) -> float | None:
    """When the next one that waits and is not due yet will be."""
    row = connection.execute(
        "SELECT min(next_attempt_at) FROM queue_recipients WHERE state = 'waiting' AND next_attempt_at > ?", (now,)
    ).fetchone()
    return None if row[0] is None else float(row[0])


def recipients_of(connection: sqlite3.Connection, message_id: int) -> list[QueuedRecipient]:
    rows = connection.execute(
        f"SELECT {_RECIPIENT} FROM queue_recipients WHERE message_id = ? ORDER BY id", (message_id,)
    )
    return [_recipient(row) for row in rows]


def message(connection: sqlite3.Connection, message_id: int) -> QueuedMessage | None:
    row = connection.execute(f"SELECT {_MESSAGE} FROM queue_messages WHERE id = ?", (message_id,)).fetchone()
    return _message(row) if row else None


def all_messages(connection: sqlite3.Connection) -> list[QueuedMessage]:
    return [_message(row) for row in connection.execute(f"SELECT {_MESSAGE} FROM queue_messages ORDER BY id")]


def counts(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """(recipients waiting, those of them that were tried and put off, recipients held)."""
    row = connection.execute(
        "SELECT count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'waiting' AND last_reply != ''),"
        " count(*) FILTER (WHERE state = 'held') FROM queue_recipients"
    ).fetchone()
    return row[0], row[1], row[2]


def _recipient(row: tuple[Any, ...]) -> QueuedRecipient:
    values = [*row]
    values[6], values[12] = State(row[6]), bool(row[12])
    return QueuedRecipient(*values)


def _message(row: tuple[Any, ...]) -> QueuedMessage:
    values = [*row]
    values[8], values[9] = bool(row[8]), bool(row[9])
    return QueuedMessage(*values)
