"""From stored messages to what the pages show: lines of a list, a text to read, parts to download."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from appliance.mail.content import Content
from appliance.mime.addresses import MailboxOrGroup
from appliance.mime.charsets import TransferDecoder, decode_text
from appliance.mime.content_fields import parameter
from appliance.mime.encoded_words import decode as decode_words
from appliance.mime.encoded_words import decode_parameters
from appliance.mime.parts import Part, Structure
from appliance.mime.parts import decode as decode_structure
from appliance.store import messages
from appliance.store.flags import SEEN

from .safe_html import html_to_text

PAGE = 50
TEXT_MOST_OCTETS = 512 * 1024
PARTS_MOST = 200


@dataclass(slots=True, frozen=True)
class Line:
    """One message in a list."""

    uid: int
    unread: bool
    subject: str
    header_from: str
    to: str
    at: float
    size_octets: int
    preview: str


@dataclass(slots=True, frozen=True)
class Attachment:
    """number: of the part, counted over the leaves of the tree from 0."""

    number: int
    name: str
    kind: str
    size_octets: int


@dataclass(slots=True, frozen=True)
class Readable:
    """truncated: the message holds more text than is shown."""

    text: str
    was_html: bool
    truncated: bool
    attachments: tuple[Attachment, ...]


def page_of(connection: sqlite3.Connection, mailbox_id: int, before: int | None) -> tuple[list[Line], int | None]:
    """(the newest messages with a UID below `before`, newest first; where the next page begins, or None)."""
    below_uid = messages.ABOVE_ALL_UIDS if before is None else max(0, min(before, messages.ABOVE_ALL_UIDS))
    uids = [uid for uid, *_ in messages.newest(connection, mailbox_id, PAGE + 1, below_uid=below_uid)]
    shown = uids[-PAGE:]
    lines = [line_of(row) for row in messages.rows(connection, mailbox_id, shown, structure=True)]
    return lines[::-1], (shown[0] if len(uids) > len(shown) else None)


def line_of(row: messages.MessageRow) -> Line:
    structure = structure_of(row)
    envelope = structure.envelope if structure else None
    at = structure.header_date if structure and structure.header_date is not None else row.internal_date
    return Line(
        uid=row.uid,
        unread=not row.flags & SEEN,
        subject=decode_words(envelope.subject or b"") if envelope else "",
        header_from=people(envelope.from_) if envelope else "",
        to=people((*envelope.to, *envelope.cc)) if envelope else "",
        at=float(at),
        size_octets=row.size_octets,
        preview=structure.preview if structure else "",
    )


def structure_of(row: messages.MessageRow) -> Structure | None:
    try:
        return decode_structure(row.structure) if row.structure else None
    except ValueError:
        return None


def people(addresses: Sequence[MailboxOrGroup]) -> str:
    """`Ann Other <ann@example.org>, bob@example.org`; the address is always there, for names are easily forged."""
    shown = []
    for each in addresses[:50]:
        if each.is_group_end:
            continue
        if each.is_group_start:
            shown.append(decode_words(each.mailbox or b"") + ":")
            continue
        address = decode_words(each.address)
        name = " ".join(decode_words(each.name or b"").split())
        shown.append(f"{name} <{address}>" if name and name != address else address)
    return ", ".join(shown)


def readable(structure: Structure, content: Content) -> Readable:
    leaves = leaves_of(structure.root)
    bodies = _bodies(structure.root)
    texts, left, truncated, was_html = [], TEXT_MOST_OCTETS, False, False
    for part in bodies:
        text, whole = _text_of(part, content, left)
        left -= part.size_octets
        truncated = truncated or not whole
        was_html = was_html or part.subtype == b"html"
        texts.append(text)
        if left <= 0:
            truncated = truncated or part is not bodies[-1]
            break
    attachments = [
        attachment_of(number, part)
        for number, part in enumerate(leaves)
        if part not in bodies and not (part.type == b"text" and _is_alternative(structure.root, part))
    ]
    return Readable("\n\n".join(texts), was_html, truncated, tuple(attachments))


def leaves_of(part: Part) -> list[Part]:
    """The parts that can be downloaded, in order; an embedded message is one of them."""
    found: list[Part] = []
    waiting = [part]
    while waiting and len(found) < PARTS_MOST:
        this = waiting.pop()
        if this.is_multipart:
            waiting.extend(reversed(this.children))
        else:
            found.append(this)
    return found


def attachment_of(number: int, part: Part) -> Attachment:
    return Attachment(number, file_name(number, part), f"{_word(part.type)}/{_word(part.subtype)}", part.size_octets)


def file_name(number: int, part: Part) -> str:
    """As its author called it, without anything that could lead out of a folder or hide its end."""
    disposition = decode_parameters(part.disposition[1]) if part.disposition else {}
    name = disposition.get("filename") or decode_parameters(part.params).get("name") or ""
    if not name and part.is_message and part.children[0].envelope is None and part.envelope:
        name = decode_words(part.envelope.subject or b"")
    name = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in name).strip(". ")[-120:]
    if name:
        return name
    return f"part-{number + 1}" + (".eml" if part.is_message else ".txt" if part.type == b"text" else "")


def octets_of(part: Part, content: Content) -> Iterator[bytes]:
    """A part out of its transfer encoding, piece by piece."""
    decoder = TransferDecoder(b"" if part.is_message else part.encoding)
    for piece in content.pieces(part.body_start, part.size_octets):
        decoded = decoder.feed(piece)
        if decoded:
            yield decoded
    rest = decoder.finish()
    if rest:
        yield rest


def _bodies(root: Part) -> list[Part]:
    """What is shown as the text: of alternatives the plain one, of a sequence each text that is no attachment."""
    if root.is_multipart and root.subtype == b"alternative":
        choices = [body for body in (_bodies(child) for child in root.children) if body]
        plain = next((body for body in choices if all(part.subtype == b"plain" for part in body)), None)
        return plain or (choices[-1] if choices else [])
    if root.is_multipart and root.subtype == b"related":
        return _bodies(root.children[0])
    if root.is_multipart:
        return [part for child in root.children for part in _bodies(child)]
    attached = root.disposition is not None and root.disposition[0] == b"attachment"
    return [root] if root.type == b"text" and root.subtype in (b"plain", b"html") and not attached else []


def _is_alternative(root: Part, leaf: Part) -> bool:
    """Whether another form of what is shown."""
    waiting = [(root, False)]
    while waiting:
        this, inside = waiting.pop()
        if this is leaf:
            return inside
        inside = inside or (this.is_multipart and this.subtype == b"alternative")
        waiting.extend((child, inside) for child in this.children)
    return False


def _text_of(part: Part, content: Content, most_octets: int) -> tuple[str, bool]:
    """(text, whether all of it)."""
    octets = min(part.size_octets, most_octets)
    raw = b"".join(content.pieces(part.body_start, octets))
    decoder = TransferDecoder(part.encoding)
    data = decoder.feed(raw) + decoder.finish()
    text = decode_text(data, _word(parameter(part.params, b"charset")))
    text = html_to_text(text) if part.subtype == b"html" else text.replace("\r\n", "\n")
    return _visible(text), octets == part.size_octets


# Characters that turn the direction of the text or are not seen can make one word look like another.
_TURNING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F])


def _visible(text: str) -> str:
    return "".join(c for c in text.translate(_TURNING) if c in "\n\t" or c >= " ")


def _word(octets: bytes) -> str:
    return octets.decode("ascii", "replace")
