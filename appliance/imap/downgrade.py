"""ENVELOPE and BODYSTRUCTURE for a client that has not asked for UTF-8: what is not ASCII becomes encoded words.

RFC 6858 shows the way, for what is shown of a message: texts and names become encoded words, parameters those of RFC 2231,
and an address that ASCII cannot hold becomes INVALID, its name the address. The octets of a message are never changed:
BODY[] and BODY[HEADER] give them as they came (they do so of old headers with bare Latin, too). What is not UTF-8 either
is left as it is, a literal. Pure. RFC 6855 8, RFC 6858 2, RFC 2231 4.
"""

from __future__ import annotations

from urllib.parse import quote_from_bytes

import msgspec

from ..mime.addresses import MailboxOrGroup
from ..mime.content_fields import Parameters
from ..mime.encoded_words import decode, encode_words
from ..mime.parts import EnvelopeFields, Part

INVALID = (b"invalid", b"internationalized-address.invalid")


def envelope(fields: EnvelopeFields) -> EnvelopeFields:
    return msgspec.structs.replace(
        fields,
        date=_text(fields.date),
        subject=_text(fields.subject),
        in_reply_to=_text(fields.in_reply_to),
        message_id=_text(fields.message_id),
        **{name: _addresses(getattr(fields, name)) for name in ("from_", "sender", "reply_to", "to", "cc", "bcc")},
    )


def structure(part: Part) -> Part:
    return msgspec.structs.replace(
        part,
        params=_parameters(part.params),
        id=_text(part.id),
        description=_text(part.description),
        disposition=None if part.disposition is None else (part.disposition[0], _parameters(part.disposition[1])),
        location=_text(part.location),
        children=tuple(map(structure, part.children)),
        envelope=None if part.envelope is None else envelope(part.envelope),
    )


def _is_utf8_only(octets: bytes | None) -> bool:
    """ASCII is not enough for it, and UTF-8 is."""
    if octets is None or octets.isascii():
        return False
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _text(octets: bytes | None) -> bytes | None:
    if octets is None or not _is_utf8_only(octets):
        return octets
    return encode_words(decode(octets)).encode("ascii")


def _addresses(items: tuple[MailboxOrGroup, ...]) -> tuple[MailboxOrGroup, ...]:
    if all(
        (item.name or b"").isascii() and (item.mailbox or b"").isascii() and (item.host or b"").isascii()
        for item in items
    ):
        return items
    return tuple(map(_address, items))


def _address(item: MailboxOrGroup) -> MailboxOrGroup:
    if item.host is None:  # a group's name, or its end
        return MailboxOrGroup(item.name, item.adl, _text(item.mailbox), None)
    if _is_utf8_only(item.mailbox) or _is_utf8_only(item.host):
        shown = item.name or (item.mailbox or b"") + b"@" + item.host
        return MailboxOrGroup(_text(shown), None, *INVALID)
    return MailboxOrGroup(_text(item.name), item.adl, item.mailbox, item.host)


def _parameters(parameters: Parameters) -> Parameters:
    """`filename="ä"` becomes `filename*=utf-8''%C3%A4`."""
    return tuple(
        (name.rstrip(b"*") + b"*", b"utf-8''" + quote_from_bytes(value, safe="").encode("ascii"))
        if _is_utf8_only(value)
        else (name, value)
        for name, value in parameters
    )
