"""A few readable words from the beginning of a text, for lists of messages.

Promises: never raises; one line of at most PREVIEW_CHARACTERS characters, without markup, control characters and the
invisible ones that newsletters pad themselves with. Quoted lines of the message replied to are left out while there is
anything else. Needs only the first HEAD_OCTETS octets of the part; a preview is a hint, so a style sheet longer
than that leaves it empty. RFC 8970 3.1 (at most 200 characters).
"""

from __future__ import annotations

import re

from .character_references import unescape
from .charsets import decode_text, decode_transfer

HEAD_OCTETS = 16 * 1024
PREVIEW_CHARACTERS = 200
_PLAIN_OCTETS = 4 * 1024  # where there is no markup, so much is plenty
_FIRST_OCTETS = 1024  # and as a rule a part of that is
_CHARACTERS = 8000

# Each alternative ends at the end of the text if nothing else ends it, which keeps the time linear.
_MARKUP = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<(?P<silent>head|style|script|title|template)\b.*?(?:</(?P=silent)\s*>|\Z)"
    r"|<[/!?a-z][^>]*(?:>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_QUOTED_LINE = re.compile(r"\n>[^\n]*")
_INLINE = re.compile(
    r"</?(?:a|abbr|b|big|code|em|font|i|ins|mark|s|small|span|strong|sub|sup|u|wbr)\b[^>]*(?:>|\Z)", re.IGNORECASE
)
_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+")


def preview(head: bytes, subtype: bytes, encoding: bytes, charset: str) -> str:
    """head: the first octets of a text/plain or text/html body, still in their transfer encoding."""
    if subtype == b"html":
        text = decode_text(decode_transfer(head[:HEAD_OCTETS], encoding), charset)
        # A paragraph parts words, an emphasis does not.
        return _short(_line(unescape(_MARKUP.sub(" ", _INLINE.sub("", text)))))
    head = head[:_PLAIN_OCTETS]
    if encoding != b"base64":
        first = _plain(head[: head.rfind(b"\n", 0, _FIRST_OCTETS) + 1], encoding, charset)
        if len(first) > PREVIEW_CHARACTERS:  # what follows changes nothing
            return _short(first)
    return _short(_plain(head, encoding, charset))


def _plain(head: bytes, encoding: bytes, charset: str) -> str:
    text = decode_text(decode_transfer(head, encoding), charset)
    return _line(_QUOTED_LINE.sub("\n", "\n" + text) if ">" in text else text) or _line(text)


def _line(text: str) -> str:
    """Its words and nothing between them but single spaces; rather more of them than a preview may have."""
    text = text[:_CHARACTERS]
    if not text.isascii():
        text = _INVISIBLE.sub("", text)
    line = " ".join(text.split())[: 2 * PREVIEW_CHARACTERS]
    if not line.isprintable():
        line = " ".join("".join(c if c.isprintable() else " " for c in line).split())
    return line


def _short(line: str) -> str:
    return line if len(line) <= PREVIEW_CHARACTERS else line[: PREVIEW_CHARACTERS - 1].rstrip() + "…"
