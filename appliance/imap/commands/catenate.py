"""The octets that a URL of CATENATE means. RFC 4469 3, RFC 5092.

Only messages of mailboxes that the account sees can be named; each refusal repeats the URL, as the code BADURL wants it.
The octets are read as they are needed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from ...mail.content import Content
from ...mime.parts import decode
from ...store.messages import rows
from .. import sections, visible
from ..answers import Refusal
from ..grammar.fetch import SectionText
from ..session import Session
from ..url import MessageUrl, UrlFault, parse

HEADER_OCTETS = 1024 * 1024  # of a header that HEADER.FIELDS chooses from


@dataclass(slots=True, frozen=True)
class Source:
    """before, then content[start : start + length]."""

    before: bytes
    content: Content | None = None
    start: int = 0
    length: int = 0

    @property
    def size(self) -> int:
        return len(self.before) + self.length

    def pieces(self) -> Iterator[bytes]:
        if self.before:
            yield self.before
        if self.content is not None and self.length:
            yield from self.content.pieces(self.start, self.length)


async def resolve(session: Session, url: str) -> Source:
    """Raises Refusal with BADURL."""
    try:
        found = parse(url)
    except UrlFault as fault:
        words = str(fault)
        raise _bad(url, words[:1].upper() + words[1:]) from None
    if found.mailbox is None and session.selected is None:
        raise _bad(url, "No mailbox is selected that the URL could be relative to")
    account_id = session.account.id
    selected_id = None if session.selected is None else session.selected.mailbox_id

    def query(connection: sqlite3.Connection) -> Source | str:
        if found.mailbox is None:
            assert selected_id is not None
            seen = visible.by_id(connection, account_id, selected_id)
        else:
            seen = visible.find(connection, account_id, found.mailbox)
        if seen is None or "r" not in seen.rights:
            return "There is no such mailbox"
        if found.uidvalidity not in (None, seen.mailbox.uidvalidity):
            return "The mailbox's UIDs are others by now"
        row = next(iter(rows(connection, seen.mailbox.id, [found.uid], structure=True)), None)
        if row is None:
            return "There is no message of that UID"
        return _source(found, row.prefix, row.structure or b"", session.store.content_in(connection, row.blob_id))

    source = await session.read(query)
    if isinstance(source, str):
        raise _bad(url, source)
    return source


def _source(url: MessageUrl, prefix: bytes, structure: bytes, content: Content) -> Source | str:
    section = url.section
    span = sections.span_of(section, decode(structure).root, content.size)
    if span is None:
        return "The message has no such part"
    before = prefix if span.prefixed else b""
    source = Source(before, content, span.start, span.end - span.start)
    if section.text in (SectionText.HEADER_FIELDS, SectionText.HEADER_FIELDS_NOT):
        header = before + b"".join(content.pieces(span.start, min(source.length, HEADER_OCTETS)))
        source = Source(sections.chosen_fields(section, header))
    return source if section.partial is None else _cut(source, *section.partial)


def _cut(source: Source, offset: int, count: int) -> Source:
    before = source.before[offset : offset + count]
    skipped = max(0, offset - len(source.before))
    length = max(0, min(source.length - skipped, count - len(before)))
    return Source(before, source.content, source.start + skipped, length)


def _bad(url: str, words: str) -> Refusal:
    # The code holds the URL; what would end the code or the line early is given as a URL writes it.
    written = "".join(
        c if "!" <= c <= "~" and c not in ']"\\' else "".join(f"%{o:02X}" for o in c.encode()) for c in url
    )
    return Refusal(words, f"BADURL {written[:1000]}")
