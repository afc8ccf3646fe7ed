"""The part of mending that is about quotas, what is noted on mailboxes, and who else may use them. See `mend.py`.

Rights may be granted twice but never by mistake: where a row may be an old one, or it is not certain any more whose mailbox
or whose account it names, the right is taken away and named, so that the owner can give it again.
"""

from __future__ import annotations

import sqlite3

from .losses import Lost
from .mend_mailboxes import Mailboxes
from .salvage import Salvage
from .sharing import ANYONE

_ORPHANS = (
    "DELETE FROM quotas WHERE account_id NOT IN (SELECT id FROM accounts)",
    "DELETE FROM annotations WHERE mailbox_id != 0 AND mailbox_id NOT IN (SELECT id FROM mailboxes)",
    "DELETE FROM annotations WHERE account_id != 0 AND account_id NOT IN (SELECT id FROM accounts)",
    "DELETE FROM mailbox_rights WHERE mailbox_id NOT IN (SELECT id FROM mailboxes)",
    "DELETE FROM mailbox_rights WHERE account_id != 0 AND account_id NOT IN (SELECT id FROM accounts)",
    "DELETE FROM mailbox_rights WHERE account_id = (SELECT account_id FROM mailboxes WHERE id = mailbox_id)",
)


def mend_sharing(new: sqlite3.Connection, noticed: Salvage, boxes: Mailboxes) -> None:
    """Once every mailbox has its account."""
    for sql in _ORPHANS:
        new.execute(sql)
    report = boxes.report
    all_uncertain = noticed.log_is_hurt or "mailbox_rights" in noticed.hurt
    for account_id, mailbox_id, rights in new.execute("SELECT * FROM mailbox_rights").fetchall():
        if all_uncertain or mailbox_id in boxes.made_up or account_id in noticed.without_password:
            owner_id, mailbox = new.execute(
                "SELECT account_id, name FROM mailboxes WHERE id = ?", (mailbox_id,)
            ).fetchone()
            whose, who = (
                boxes.address(owner_id),
                "anyone" if account_id == ANYONE else boxes.address(account_id),
            )
            new.execute("DELETE FROM mailbox_rights WHERE account_id = ? AND mailbox_id = ?", (account_id, mailbox_id))
            report.lost.append(Lost(f"what {who} was allowed to do: {rights}", account=whose, mailbox=mailbox))
    if all_uncertain:
        report.notes.append(
            "Mailboxes may have been shared with others: see `merpati share list`, and share them again."
        )
    if "quotas" in noticed.hurt:
        report.notes.append("Quotas of single accounts may be missing: see `merpati account list`.")
    if "annotations" in noticed.hurt:
        report.notes.append("What mail programs noted on mailboxes may be missing.")
