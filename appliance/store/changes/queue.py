"""What happens to queued recipients: tried, settled, held, released, sent at once, removed. All of it durable."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ...status.events import QueueChanged, QueueVerb
from ..queue_rows import counts
from ..refusals import NoSuchAccount
from ..transaction import Change, Tx
from .delivery import DeliveryPlan, deliver_in


@dataclass(slots=True, frozen=True)
class PutOff:
    """A recipient that stays: why, and when it is its turn again (seconds since the epoch)."""

    recipient_id: int
    reply: str
    host: str
    next_attempt_at: float


def note_attempt(recipient_ids: Sequence[int], next_attempt_at: float, now: float) -> Change[list[int]]:
    """Before dialling: the try is counted and the next one set, so that a crash in between neither forgets a recipient
    nor hammers its host. Returns the ids that are still there and waiting: only those may be tried."""

    def change(tx: Tx) -> list[int]:
        return [
            recipient_id
            for recipient_id in recipient_ids
            if tx.connection.execute(
                "UPDATE queue_recipients SET attempts = attempts + 1, last_attempt_at = ?, next_attempt_at = ?"
                " WHERE id = ? AND state = 'waiting'",
                (now, next_attempt_at, recipient_id),
            ).rowcount
        ]

    return change


def settle(
    *,
    gone: Sequence[int] = (),
    put_off: Sequence[PutOff] = (),
    warned: Sequence[int] = (),
    reports: Sequence[DeliveryPlan] = (),
) -> Change[None]:
    """After a try. gone: delivered or given up; warned: their reverse-path has been told of the delay; reports: delivery
    reports, filed or queued in the same transaction, so that none is lost and none is sent twice. A report for an account
    that is there no more is dropped: it must not keep what was delivered in the queue."""

    def change(tx: Tx) -> None:
        for recipient_id in gone:
            _remove(tx, recipient_id)
        for each in put_off:
            tx.connection.execute(
                "UPDATE queue_recipients SET last_reply = ?, last_host = ?, next_attempt_at = ? WHERE id = ?",
                (each.reply, each.host, each.next_attempt_at, each.recipient_id),
            )
        for recipient_id in warned:
            tx.connection.execute("UPDATE queue_recipients SET delay_warned = 1 WHERE id = ?", (recipient_id,))
        for report in reports:
            with contextlib.suppress(NoSuchAccount):
                deliver_in(tx, report)
        _tell(tx)

    return change


def hold(message_id: int) -> Change[int]:
    return _verb(
        message_id, "hold", "UPDATE queue_recipients SET state = 'held' WHERE message_id = ? AND state = 'waiting'"
    )


def release(message_id: int) -> Change[int]:
    return _verb(
        message_id,
        "release",
        "UPDATE queue_recipients SET state = 'waiting', next_attempt_at = 0 WHERE message_id = ? AND state = 'held'",
    )


def flush(message_id: int | None = None) -> Change[int]:
    """Everything that waits, or one message, is due now. Returns how many recipients."""
    if message_id is not None:
        return _verb(
            message_id,
            "flush",
            "UPDATE queue_recipients SET next_attempt_at = 0 WHERE message_id = ? AND state = 'waiting'",
        )

    def change(tx: Tx) -> int:
        count = tx.connection.execute(
            "UPDATE queue_recipients SET next_attempt_at = 0 WHERE state = 'waiting'"
        ).rowcount
        _tell(tx)
        return count

    return change


def remove(message_id: int) -> Change[int]:
    """Takes a message out of the queue, unsent and without a report. Returns how many recipients."""

    def change(tx: Tx) -> int:
        trace_id = _trace_id(tx, message_id)
        ids = [
            row[0]
            for row in tx.connection.execute("SELECT id FROM queue_recipients WHERE message_id = ?", (message_id,))
        ]
        for recipient_id in ids:
            _remove(tx, recipient_id)
        if ids:
            tx.tell(QueueVerb(at=time.time(), trace_id=trace_id, verb="remove"))
        _tell(tx)
        return len(ids)

    return change


def _verb(message_id: int, verb: str, sql: str) -> Change[int]:
    def change(tx: Tx) -> int:
        count = tx.connection.execute(sql, (message_id,)).rowcount
        if count:
            tx.tell(QueueVerb(at=time.time(), trace_id=_trace_id(tx, message_id), verb=verb))
        _tell(tx)
        return count

    return change


def _remove(tx: Tx, recipient_id: int) -> None:
    row = tx.connection.execute(
        "DELETE FROM queue_recipients WHERE id = ? RETURNING message_id", (recipient_id,)
    ).fetchall()
    if not row:
        return
    message_id = row[0][0]
    if tx.connection.execute("SELECT 1 FROM queue_recipients WHERE message_id = ? LIMIT 1", (message_id,)).fetchone():
        return
    deleted = tx.connection.execute(
        "DELETE FROM queue_messages WHERE id = ? RETURNING blob_id", (message_id,)
    ).fetchall()
    for (blob_id,) in deleted:
        tx.drop_blob(blob_id)


def _trace_id(tx: Tx, message_id: int) -> str:
    row = tx.connection.execute("SELECT trace_id FROM queue_messages WHERE id = ?", (message_id,)).fetchone()
    return row[0] if row else ""


def _tell(tx: Tx) -> None:
    waiting, deferred, held = counts(tx.connection)
    tx.tell(QueueChanged(at=time.time(), waiting=waiting, deferred=deferred, held=held))
