"""The header lines that we put before a message: Return-Path and Received, and on submission Date and Message-ID.

RFC 5321 4.4, RFC 6409 8. The peer's own words stand only where the grammar has a place for them.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime
from functools import lru_cache

from ..mail.address import Address
from ..mail.envelope import Peer, Protocol
from ..mime.dates import format_date

_DOMAIN = re.compile(r"[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.IPv]{2,60}\]")


def return_path(reverse_path: Address | None) -> bytes:
    return f"Return-Path: <{reverse_path if reverse_path else ''}>\r\n".encode()


def received(peer: Peer, *, hostname: str, trace_id: str, only_recipient: Address | None, now: datetime) -> bytes:
    """only_recipient: named when there is one, so that no copy tells of the others (RFC 5321 7.2)."""
    helo = peer.helo if _DOMAIN.fullmatch(peer.helo) else "unknown"
    if peer.account is not None:
        # A submission tells nobody which address its owner sits at; mail programs say it in EHLO too.
        lines = [f"Received: from {'unknown' if helo.startswith('[') else helo} by {hostname}"]
    else:
        lines = [f"Received: from {helo} ({_address_literal(peer.ip)})", f"\tby {hostname}"]
    how = f"\twith {_protocol(peer, only_recipient)} id {trace_id}"
    if peer.tls:
        how += f"\r\n\t({re.sub(r'[^A-Za-z0-9_. -]', '', peer.tls)})"
    lines.append(how)
    if only_recipient is not None:
        lines.append(f"\tfor <{only_recipient}>")
    return ("\r\n".join(lines) + f";\r\n\t{format_date(now)}\r\n").encode()


def missing_headers(*, has_date: bool, has_message_id: bool, hostname: str, trace_id: str, now: datetime) -> bytes:
    """RFC 6409 8: a submission without Date or Message-ID gets them."""
    lines = b""
    if not has_date:
        lines += f"Date: {format_date(now)}\r\n".encode()
    if not has_message_id:
        lines += f"Message-ID: <{now:%Y%m%d%H%M%S}.{trace_id}@{hostname}>\r\n".encode()
    return lines


@lru_cache(1024)
def _address_literal(ip: str) -> str:
    try:
        address = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return "[unknown]"
    if isinstance(address, ipaddress.IPv6Address):
        return f"[{address.ipv4_mapped}]" if address.ipv4_mapped else f"[IPv6:{address}]"
    return f"[{address}]"


def _protocol(peer: Peer, recipient: Address | None) -> str:
    """RFC 6531 4.3 has its own words for mail with addresses in UTF-8."""
    if recipient is not None and recipient.needs_smtputf8:
        return {
            Protocol.ESMTP: "UTF8SMTP",
            Protocol.ESMTPS: "UTF8SMTPS",
            Protocol.ESMTPA: "UTF8SMTPA",
            Protocol.ESMTPSA: "UTF8SMTPSA",
        }.get(peer.protocol, peer.protocol)
    return peer.protocol
