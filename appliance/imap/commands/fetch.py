"""FETCH. RFC 3501 6.4.5 and 7.4.2.

What the view knows is answered from it; all else is read in batches on a reader's thread and rendered there, so that the
event loop stays free and no more than one batch is in memory. A section larger than INLINE_OCTETS is not read into
memory at all: it goes out as the peer takes it.

Known limit: HEADER.FIELDS looks at the first HEADER_OCTETS of a header.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from ...mail.content import Content
from ...mime.parts import EnvelopeFields, Structure, decode
from ...store.flags import SEEN
from ...store.interface import Store
from ...store.messages import MessageRow, rows
from ...store.refusals import Damaged
from .. import downgrade, render, sections
from ..answers import Done, refused_by_store
from ..decoded import UnknownEncoding, encoding_of
from ..grammar.fetch import Fetch, Form, Item, Section, SectionText
from ..object_ids import email_id, thread_id
from ..selected import Selected
from ..session import FLUSH_OCTETS, Portion, Session
from ..view import MailboxView
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
    """One message on its way into an answer. row, structure: where the plan needs them."""

    view: MailboxView
    place: int
    row: MessageRow | None
    structure: Structure | None
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
        b"FLAGS " + render.flags(facts.view.flags[facts.place], facts.view.keywords_at(facts.place))
    ),
    Item.INTERNALDATE: lambda facts: b"INTERNALDATE " + render.internal_date(facts.known_row.internal_date),
    Item.RFC822_SIZE: lambda facts: b"RFC822.SIZE %d" % facts.known_row.size_octets,
    Item.ENVELOPE: lambda facts: b"ENVELOPE " + render.envelope(facts.envelope),
    Item.BODY: lambda facts: b"BODY " + facts.body_structure(extended=False),
    Item.BODYSTRUCTURE: lambda facts: b"BODYSTRUCTURE " + facts.body_structure(extended=True),
    Item.EMAILID: lambda facts: b"EMAILID (%b)" % _email_id(facts).encode("ascii"),
    Item.THREADID: lambda facts: b"THREADID (%b)" % _thread_id(facts).encode("ascii"),
    Item.SAVEDATE: lambda facts: b"SAVEDATE " + render.internal_date(facts.known_row.saved_at),
}

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
    def of(cls, command: Fetch, *, with_flags: bool) -> Plan:
        items: list[Item] = [Item.UID] if command.by_uid else []
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
        sets_seen = any(not section.peek for _, section in wanted)
        # The same section asked for twice, once peeking and once not, is given once.
        unlike = dict.fromkeys((name, replace(section, peek=True)) for name, section in wanted)
        return cls(tuple(dict.fromkeys(items)), tuple(unlike), sets_seen)

    @property
    def needs_rows(self) -> bool:
        return bool(self.sections) or any(item not in (Item.UID, Item.FLAGS) for item in self.items)

    @property
    def needs_structure(self) -> bool:
        return any(item in (Item.ENVELOPE, Item.BODY, Item.BODYSTRUCTURE, Item.THREADID) for item in self.items) or any(
            section.part or section.text is not SectionText.WHOLE for _, section in self.sections
        )


async def fetch(session: Session, command: Fetch) -> Done:
    selected = session.the_selected()
    places = session.places(command.messages, by_uid=command.by_uid)
    plan = Plan.of(command, with_flags=False)
    if not plan.needs_rows:
        await _from_view(session, selected.view, places, plan)
        return Done("Fetched")
    missing, refused = await _from_store(session, selected, places, command, plan)
    if refused is not None:  # the others were given
        return refused
    if missing and not command.by_uid:
        # RFC 2180 4.1.3: what is left was given; the client learns by NOOP which are gone.
        return Done("Some of the messages are gone", "EXPUNGEISSUED", "NO")
    return Done("Fetched")


async def _from_view(session: Session, view: MailboxView, places: Sequence[int], plan: Plan) -> None:
    parts = [_RENDER[item] for item in plan.items]
    for start in range(0, len(places), FROM_VIEW_AT_ONCE):
        lines = []
        for place in places[start : start + FROM_VIEW_AT_ONCE]:
            facts = Facts(view, place, None, None)
            lines.append(b"* %d FETCH (%b)\r\n" % (place + 1, b" ".join([part(facts) for part in parts])))
        session.send(b"".join(lines))
        await session.flush(at_least=FLUSH_OCTETS)
        await asyncio.sleep(0)


async def _from_store(
    session: Session, selected: Selected, places: Sequence[int], command: Fetch, plan: Plan
) -> tuple[bool, Done | None]:
    """(whether some of the messages were gone, why the body of one could not be given)."""
    at_once = CONTENTS_AT_ONCE if plan.sections else ROWS_AT_ONCE
    with_flags = Plan.of(command, with_flags=True)
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
        batch = _Batch(session.store, selected, plan, with_flags, newly_seen)
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
        self, store: Store, selected: Selected, plan: Plan, with_flags: Plan, newly_seen: AbstractSet[int]
    ) -> None:
        self._store = store
        self._selected = selected
        self._plan = plan
        self._with_flags = with_flags
        self._newly_seen = newly_seen
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
            if row is not None:
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
        facts = Facts(self._selected.view, place, row, structure, utf8=self.utf8)
        line = b"* %d FETCH (%b" % (place + 1, b" ".join([_RENDER[item](facts) for item in plan.items]))
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
            decoded = self._selected.decoded.get(
                row.blob_id, content, part.body_start, part.end, encoding_of(part)
            )
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
