"""Is the whole store consistent? Used by `merpati doctor` and whenever a test closes a store.

Reads everything, changes nothing. `contents` also unpacks every content and compares its digest, which on a large
store takes as long as reading the card.
"""

from __future__ import annotations

import sqlite3
from hashlib import blake2b

from ..mail.content import Content
from ..mime.structure import decode
from .interface import Store
from .refusals import StoreRefusal
from .spool import DIGEST_OCTETS

_RULES = (
    (
        "mailbox {} counts differ from its messages",
        "SELECT m.id FROM mailboxes m LEFT JOIN (SELECT mailbox_id, count(*) n, sum(NOT flags & 1) u, sum(size_octets) s"
        " FROM messages GROUP BY mailbox_id) c ON c.mailbox_id = m.id"
        " WHERE m.messages != coalesce(n, 0) OR m.unseen != coalesce(u, 0) OR m.size_octets != coalesce(s, 0)",
    ),
    (
        "mailbox {} has given a UID that is not below its UIDNEXT",
        "SELECT DISTINCT m.id FROM mailboxes m JOIN messages ON mailbox_id = m.id WHERE uid >= uidnext",
    ),
    (
        "mailbox {} has a MODSEQ above its highest",
        "SELECT DISTINCT m.id FROM mailboxes m JOIN messages ON mailbox_id = m.id WHERE modseq > highest_modseq",
    ),
    (
        "mailbox {} has an expunged UID that is still there",
        "SELECT DISTINCT m.mailbox_id FROM messages m JOIN expunged e ON e.mailbox_id = m.mailbox_id AND e.uid = m.uid",
    ),
    (
        "a message is in mailbox {}, which does not exist",
        "SELECT DISTINCT mailbox_id FROM messages WHERE mailbox_id NOT IN (SELECT id FROM mailboxes)",
    ),
    ("mailbox {} belongs to no account", "SELECT id FROM mailboxes WHERE account_id NOT IN (SELECT id FROM accounts)"),
    (
        "content {} counts another number of references than it has",
        "WITH held AS (SELECT blob_id FROM messages UNION ALL SELECT blob_id FROM queue_messages),"
        " n AS (SELECT blob_id, count(*) n FROM held GROUP BY blob_id)"
        " SELECT id FROM blobs LEFT JOIN n ON blob_id = id WHERE refs != coalesce(n, 0)",
    ),
    (
        "content {} is referred to and does not exist",
        "SELECT blob_id FROM (SELECT blob_id FROM messages UNION SELECT blob_id FROM queue_messages)"
        " WHERE blob_id NOT IN (SELECT id FROM blobs)",
    ),
    (
        "segment {} counts differ from its contents",
        "SELECT s.id FROM segments s LEFT JOIN (SELECT segment_id, sum(stored_octets) n, max(position + stored_octets) e"
        " FROM blobs WHERE refs > 0 GROUP BY segment_id) c ON segment_id = s.id"
        " WHERE live_octets != coalesce(n, 0) OR used_octets < coalesce(e, 0)",
    ),
    (
        "queued message {} has no recipient",
        "SELECT id FROM queue_messages WHERE id NOT IN (SELECT message_id FROM queue_recipients)",
    ),
    (
        "queued recipient {} has no message",
        "SELECT id FROM queue_recipients WHERE message_id NOT IN (SELECT id FROM queue_messages)",
    ),
)


def check(store: Store, *, contents: bool = True) -> list[str]:
    """What is wrong, one sentence each; an empty list when all is well."""
    findings: list[str] = []

    def look(connection: sqlite3.Connection) -> list[tuple[int, bytes, bytes]]:
        findings.extend(
            f"the database is damaged: {line}"
            for (line,) in connection.execute("PRAGMA integrity_check").fetchall()
            if line != "ok"
        )
        for sentence, sql in _RULES:
            findings.extend(sentence.format(row[0]) for row in connection.execute(sql))
        return connection.execute("SELECT id, digest, structure FROM blobs WHERE refs > 0").fetchall()

    try:
        blobs = store.read_now(look)
    except sqlite3.DatabaseError as fault:
        return [*findings, f"the database is damaged: {fault}"]
    if contents:
        for blob_id, digest, structure in blobs:
            try:
                decode(structure)
                intact = _digest(store.content(blob_id)) == digest
            except (StoreRefusal, OSError, ValueError):
                intact = False
            if not intact:
                findings.append(f"content {blob_id} is damaged")
    return findings


def _digest(content: Content) -> bytes:
    digest = blake2b(digest_size=DIGEST_OCTETS)
    for piece in content.pieces():
        digest.update(piece)
    return digest.digest()
