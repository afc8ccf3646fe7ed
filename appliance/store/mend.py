"""Makes a consistent store of the rows that were salvaged, and says what could not be had.

In this order: every message has a mailbox, every mailbox an account; every content is read and compared with its digest;
what has no content is lost, and named; what has a content and no mailbox is filed in one called Recovered, if the message
says whose it is; UIDs that are missing are told as expunged; everything is counted again. Each step leaves what the next
ones rely on. Contents in segments stay where they are. A queue row that may be an old one is kept: rather sent twice than
lost. Cost: every content is read once.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any

from ..mime.structure import encode
from .changes.mailboxes import FIRST_MAILBOXES
from .losses import Lost, MailboxKept, Report
from .lost_contents import Read, contents, frames
from .mailboxes import INBOX
from .owners import Owners, addressed_to, named, structure_of
from .salvage import NO_PASSWORD, Salvage
from .segments import Segments, sync_folder
from .spool import DIGEST_OCTETS, Spool, SpooledContent

RECOVERED = "Recovered"
UIDS_NAMED_MOST = 2000  # missing UIDs of one mailbox that are told one by one
_IN_PIECES = b"X-Merpati-Recovered: a part of this message was lost when the card was damaged\r\n"
_AGAIN = b"X-Merpati-Recovered: from a damaged store; its flags and its mailbox are not known\r\n"


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
        self._segments = Segments(segments)
        self._folder = segments
        self._scratch = scratch
        self._export = export
        self._recovered_to = recovered_to
        self._now = int(time.time())
        self._fds: dict[int, int] = {}
        self._lost_of: Counter[int] = Counter()  # by mailbox
        self._renumbered: set[int] = set()
        self.report = Report()

    def run(self) -> Report:
        """Raises OSError when a file cannot be exported, sqlite3.Error when the new database cannot be written."""
        try:
            self._note_the_tables()
            self._keep_ids()
            self._give_segments_rows()
            self._give_mailboxes_accounts()
            self._owners = Owners(self._new)
            self._choose_who_gets_the_rest()
            self._give_messages_mailboxes()
            self._read_contents()
            self._drop_what_has_no_content()
            self._keep_contents_apart()
            self._mend_queue()
            self._look_through_segments()
            self._file_what_is_nowhere()
            self._tell_missing_uids()
            self._count()
            self._report()
        finally:
            for fd in self._fds.values():
                os.close(fd)
        return self.report

    # -- accounts and mailboxes

    def _keep_ids(self) -> None:
        """No id is given anew that something refers to."""
        for name, used_by in (
            ("accounts", "SELECT max(account_id) FROM mailboxes"),
            ("mailboxes", "SELECT max(mailbox_id) FROM messages"),
        ):
            last = max(self._noticed.highest.get(name, 0), self._one(used_by) or 0)
            self._new.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
            self._new.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (name, last))
            self._noticed.highest[name] = last

    def _note_the_tables(self) -> None:
        hurt = self._noticed.hurt
        if self._noticed.log_is_hurt:
            self.report.notes.append(
                "The log of the latest changes was damaged: some of what was done last may be undone, and messages that"
                " were deleted or sent may be back."
            )
        if "administrators" in hurt and not self._one("SELECT count(*) FROM administrators"):
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

    def _give_mailboxes_accounts(self) -> None:
        for (account_id,) in self._new.execute(
            "SELECT DISTINCT account_id FROM mailboxes WHERE account_id NOT IN (SELECT id FROM accounts)"
        ).fetchall():
            address = self._address_of(account_id)
            self._new.execute(
                "INSERT INTO accounts (id, address, password_hash, created_at) VALUES (?, ?, ?, ?)",
                (account_id, address, NO_PASSWORD, self._now),
            )
            self._noticed.without_password.add(account_id)
            self.report.lost.append(Lost("the account's own row; its name may be another one", account=address))
        for account_id in sorted(self._noticed.without_password):
            address = self._address(account_id)
            self.report.lost.append(Lost("the password", account=address))
            self.report.to_do.append(f"Set a password: merpati account passwd {address}")
        for (account_id,) in self._new.execute("SELECT id FROM accounts ORDER BY id").fetchall():
            highest = self._one("SELECT max(uidvalidity) FROM mailboxes WHERE account_id = ?", account_id) or 0
            self._new.execute(
                "UPDATE accounts SET last_uidvalidity = max(last_uidvalidity, ?) WHERE id = ?", (highest, account_id)
            )
            names = {
                name for (name,) in self._new.execute("SELECT name FROM mailboxes WHERE account_id = ?", (account_id,))
            }
            if INBOX not in names:
                for name, special_use in FIRST_MAILBOXES:
                    if name not in names:
                        self._mailbox(account_id, name, special_use)
        for (mailbox_id,) in self._new.execute("SELECT id FROM mailboxes").fetchall():
            if mailbox_id in self._noticed.uncertain_mailboxes:
                self._renumber(mailbox_id)

    def _address_of(self, account_id: int) -> str:
        """What most of the mail in its INBOX was addressed to, else a made-up one."""
        seen: Counter[str] = Counter()
        for (prefix,) in self._new.execute(
            "SELECT b.prefix FROM messages JOIN mailboxes x ON x.id = mailbox_id JOIN blobs b ON b.id = blob_id"
            " WHERE account_id = ? AND name = 'INBOX'",
            (account_id,),
        ):
            if (address := addressed_to(prefix)) is not None:
                seen[address] += 1
        for address, _ in seen.most_common():
            if not self._one(
                "SELECT (SELECT count(*) FROM accounts WHERE address = ?1) + (SELECT count(*) FROM aliases WHERE address = ?1)",
                address,
            ):
                return address
        domain = (
            self._one("SELECT substr(address, instr(address, '@') + 1) FROM accounts LIMIT 1") or "recovered.invalid"
        )
        return f"recovered-{account_id}@{domain}"

    def _account_for(self, mailbox_id: int) -> int | None:
        """A new one, for whom the messages of a mailbox were addressed to, if they name one."""
        seen: Counter[str] = Counter()
        for (prefix,) in self._new.execute(
            "SELECT prefix FROM messages JOIN blobs ON id = blob_id WHERE mailbox_id = ?", (mailbox_id,)
        ):
            if (named_by_us := addressed_to(prefix)) is not None:
                seen[named_by_us] += 1
        if not seen:
            return None
        address = seen.most_common(1)[0][0]
        self._new.execute(
            "INSERT INTO accounts (address, password_hash, created_at) VALUES (?, ?, ?)",
            (address, NO_PASSWORD, self._now),
        )
        account_id = int(self._one("SELECT id FROM accounts WHERE address = ?", address))
        for name, special_use in FIRST_MAILBOXES:
            self._mailbox(account_id, name, special_use)
        self._owners = Owners(self._new)
        self.report.lost.append(Lost("the account's own row and its password", account=address))
        self.report.to_do.append(f"Set a password: merpati account passwd {address}")
        return account_id

    def _choose_who_gets_the_rest(self) -> None:
        self._rest: int | None = None
        if self._recovered_to is not None:
            self._rest = self._one("SELECT id FROM accounts WHERE address = ?", self._recovered_to)
            if self._rest is None:
                self.report.notes.append(f"There is no account {self._recovered_to}, so its share was exported.")

    def _give_messages_mailboxes(self) -> None:
        """Those of a mailbox that is not known go together into a new one of the same id, if they say whose they are."""
        for (mailbox_id,) in self._new.execute(
            "SELECT DISTINCT mailbox_id FROM messages WHERE mailbox_id NOT IN (SELECT id FROM mailboxes)"
        ).fetchall():
            seen: Counter[int] = Counter()
            for prefix, structure in self._new.execute(
                "SELECT prefix, structure FROM messages JOIN blobs ON id = blob_id WHERE mailbox_id = ?", (mailbox_id,)
            ):
                seen.update(self._owners.of(prefix, structure_of(structure)))
            account_id = seen.most_common(1)[0][0] if seen else self._rest
            if account_id is None and "accounts" in self._noticed.hurt:
                account_id = self._account_for(mailbox_id)
            if account_id is None:  # each alone then, from its content
                self._new.execute("DELETE FROM messages WHERE mailbox_id = ?", (mailbox_id,))
                continue
            name = f"{RECOVERED} {mailbox_id}"
            self._mailbox(account_id, name, None, mailbox_id)
            self._renumbered.add(mailbox_id)
            self.report.lost.append(Lost("the name of a mailbox", account=self._address(account_id), mailbox=name))
        self._new.execute("DELETE FROM expunged WHERE mailbox_id NOT IN (SELECT id FROM mailboxes)")
        # A UID that was expunged is never given again: a row from an old page that has one is out of date.
        gone = "SELECT 1 FROM {} o WHERE o.mailbox_id = {}.mailbox_id AND o.uid = {}.uid"
        self._new.execute(
            "DELETE FROM messages WHERE EXISTS (" + gone.format("uncertain", "messages", "messages") + ")"
            " AND EXISTS (" + gone.format("expunged", "messages", "messages") + ")"
        )
        self._new.execute("DELETE FROM expunged WHERE EXISTS (" + gone.format("messages", "expunged", "expunged") + ")")

    def _mailbox(self, account_id: int, name: str, special_use: str | None, id: int | None = None) -> int:
        made = self._new.execute(
            "INSERT INTO mailboxes (id, account_id, name, uidvalidity, special_use) VALUES (?, ?, ?, ?, ?)",
            (id, account_id, name, self._next_uidvalidity(account_id), special_use),
        ).lastrowid
        assert made is not None
        self._new.execute("INSERT OR IGNORE INTO subscriptions VALUES (?, ?)", (account_id, name))
        return made

    def _renumber(self, mailbox_id: int) -> None:
        account_id = self._one("SELECT account_id FROM mailboxes WHERE id = ?", mailbox_id)
        self._new.execute(
            "UPDATE mailboxes SET uidvalidity = ? WHERE id = ?", (self._next_uidvalidity(account_id), mailbox_id)
        )
        self._renumbered.add(mailbox_id)

    def _next_uidvalidity(self, account_id: int) -> int:
        last = self._one("SELECT last_uidvalidity FROM accounts WHERE id = ?", account_id)
        value = max(self._now, last + 1)
        if value >= 1 << 32:  # a damaged one; this one is not higher, but another
            value = self._now
        self._new.execute("UPDATE accounts SET last_uidvalidity = ? WHERE id = ?", (value, account_id))
        return int(value)

    # -- contents

    def _give_segments_rows(self) -> None:
        """A file without a row is free to be written over, unless rows may be missing."""
        if not ({"segments", "blobs"} & self._noticed.hurt or self._noticed.log_is_hurt):
            return
        for path in self._folder.glob("*.seg"):
            if path.stem.isdecimal():
                self._new.execute(
                    "INSERT OR IGNORE INTO segments VALUES (?, ?, 0)", (int(path.stem), path.stat().st_size)
                )

    def _read_contents(self) -> None:
        """Drops those that are not what was stored, with all that refers to them; what is left of one is filed."""
        highest = self._one("SELECT coalesce(max(id), 0) FROM blobs")
        for (blob_id,) in self._new.execute("SELECT id FROM blobs ORDER BY id").fetchall():
            if blob_id > highest:
                break  # one of ours
            refs, digest, prefix, structure, segment_id, position, stored_octets, data = self._new.execute(
                "SELECT refs, digest, prefix, structure, segment_id, position, stored_octets, data FROM blobs WHERE id = ?",
                (blob_id,),
            ).fetchone()
            if data is None and segment_id is None and not stored_octets and not refs:
                continue  # an emptied row
            read, start = self._reader(segment_id, data), 0 if segment_id is None else position
            end = start + (len(data) if data is not None else stored_octets)
            seen, octets = blake2b(digest_size=DIGEST_OCTETS), 0
            for frame in frames(read, start, end):
                seen.update(frame.octets)
                octets += len(frame.octets)
            if seen.digest() != digest or (segment_id is not None and data is not None):
                self._drop_content(blob_id, prefix, structure, read, start, end)
                continue
            if structure_of(structure) is None:
                spooled = self._spool(frame.octets for frame in frames(read, start, end))
                structure = encode(spooled.structure)
                spooled.discard()
            self._new.execute(
                "UPDATE blobs SET size_octets = ?, structure = ?, stored_octets = ? WHERE id = ?",
                (octets, structure, end - start, blob_id),
            )

    def _reader(self, segment_id: int | None, data: bytes | None) -> Read:
        if segment_id is None:
            kept = data or b""
            return lambda position, octets: kept[position : position + octets]
        if segment_id not in self._fds:
            try:
                self._fds[segment_id] = os.open(self._segments.path(segment_id), os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                return lambda position, octets: b""
        fd = self._fds[segment_id]

        def read(position: int, octets: int) -> bytes:
            try:
                return os.pread(fd, octets, position)
            except (OSError, ValueError, OverflowError):
                return b""

        return read

    def _drop_content(self, blob_id: int, prefix: bytes, encoded: bytes, read: Read, start: int, end: int) -> None:
        structure = structure_of(encoded)
        subject, header_from = named(structure)
        found = frames(read, start, end)
        first = next(found, None)
        remains = None
        if first is not None:
            begins = first.position == start
            header = b"" if begins else b"Subject: A part of a damaged message\r\n\r\n"
            remains = self._spool(chain((header, first.octets), (frame.octets for frame in found)))
            if begins and structure is None:
                subject, header_from = named(remains.structure)
        holders = self._accounts_with(blob_id)
        self._lose_messages(blob_id, "the content is damaged", subject, header_from)
        self._new.execute("DELETE FROM blobs WHERE id = ?", (blob_id,))
        if remains is None:
            return
        new_id = self._insert_blob(remains, prefix + _IN_PIECES)
        owners = holders or self._owners.of(prefix, structure) or self._owners.of(b"", remains.structure)
        self._file_or_export(new_id, owners)
        remains.discard()

    def _drop_what_has_no_content(self) -> None:
        for table in ("messages", "queue_messages"):
            for (blob_id,) in self._new.execute(
                f"SELECT DISTINCT blob_id FROM {table} WHERE blob_id NOT IN"
                " (SELECT id FROM blobs WHERE data IS NOT NULL OR segment_id IS NOT NULL)"
            ).fetchall():
                self._lose_messages(blob_id, "the content is gone")
        self._new.execute(
            "UPDATE messages SET size_octets = (SELECT b.size_octets + length(prefix) FROM blobs b WHERE b.id = blob_id)"
        )

    def _lose_messages(self, blob_id: int, what: str, subject: str = "", header_from: str = "") -> None:
        for mailbox_id, uid in self._new.execute(
            "SELECT mailbox_id, uid FROM messages WHERE blob_id = ?", (blob_id,)
        ).fetchall():
            account_id, name = self._new.execute(
                "SELECT account_id, name FROM mailboxes WHERE id = ?", (mailbox_id,)
            ).fetchone()
            self.report.lost.append(Lost(what, self._address(account_id), name, uid, subject, header_from))
            self._lost_of[mailbox_id] += 1
            self._expunge(mailbox_id, uid)
        for id, queued_subject, reverse_path in self._new.execute(
            "SELECT id, subject, reverse_path FROM queue_messages WHERE blob_id = ?", (blob_id,)
        ).fetchall():
            for (address,) in self._new.execute("SELECT address FROM queue_recipients WHERE message_id = ?", (id,)):
                sentence = f"a message on its way to {address} cannot be sent: {what}"
                self.report.lost.append(Lost(sentence, subject=queued_subject, header_from=header_from or reverse_path))
            self._new.execute("DELETE FROM queue_recipients WHERE message_id = ?", (id,))
            self._new.execute("DELETE FROM queue_messages WHERE id = ?", (id,))

    def _expunge(self, mailbox_id: int, uid: int) -> None:
        self._new.execute("DELETE FROM messages WHERE mailbox_id = ? AND uid = ?", (mailbox_id, uid))
        (modseq,) = self._new.execute(
            "UPDATE mailboxes SET highest_modseq = 1 + max(highest_modseq,"
            " coalesce((SELECT max(modseq) FROM messages WHERE mailbox_id = id), 0)) WHERE id = ? RETURNING highest_modseq",
            (mailbox_id,),
        ).fetchall()[0]
        self._new.execute("INSERT INTO expunged VALUES (?, ?, ?)", (mailbox_id, modseq, uid))

    def _keep_contents_apart(self) -> None:
        """Two rows for one place say the same, or their digests would not: all that refers to one now refers to the other."""
        pairs = self._new.execute(
            "SELECT a.id, b.id FROM blobs a JOIN blobs b ON a.segment_id = b.segment_id AND a.id < b.id"
            " WHERE a.position < b.position + b.stored_octets AND b.position < a.position + a.stored_octets"
        ).fetchall()
        for kept, other in pairs:
            for table in ("messages", "queue_messages"):
                self._new.execute(f"UPDATE {table} SET blob_id = ? WHERE blob_id = ?", (kept, other))
            self._new.execute("DELETE FROM blobs WHERE id = ?", (other,))
        self._new.execute(
            "DELETE FROM freed WHERE segment_id NOT IN (SELECT id FROM segments) OR EXISTS (SELECT 1 FROM blobs b"
            " WHERE b.segment_id = freed.segment_id AND b.position < freed.position + freed.stored_octets"
            " AND freed.position < b.position + b.stored_octets)"
        )

    def _look_through_segments(self) -> None:
        """For contents whose row is gone: in all that no row speaks of."""
        if "blobs" not in self._noticed.hurt and not self._noticed.log_is_hurt:
            return
        for segment_id, used in self._new.execute("SELECT id, used_octets FROM segments ORDER BY id").fetchall():
            size = self._size_of(segment_id)
            if size is None:
                continue
            taken = self._new.execute(
                "SELECT position, position + stored_octets FROM blobs WHERE segment_id = ?1"
                " UNION ALL SELECT position, position + stored_octets FROM freed WHERE segment_id = ?1 ORDER BY 1",
                (segment_id,),
            ).fetchall()
            at = 0
            for start, end in [*taken, (min(size, used), size)]:
                if start > at:
                    self._take_from_segment(segment_id, at, start)
                at = max(at, end)

    def _take_from_segment(self, segment_id: int, start: int, end: int) -> None:
        read = self._reader(segment_id, None)
        for found in contents(read, start, end):
            stop = found.position + found.stored_octets
            spooled = self._spool(frame.octets for frame in frames(read, found.position, stop))
            try:
                if self._one("SELECT count(*) FROM blobs WHERE digest = ?", spooled.digest):
                    continue  # the same content is kept elsewhere
                owners = self._owners.of(b"", spooled.structure) if found.whole else set()
                if not owners and (self._rest is None or not found.whole):
                    self._write_out(b"", spooled)
                    continue
                self._file_or_export(self._insert_blob(spooled, _AGAIN, (segment_id, found.position)), owners)
            finally:
                spooled.discard()

    def _file_what_is_nowhere(self) -> None:
        for blob_id, prefix, structure in self._new.execute(
            "SELECT id, prefix, structure FROM blobs WHERE (data IS NOT NULL OR segment_id IS NOT NULL)"
            " AND id NOT IN (SELECT blob_id FROM messages) AND id NOT IN (SELECT blob_id FROM queue_messages)"
        ).fetchall():
            self._file_or_export(blob_id, self._owners.of(prefix, structure_of(structure)))
        if "messages" not in self._noticed.hurt and not self._noticed.log_is_hurt:
            return
        # What goes out again, as a forward does, and came in for somebody here besides.
        for blob_id, prefix in self._new.execute(
            "SELECT id, prefix FROM blobs WHERE id NOT IN (SELECT blob_id FROM messages)"
            " AND id IN (SELECT blob_id FROM queue_messages)"
        ).fetchall():
            if addressed_to(prefix) is not None and (owners := self._owners.of(prefix, None)):
                self._file_or_export(blob_id, owners)

    def _file_or_export(self, blob_id: int, owners: set[int]) -> None:
        if not owners and self._rest is not None:
            owners = {self._rest}
        for account_id in sorted(owners):
            mailbox_id = self._one("SELECT id FROM mailboxes WHERE account_id = ? AND name = ?", account_id, RECOVERED)
            if mailbox_id is None:
                mailbox_id = self._mailbox(account_id, RECOVERED, None)
            self._new.execute(
                "INSERT INTO messages (mailbox_id, uid, blob_id, flags, modseq, internal_date, saved_at, size_octets)"
                " SELECT x.id, max(uidnext, 1 + coalesce((SELECT max(uid) FROM messages WHERE mailbox_id = x.id), 0)),"
                " b.id, 0, highest_modseq + 1, ?1, ?1, b.size_octets + length(prefix)"
                " FROM mailboxes x, blobs b WHERE x.id = ?2 AND b.id = ?3",
                (self._now, mailbox_id, blob_id),
            )
            self._new.execute(
                "UPDATE mailboxes SET highest_modseq = highest_modseq + 1, uidnext ="
                " 1 + (SELECT max(uid) FROM messages WHERE mailbox_id = id) WHERE id = ?",
                (mailbox_id,),
            )
            self.report.recovered += 1
        if not owners:
            prefix, segment_id, position, stored_octets, data = self._new.execute(
                "SELECT prefix, segment_id, position, stored_octets, data FROM blobs WHERE id = ?", (blob_id,)
            ).fetchone()
            start = 0 if segment_id is None else position
            read = self._reader(segment_id, data)
            spooled = self._spool(frame.octets for frame in frames(read, start, start + stored_octets))
            self._write_out(prefix, spooled)
            spooled.discard()
            self._new.execute("DELETE FROM blobs WHERE id = ?", (blob_id,))

    def _write_out(self, prefix: bytes, content: SpooledContent) -> None:
        """Under a name that the same content gets again, should the repair be begun anew. Raises OSError."""
        if not self._export.exists():
            self._export.mkdir(mode=0o700)
            sync_folder(self._export.parent)
        path = self._export / f"{content.digest.hex()}.eml"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.write(prefix)
            for piece in content.pieces():
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self._export)
        self.report.exported.append(str(path))

    def _insert_blob(self, content: SpooledContent, prefix: bytes, place: tuple[int, int] | None = None) -> int:
        """place: segment and position, where it lies there already."""
        blob_id: int = 1 + max(
            self._one("SELECT coalesce(max(id), 0) FROM blobs"), self._noticed.highest.get("blobs", 0)
        )
        self._noticed.highest["blobs"] = blob_id
        segment_id, position = place or (None, 0)
        self._new.execute(
            "INSERT INTO blobs (id, refs, size_octets, digest, trace_id, prefix, structure, segment_id, position,"
            " stored_octets, data) VALUES (?, 0, ?, ?, '', ?, ?, ?, ?, ?, ?)",
            (
                blob_id,
                content.size,
                content.digest,
                prefix,
                encode(content.structure),
                segment_id,
                position,
                content.stored_octets,
                content.read(0, content.stored_octets) if place is None else None,
            ),
        )
        return blob_id

    def _spool(self, pieces: Iterable[bytes]) -> SpooledContent:
        spool = Spool(self._scratch)
        for piece in pieces:
            spool.write(piece)
        return spool.finish()

    # -- the queue

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
            if self._one("SELECT count(*) FROM accounts WHERE id = ?", account_id):
                self._file_or_export(blob_id, {account_id})

    # -- at the end

    def _tell_missing_uids(self) -> None:
        """A mailbox says how many messages it had and which UIDs it gave: what is missing is told to mail programs as
        expunged."""
        if "messages" not in self._noticed.hurt and not self._noticed.log_is_hurt:
            return
        for mailbox_id, account_id, name, uidnext, had in self._new.execute(
            "SELECT id, account_id, name, uidnext, messages FROM mailboxes ORDER BY id"
        ).fetchall():
            there = {
                uid for (uid,) in self._new.execute("SELECT uid FROM messages WHERE mailbox_id = ?", (mailbox_id,))
            }
            missing = had - len(there) - self._lost_of[mailbox_id]
            if missing <= 0:
                continue
            known = there | {
                uid for (uid,) in self._new.execute("SELECT uid FROM expunged WHERE mailbox_id = ?", (mailbox_id,))
            }
            address = self._address(account_id)
            self._lost_of[mailbox_id] += missing
            if uidnext - 1 - len(known) > UIDS_NAMED_MOST + missing:  # mail programs shall look for themselves
                self.report.lost.append(Lost(f"{missing} messages", address, name))
                self._renumber(mailbox_id)
                continue
            gaps = [uid for uid in range(1, uidnext) if uid not in known]
            what = "the message is gone" if len(gaps) <= missing else "the message is gone, or was deleted before"
            for uid in gaps:
                self.report.lost.append(Lost(what, address, name, uid))
                self._expunge(mailbox_id, uid)

    def _count(self) -> None:
        run = self._new.execute
        run("DELETE FROM messages WHERE mailbox_id NOT IN (SELECT id FROM mailboxes)")
        run(
            "UPDATE mailboxes SET"
            " uidnext = max(uidnext, 1 + coalesce((SELECT max(uid) FROM messages WHERE mailbox_id = mailboxes.id), 0)),"
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
        run("DELETE FROM subscriptions WHERE account_id NOT IN (SELECT id FROM accounts)")
        run("INSERT OR IGNORE INTO segments SELECT DISTINCT segment_id, 0, 0 FROM blobs WHERE segment_id IS NOT NULL")
        run(
            "UPDATE segments SET"
            " live_octets = (SELECT coalesce(sum(stored_octets), 0) FROM blobs WHERE segment_id = segments.id AND refs > 0),"
            " used_octets = max(used_octets,"
            "  (SELECT coalesce(max(position + stored_octets), 0) FROM blobs WHERE segment_id = segments.id),"
            "  (SELECT coalesce(max(position + stored_octets), 0) FROM freed WHERE segment_id = segments.id))"
        )
        highest = self._noticed.highest
        if (last := highest.get("blobs", 0)) > self._one("SELECT coalesce(max(id), 0) FROM blobs"):
            run(
                "INSERT INTO blobs (id, refs, size_octets, digest, trace_id, prefix, structure, stored_octets)"
                " VALUES (?, 0, 0, zeroblob(16), '', x'', x'', 0)",
                (last,),
            )
        for name in ("accounts", "mailboxes", "freed", "queue_messages", "queue_recipients"):
            last = max(highest.get(name, 0), self._one(f"SELECT coalesce(max(id), 0) FROM {name}"))
            run("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
            run("INSERT INTO sqlite_sequence VALUES (?, ?)", (name, last))

    def _report(self) -> None:
        report = self.report
        report.accounts = self._one("SELECT count(*) FROM accounts")
        report.aliases = self._one("SELECT count(*) FROM aliases")
        report.administrators = self._one("SELECT count(*) FROM administrators")
        report.queued = self._one("SELECT count(*) FROM queue_recipients")
        report.mailboxes = [
            MailboxKept(address, name, messages, self._lost_of[id], id in self._renumbered)
            for id, address, name, messages in self._new.execute(
                "SELECT m.id, address, name, messages FROM mailboxes m JOIN accounts a ON a.id = account_id"
                " ORDER BY address, name"
            )
        ]

    def _accounts_with(self, blob_id: int) -> set[int]:
        return {
            account_id
            for (account_id,) in self._new.execute(
                "SELECT account_id FROM messages JOIN mailboxes ON id = mailbox_id WHERE blob_id = ?", (blob_id,)
            )
        }

    def _address(self, account_id: int) -> str:
        return str(self._one("SELECT address FROM accounts WHERE id = ?", account_id))

    def _size_of(self, segment_id: int) -> int | None:
        try:
            return self._segments.path(segment_id).stat().st_size
        except OSError:
            return None

    def _one(self, sql: str, *values: object) -> Any:
        """The first column of the first row; None where there is no row."""
        row = self._new.execute(sql, values).fetchone()
        return row[0] if row is not None else None
