"""FETCH. RFC 3501 6.4.5 and 7.4.2, RFC 7162 3.1.4-3.1.5 and 3.2.6, RFC 8970, RFC 9394 3.3.

What the view knows is answered from it; all else is read in batches on a reader's thread and rendered there, so that the
event loop stays free and no more than one batch is in memory. A section larger than INLINE_OCTETS is not read into
memory at all: it goes out as the peer takes it.

The view does not know each message's MODSEQ: where it is to be told, flags and MODSEQ are read together and brought into
the view first, so that a MODSEQ never stands beside older flags than its own.

Known limit: HEADER.FIELDS looks at the first HEADER_OCTETS of a header.
"""

from __future__ import annotations

import asyncio
import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from ...mail.content import Content
from ...mime.parts import EnvelopeFields, Structure, decode
from ...store.flags import SEEN
from ...store.interface import Store
from ...store.mailboxes import get_mailbox
from ...store.messages import MessageRow, changed_since, flags_of, gone_since, rows
from ...store.messages import uids_of as mailbox_uids
from ...store.refusals import Damaged
from .. import downgrade, render, sections
from ..answers import Done, Refusal, refused_by_store
from ..decoded import UnknownEncoding, encoding_of
from ..enabled import Extension
from ..grammar.fetch import Fetch, Form, Item, Section, SectionText
from ..manner import Manner
from ..object_ids import email_id, thread_id
from ..selected import Selected
from ..session import FLUSH_OCTETS, Portion, Session
from ..vanished import missing as missing_uids
from ..vanished import remembered, spans_of
from ..view import RECENT, MailboxView
from .messages import set_flags

INLINE_OCTETS = 64 * 1024
HEADER_OCTETS = 1024 * 1024
BATCH_OCTETS = 512 * 1024  # a batch ends early when it has rendered so much
FROM_VIEW_AT_ONCE = 1000
ROWS_AT_ONCE = 250
CONTENTS_AT_ONCE = 50

Piece = bytes | Portion


@dataclass(slots=True, frozen=True)
class Facts:
    """One message on its way into an answer. row, structure: where the plan needs them; modseq: where it is to be told."""

    view: MailboxView
    place: int
    row: MessageRow | None
    structure: Structure | None
    modseq: int = 0
    recent: bool = True
    utf8: bool = False

    @property
    def envelope(self) -> EnvelopeFields:
        structure = self.known_structure
        return structure.envelope if self.utf8 or not structure.has_8bit else downgrade.envelope(structure.envelope)

    def body_structure(self, *, extended: bool) -> bytes:
        structure = self.known_structure
        root = structure.root if self.utf8 or not structure.has_8bit else downgrade.structure(structure.root)
        return render.body_structure(root, extended=extended, utf8=self.utf8)

    @property
    def known_row(self) -> MessageRow:
        assert self.row is not None
        return self.row

    @property
    def known_structure(self) -> Structure:
        assert self.structure is not None
        return self.structure


def _email_id(facts: Facts) -> str:
    row = facts.known_row
    return email_id(row.digest, row.prefix, row.internal_date)


def _thread_id(facts: Facts) -> str:
    return thread_id(facts.known_structure.envelope, facts.known_structure.references, _email_id(facts))


_RENDER: dict[Item, Callable[[Facts], bytes]] = {
    Item.UID: lambda facts: b"UID %d" % facts.view.uids[facts.place],
    Item.FLAGS: lambda facts: (
        b"FLAGS "
        + render.flags(
            facts.view.flags[facts.place] & (0xFF if facts.recent else ~RECENT), facts.view.keywords_at(facts.place)
        )
    ),
    Item.MODSEQ: lambda facts: b"MODSEQ (%d)" % facts.modseq,
    Item.PREVIEW: lambda facts: b"PREVIEW " + render.string(facts.known_structure.preview.encode()),
    Item.INTERNALDATE: lambda facts: b"INTERNALDATE " + render.internal_date(facts.known_row.internal_date),
    Item.RFC822_SIZE: lambda facts: b"RFC822.SIZE %d" % facts.known_row.size_octets,
    Item.ENVELOPE: lambda facts: b"ENVELOPE " + render.envelope(facts.envelope),
    Item.BODY: lambda facts: b"BODY " + facts.body_structure(extended=False),
    Item.BODYSTRUCTURE: lambda facts: b"BODYSTRUCTURE " + facts.body_structure(extended=True),
    Item.EMAILID: lambda facts: b"EMAILID (%b)" % _email_id(facts).encode("ascii"),
    Item.THREADID: lambda facts: b"THREADID (%b)" % _thread_id(facts).encode("ascii"),
    Item.SAVEDATE: lambda facts: b"SAVEDATE " + render.internal_date(facts.known_row.saved_at),
}

_FROM_STRUCTURE = (Item.ENVELOPE, Item.BODY, Item.BODYSTRUCTURE, Item.PREVIEW, Item.THREADID)

# RFC 3501 6.4.5: names for what a section says too; reading RFC822.HEADER leaves \Seen alone.
_OLD_NAMES: dict[Item, tuple[bytes, Section]] = {
    Item.RFC822: (b"RFC822", sections.WHOLE),
    Item.RFC822_HEADER: (b"RFC822.HEADER", Section(text=SectionText.HEADER, peek=True)),
    Item.RFC822_TEXT: (b"RFC822.TEXT", sections.TEXT),
}


@dataclass(slots=True, frozen=True)
class Plan:
    """What one FETCH wants: items that are rendered whole, sections with their names, and what has to be read."""

    items: tuple[Item, ...]
    sections: tuple[tuple[bytes, Section], ...]
    sets_seen: bool

    @classmethod
    def of(cls, command: Fetch, manner: Manner, *, with_flags: bool) -> Plan:
        """RFC 3501 6.4.8: UID FETCH tells the UID; RFC 9586 3.3: which stands before UIDFETCH already. RFC 7162 3.1: who
        has asked for MODSEQs is told UID and MODSEQ in each FETCH."""
        items: list[Item] = [Item.UID] if (command.by_uid or manner.modseq) and not manner.uid_only else []
        wanted: list[tuple[bytes, Section]] = []
        for each in command.items:
            if isinstance(each, Section):
                wanted.append((render.section(each), each))
            elif each in _OLD_NAMES:
                wanted.append(_OLD_NAMES[each])
            else:
                items.append(each)
        if with_flags:
            items.append(Item.FLAGS)
        if manner.modseq:
            items.append(Item.MODSEQ)
        sets_seen = any(not section.peek for _, section in wanted)
        # The same section asked for twice, once peeking and once not, is given once.
        unlike = dict.fromkeys((name, replace(section, peek=True)) for name, section in wanted)
        return cls(tuple(dict.fromkeys(items)), tuple(unlike), sets_seen)

    @property
    def needs_rows(self) -> bool:
        return bool(self.sections) or any(item not in (Item.UID, Item.FLAGS, Item.MODSEQ) for item in self.items)

    @property
    def needs_structure(self) -> bool:
        return any(item in _FROM_STRUCTURE for item in self.items) or any(
            section.part or section.text is not SectionText.WHOLE for _, section in self.sections
        )


async def fetch(session: Session, command: Fetch) -> Done:
    selected = session.the_selected()
    places = session.places(command.messages, by_uid=command.by_uid)
    modifiers = command.modifiers
    if modifiers.vanished and not session.has(Extension.QRESYNC):
        raise Refusal("VANISHED is for those who have enabled QRESYNC", status="BAD")  # RFC 7162 3.2.6
    if modifiers.changed_since is not None or Item.MODSEQ in command.items:
        session.imply_condstore()
    if modifiers.changed_since is not None:
        places = await _changed(session, selected, places, command, modifiers.changed_since)
    if modifiers.partial is not None:
        places = _part_of(places, modifiers.partial)
    plan = Plan.of(command, session.manner, with_flags=False)
    if plan.needs_rows:
        missing, refused = await _from_store(session, selected, places, command, plan)
    else:
        missing, refused = await _from_view(session, selected, places, plan), None
    if refused is not None:  # the others were given
        return refused
    if missing and not command.by_uid:
        # RFC 2180 4.1.3: what is left was given; the client learns by NOOP which are gone.
        return Done("Some of the messages are gone", "EXPUNGEISSUED", "NO")
    return Done("Fetched")


async def _changed(
    session: Session, selected: Selected, places: Sequence[int], command: Fetch, since: int
) -> list[int]:
    """The places of what has changed since; what was expunged since is told, if that is wanted.

    Cost: of CHANGEDSINCE, linear in the mailbox: 100 ns for each row that is passed over.
    """
    view, mailbox_id = selected.view, selected.mailbox_id
    uids = [view.uids[place] for place in places]

    def query(connection: sqlite3.Connection) -> tuple[set[int], str]:
        changed = {row[0] for row in changed_since(connection, mailbox_id, since)[0]} if uids else set()
        vanished = ""
        mailbox = get_mailbox(connection, mailbox_id)
        if command.modifiers.vanished and not command.messages.is_saved and mailbox is not None:
            spans = spans_of(command.messages, mailbox.uidnext - 1)
            gone = gone_since(connection, mailbox_id, since)
            # What the client counts still is told of in its time, and not as (EARLIER).
            if gone is None:
                newer = mailbox_uids(connection, mailbox_id)  # of which the client has not been told yet
                known = view.uids + newer[bisect_right(newer, view.uids[-1] if len(view) else 0) :]
                vanished = missing_uids(known, spans)
            else:
                vanished = remembered((uid for uid in gone if view.place_of(uid) is None), spans)
        return changed, vanished

    changed, vanished = await session.read(query)
    if vanished:
        session.send(render.vanished(vanished, earlier=True))
    return [place for place, uid in zip(places, uids, strict=True) if uid in changed]


def _part_of(places: list[int], partial: tuple[int, int]) -> list[int]:
    """RFC 9394 3.3: from–to, counted from 1, or from -1 at the end."""
    first, last = partial
    if first > 0:
        return places[first - 1 : last]
    return places[max(0, len(places) + last) : max(0, len(places) + first + 1)]


async def _modseqs(session: Session, selected: Selected, places: Sequence[int], plan: Plan) -> dict[int, int] | None:
    """By UID, of those that are still there; None where they are not to be told. View and client know the flags that
    belong to them."""
    if Item.MODSEQ not in plan.items:
        return None
    view = selected.view
    uids = [view.uids[place] for place in places]
    now = await session.read(lambda connection: flags_of(connection, selected.mailbox_id, uids))
    selected.journal.said(max((row[3] for row in now), default=0))
    session.tell(view.apply(now, (), first_recent_uid=0, may_expunge=False, quiet=Item.FLAGS in plan.items))
    return {row[0]: row[3] for row in now}


async def _from_view(session: Session, selected: Selected, places: Sequence[int], plan: Plan) -> bool:
    """Returns whether some of the messages were gone, where that was looked at."""
    view, manner = selected.view, session.manner
    parts = [_RENDER[item] for item in plan.items]
    missing = False
    for start in range(0, len(places), FROM_VIEW_AT_ONCE):
        some = places[start : start + FROM_VIEW_AT_ONCE]
        modseqs = await _modseqs(session, selected, some, plan)
        lines = []
        for place in some:
            uid = view.uids[place]
            if modseqs is not None and uid not in modseqs:
                missing = True
                continue
            facts = Facts(view, place, None, None, modseqs[uid] if modseqs else 0, manner.recent)
            lines.append(render.fetch_head(place + 1, uid, manner) + b" ".join([part(facts) for part in parts]))
        session.send(b"".join([line + b")\r\n" for line in lines]))
        await session.flush(at_least=FLUSH_OCTETS)
        await asyncio.sleep(0)
    return missing


async def _from_store(
    session: Session, selected: Selected, places: Sequence[int], command: Fetch, plan: Plan
) -> tuple[bool, Done | None]:
    """(whether some of the messages were gone, why the body of one could not be given)."""
    at_once = CONTENTS_AT_ONCE if plan.sections else ROWS_AT_ONCE
    with_flags = Plan.of(command, session.manner, with_flags=True)
    newly_seen: set[int] = set()  # their answers tell the flags as well
    missing, refused = False, None
    start = 0
    while start < len(places):
        some = places[start : start + at_once]
        if plan.sets_seen and not selected.read_only and "s" in selected.rights:
            unseen = [place for place in some if not selected.view.flags[place] & SEEN]
            if unseen:
                newly_seen.update(unseen)
                await set_flags(session, selected, [selected.view.uids[place] for place in unseen], "+", SEEN, "")
        modseqs = await _modseqs(session, selected, some, plan)
        batch = _Batch(session.store, selected, plan, with_flags, newly_seen, modseqs, session.manner)
        batch.utf8 = session.utf8_names
        done, gone, pieces = await session.read(lambda connection, batch=batch, some=some: batch.read(connection, some))  # type: ignore[misc]
        with session.one_piece():
            for piece in pieces:
                if isinstance(piece, Portion):
                    await session.send_portion(piece)
                else:
                    session.send(piece)
                    await session.flush(at_least=FLUSH_OCTETS)
        if batch.undecodable:
            refused = Done("A part is encoded in a way that is not known here", "UNKNOWN-CTE", "NO")
        if batch.damaged is not None:
            refused = refused_by_store(batch.damaged)
            session.store.note_damaged(batch.damaged)
        missing = missing or gone
        start += done
    return missing, refused


class _Batch:
    """Reads and renders some messages inside one query, on a reader's thread. The view does not change meanwhile."""

    def __init__(
        self,
        store: Store,
        selected: Selected,
        plan: Plan,
        with_flags: Plan,
        newly_seen: AbstractSet[int],
        modseqs: dict[int, int] | None,
        manner: Manner,
    ) -> None:
        self._store = store
        self._selected = selected
        self._plan = plan
        self._with_flags = with_flags
        self._newly_seen = newly_seen
        self._modseqs = modseqs
        self._manner = manner
        self._pieces: list[Piece] = []
        self._octets = 0
        self.damaged: Damaged | None = None  # why a message was left out
        self.undecodable = False  # RFC 3516 4.3: the same
        self.utf8 = False  # the client has asked for it

    def read(self, connection: sqlite3.Connection, places: Sequence[int]) -> tuple[int, bool, list[Piece]]:
        """(how many places were done, whether one was gone, what to send)."""
        view = self._selected.view
        uids = [view.uids[place] for place in places]
        found = {
            row.uid: row
            for row in rows(connection, self._selected.mailbox_id, uids, structure=self._plan.needs_structure)
        }
        for done, place in enumerate(places):
            if self._octets > BATCH_OCTETS:
                return done, len(found) < len(uids), self._pieces
            row = found.get(view.uids[place])
            if row is not None and (self._modseqs is None or row.uid in self._modseqs):
                pieces, octets = len(self._pieces), self._octets
                try:
                    self._message(connection, place, row)
                except Damaged as damage:
                    del self._pieces[pieces:]
                    self._octets, self.damaged = octets, damage
                except UnknownEncoding:
                    del self._pieces[pieces:]
                    self._octets, self.undecodable = octets, True
        return len(places), len(found) < len(uids), self._pieces

    def _message(self, connection: sqlite3.Connection, place: int, row: MessageRow) -> None:
        plan = self._with_flags if place in self._newly_seen else self._plan
        try:
            structure = decode(row.structure) if row.structure is not None else None
        except ValueError as fault:
            raise Damaged(row.blob_id) from fault
        modseq = 0 if self._modseqs is None else self._modseqs[row.uid]
        facts = Facts(self._selected.view, place, row, structure, modseq, self._manner.recent, self.utf8)
        line = render.fetch_head(place + 1, row.uid, self._manner)
        line += b" ".join([_RENDER[item](facts) for item in plan.items])
        if plan.sections:
            content = self._store.content_in(connection, row.blob_id)
            space = b" " if plan.items else b""
            for name, section in plan.sections:
                self._add(line + space + name + b" ")
                self._section(section, facts, content)
                line, space = b"", b" "
        self._add(line + b")\r\n")

    def _section(self, section: Section, facts: Facts, content: Content) -> None:
        prefix = facts.known_row.prefix
        if section.form is not Form.BODY:
            self._binary(section, facts, content)
            return
        if not section.part and section.text is SectionText.WHOLE:
            span: sections.Span | None = sections.Span(0, content.size, prefixed=True)
        else:
            span = sections.span_of(section, facts.known_structure.root, content.size)
        if span is None:
            self._add(b"NIL")
            return
        before = prefix if span.prefixed else b""
        start, length = span.start, span.end - span.start
        if section.text in (SectionText.HEADER_FIELDS, SectionText.HEADER_FIELDS_NOT):
            header = before + b"".join(content.pieces(start, min(length, HEADER_OCTETS)))
            self._literal(sections.cut(sections.chosen_fields(section, header), section.partial))
            return
        if section.partial is not None:
            offset, count = section.partial
            skipped = max(0, offset - len(before))
            before = before[offset : offset + count]
            start, length = start + skipped, max(0, min(length - skipped, count - len(before)))
        if length <= INLINE_OCTETS:
            self._literal(before + b"".join(content.pieces(start, length)) if length else before)
            return
        self._add(b"{%d}\r\n" % (len(before) + length))
        self._pieces.append(Portion(before, content, start, length))

    def _binary(self, section: Section, facts: Facts, content: Content) -> None:
        """A part decoded; a whole message has no encoding of its own, and is given as it is, with its NULs."""
        row, before, start = facts.known_row, b"", 0
        if section.part:
            part = sections.find_part(section.part, facts.known_structure.root)
            if part is None:
                self._add(b"0" if section.form is Form.SIZE else b"NIL")
                return
            decoded = self._selected.decoded.get(row.blob_id, content, part.body_start, part.end, encoding_of(part))
            content, work = decoded, decoded.decoded_octets
        else:
            before = row.prefix
        if section.form is Form.SIZE:
            self._add(b"%d" % (len(before) + content.size))
        else:
            if section.partial is None:
                length = content.size
            else:
                offset, count = section.partial
                start = max(0, offset - len(before))
                before = before[offset : offset + count]
                up_to = start + count - len(before)
                up_to = decoded.reach(up_to) if section.part else min(up_to, content.size)
                length = max(0, up_to - start)
            self._binary_literal(Portion(before, content, start, length, with_nul=True))
        if section.part:  # a batch is short where much has to be decoded
            self._octets += (decoded.decoded_octets - work) // 8

    def _binary_literal(self, portion: Portion) -> None:
        """RFC 3516 7: literal8 where it holds NUL, or may."""
        size = len(portion.before) + portion.length
        if portion.length > INLINE_OCTETS:
            self._add(b"~{%d}\r\n" % size)
            self._pieces.append(portion)
            return
        octets = portion.before + b"".join(portion.content.pieces(portion.start, portion.length))
        self._add(b"%b{%d}\r\n%b" % (b"~" if b"\0" in octets else b"", len(octets), octets))

    def _literal(self, octets: bytes) -> None:
        # A literal cannot hold NUL (RFC 3501 9: CHAR8); as in Dovecot it becomes 0x80, so that sizes stay true.
        self._add(b"{%d}\r\n%b" % (len(octets), octets.replace(b"\0", b"\x80")))

    def _add(self, octets: bytes) -> None:
        self._octets += len(octets)
        self._pieces.append(octets)
