"""The arguments of MAIL and RCPT as this peer can take them.

Promises: only parameters of extensions that the peer offered; nothing that could end a command line. Pure.
RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8), RFC 3461 4 (RET, ENVID, NOTIFY, ORCPT; xtext).
Known limit: to a peer without 8BITMIME an 8-bit message is sent as it is. RFC 6152 3 wants it converted or returned;
converting would break its signatures, and servers that say they are 7-bit take 8 bits in practice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..mail.address import Address
from ..mail.envelope import Recipient

Extensions = Mapping[str, str]
"""EHLO keyword in lower case → its parameters."""

_NOT_XTEXT = re.compile(rb"[^!-*,-<>-~]")


def size_limit(extensions: Extensions) -> int | None:
    """The largest message the peer says it takes; None when it does not say or says 0. RFC 1870 4."""
    words = extensions.get("size", "").split()
    if not words or not words[0].isascii() or not words[0].isdigit():
        return None
    return int(words[0][:20]) or None


def mail_argument(
    reverse_path: Address | None,
    extensions: Extensions,
    *,
    size_octets: int,
    eight_bit: bool,
    smtputf8: bool,
    ret: str | None,
    envid: str | None,
) -> bytes:
    words = [f"FROM:<{reverse_path or ''}>"]
    if "size" in extensions:
        words.append(f"SIZE={size_octets}")
    if eight_bit and "8bitmime" in extensions:
        words.append("BODY=8BITMIME")
    if smtputf8:
        words.append("SMTPUTF8")
    if "dsn" in extensions:
        if ret is not None:
            words.append(f"RET={ret}")
        if envid is not None:
            words.append(f"ENVID={xtext(envid)}")
    return " ".join(words).encode()


def rcpt_argument(recipient: Recipient, extensions: Extensions) -> bytes:
    words = [f"TO:<{recipient.address}>"]
    if "dsn" in extensions:
        if recipient.notify:
            words.append("NOTIFY=" + ",".join(sorted(recipient.notify)))
        kind, semicolon, address = (recipient.orcpt or "").partition(";")
        if semicolon and address.isascii():  # an international one would need RFC 6533's utf-8 address type
            words.append(f"ORCPT={kind};{xtext(address)}")
    return " ".join(words).encode()


def xtext(text: str) -> str:
    """RFC 3461 4: printable ASCII without `+` and `=`; the rest as +XX."""
    return _NOT_XTEXT.sub(lambda match: b"+%02X" % match.group()[0], text.encode()).decode()
