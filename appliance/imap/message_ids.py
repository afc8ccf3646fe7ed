"""Message-IDs as References, In-Reply-To and Message-ID hold them, in the form in which two of them are compared.

RFC 5256 3 (REFERENCES): quoting is taken away first, so that `<"01KF8"@x.example>` is `<01KF8@x.example>`; what is no
msg-id of RFC 5322 3.6.4 is passed over. Never raises; linear in the field's length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# msg-id = "<" id-left "@" id-right ">"; spaces may stand where a careless program folded the line.
_MESSAGE_ID = re.compile(rb'<\s*((?:"(?:[^"\\]|\\.)*"|[^<>"@\s])+)\s*@\s*(\[[^\[\]<>]*\]|[^<>@\s]+)\s*>', re.DOTALL)
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)


def message_ids(field: bytes) -> Iterator[bytes]:
    """All that are in a field's value, in order, as `left@right`."""
    for found in _MESSAGE_ID.finditer(field):
        left, right = found.groups()
        if b'"' in left:
            left = _QUOTED.sub(lambda quoted: _QUOTED_PAIR.sub(rb"\1", quoted.group(1)), left)
        yield b"%b@%b" % (left, right)


def first_message_id(field: bytes | None) -> bytes | None:
    return next(message_ids(field), None) if field else None
