"""What is known of a message's parts: a tree with offsets, and its compact encoding for the store.

Offsets count octets from the content's first one: `content[header_start:body_start]` is a part's header with its empty
line, `content[body_start:end]` its body as IMAP gives it out. Promises about every tree that the scanner makes:
a part lies within its parent and after its elder sibling; a `multipart` has at least one child, `message/rfc822` and
`message/global` have exactly one, which carries an envelope, and no other part has any. So a BODYSTRUCTURE can be
written from the tree without looking for special cases.

The encoding is a msgpack array in the order of the attributes: new ones go to the end, with a default. It is packed with
zstd where that makes it shorter, as it does for all but the barest messages: it would be a sixth of what a short message
takes in the store otherwise. Ones that were never packed are read as well.
RFC 9051 6.4.5.1 and 7.5.2, RFC 2045, RFC 2046.
"""

from __future__ import annotations

import msgspec
import zstandard

from .addresses import MailboxOrGroup
from .content_fields import Parameters, parameter


class EnvelopeFields(msgspec.Struct, frozen=True, array_like=True):
    """The fields of an IMAP ENVELOPE: unfolded octets or None; not decoded. `sender` and `reply_to` are those of
    `from_` where the message has none of its own (RFC 9051 7.5.2)."""

    date: bytes | None = None
    subject: bytes | None = None
    from_: tuple[MailboxOrGroup, ...] = ()
    sender: tuple[MailboxOrGroup, ...] = ()
    reply_to: tuple[MailboxOrGroup, ...] = ()
    to: tuple[MailboxOrGroup, ...] = ()
    cc: tuple[MailboxOrGroup, ...] = ()
    bcc: tuple[MailboxOrGroup, ...] = ()
    in_reply_to: bytes | None = None
    message_id: bytes | None = None


class Part(msgspec.Struct, frozen=True, array_like=True):
    """One entity. type, subtype, encoding, the disposition's word and the names of parameters are in lower case.

    lines: line ends in the body, as the example in RFC 9051 7.5.2 counts them; envelope: of an embedded message only.
    """

    type: bytes
    subtype: bytes
    params: Parameters
    id: bytes | None
    description: bytes | None
    encoding: bytes
    md5: bytes | None
    disposition: tuple[bytes, Parameters] | None
    language: tuple[bytes, ...]
    location: bytes | None
    header_start: int
    body_start: int
    end: int
    lines: int
    children: tuple[Part, ...] = ()
    envelope: EnvelopeFields | None = None

    @property
    def size_octets(self) -> int:
        """Of the body."""
        return self.end - self.body_start

    @property
    def charset(self) -> str:
        return parameter(self.params, b"charset").decode("latin-1")

    @property
    def is_multipart(self) -> bool:
        return self.type == b"multipart"

    @property
    def is_message(self) -> bool:
        """An embedded message that was opened: its only child is that message."""
        return self.type == b"message" and bool(self.children)


class Structure(msgspec.Struct, frozen=True, array_like=True):
    """references: the field's value, or b""; has_8bit: in the header or a body; header_date: the Date field in seconds
    since the epoch; lines: line ends in the whole content; preview: RFC 8970."""

    envelope: EnvelopeFields
    root: Part
    preview: str
    references: bytes
    has_8bit: bool
    header_date: float | None
    lines: int


class Head(msgspec.Struct, frozen=True, array_like=True):
    """The same without the parts: what threads and orders of messages are made of. Read in half the time."""

    envelope: EnvelopeFields
    root: msgspec.Raw
    preview: msgspec.Raw
    references: bytes
    has_8bit: bool
    header_date: float | None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Structure)
_head_decoder = msgspec.msgpack.Decoder(Head)
_PLAIN_MOST = 32 * 1024 * 1024  # more than all headers together can make
# One object is for one thread at a time; making one costs as much as using it, so the last one is kept.
_packers: list[zstandard.ZstdCompressor] = []
_unpackers: list[zstandard.ZstdDecompressor] = []


def encode(structure: Structure) -> bytes:
    plain = _encoder.encode(structure)
    try:
        packer = _packers.pop()
    except IndexError:
        packer = zstandard.ZstdCompressor(level=1, write_checksum=True)
    packed = packer.compress(plain)
    if not _packers:
        _packers.append(packer)
    return packed if len(packed) < len(plain) else plain


def decode(data: bytes) -> Structure:
    """Raises ValueError (msgspec.DecodeError) on what `encode` has not made."""
    return _decoder.decode(_plain(data))


def decode_head(data: bytes) -> Head:
    """Raises ValueError, as `decode` does."""
    return _head_decoder.decode(_plain(data))


def _plain(data: bytes) -> bytes:
    # What is not packed begins with the head of an array, which no zstd frame does.
    return _unpacked(data) if data.startswith(zstandard.FRAME_HEADER) else data


def _unpacked(data: bytes) -> bytes:
    try:
        says = zstandard.get_frame_parameters(data)
        if says.content_size > _PLAIN_MOST or not says.has_checksum:  # asked first: the memory is taken at once
            raise ValueError("a damaged structure")
        try:
            unpacker = _unpackers.pop()
        except IndexError:
            unpacker = zstandard.ZstdDecompressor()
        plain = unpacker.decompress(data)
    except zstandard.ZstdError as fault:
        raise ValueError("a damaged structure") from fault
    if not _unpackers:
        _unpackers.append(unpacker)
    return plain
