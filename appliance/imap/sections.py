"""Where in a message a section lies: `BODY[1.2.MIME]` → octets from–to. Pure.

A message as IMAP shows it is `prefix + content`; offsets count in the content, and only the header of the message itself
(and what contains it) has the prefix before it. RFC 3501 6.4.5.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..mime.headers import select_fields
from ..mime.parts import Part
from .grammar.fetch import Section, SectionText

WHOLE = Section()
HEADER = Section(text=SectionText.HEADER)
TEXT = Section(text=SectionText.TEXT)


@dataclass(slots=True, frozen=True)
class Span:
    """content[start:end], with the prefix before it if `prefixed`."""

    start: int
    end: int
    prefixed: bool = False


def span_of(section: Section, root: Part, content_octets: int) -> Span | None:
    """None: there is no such part, or the part has no such section. For HEADER.FIELDS: the header to choose from."""
    if not section.part:
        match section.text:
            case SectionText.WHOLE:
                return Span(0, content_octets, prefixed=True)
            case SectionText.TEXT:
                return Span(root.body_start, content_octets)
            case _:
                return Span(0, root.body_start, prefixed=True)
    part = find_part(section.part, root)
    if part is None:
        return None
    match section.text:
        case SectionText.WHOLE:
            return Span(part.body_start, part.end)
        case SectionText.MIME:
            return Span(part.header_start, part.body_start, prefixed=part is root)
    if not part.is_message:
        return None
    inner = part.children[0]
    if section.text is SectionText.TEXT:
        return Span(inner.body_start, inner.end)
    return Span(inner.header_start, inner.body_start)


def find_part(numbers: tuple[int, ...], root: Part) -> Part | None:
    """The part of that number. A message that is no multipart has one part, 1, which is its body."""
    within = _numbered(root)
    part: Part | None = None
    for number in numbers:
        if number > len(within):
            return None
        part = within[number - 1]
        if part.is_multipart:
            within = part.children
        elif part.is_message:
            within = _numbered(part.children[0])
        else:
            within = ()
    return part


def _numbered(message: Part) -> tuple[Part, ...]:
    return message.children if message.is_multipart else (message,)


def chosen_fields(section: Section, header: bytes) -> bytes:
    """What HEADER.FIELDS and HEADER.FIELDS.NOT choose from a header; it ends with an empty line."""
    return select_fields(header, section.fields, invert=section.text is SectionText.HEADER_FIELDS_NOT)


def cut(octets: bytes, partial: tuple[int, int] | None) -> bytes:
    if partial is None:
        return octets
    offset, count = partial
    return octets[offset : offset + count]
