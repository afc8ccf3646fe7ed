"""Messages as rows of a mailbox, and the questions about them.

A message, as its reader sees it, is `prefix + content`: header lines of ours, then what was received.
"""

from __future__ import annotations

import sqlite3
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .flags import DELETED

FlagRow = tuple[int, int, str, int]  # UID, flags, keywords, MODSEQ
ABOVE_ALL_UIDS = 1 << 32  # RFC 9051 2.3.1.1: a UID has 32 bits
_ASK_AT_ONCE = 500


@dataclass(slots=True, frozen=True)
class MessageRow:
    """internal_date, saved_at: seconds since the epoch; size_octets: prefix and content; structure: encoded, see mime/;
    digest: of the content."""

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
    digest: bytes


def snapshot(connection: sqlite3.Connection, mailbox_id: int) -> list[FlagRow]:
    """Every message, in the order of UIDs."""
    return connection.execute(
        "SELECT uid, flags, keywords, modseq FROM messages WHERE mailbox_id = ? ORDER BY uid", (mailbox_id,)
    ).fetchall()


def newest(
    connection: sqlite3.Connection, mailbox_id: int, count: int, *, below_uid: int = ABOVE_ALL_UIDS
) -> list[FlagRow]:
    """So many at most, in the order of UIDs."""
    found = connection.execute(
        "SELECT uid, flags, keywords, modseq FROM messages WHERE mailbox_id = ? AND uid < ? ORDER BY uid DESC LIMIT ?",
        (mailbox_id, below_uid, count),
    ).fetchall()
    found.reverse()
    return found


def count_between(connection: sqlite3.Connection, mailbox_id: int, from_uid: int, below_uid: int) -> int:
    """Cost: linear in what it counts, some 50 ns each."""
    row = connection.execute(
        "SELECT count(*) FROM messages WHERE mailbox_id = ? AND uid >= ? AND uid < ?", (mailbox_id, from_uid, below_uid)
    )
    return int(row.fetchone()[0])


def count_deleted(connection: sqlite3.Connection, mailbox_id: int) -> tuple[int, int]:
    """(messages flagged \\Deleted, their octets). Cost: linear in the mailbox."""
    row = connection.execute(
        "SELECT count(*), coalesce(sum(size_octets), 0) FROM messages WHERE mailbox_id = ? AND flags & ?",
        (mailbox_id, DELETED),
    )
    count, octets = row.fetchone()
    return count, octets


@dataclass(slots=True, frozen=True)
class Outline:
    """A whole mailbox in five octets a message. uids: in order; flags: one octet for each; keywords: UID → those that
    have some; gone: UIDs expunged after the MODSEQ that was asked for."""

    uids: array[int]
    flags: array[int]
    keywords: dict[int, str]
    gone: list[int]


def outline(
    connection: sqlite3.Connection, mailbox_id: int, *, below_uid: int, since: int, usual_flags: int
) -> Outline:
    """Messages with lower UIDs than `below_uid`. usual_flags: what most of them have.

    Cost: some 150 ns for each message, since only those that have other flags, or keywords, become objects of Python;
    twice that where UIDs are missing in between.
    """
    here = "FROM messages WHERE mailbox_id = ? AND uid < ?"
    which = (mailbox_id, below_uid)
    count, lowest, highest = connection.execute(f"SELECT count(*), min(uid), max(uid) {here}", which).fetchone()
    dense = count and highest - lowest + 1 == count
    uids = array("I")
    if dense:
        uids = array("I", range(lowest, highest + 1))
    elif count:
        # In the order of the primary key, since that is how the inner query finds them.
        listed = connection.execute(f"SELECT group_concat(uid) FROM (SELECT uid {here} ORDER BY uid)", which).fetchone()
        uids = array("I", map(int, listed[0].split(",")))
    flags = array("B", bytes([usual_flags])) * count
    keywords: dict[int, str] = {}
    for uid, bits, words in connection.execute(
        f"SELECT uid, flags, keywords {here} AND (flags <> ? OR keywords <> '')", (*which, usual_flags)
    ):
        flags[uid - lowest if dense else bisect_left(uids, uid)] = bits
        if words:
            keywords[uid] = words
    gone = connection.execute(
        "SELECT uid FROM expunged WHERE mailbox_id = ? AND modseq > ? AND uid < ?", (mailbox_id, since, below_uid)
    )
    return Outline(uids, flags, keywords, sorted(uid for (uid,) in gone))


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


def gone_since(connection: sqlite3.Connection, mailbox_id: int, modseq: int) -> list[int] | None:
    """UIDs expunged after `modseq`, in order; None when not all of them are remembered any more.

    Tombstones are forgotten from the oldest on (`changes/tombstones.py`): after the lowest that is left, and where every UID
    ever given is a message or a tombstone, they are all here.
    """
    lowest, count = connection.execute(
        "SELECT min(modseq), count(*) FROM expunged WHERE mailbox_id = ?", (mailbox_id,)
    ).fetchone()
    if lowest is None or modseq < lowest:
        messages, uidnext = connection.execute(
            "SELECT (SELECT count(*) FROM messages WHERE mailbox_id = id), uidnext FROM mailboxes WHERE id = ?",
            (mailbox_id,),
        ).fetchone()
        if messages + count != uidnext - 1:
            return None
    gone = connection.execute("SELECT uid FROM expunged WHERE mailbox_id = ? AND modseq > ?", (mailbox_id, modseq))
    return sorted(uid for (uid,) in gone)


def uids_of(connection: sqlite3.Connection, mailbox_id: int) -> array[int]:
    """All of a mailbox, in order."""
    listed = connection.execute(
        "SELECT group_concat(uid) FROM (SELECT uid FROM messages WHERE mailbox_id = ? ORDER BY uid)", (mailbox_id,)
    ).fetchone()[0]
    return array("I", map(int, listed.split(",")) if listed else ())


def changed_after(
    connection: sqlite3.Connection, mailbox_id: int, modseq: int, from_uid: int, to_uid: int, most: int
) -> list[FlagRow]:
    """So many at most of the messages that are new or changed after `modseq`, in the order of UIDs."""
    return connection.execute(
        "SELECT uid, flags, keywords, modseq FROM messages"
        " WHERE mailbox_id = ? AND uid BETWEEN ? AND ? AND modseq > ? ORDER BY uid LIMIT ?",
        (mailbox_id, from_uid, to_uid, modseq, most),
    ).fetchall()


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
                f" prefix, trace_id, {column}, digest FROM messages JOIN blobs ON blobs.id = blob_id"
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
