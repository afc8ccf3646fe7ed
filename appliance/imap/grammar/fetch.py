"""FETCH and the names of what it fetches. RFC 3501 6.4.5 and 9 (fetch-att, section)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from ..values import SequenceSet
from .cursor import Cursor, GrammarFault
from .modifiers import NO_MODIFIERS, FetchModifiers, fetch_modifiers

MOST_ITEMS = 100
MOST_PART_LEVELS = 50  # of a part number such as 1.2.3; deeper parts are not in the structure either


class Item(StrEnum):
    ENVELOPE = "ENVELOPE"
    FLAGS = "FLAGS"
    INTERNALDATE = "INTERNALDATE"
    RFC822 = "RFC822"
    RFC822_HEADER = "RFC822.HEADER"
    RFC822_SIZE = "RFC822.SIZE"
    RFC822_TEXT = "RFC822.TEXT"
    BODYSTRUCTURE = "BODYSTRUCTURE"
    BODY = "BODY"
    UID = "UID"
    EMAILID = "EMAILID"  # RFC 8474 5.3
    THREADID = "THREADID"
    SAVEDATE = "SAVEDATE"  # RFC 8514 4.2
    MODSEQ = "MODSEQ"  # RFC 7162 3.1.5
    PREVIEW = "PREVIEW"  # RFC 8970


class SectionText(StrEnum):
    """The last word of a section. WHOLE: none stands there."""

    WHOLE = ""
    HEADER = "HEADER"
    HEADER_FIELDS = "HEADER.FIELDS"
    HEADER_FIELDS_NOT = "HEADER.FIELDS.NOT"
    TEXT = "TEXT"
    MIME = "MIME"


class Form(StrEnum):
    """How a section is to be given: as it is, decoded, or only how large it is when decoded. RFC 3516 4.2."""

    BODY = "BODY"
    BINARY = "BINARY"
    SIZE = "BINARY.SIZE"


@dataclass(slots=True, frozen=True)
class Section:
    """`BODY[1.2.HEADER.FIELDS (From To)]<0.100>`: part numbers, last word, field names as written, (offset, octets)."""

    part: tuple[int, ...] = ()
    text: SectionText = SectionText.WHOLE
    fields: tuple[bytes, ...] = ()
    partial: tuple[int, int] | None = None
    peek: bool = False
    form: Form = Form.BODY


@dataclass(slots=True, frozen=True)
class Fetch:
    messages: SequenceSet
    items: tuple[Item | Section, ...]
    by_uid: bool = False
    modifiers: FetchModifiers = NO_MODIFIERS


_FAST = (Item.FLAGS, Item.INTERNALDATE, Item.RFC822_SIZE)
MACROS: dict[bytes, tuple[Item, ...]] = {
    b"FAST": _FAST,
    b"ALL": (*_FAST, Item.ENVELOPE),
    b"FULL": (*_FAST, Item.ENVELOPE, Item.BODY),
}

# fetch-att = "ENVELOPE" / "FLAGS" / "INTERNALDATE" / "RFC822" [".HEADER" / ".SIZE" / ".TEXT"] / "BODY" ["STRUCTURE"] /
#             "UID" / "BODY" section ["<" number "." nz-number ">"] / "BODY.PEEK" section [...]
_NAME = re.compile(rb"[A-Za-z0-9.]+")
_PART = re.compile(rb"[1-9]\d{0,8}(?:\.[1-9]\d{0,8})*(?![\w])")
_SECTION_TEXT = re.compile(rb"HEADER\.FIELDS\.NOT|HEADER\.FIELDS|HEADER|TEXT|MIME", re.IGNORECASE)
_PARTIAL = re.compile(rb"<(\d{1,10})\.(\d{1,10})>")


def fetch(cursor: Cursor, *, by_uid: bool = False) -> Fetch:
    """fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")")
    [SP fetch-modifiers]"""
    cursor.space()
    messages = cursor.sequence_set()
    cursor.space()
    if cursor.stands(b"("):
        # Leniency: a macro inside the parentheses (imapfilter).
        items = tuple(item for items in cursor.parenthesised(lambda: _items(cursor)) for item in items)
    else:
        items = _items(cursor)
    if len(items) > MOST_ITEMS:
        raise GrammarFault("too much is asked for at once")
    modifiers = NO_MODIFIERS
    if cursor.stands(b" ("):
        cursor.space()
        modifiers = fetch_modifiers(cursor)
        if modifiers.vanished and not by_uid:
            raise GrammarFault("VANISHED is for UID FETCH")  # RFC 7162 3.2.6
    return Fetch(messages, tuple(dict.fromkeys(items)), by_uid, modifiers)


def fetch_att_list(cursor: Cursor) -> tuple[Item | Section, ...]:
    """ "(" fetch-att *(SP fetch-att) ")", as NOTIFY has it (RFC 5465 8)."""
    return tuple(item for items in cursor.parenthesised(lambda: _items(cursor)) for item in items)


def _items(cursor: Cursor) -> tuple[Item | Section, ...]:
    name = cursor.match(_NAME, "something to fetch").group().upper()
    if name in MACROS:
        return MACROS[name]
    if name in (b"BODY", b"BODY.PEEK") and cursor.stands(b"["):
        return (section(cursor, peek=name == b"BODY.PEEK"),)
    if name in (b"BINARY", b"BINARY.PEEK", b"BINARY.SIZE"):
        return (_binary(cursor, name),)
    if name == b"PREVIEW":
        # RFC 8970 3.2: without it too, the preview is here already. Its parentheses are no modifiers of FETCH.
        cursor.take(b" (LAZY)")
    try:
        return (Item(name.decode("ascii")),)
    except ValueError:
        raise GrammarFault("there is nothing of that name to fetch") from None


def _binary(cursor: Cursor, name: bytes) -> Section:
    """section-binary = "[" [section-part] "]" (RFC 3516 7), after BINARY or BINARY.PEEK with a partial."""
    found = section(cursor, peek=name != b"BINARY")
    if found.text is not SectionText.WHOLE:
        raise GrammarFault("only whole parts are decoded")
    if name != b"BINARY.SIZE":
        return replace(found, form=Form.BINARY)
    if found.partial is not None:
        raise GrammarFault("BINARY.SIZE is that of a whole part")
    return replace(found, form=Form.SIZE)


def section(cursor: Cursor, *, peek: bool) -> Section:
    """section = "[" [section-spec] "]" """
    cursor.need(b"[")
    part: tuple[int, ...] = ()
    text = SectionText.WHOLE
    fields: tuple[bytes, ...] = ()
    if (numbers := _PART.match(cursor.data, cursor.at)) is not None:
        cursor.at = numbers.end()
        part = tuple(int(number) for number in numbers.group().split(b"."))
        if len(part) > MOST_PART_LEVELS:
            raise GrammarFault("a part number goes too deep")
    if not cursor.stands(b"]"):
        if part:
            cursor.need(b".")
        word = cursor.match(_SECTION_TEXT, "HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT, TEXT or MIME")
        text = SectionText(word.group().upper().decode("ascii"))
        if text is SectionText.MIME and not part:
            raise GrammarFault("MIME needs a part number before it")
        if text in (SectionText.HEADER_FIELDS, SectionText.HEADER_FIELDS_NOT):
            cursor.space()
            fields = cursor.parenthesised(cursor.astring)
    cursor.need(b"]")
    return Section(part, text, fields, _partial(cursor), peek)


def _partial(cursor: Cursor) -> tuple[int, int] | None:
    if not cursor.stands(b"<"):
        return None
    found = cursor.match(_PARTIAL, "<offset.octets>")
    offset, octets = int(found.group(1)), int(found.group(2))
    if not octets:
        raise GrammarFault("a partial fetch of no octets")
    return offset, octets
