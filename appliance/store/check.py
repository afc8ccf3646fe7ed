"""Is the whole store consistent? Used by `merpati doctor` and whenever a test closes a store.

Reads everything, changes nothing. `contents` also unpacks every content and compares its digest, which on a large
store takes as long as reading the card.
"""

from __future__ import annotations

import sqlite3
from hashlib import blake2b

import msgspec

from ..mail.content import Content
from ..mime.structure import decode
from .interface import Store
from .refusals import StoreDamaged, StoreRefusal
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
        "mailbox {} has an expunged MODSEQ above its highest",
        "SELECT DISTINCT m.id FROM mailboxes m JOIN expunged ON mailbox_id = m.id WHERE modseq > highest_modseq",
    ),
    (
        "mailbox {} has announced a UID that it has not given yet",
        "SELECT id FROM mailboxes WHERE first_recent_uid > uidnext",
    ),
    (
        "mailbox {} has an expunged UID that is still there",
        "SELECT DISTINCT m.mailbox_id FROM expunged e CROSS JOIN messages m ON e.mailbox_id = m.mailbox_id AND e.uid = m.uid",
    ),
    (
        "a message is in mailbox {}, which does not exist",
        "SELECT DISTINCT mailbox_id FROM messages WHERE mailbox_id NOT IN (SELECT id FROM mailboxes)",
    ),
    (
        "mailbox {} has a UIDVALIDITY above the highest of its account",
        "SELECT m.id FROM mailboxes m JOIN accounts a ON account_id = a.id WHERE uidvalidity > last_uidvalidity",
    ),
    (
        "account {} has no INBOX",
        "SELECT id FROM accounts WHERE id NOT IN (SELECT account_id FROM mailboxes WHERE name = 'INBOX')",
    ),
    (
        "a quota is of account {}, which does not exist",
        "SELECT account_id FROM quotas WHERE account_id NOT IN (SELECT id FROM accounts)",
    ),
    (
        "something is noted on mailbox {}, which does not exist",
        "SELECT DISTINCT mailbox_id FROM annotations WHERE mailbox_id != 0 AND mailbox_id NOT IN (SELECT id FROM mailboxes)",
    ),
    (
        "something is noted by account {}, which does not exist",
        "SELECT DISTINCT account_id FROM annotations WHERE account_id != 0 AND account_id NOT IN (SELECT id FROM accounts)",
    ),
    (
        "mailbox {} is shared and does not exist",
        "SELECT DISTINCT mailbox_id FROM mailbox_rights WHERE mailbox_id NOT IN (SELECT id FROM mailboxes)",
    ),
    (
        "account {} has rights and does not exist",
        "SELECT DISTINCT account_id FROM mailbox_rights WHERE account_id != 0 AND account_id NOT IN (SELECT id FROM accounts)",
    ),
    (
        "mailbox {} is shared with its owner",
        "SELECT m.id FROM mailbox_rights r JOIN mailboxes m ON m.id = mailbox_id WHERE r.account_id = m.account_id",
    ),
    (
        "account {} has keys for SCRAM that are none",
        "SELECT account_id FROM scram_keys WHERE length(salt) = 0 OR iterations < 1"
        " OR length(stored_key) != 32 OR length(server_key) != 32",
    ),
    (
        "mailbox {} has unique-ids of a UIDVALIDITY that is not an older one",
        "SELECT id FROM mailboxes m JOIN unique_id_epochs e ON mailbox_id = id WHERE e.uidvalidity = m.uidvalidity"
        " OR below_uid > uidnext",
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
        "content {} has another size than the messages that refer to it",
        "SELECT DISTINCT b.id FROM messages m JOIN blobs b ON blob_id = b.id"
        " WHERE m.size_octets != b.size_octets + length(b.prefix)",
    ),
    (
        "content {} is nowhere",
        "SELECT id FROM blobs WHERE refs > 0 AND ((data IS NULL) = (segment_id IS NULL)"
        " OR (segment_id IS NOT NULL AND segment_id NOT IN (SELECT id FROM segments)) OR (data IS NOT NULL AND length(data) != stored_octets))",
    ),
    (
        "content {} lies where another one lies",
        "SELECT b.id FROM blobs a JOIN blobs b ON a.segment_id = b.segment_id AND a.id != b.id"
        " WHERE a.position <= b.position AND b.position < a.position + a.stored_octets",
    ),
    (
        "content {} lies in blocks that will be given back",
        "SELECT DISTINCT b.id FROM freed f JOIN blobs b ON f.segment_id = b.segment_id"
        " WHERE f.position < b.position + b.stored_octets AND b.position < f.position + f.stored_octets",
    ),
    (
        "segment {} will give blocks back that its next content takes",
        "SELECT DISTINCT f.segment_id FROM freed f JOIN segments s ON s.id = f.segment_id"
        " WHERE f.position + f.stored_octets > s.used_octets",
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

    def look(connection: sqlite3.Connection) -> list[int]:
        findings.extend(wrong_in(connection))
        return [row[0] for row in connection.execute("SELECT id FROM blobs WHERE refs > 0 ORDER BY id")]

    try:
        blob_ids = store.read_now(look)
    except StoreDamaged as fault:
        return [*findings, f"the database is damaged: {fault.what}"]
    if contents:
        findings += [f"content {blob_id} is damaged" for blob_id in blob_ids if not _intact(store, blob_id)]
    return findings


def wrong_in(connection: sqlite3.Connection) -> list[str]:
    """What the rows say, without the contents. Raises sqlite3.DatabaseError."""
    lines = [line for (line,) in connection.execute("PRAGMA integrity_check").fetchall()]
    findings = [f"the database is damaged: {line}" for line in lines if line != "ok"]
    for sentence, sql in _RULES:
        findings += [sentence.format(row[0]) for row in connection.execute(sql)]
    return findings


def _intact(store: Store, blob_id: int) -> bool:
    """One that went away since it was listed, as happens while the server runs, is not damaged."""

    def look(connection: sqlite3.Connection) -> tuple[bytes, bytes, Content] | None:
        row = connection.execute("SELECT digest, structure FROM blobs WHERE id = ? AND refs > 0", (blob_id,)).fetchone()
        return (*row, store.content_in(connection, blob_id)) if row else None

    try:
        found = store.read_now(look)
        if found is None:
            return True
        digest, structure, content = found
        decode(structure)
        return _digest(content) == digest
    except (StoreRefusal, OSError, ValueError, sqlite3.DatabaseError, msgspec.DecodeError):
        return False


def _digest(content: Content) -> bytes:
    digest = blake2b(digest_size=DIGEST_OCTETS)
    for piece in content.pieces():
        digest.update(piece)
    return digest.digest()
