"""The part of mending that is about contents: each is read and compared with its digest, what is damaged is dropped and
named, what is nowhere is filed with its owner or written to a file. See `mend.py`."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from hashlib import blake2b
from itertools import chain
from pathlib import Path

from ..mime.encoded_words import encode as encode_text
from ..mime.structure import encode
from .card_calls import read_beside_damage
from .losses import Lost, Report
from .lost_contents import Read, contents, frames
from .mend_mailboxes import RECOVERED, Mailboxes
from .owners import addressed_to, named, structure_of
from .salvage import Salvage
from .segments import Segments, sync_folder
from .spool import DIGEST_OCTETS, Spool, SpooledContent

_IN_PIECES = b"X-Merpati-Recovered: a part of this message was lost when the card was damaged\r\n"
_AGAIN = b"X-Merpati-Recovered: from a damaged store; its flags and its mailbox are not known\r\n"


class Contents:
    """segments: the folder they lie in; scratch: for spools; export: the folder for what nobody owns."""

    def __init__(
        self,
        new: sqlite3.Connection,
        noticed: Salvage,
        report: Report,
        boxes: Mailboxes,
        *,
        segments: Path,
        scratch: Path,
        export: Path,
    ) -> None:
        self._new = new
        self._noticed = noticed
        self._boxes = boxes
        self._segments = Segments(segments)
        self._folder = segments
        self._scratch = scratch
        self._export = export
        self._fds: dict[int, int] = {}
        self.report = report

    def close(self) -> None:
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()

    def give_segments_rows(self) -> None:
        """A file without a row is free to be written over, unless rows may be missing."""
        if not ({"segments", "blobs"} & self._noticed.hurt or self._noticed.log_is_hurt):
            return
        for path in self._folder.glob("*.seg"):
            if path.stem.isdecimal():
                self._new.execute(
                    "INSERT OR IGNORE INTO segments VALUES (?, ?, 0)", (int(path.stem), path.stat().st_size)
                )

    def read_all(self) -> None:
        """Drops those that are not what was stored, with all that refers to them; what is left of one is filed."""
        highest = self._boxes.one("SELECT coalesce(max(id), 0) FROM blobs")
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

    def drop_what_has_none(self) -> None:
        for table in ("messages", "queue_messages"):
            for (blob_id,) in self._new.execute(
                f"SELECT DISTINCT blob_id FROM {table} WHERE blob_id NOT IN"
                " (SELECT id FROM blobs WHERE data IS NOT NULL OR segment_id IS NOT NULL)"
            ).fetchall():
                self._lose_messages(blob_id, "the content is gone")
        self._new.execute(
            "UPDATE messages SET size_octets = (SELECT b.size_octets + length(prefix) FROM blobs b WHERE b.id = blob_id)"
        )

    def keep_apart(self) -> None:
        """Two rows for one place say the same, or their digests would not: all that refers to one now refers to the other."""
        kept = segment = end = 0
        for blob_id, segment_id, position, stored_octets in self._new.execute(
            "SELECT id, segment_id, position, stored_octets FROM blobs WHERE segment_id IS NOT NULL"
            " ORDER BY segment_id, position, id"
        ).fetchall():
            if segment_id == segment and position < end:
                for table in ("messages", "queue_messages"):
                    self._new.execute(f"UPDATE {table} SET blob_id = ? WHERE blob_id = ?", (kept, blob_id))
                self._new.execute("DELETE FROM blobs WHERE id = ?", (blob_id,))
            else:
                kept, segment, end = blob_id, segment_id, position + stored_octets
        self._new.execute(
            "DELETE FROM freed WHERE segment_id NOT IN (SELECT id FROM segments) OR EXISTS (SELECT 1 FROM blobs b"
            " WHERE b.segment_id = freed.segment_id AND b.position < freed.position + freed.stored_octets"
            " AND freed.position < b.position + b.stored_octets)"
        )

    def look_through_segments(self) -> None:
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

    def file_what_is_nowhere(self) -> None:
        for blob_id, prefix, structure in self._new.execute(
            "SELECT id, prefix, structure FROM blobs WHERE (data IS NOT NULL OR segment_id IS NOT NULL)"
            " AND id NOT IN (SELECT blob_id FROM messages) AND id NOT IN (SELECT blob_id FROM queue_messages)"
        ).fetchall():
            self.file_or_export(blob_id, self._boxes.owners.of(prefix, structure_of(structure)))
        if "messages" not in self._noticed.hurt and not self._noticed.log_is_hurt:
            return
        # What goes out again, as a forward does, and came in for somebody here besides.
        for blob_id, prefix in self._new.execute(
            "SELECT id, prefix FROM blobs WHERE id NOT IN (SELECT blob_id FROM messages)"
            " AND id IN (SELECT blob_id FROM queue_messages)"
        ).fetchall():
            if addressed_to(prefix) is not None and (owners := self._boxes.owners.of(prefix, None)):
                self.file_or_export(blob_id, owners)

    def file_or_export(self, blob_id: int, owners: set[int]) -> None:
        if not owners and self._boxes.rest is not None:
            owners = {self._boxes.rest}
        for account_id in sorted(owners):
            mailbox_id = self._boxes.one(
                "SELECT id FROM mailboxes WHERE account_id = ? AND name = ?", account_id, RECOVERED
            )
            if mailbox_id is None:
                mailbox_id = self._boxes.make(account_id, RECOVERED, None)
            self._new.execute(
                "INSERT INTO messages (mailbox_id, uid, blob_id, flags, modseq, internal_date, saved_at, size_octets)"
                " SELECT x.id, max(uidnext, 1 + coalesce((SELECT max(uid) FROM messages WHERE mailbox_id = x.id), 0)),"
                " b.id, 0, highest_modseq + 1, ?1, ?1, b.size_octets + length(prefix)"
                " FROM mailboxes x, blobs b WHERE x.id = ?2 AND b.id = ?3",
                (self._boxes.now, mailbox_id, blob_id),
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

    def _drop_content(self, blob_id: int, prefix: bytes, encoded: bytes, read: Read, start: int, end: int) -> None:
        structure = structure_of(encoded)
        subject, header_from = named(structure)
        found = frames(read, start, end)
        first = next(found, None)
        remains = None
        if first is not None:
            begins = first.position == start
            header = b"" if begins else _header(subject, header_from)
            remains = self._spool(chain((header, first.octets), (frame.octets for frame in found)))
            if begins and structure is None:
                subject, header_from = named(remains.structure)
        holders = self._boxes.accounts_with(blob_id)
        self._lose_messages(blob_id, "the content is damaged", subject, header_from)
        self._new.execute("DELETE FROM blobs WHERE id = ?", (blob_id,))
        if remains is None:
            return
        new_id = self._insert_blob(remains, prefix + _IN_PIECES)
        owners = holders or self._boxes.owners.of(prefix, structure) or self._boxes.owners.of(b"", remains.structure)
        self.file_or_export(new_id, owners)
        remains.discard()

    def _lose_messages(self, blob_id: int, what: str, subject: str = "", header_from: str = "") -> None:
        for mailbox_id, uid in self._new.execute(
            "SELECT mailbox_id, uid FROM messages WHERE blob_id = ?", (blob_id,)
        ).fetchall():
            account_id, name = self._new.execute(
                "SELECT account_id, name FROM mailboxes WHERE id = ?", (mailbox_id,)
            ).fetchone()
            self.report.lost.append(Lost(what, self._boxes.address(account_id), name, uid, subject, header_from))
            self._boxes.lost_of[mailbox_id] += 1
            self._boxes.expunge(mailbox_id, uid)
        for id, queued_subject, reverse_path in self._new.execute(
            "SELECT id, subject, reverse_path FROM queue_messages WHERE blob_id = ?", (blob_id,)
        ).fetchall():
            for (address,) in self._new.execute("SELECT address FROM queue_recipients WHERE message_id = ?", (id,)):
                sentence = f"a message on its way to {address} cannot be sent: {what}"
                self.report.lost.append(Lost(sentence, subject=queued_subject, header_from=header_from or reverse_path))
            self._new.execute("DELETE FROM queue_recipients WHERE message_id = ?", (id,))
            self._new.execute("DELETE FROM queue_messages WHERE id = ?", (id,))

    def _take_from_segment(self, segment_id: int, start: int, end: int) -> None:
        read = self._reader(segment_id, None)
        for found in contents(read, start, end):
            stop = found.position + found.stored_octets
            spooled = self._spool(frame.octets for frame in frames(read, found.position, stop))
            try:
                if self._boxes.one("SELECT count(*) FROM blobs WHERE digest = ?", spooled.digest):
                    continue  # the same content is kept elsewhere
                owners = self._boxes.owners.of(b"", spooled.structure) if found.whole else set()
                if not owners and (self._boxes.rest is None or not found.whole):
                    self._write_out(b"", spooled)
                    continue
                self.file_or_export(self._insert_blob(spooled, _AGAIN, (segment_id, found.position)), owners)
            finally:
                spooled.discard()

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
            self._boxes.one("SELECT coalesce(max(id), 0) FROM blobs"), self._noticed.highest.get("blobs", 0)
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
                return read_beside_damage(fd, octets, position)
            except (OSError, ValueError, OverflowError):
                return b""

        return read

    def _size_of(self, segment_id: int) -> int | None:
        try:
            return self._segments.path(segment_id).stat().st_size
        except OSError:
            return None


def _header(subject: str, header_from: str) -> bytes:
    """Of what is left of a message whose own header is lost, with what its row knows of it."""
    lines = [f"Subject: {encode_text(subject or 'A part of a damaged message')}\r\n"]
    if header_from and header_from.isascii() and header_from.isprintable():
        lines.append(f"From: {header_from}\r\n")
    return "".join([*lines, "\r\n"]).encode("ascii", "replace")
