"""What a change is given: the connection inside the transaction, the blobs, and a place for its events."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..mime.structure import encode
from ..status.events import Event
from .quota import NO_LIMITS, Limits
from .refusals import NoSuchMessage
from .segments import Place, Segments
from .spool import SpooledContent

IN_DATABASE_OCTETS = 48 * 1024  # compressed; what is larger goes to a segment (measured: docs/decisions/0003)

T = TypeVar("T")


class Tx:
    """One change's view of the running transaction. Only the writer makes one.

    large: the contents too large for the database, in the order in which they were added; not_copied: whether one of them
    has no place in a segment yet. Then all of it is undone, they are copied, and the change runs again. default_limits: of
    accounts that have none of their own.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        segments: Segments,
        places: Mapping[int, Sequence[Place]],
        default_limits: Limits = NO_LIMITS,
    ) -> None:
        self.connection = connection
        self.default_limits = default_limits
        self.events: list[Event] = []
        self.large: list[SpooledContent] = []
        self.not_copied = False
        self._segments = segments
        self._places = {key: list(some) for key, some in places.items()}  # by id(content), in the order of adding

    def tell(self, event: Event) -> None:
        """Published once the transaction is on the card."""
        self.events.append(event)

    def add_blob(self, content: SpooledContent, *, refs: int, prefix: bytes, trace_id: str) -> int:
        """Stores a content once for `refs` references; returns its blob id."""
        segment_id, position, data = None, 0, content.packed
        if content.stored_octets > IN_DATABASE_OCTETS:
            self.large.append(content)
            places = self._places.get(id(content))
            if not places:
                self.not_copied = True
            else:
                place = places.pop(0)
                self._segments.record(self.connection, place)
                segment_id, position = place.file.id, place.position
            data = None
        elif data is None:
            data = content.read(0, content.stored_octets)
        blob_id = _lastrowid(
            self.connection.execute(
                "INSERT INTO blobs (refs, size_octets, digest, trace_id, prefix, structure,"
                " segment_id, position, stored_octets, data) VALUES (?,?,?,?,?,?,?,?,?,?)",
                (
                    refs,
                    content.size,
                    content.digest,
                    trace_id,
                    prefix,
                    encode(content.structure),
                    segment_id,
                    position,
                    content.stored_octets,
                    data,
                ),
            )
        )
        # The row before was kept only for its id, if it is an emptied one; now this one keeps it.
        self.connection.execute("DELETE FROM blobs WHERE id = ? AND refs = 0", (blob_id - 1,))
        return blob_id

    def hold_blob(self, blob_id: int, refs: int = 1) -> None:
        if not self.connection.execute(
            "UPDATE blobs SET refs = refs + ? WHERE id = ? AND refs > 0", (refs, blob_id)
        ).rowcount:
            raise NoSuchMessage(f"content {blob_id}")

    def drop_blob(self, blob_id: int, refs: int = 1) -> None:
        """Forgets the content when nothing refers to it any more. In a damaged store it may be gone: so much the better
        for getting rid of the message."""
        found = self.connection.execute(
            "UPDATE blobs SET refs = refs - ? WHERE id = ? RETURNING refs, segment_id, position, stored_octets",
            (refs, blob_id),
        ).fetchall()
        if not found or found[0][0] > 0:
            return
        _, segment_id, position, stored_octets = found[0]
        last = self.connection.execute("SELECT id, refs FROM blobs ORDER BY id DESC LIMIT 1").fetchone()
        if last[0] == blob_id:
            self.connection.execute(
                "UPDATE blobs SET data = NULL, prefix = x'', structure = x'', segment_id = NULL, stored_octets = 0 WHERE id = ?",
                (blob_id,),
            )
        else:
            self.connection.execute("DELETE FROM blobs WHERE id = ?", (blob_id,))
        if segment_id is not None:
            self.connection.execute(
                "UPDATE segments SET live_octets = live_octets - ? WHERE id = ?", (stored_octets, segment_id)
            )
            self.connection.execute(
                "INSERT INTO freed (segment_id, position, stored_octets) VALUES (?, ?, ?)",
                (segment_id, position, stored_octets),
            )


# Runs twice when it adds a large content that it did not tell of: what it does, it does to the Tx alone.
Change = Callable[[Tx], T]


@dataclass(slots=True, frozen=True)
class WithContents(Generic[T]):
    """A change that says beforehand which contents it will add, and adds them in that order: the large ones are on the
    card before it runs. One that does not say so runs twice if it adds a large one."""

    contents: tuple[SpooledContent, ...]
    change: Change[T]

    def __call__(self, tx: Tx) -> T:
        return self.change(tx)


def _lastrowid(cursor: sqlite3.Cursor) -> int:
    assert cursor.lastrowid is not None
    return cursor.lastrowid
