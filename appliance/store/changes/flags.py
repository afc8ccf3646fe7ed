"""Changing flags and keywords. Lazy: nobody is told that a flag is safe. RFC 9051 6.4.6."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ...status.events import MailboxChanged
from ..flags import EVERY_FLAG, SEEN, join_keywords, within
from ..messages import FlagRow
from ..refusals import NoSuchMailbox
from ..transaction import Change, Tx


def store_flags(mailbox_id: int, uids: Sequence[int], mode: str, flags: int, keywords: str) -> Change[list[FlagRow]]:
    """mode: `+`, `-` or `=`. Returns the rows of `uids` as they are now; those that did not change keep their MODSEQ."""
    changed = store_unchanged(mailbox_id, uids, mode, flags, keywords, None)
    return lambda tx: changed(tx)[0]


def store_unchanged(
    mailbox_id: int,
    uids: Sequence[int],
    mode: str,
    flags: int,
    keywords: str,
    since: int | None,
    settable: int = EVERY_FLAG,
) -> Change[tuple[list[FlagRow], list[int]]]:
    """The same for those messages that have not changed after MODSEQ `since`, each judged in the change itself; also
    returns the UIDs of those that have (RFC 7162 3.1.3). settable: no other flags are touched."""

    def change(tx: Tx) -> tuple[list[FlagRow], list[int]]:
        row = tx.connection.execute(
            "SELECT account_id, highest_modseq FROM mailboxes WHERE id = ?", (mailbox_id,)
        ).fetchone()
        if row is None:
            raise NoSuchMailbox("")
        account_id, modseq = row[0], row[1] + 1
        now: list[FlagRow] = []
        changed: list[int] = []
        too_late: list[int] = []
        unseen = 0
        for uid in uids:
            had = tx.connection.execute(
                "SELECT flags, keywords, modseq FROM messages WHERE mailbox_id = ? AND uid = ?", (mailbox_id, uid)
            ).fetchone()
            if had is None:
                continue
            if since is not None and had[2] > since:
                too_late.append(uid)
                continue
            to = _combined(had[0], had[1], mode, flags, keywords)
            to_flags, to_keywords = within(settable, had[0], had[1], *to)
            if (to_flags, to_keywords) == had[:2]:
                now.append((uid, *had))
                continue
            tx.connection.execute(
                "UPDATE messages SET flags = ?, keywords = ?, modseq = ? WHERE mailbox_id = ? AND uid = ?",
                (to_flags, to_keywords, modseq, mailbox_id, uid),
            )
            unseen += bool(had[0] & SEEN) - bool(to_flags & SEEN)
            changed.append(uid)
            now.append((uid, to_flags, to_keywords, modseq))
        if changed:
            tx.connection.execute(
                "UPDATE mailboxes SET highest_modseq = ?, unseen = unseen + ? WHERE id = ?",
                (modseq, unseen, mailbox_id),
            )
            tx.tell(
                MailboxChanged(
                    at=time.time(), account_id=account_id, mailbox_id=mailbox_id, modseq=modseq, flagged=tuple(changed)
                )
            )
        return now, too_late

    return change


def _combined(had: int, had_keywords: str, mode: str, flags: int, keywords: str) -> tuple[int, str]:
    match mode:
        case "+":
            return had | flags, join_keywords([*had_keywords.split(), *keywords.split()])
        case "-":
            gone = {keyword.lower() for keyword in keywords.split()}
            return had & ~flags, join_keywords(k for k in had_keywords.split() if k.lower() not in gone)
        case "=":
            return flags, keywords
    raise ValueError(mode)
