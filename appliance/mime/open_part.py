"""A part whose end has not been seen yet: what its header said, and what was found in it so far.

Only `structure.py` uses this. RFC 2045 5 and 6, RFC 2046 5.1.5, RFC 5322 4.5.3, RFC 9051 7.5.2.
"""

from __future__ import annotations

from .addresses import MailboxOrGroup, parse_addresses
from .content_fields import (
    VALUE_OCTETS,
    Parameters,
    parameter,
    parse_content_type,
    parse_disposition,
    parse_encoding,
    parse_languages,
)
from .encoded_words import decode_parameters
from .headers import each_field, unfold
from .parts import EnvelopeFields, Part

BOUNDARY_OCTETS = 200  # RFC 2046 5.1.1 allows 70
_PLAIN: Parameters = ((b"charset", b"us-ascii"),)  # RFC 2045 5.2


class Head:
    """The first octets of a text, for the preview."""

    __slots__ = ("encoding", "octets", "params")

    def __init__(self, encoding: bytes, params: Parameters) -> None:
        self.octets = bytearray()
        self.encoding, self.params = encoding, params


class OpenPart:
    """A part whose end has not been seen. boundary: of a multipart that is not closed, else b""."""

    def __init__(
        self, fields: Fields, parent: OpenPart | None, header_start: int, body_start: int, line_ends: int
    ) -> None:
        self.header_start = header_start
        self.body_start = body_start
        self.line_ends_before = line_ends
        self.children: list[Part] = []
        self.boundary = b""
        self.envelope: EnvelopeFields | None = None
        self.head: Head | None = None
        self.fields = fields
        content_type = parse_content_type(fields.raw(b"content-type") or b"")
        if content_type is not None:
            self.type, self.subtype, self.params = content_type
        elif parent is not None and parent.type == b"multipart" and parent.subtype == b"digest":
            self.type, self.subtype, self.params = b"message", b"rfc822", ()  # RFC 2046 5.1.5
        else:
            self.type, self.subtype, self.params = b"text", b"plain", _PLAIN
        encoding = fields.raw(b"content-transfer-encoding")
        self.encoding = parse_encoding(encoding) if encoding else b"7bit"
        disposition = fields.raw(b"content-disposition")
        self.disposition = parse_disposition(disposition) if disposition else None

    @property
    def is_attachment(self) -> bool:
        return self.disposition is not None and self.disposition[0] == b"attachment"

    def show_as_text(self) -> None:
        self.type, self.subtype, self.params, self.boundary = b"text", b"plain", _PLAIN, b""

    def close(self, end: int, line_ends: int) -> Part:
        fields = self.fields
        language = fields.raw(b"content-language")
        return Part(
            type=self.type,
            subtype=self.subtype,
            params=self.params,
            id=fields.unfolded(b"content-id"),
            description=fields.unfolded(b"content-description"),
            encoding=self.encoding,
            md5=fields.unfolded(b"content-md5"),
            disposition=self.disposition,
            language=parse_languages(language) if language else (),
            location=fields.unfolded(b"content-location"),
            header_start=self.header_start,
            body_start=self.body_start,
            end=end,
            lines=line_ends - self.line_ends_before,
            children=tuple(self.children),
            envelope=self.envelope,
        )


class Fields:
    """The fields of one header that the structure speaks of."""

    _WANTED = frozenset(
        b"content-type content-transfer-encoding content-disposition content-id content-description content-md5"
        b" content-language content-location date subject from sender reply-to to cc bcc in-reply-to message-id"
        b" references".split()
    )

    def __init__(self, header: bytes) -> None:
        self._values: dict[bytes, list[bytes]] = {}
        for name, value in each_field(header):
            name = name.lower()
            if name in self._WANTED:
                self._values.setdefault(name, []).append(value)

    def raw(self, name: bytes) -> bytes | None:
        values = self._values.get(name)
        return values[0] if values else None

    def unfolded(self, name: bytes) -> bytes | None:
        values = self._values.get(name)
        return unfold(values[0][:VALUE_OCTETS]) if values else None

    def addresses(self, name: bytes) -> tuple[MailboxOrGroup, ...]:
        """RFC 5322 4.5.3: several fields of one name are read as one list."""
        values = self._values.get(name)
        return parse_addresses(b",".join(values)) if values else ()

    def envelope(self) -> EnvelopeFields:
        from_ = self.addresses(b"from")
        return EnvelopeFields(
            date=self.unfolded(b"date"),
            subject=self.unfolded(b"subject"),
            from_=from_,
            sender=self.addresses(b"sender") or from_,
            reply_to=self.addresses(b"reply-to") or from_,
            to=self.addresses(b"to"),
            cc=self.addresses(b"cc"),
            bcc=self.addresses(b"bcc"),
            in_reply_to=self.unfolded(b"in-reply-to"),
            message_id=self.unfolded(b"message-id"),
        )

    def references(self) -> bytes:
        """The end of a long value: the nearest ancestors stand last."""
        return unfold(self.raw(b"references") or b"")[-VALUE_OCTETS:]


def boundary_of(params: Parameters) -> bytes:
    boundary = parameter(params, b"boundary")
    if not boundary and any(name.startswith(b"boundary*") for name, _ in params):
        boundary = decode_parameters(params).get("boundary", "").encode("utf-8", "replace")
    boundary = boundary.rstrip(b" \t")
    return boundary if len(boundary) <= BOUNDARY_OCTETS else b""
