"""Messages as rows of a mailbox, and the questions about them.

A message, as its reader sees it, is `prefix + content`: header lines of ours, then what was received.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

FlagRow = tuple[int, int, str, int]  # UID, flags, keywords, MODSEQ
_ASK_AT_ONCE = 500


@dataclass(slots=True, frozen=True)
class MessageRow:
    """internal_date, saved_at: seconds since the epoch; size_octets: prefix and content; structure: encoded, see mime/."""

    uid: int
    flags: int
    keywords: str
    modseq: int
    internal_date: int
    saved_at: int
    size_octets: int
    blob_id: int
    prefix: bytes
    trace_id: str
    structure: bytes | None


def snapshot(connection: sqlite3.Connection, mailbox_id: int) -> list[FlagRow]:
    """Every message, in the order of UIDs."""
    return connection.execute(
        "SELECT uid, flags, keywords, modseq FROM messages WHERE mailbox_id = ? ORDER BY uid", (mailbox_id,)
    ).fetchall()


def sizes(connection: sqlite3.Connection, mailbox_id: int) -> list[tuple[int, int]]:
    """(UID, octets) of every message, in the order of UIDs."""
    return connection.execute(
        "SELECT uid, size_octets FROM messages WHERE mailbox_id = ? ORDER BY uid", (mailbox_id,)
    ).fetchall()


def changed_since(connection: sqlite3.Connection, mailbox_id: int, modseq: int) -> tuple[list[FlagRow], list[int]]:
    """(messages new or changed after `modseq`, UIDs expunged after it)."""
    changed = connection.execute(
        "SELECT uid, flags, keywords, modseq FROM messages WHERE mailbox_id = ? AND modseq > ? ORDER BY uid",
        (mailbox_id, modseq),
    ).fetchall()
    gone = connection.execute("SELECT uid FROM expunged WHERE mailbox_id = ? AND modseq > ?", (mailbox_id, modseq))
    return changed, sorted(uid for (uid,) in gone)


def flags_of(connection: sqlite3.Connection, mailbox_id: int, uids: Sequence[int]) -> list[FlagRow]:
    found: list[FlagRow] = []
    for some in _slices(uids):
        found += connection.execute(
            "SELECT uid, flags, keywords, modseq FROM messages"
            f" WHERE mailbox_id = ? AND uid IN ({_marks(some)}) ORDER BY uid",
            (mailbox_id, *some),
        )
    return found


def rows(
    connection: sqlite3.Connection, mailbox_id: int, uids: Sequence[int], *, structure: bool = False
) -> list[MessageRow]:
    """The rows of those UIDs that exist, in the order of UIDs; with `structure` also what mime/ read at delivery."""
    column = "blobs.structure" if structure else "NULL"
    found: list[MessageRow] = []
    for some in _slices(uids):
        found += (
            MessageRow(*row)
            for row in connection.execute(
                "SELECT uid, flags, keywords, modseq, internal_date, saved_at, messages.size_octets, blob_id,"
                f" prefix, trace_id, {column} FROM messages JOIN blobs ON blobs.id = blob_id"
                f" WHERE mailbox_id = ? AND uid IN ({_marks(some)}) ORDER BY uid",
                (mailbox_id, *some),
            )
        )
    return found


def _slices(uids: Sequence[int]) -> Iterator[Sequence[int]]:
    ordered = sorted(uids)
    for start in range(0, len(ordered), _ASK_AT_ONCE):
        yield ordered[start : start + _ASK_AT_ONCE]


def _marks(values: Sequence[int]) -> str:
    return ",".join("?" * len(values))
