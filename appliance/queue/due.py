"""Whose turn it is: from the queue's recipients to the batches that may start now.

Promises: recipients of one message for one destination go together, at most `BATCH_MOST`; who waits longest comes first;
no destination is given more than it may have. A time too far ahead to come from our schedule is from a clock that was
wrong, so it counts as now. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass

from ..store.queue_rows import QueuedRecipient, State

BATCH_MOST = 100  # RFC 5321 4.5.3.1.8: what every server must take in one transaction


@dataclass(slots=True, frozen=True)
class Batch:
    """One transaction to be: recipients of one message, all for `destination`."""

    message_id: int
    destination: str
    recipients: tuple[QueuedRecipient, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        return tuple(recipient.id for recipient in self.recipients)

    @property
    def asked_for(self) -> bool:
        """The owner wants it sent now, whatever was known of its destination."""
        return any(recipient.next_attempt_at == 0 for recipient in self.recipients)


def due_at(recipient: QueuedRecipient, now: float, longest_wait_s: float) -> float:
    """When it is this recipient's turn; not after now when the time it carries makes no sense."""
    return recipient.next_attempt_at if recipient.next_attempt_at <= now + longest_wait_s else now


def batches(
    recipients: Iterable[QueuedRecipient],
    *,
    now: float,
    busy: Set[int],
    destination: Callable[[str], str],
    longest_wait_s: float,
) -> list[Batch]:
    """Everything whose turn it is, longest waiting first. busy: ids that are being tried just now; destination: of a
    domain."""
    due = [
        (due_at(recipient, now, longest_wait_s), recipient.id, recipient)
        for recipient in recipients
        if recipient.state is State.WAITING and recipient.id not in busy
    ]
    grouped: dict[tuple[int, str], list[QueuedRecipient]] = {}
    for at, _, recipient in sorted(due, key=lambda each: each[:2]):
        if at <= now:
            grouped.setdefault((recipient.message_id, destination(recipient.domain)), []).append(recipient)
    return [
        Batch(message_id, where, tuple(together[start : start + BATCH_MOST]))
        for (message_id, where), together in grouped.items()
        for start in range(0, len(together), BATCH_MOST)
    ]
