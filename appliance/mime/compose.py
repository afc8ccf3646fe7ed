"""Building messages of ours: reports, test mail, welcome mail, what is written in webmail.

Promises: the same arguments give the same octets (boundaries come from what they part, not from chance); lines end with
CRLF and are at most 998 octets long, but for a `message/*` part that brings longer ones; no value can smuggle a line
into the header: control characters become spaces; text comes out 7-bit, by quoted-printable or base64, whichever is
shorter. 8-bit octets remain only in a `message/*` part that holds some (RFC 2046 5.2.1 lets nobody encode it), whose
message is then marked `8bit`, and in addresses that are in UTF-8 themselves (RFC 6532).
Leaves Date, Message-ID and addresses to the caller. RFC 5322 2.1.1 and 2.2.3, RFC 2045, RFC 2046, RFC 2183, RFC 2231.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from urllib.parse import quote_from_bytes

from .encoded_words import encode, encode_words

LINE_OCTETS = 998  # RFC 5322 2.1.1, without the CRLF
_FOLD_AT = 78
_BASE64_LINE_OCTETS = 57  # make 76 characters
# Their values are text; all others have a syntax of their own, in which an encoded word may not stand anywhere.
_UNSTRUCTURED = re.compile(r"subject|comments|content-description|x-.*", re.IGNORECASE)
_NAME = re.compile(r"[!-9;-~]{1,76}")
_CONTROLS = dict.fromkeys((*range(32), 127), " ")
_TOKEN = re.compile(r"[!#$%&'*+.^_`{|}~A-Za-z0-9-]+")
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LINE_END = re.compile(rb"\r\n|\r|\n")

_NOT_7BIT = re.compile(rb"[^\t\r\n -~]")
_PERCENT_PIECE = re.compile(r"(?:%..|[^%]){1,40}")  # percent codes stay whole

Header = tuple[str, str]


@dataclass(slots=True, frozen=True)
class TextPart:
    """Text in any script; line ends of any kind become CRLF."""

    text: str
    subtype: str = "plain"
    headers: tuple[Header, ...] = ()


@dataclass(slots=True, frozen=True)
class Attachment:
    """Octets, kept exactly. content_type: such as `image/png`; filename: "" for none."""

    data: bytes
    content_type: str = "application/octet-stream"
    filename: str = ""
    disposition: str = "attachment"


@dataclass(slots=True, frozen=True)
class MessagePart:
    """A `message/…` or `text/rfc822-headers` part, such as `message/delivery-status`: not encoded, lines end with CRLF."""

    data: bytes
    content_type: str = "message/rfc822"
    headers: tuple[Header, ...] = ()


@dataclass(slots=True, frozen=True)
class Multipart:
    """parameters: such as `(("report-type", "delivery-status"),)`."""

    parts: tuple[Body, ...]
    subtype: str = "mixed"
    parameters: tuple[tuple[str, str], ...] = ()


Body = TextPart | Attachment | MessagePart | Multipart


def compose(headers: Sequence[Header], body: Body) -> bytes:
    """A whole message: `headers` in their order, then MIME-Version and what describes the body.

    Values of unstructured fields (Subject, Comments, X-…) may be any text. Others are taken as they are: see `mailbox`
    for names in addresses. Raises ValueError for a field name that is none, and for a multipart without parts.
    """
    content, content_headers = _render(body)
    lines = [*headers, ("MIME-Version", "1.0"), *content_headers]
    return b"".join(field(name, value) for name, value in lines) + b"\r\n" + content


def field(name: str, value: str) -> bytes:
    """One header field, folded, with its CRLF."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of a header field")
    value = value.translate(_CONTROLS).strip()
    if _UNSTRUCTURED.fullmatch(name):
        value = encode(value)
    return _fold(f"{name}: {value}").encode("utf-8", "replace") + b"\r\n"


def mailbox(name: str, address: str) -> str:
    """`Name <address>` for an address field; the name may be any text."""
    name = " ".join(name.translate(_CONTROLS).split())
    if not name:
        return address
    if _PHRASE.fullmatch(name) and "=?" not in name:
        return f"{name} <{address}>"
    if name.isascii() and len(name) < 200 and "=?" not in name:
        return '"' + re.sub(r'(["\\])', r"\\\1", name) + f'" <{address}>'
    return f"{encode_words(name)} <{address}>"


def _fold(line: str) -> str:
    """Breaks at spaces, so that no line consists of white space only (RFC 5322 3.2.2)."""
    if len(line) <= _FOLD_AT:
        return line
    first, *words = line.split(" ")
    lines, current = [], first
    for place, word in enumerate(words):
        if place and word and current.strip() and len(current) + 1 + len(word) > _FOLD_AT:
            lines.append(current)
            current = " " + word
        else:
            current += " " + word
    return "\r\n".join([*lines, current])


def _render(body: Body) -> tuple[bytes, list[Header]]:
    """(content, the fields that describe it)"""
    match body:
        case TextPart(text, subtype, headers):
            content, charset, encoding = _encode_text(text)
            content_type = f"text/{subtype}; charset={charset}"
            return content, [("Content-Type", content_type), ("Content-Transfer-Encoding", encoding), *headers]
        case Attachment(data, content_type, filename, disposition):
            named = "; ".join([disposition, *_parameter("filename", filename)] if filename else [disposition])
            return _base64(data), [
                ("Content-Type", content_type),
                ("Content-Transfer-Encoding", "base64"),
                ("Content-Disposition", named),
            ]
        case MessagePart(data, content_type, headers):
            content = _LINE_END.sub(b"\r\n", data)
            if not content.endswith(b"\r\n"):
                content += b"\r\n"  # the line end before a boundary is not part of the content
            encoding = "7bit" if content.isascii() else "8bit"
            return content, [("Content-Type", content_type), ("Content-Transfer-Encoding", encoding), *headers]
        case Multipart(parts, subtype, parameters):
            return _multipart(parts, subtype, parameters)


def _multipart(
    parts: Sequence[Body], subtype: str, parameters: Iterable[tuple[str, str]]
) -> tuple[bytes, list[Header]]:
    if not parts:
        raise ValueError("a multipart needs a part")
    rendered: list[bytes] = []
    encoding = "7bit"
    for part in parts:
        content, headers = _render(part)
        if ("Content-Transfer-Encoding", "8bit") in headers:
            encoding = "8bit"
        rendered.append(b"".join(field(name, value) for name, value in headers) + b"\r\n" + content)
    boundary = _boundary(rendered)
    described = [f"multipart/{subtype}", *(text for name, value in parameters for text in _parameter(name, value))]
    content_type = "; ".join([*described, f'boundary="{boundary}"'])
    dashes = b"--" + boundary.encode()
    content = b"".join(b"%b\r\n%b\r\n" % (dashes, part) for part in rendered) + dashes + b"--\r\n"
    return content, [("Content-Type", content_type), ("Content-Transfer-Encoding", encoding)]


def _boundary(parts: Sequence[bytes]) -> str:
    """`=_` occurs neither in quoted-printable nor in base64 (RFC 2045 6.7); anything else is checked."""
    digest = blake2b(digest_size=12)
    for part in parts:
        digest.update(part)
    while any(f"--=_{digest.hexdigest()}".encode() in part for part in parts):
        digest.update(b"again")
    return f"=_{digest.hexdigest()}"


def _encode_text(text: str) -> tuple[bytes, str, str]:
    """(octets, charset, transfer encoding)"""
    data = _LINE_END.sub(b"\r\n", text.encode("utf-8", "replace"))
    charset = "us-ascii" if data.isascii() else "utf-8"
    if _NOT_7BIT.search(data) is None and max(map(len, data.split(b"\r\n"))) <= LINE_OCTETS:
        return data, charset, "7bit"
    quoted = binascii.b2a_qp(data, istext=True).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    base64 = _base64(data)
    if len(quoted) <= len(base64):
        return quoted, charset, "quoted-printable"
    return base64, charset, "base64"


def _base64(data: bytes) -> bytes:
    step = _BASE64_LINE_OCTETS
    return b"".join(
        binascii.b2a_base64(data[at : at + step], newline=False) + b"\r\n" for at in range(0, len(data), step)
    )


def _parameter(name: str, value: str) -> list[str]:
    """`name=value`, quoted or as RFC 2231 sections of percent codes where need be."""
    value = value.translate(_CONTROLS)
    if _TOKEN.fullmatch(value) and len(value) <= _FOLD_AT:
        return [f"{name}={value}"]
    if value.isascii() and len(value) <= _FOLD_AT:
        return [f'{name}="' + re.sub(r'(["\\])', r"\\\1", value) + '"']
    coded = "utf-8''" + quote_from_bytes(value.encode("utf-8", "replace"), safe="")
    pieces = _PERCENT_PIECE.findall(coded)
    if len(pieces) == 1:
        return [f"{name}*={coded}"]
    return [f"{name}*{number}*={piece}" for number, piece in enumerate(pieces)]
