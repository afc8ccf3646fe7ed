"""What searches, sorts and threads ask of a mailbox's rows: a few columns of many messages, in the order of UIDs.

UIDs are given in order. Where most of a stretch is wanted, the stretch is read as a whole, which costs a fifth of asking
for each.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

DENSE = 4  # a stretch is read whole when no more than so many UIDs lie in it for each one wanted
_ASK_AT_ONCE = 500

ColumnRow = tuple[int, int, int, int, int]  # UID, INTERNALDATE, when it was saved, octets, MODSEQ
StructureRow = tuple[int, int, int, bytes, bytes, bytes]  # UID, INTERNALDATE, blob, digest, prefix, encoded structure


def columns(connection: sqlite3.Connection, mailbox_id: int, uids: Sequence[int]) -> Iterator[ColumnRow]:
    """Of those that exist. Only the mailbox's own pages are read."""
    return _asked(connection, "uid, internal_date, saved_at, size_octets, modseq FROM messages", mailbox_id, uids)


def structures(connection: sqlite3.Connection, mailbox_id: int, uids: Sequence[int]) -> Iterator[StructureRow]:
    """Cost: a page of the contents' table for each."""
    return _asked(
        connection,
        "uid, internal_date, blob_id, digest, prefix, structure FROM messages JOIN blobs ON blobs.id = blob_id",
        mailbox_id,
        uids,
    )


def uids_within(connection: sqlite3.Connection, mailbox_id: int, column: str, least: float, most: float) -> list[int]:
    """In order: of the messages whose `column` (ours to name, never a client's) is neither less nor more.

    Cost: linear in the mailbox, a tenth of a microsecond for each message.
    """
    return [
        uid
        for (uid,) in connection.execute(
            f"SELECT uid FROM messages WHERE mailbox_id = ? AND {column} >= ? AND {column} <= ? ORDER BY uid",
            (mailbox_id, least, most),
        )
    ]


def count_within(connection: sqlite3.Connection, mailbox_id: int, low: int, high: int) -> int:
    """How many messages there are with UIDs from `low` to `high`. Cost: a tenth of what listing them takes."""
    asked = "SELECT count(*) FROM messages WHERE mailbox_id = ? AND uid BETWEEN ? AND ?"
    return int(connection.execute(asked, (mailbox_id, low, high)).fetchone()[0])


def highest_modseq(connection: sqlite3.Connection, mailbox_id: int, uids: Sequence[int]) -> int:
    """Of those messages; 0 for none."""
    return max((row[1] for row in _asked(connection, "uid, modseq FROM messages", mailbox_id, uids)), default=0)


def _asked(connection: sqlite3.Connection, what: str, mailbox_id: int, uids: Sequence[int]) -> Iterator[tuple]:  # type: ignore[type-arg]
    if not uids:
        return
    if uids[-1] - uids[0] < DENSE * len(uids):
        wanted = None if uids[-1] - uids[0] + 1 == len(uids) else frozenset(uids)
        stretch = connection.execute(
            f"SELECT {what} WHERE mailbox_id = ? AND uid BETWEEN ? AND ? ORDER BY uid", (mailbox_id, uids[0], uids[-1])
        )
        yield from stretch if wanted is None else (row for row in stretch if row[0] in wanted)
        return
    for start in range(0, len(uids), _ASK_AT_ONCE):
        some = uids[start : start + _ASK_AT_ONCE]
        marks = ",".join("?" * len(some))
        yield from connection.execute(
            f"SELECT {what} WHERE mailbox_id = ? AND uid IN ({marks}) ORDER BY uid", (mailbox_id, *some)
        )
