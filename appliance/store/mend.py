"""Makes a consistent store of the rows that were salvaged, and says what could not be had.

In this order: every message has a mailbox, every mailbox an account; every content is read and compared with its digest;
what has no content is lost, and named; what has a content and no mailbox is filed in one called Recovered, if the message
says whose it is; UIDs that are missing are told as expunged; everything is counted again. Each step leaves what the next
ones rely on. Contents in segments stay where they are. A queue row that may be an old one is kept: rather sent twice than
lost. Cost: every content is read once.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from .losses import Lost, MailboxKept, Report
from .mend_contents import Contents
from .mend_mailboxes import Mailboxes
from .mend_sharing import mend_sharing
from .owners import Owners
from .salvage import Salvage

_INDEXES = {  # only while it is being mended: each look-up below would read a whole table without them
    "mending_contents": "messages (blob_id)",
    "mending_uids": "expunged (mailbox_id, uid)",
    "mending_places": "blobs (segment_id, position)",
    "mending_digests": "blobs (digest)",
}


class Mender:
    """recovered_to: the account that gets what nobody is known to own; None: it is exported to `export` as .eml files."""

    def __init__(
        self,
        new: sqlite3.Connection,
        noticed: Salvage,
        *,
        segments: Path,
        scratch: Path,
        export: Path,
        recovered_to: str | None = None,
    ) -> None:
        self._new = new
        self._noticed = noticed
        self.report = Report()
        self._boxes = Mailboxes(new, noticed, self.report, recovered_to)
        self._contents = Contents(
            new, noticed, self.report, self._boxes, segments=segments, scratch=scratch, export=export
        )

    def run(self) -> Report:
        """Raises OSError when a file cannot be exported, sqlite3.Error when the new database cannot be written."""
        for name, where in _INDEXES.items():
            self._new.execute(f"CREATE INDEX {name} ON {where}")
        try:
            self._note_the_tables()
            self._boxes.keep_ids()
            self._contents.give_segments_rows()
            self._boxes.give_accounts()
            self._boxes.owners = Owners(self._new)
            self._boxes.choose_who_gets_the_rest()
            self._boxes.give_messages_mailboxes()
            self._contents.read_all()
            self._contents.drop_what_has_none()
            self._contents.keep_apart()
            self._mend_queue()
            self._contents.look_through_segments()
            self._contents.file_what_is_nowhere()
            self._boxes.tell_missing_uids()
            mend_sharing(self._new, self._noticed, self._boxes)
            self._count()
            self._boxes.date_tombstones_anew()
            self._report()
        finally:
            self._contents.close()
        for name in _INDEXES:
            self._new.execute(f"DROP INDEX {name}")
        return self.report

    def _note_the_tables(self) -> None:
        hurt = self._noticed.hurt
        if self._noticed.log_is_hurt:
            self.report.notes.append(
                "The log of the latest changes was damaged: some of what was done last may be undone, and messages that"
                " were deleted or sent may be back."
            )
        if "administrators" in hurt and not self._boxes.one("SELECT count(*) FROM administrators"):
            self.report.lost.append(Lost("the administrator's password"))
            self.report.to_do.append("Set the administrator's password anew: the page asks for it.")
        if "aliases" in hurt:
            self.report.lost.append(Lost("aliases, perhaps: compare `merpati alias list` with what you remember"))
        if "accounts" in hurt:
            self.report.lost.append(Lost("accounts, perhaps: compare `merpati account list` with what you remember"))
        if "subscriptions" in hurt:
            self.report.notes.append("Which mailboxes mail programs show may have to be chosen again.")
        if hurt & {"queue_messages", "queue_recipients"}:
            self.report.notes.append("The queue was damaged: a message in it may be sent twice.")

    def _mend_queue(self) -> None:
        for id, address in self._new.execute(
            "SELECT id, address FROM queue_recipients WHERE message_id NOT IN (SELECT id FROM queue_messages)"
        ).fetchall():
            self.report.lost.append(Lost(f"a message on its way to {address} cannot be sent: it is gone"))
            self._new.execute("DELETE FROM queue_recipients WHERE id = ?", (id,))
        for id, blob_id, account_id, subject, reverse_path in self._new.execute(
            "SELECT id, blob_id, account_id, subject, reverse_path FROM queue_messages"
            " WHERE id NOT IN (SELECT message_id FROM queue_recipients)"
        ).fetchall():
            self.report.lost.append(
                Lost("whom a message in the queue was to go to", subject=subject, header_from=reverse_path)
            )
            self._new.execute("DELETE FROM queue_messages WHERE id = ?", (id,))
            if self._boxes.one("SELECT count(*) FROM accounts WHERE id = ?", account_id):
                self._contents.file_or_export(blob_id, {account_id})

    def _count(self) -> None:
        run = self._new.execute
        run("DELETE FROM messages WHERE mailbox_id NOT IN (SELECT id FROM mailboxes)")
        run(
            "UPDATE mailboxes SET"
            " uidnext = max(uidnext, 1 + coalesce((SELECT max(uid) FROM messages WHERE mailbox_id = mailboxes.id), 0),"
            "  coalesce((SELECT max(below_uid) FROM unique_id_epochs WHERE mailbox_id = mailboxes.id), 0)),"
            " highest_modseq = max(highest_modseq, coalesce((SELECT max(modseq) FROM messages WHERE mailbox_id = mailboxes.id), 0),"
            "  coalesce((SELECT max(modseq) FROM expunged WHERE mailbox_id = mailboxes.id), 0)),"
            " messages = (SELECT count(*) FROM messages WHERE mailbox_id = mailboxes.id),"
            " unseen = (SELECT count(*) FROM messages WHERE mailbox_id = mailboxes.id AND NOT flags & 1),"
            " size_octets = (SELECT coalesce(sum(size_octets), 0) FROM messages WHERE mailbox_id = mailboxes.id)"
        )
        run("UPDATE mailboxes SET first_recent_uid = min(first_recent_uid, uidnext)")
        run(
            "UPDATE accounts SET last_uidvalidity = max(last_uidvalidity,"
            " coalesce((SELECT max(uidvalidity) FROM mailboxes WHERE account_id = accounts.id), 0))"
        )
        run(
            "UPDATE blobs SET refs = (SELECT count(*) FROM messages WHERE blob_id = blobs.id)"
            " + (SELECT count(*) FROM queue_messages WHERE blob_id = blobs.id)"
        )
        run("UPDATE queue_messages SET account_id = NULL WHERE account_id NOT IN (SELECT id FROM accounts)")
        for name in ("subscriptions", "scram_keys"):
            run(f"DELETE FROM {name} WHERE account_id NOT IN (SELECT id FROM accounts)")
        run("DELETE FROM unique_id_epochs WHERE mailbox_id NOT IN (SELECT id FROM mailboxes)")
        run("INSERT OR IGNORE INTO segments SELECT DISTINCT segment_id, 0, 0 FROM blobs WHERE segment_id IS NOT NULL")
        run(
            "UPDATE segments SET"
            " live_octets = (SELECT coalesce(sum(stored_octets), 0) FROM blobs WHERE segment_id = segments.id AND refs > 0),"
            " used_octets = max(used_octets,"
            "  (SELECT coalesce(max(position + stored_octets), 0) FROM blobs WHERE segment_id = segments.id),"
            "  (SELECT coalesce(max(position + stored_octets), 0) FROM freed WHERE segment_id = segments.id))"
        )
        highest = self._noticed.highest
        if (last := highest.get("blobs", 0)) > self._boxes.one("SELECT coalesce(max(id), 0) FROM blobs"):
            run(
                "INSERT INTO blobs (id, refs, size_octets, digest, trace_id, prefix, structure, stored_octets)"
                " VALUES (?, 0, 0, zeroblob(16), '', x'', x'', 0)",
                (last,),
            )
        for name in ("accounts", "mailboxes", "freed", "queue_messages", "queue_recipients"):
            last = max(highest.get(name, 0), self._boxes.one(f"SELECT coalesce(max(id), 0) FROM {name}"))
            run("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
            run("INSERT INTO sqlite_sequence VALUES (?, ?)", (name, last))

    def _report(self) -> None:
        report = self.report
        report.accounts = self._boxes.one("SELECT count(*) FROM accounts")
        report.aliases = self._boxes.one("SELECT count(*) FROM aliases")
        report.administrators = self._boxes.one("SELECT count(*) FROM administrators")
        report.queued = self._boxes.one("SELECT count(*) FROM queue_recipients")
        report.mailboxes = [
            MailboxKept(address, name, messages, self._boxes.lost_of[id], id in self._boxes.renumbered)
            for id, address, name, messages in self._new.execute(
                "SELECT m.id, address, name, messages FROM mailboxes m JOIN accounts a ON a.id = account_id"
                " ORDER BY address, name"
            )
        ]
