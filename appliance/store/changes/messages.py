"""Putting messages into mailboxes and taking them out: append, copy, move, expunge. RFC 9051 6.3.12, 6.4.3-6.4.8."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...status.events import MailboxChanged
from ..flags import DELETED, EVERY_FLAG, SEEN, within
from ..quota import Rule
from ..refusals import NoSuchMailbox
from ..spool import SpooledContent
from ..transaction import Change, Tx, WithContents
from .quotas import need_quota
from .tombstones import forget_tombstones


@dataclass(slots=True, frozen=True)
class NewMessage:
    """internal_date: seconds since the epoch."""

    content: SpooledContent
    flags: int
    keywords: str
    internal_date: int


def append(mailbox_id: int, new: Sequence[NewMessage]) -> Change[tuple[int, list[int]]]:
    """Returns (UIDVALIDITY, the new UIDs). Raises NoSuchMailbox, OverQuota."""

    def change(tx: Tx) -> tuple[int, list[int]]:
        rows = []
        for each in new:
            blob_id = tx.add_blob(each.content, refs=1, prefix=b"", trace_id="")
            rows.append(Placed(blob_id, each.flags, each.keywords, each.internal_date, each.content.size))
        return place(tx, mailbox_id, rows)

    return WithContents(tuple(each.content for each in new), change)


def replace(source_id: int, uid: int, target_id: int, new: NewMessage) -> Change[tuple[int, list[int]] | None]:
    """The message `uid` of the source goes, and `new` comes into the target, in one transaction (RFC 8508). Returns
    (UIDVALIDITY of the target, the new UID), or None, with nothing done, where that message is gone already.
    Raises NoSuchMailbox, OverQuota."""
    add = append(target_id, (new,))

    def change(tx: Tx) -> tuple[int, list[int]] | None:
        # It goes first: what it took is free for the new one.
        return add(tx) if expunge_in(tx, source_id, [uid]) else None

    return WithContents((new.content,), change)


def copy(
    source_id: int, uids: Sequence[int], target_id: int, settable: int = EVERY_FLAG
) -> Change[tuple[int, list[tuple[int, int]]]]:
    """Returns (UIDVALIDITY of the target, [(source UID, target UID)]); UIDs that do not exist are left out. settable: flags
    that may be set in the target; the others are left behind (RFC 4314 4). Raises NoSuchMailbox, OverQuota."""

    def change(tx: Tx) -> tuple[int, list[tuple[int, int]]]:
        return copy_in(tx, source_id, uids, target_id, settable=settable)

    return change


def move(
    source_id: int, uids: Sequence[int], target_id: int, settable: int = EVERY_FLAG
) -> Change[tuple[int, list[tuple[int, int]]]]:
    """As `copy`, and gone from the source in the same transaction. RFC 6851."""

    def change(tx: Tx) -> tuple[int, list[tuple[int, int]]]:
        return move_in(tx, source_id, uids, target_id, settable)

    return change


def expunge(mailbox_id: int, uids: Sequence[int] | None = None) -> Change[list[int]]:
    """Removes the messages flagged \\Deleted – of `uids`, or all. Returns their UIDs."""

    def change(tx: Tx) -> list[int]:
        found = tx.connection.execute(
            "SELECT uid FROM messages WHERE mailbox_id = ? AND flags & ? ORDER BY uid", (mailbox_id, DELETED)
        )
        wanted = None if uids is None else set(uids)
        gone = [uid for (uid,) in found if wanted is None or uid in wanted]
        expunge_in(tx, mailbox_id, gone)
        return gone

    return change


def remove(mailbox_id: int, uids: Sequence[int]) -> Change[list[int]]:
    """Removes messages whatever their flags, as POP3's QUIT does. Returns the UIDs that were there."""

    def change(tx: Tx) -> list[int]:
        return expunge_in(tx, mailbox_id, uids)

    return change


@dataclass(slots=True, frozen=True)
class Placed:
    """A message row to be made, its blob already counted."""

    blob_id: int
    flags: int
    keywords: str
    internal_date: int
    size_octets: int

    def with_only(self, settable: int) -> Placed:
        if settable == EVERY_FLAG:
            return self
        flags, keywords = within(settable, 0, "", self.flags, self.keywords)
        return Placed(self.blob_id, flags, keywords, self.internal_date, self.size_octets)


def place(tx: Tx, mailbox_id: int, new: Sequence[Placed], rule: Rule = Rule.FITS) -> tuple[int, list[int]]:
    """Gives UIDs, counts, and tells. Returns (UIDVALIDITY, UIDs). Raises NoSuchMailbox, also when there is nothing new,
    and OverQuota as `rule` has it."""
    if not new:
        there = tx.connection.execute("SELECT uidvalidity FROM mailboxes WHERE id = ?", (mailbox_id,)).fetchone()
        if there is None:
            raise NoSuchMailbox("")
        return there[0], []
    size_octets = sum(m.size_octets for m in new)
    row = tx.connection.execute(
        "UPDATE mailboxes SET uidnext = uidnext + ?, highest_modseq = highest_modseq + 1, messages = messages + ?,"
        " unseen = unseen + ?, size_octets = size_octets + ? WHERE id = ?"
        " RETURNING account_id, uidvalidity, uidnext, highest_modseq",
        (len(new), len(new), sum(not m.flags & SEEN for m in new), size_octets, mailbox_id),
    ).fetchall()
    if not row:
        raise NoSuchMailbox("")
    account_id, uidvalidity, uidnext, modseq = row[0]
    need_quota(tx, account_id, rule, size_octets, len(new))
    uids = list(range(uidnext - len(new), uidnext))
    now = time.time()
    tx.connection.executemany(
        "INSERT INTO messages (mailbox_id, uid, blob_id, flags, keywords, modseq, internal_date, saved_at, size_octets)"
        " VALUES (?,?,?,?,?,?,?,?,?)",
        [
            (mailbox_id, uid, m.blob_id, m.flags, m.keywords, modseq, m.internal_date, int(now), m.size_octets)
            for uid, m in zip(uids, new, strict=True)
        ],
    )
    tx.tell(MailboxChanged(at=now, account_id=account_id, mailbox_id=mailbox_id, modseq=modseq, appended=tuple(uids)))
    return uidvalidity, uids


def copy_in(
    tx: Tx, source_id: int, uids: Sequence[int], target_id: int, rule: Rule = Rule.FITS, settable: int = EVERY_FLAG
) -> tuple[int, list[tuple[int, int]]]:
    found = [(uid, placed.with_only(settable)) for uid, placed in _rows(tx, source_id, uids)]
    for _, placed in found:
        tx.hold_blob(placed.blob_id)
    uidvalidity, new_uids = place(tx, target_id, [placed for _, placed in found], rule)
    return uidvalidity, list(zip((uid for uid, _ in found), new_uids, strict=True))


def move_in(
    tx: Tx, source_id: int, uids: Sequence[int], target_id: int, settable: int = EVERY_FLAG
) -> tuple[int, list[tuple[int, int]]]:
    # Into Trash everything may go, however full the account is: in all it holds no more than before.
    owners = {
        owner
        for (owner,) in tx.connection.execute(
            "SELECT account_id FROM mailboxes WHERE id IN (?, ?)", (source_id, target_id)
        )
    }
    rule = Rule.NEVER if len(owners) == 1 else Rule.FITS
    uidvalidity, pairs = copy_in(tx, source_id, uids, target_id, rule, settable)
    expunge_in(tx, source_id, [uid for uid, _ in pairs])
    return uidvalidity, pairs


def expunge_in(tx: Tx, mailbox_id: int, uids: Iterable[int]) -> list[int]:
    """Removes the rows, keeps tombstones, counts, lets go of the contents. Returns the UIDs that were there."""
    gone: list[int] = []
    unseen = size_octets = 0
    for uid in uids:
        deleted = tx.connection.execute(
            "DELETE FROM messages WHERE mailbox_id = ? AND uid = ? RETURNING blob_id, flags, size_octets",
            (mailbox_id, uid),
        ).fetchall()
        for blob_id, flags, octets in deleted:
            gone.append(uid)
            unseen += not flags & SEEN
            size_octets += octets
            tx.drop_blob(blob_id)
    if not gone:
        return []
    account_id, modseq = tx.connection.execute(
        "UPDATE mailboxes SET highest_modseq = highest_modseq + 1, messages = messages - ?, unseen = unseen - ?,"
        " size_octets = size_octets - ? WHERE id = ? RETURNING account_id, highest_modseq",
        (len(gone), unseen, size_octets, mailbox_id),
    ).fetchall()[0]
    tx.connection.executemany("INSERT INTO expunged VALUES (?, ?, ?)", [(mailbox_id, modseq, uid) for uid in gone])
    forget_tombstones(tx, mailbox_id, modseq)
    tx.tell(
        MailboxChanged(
            at=time.time(), account_id=account_id, mailbox_id=mailbox_id, modseq=modseq, expunged=tuple(sorted(gone))
        )
    )
    return gone


def _rows(tx: Tx, mailbox_id: int, uids: Sequence[int]) -> list[tuple[int, Placed]]:
    found = []
    for uid in sorted(set(uids)):
        row = tx.connection.execute(
            "SELECT blob_id, flags, keywords, internal_date, size_octets FROM messages WHERE mailbox_id = ? AND uid = ?",
            (mailbox_id, uid),
        ).fetchone()
        if row:
            found.append((uid, Placed(*row)))
    return found
