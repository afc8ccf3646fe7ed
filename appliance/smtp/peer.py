"""Who is at the other end, as intake/ wants to know it."""

from __future__ import annotations

from ..mail.envelope import Peer, Protocol
from .connection import Connection


def peer_of(connection: Connection) -> Peer:
    account = connection.account
    return Peer(
        ip=connection.ip,
        helo=connection.helo,
        protocol=protocol_of(
            extended=connection.extended, tls=connection.tls is not None, signed_in=account is not None
        ),
        tls=connection.tls,
        account_id=account.id if account is not None else None,
        account=account.address if account is not None else None,
        listener=str(connection.listener),
    )


def protocol_of(*, extended: bool, tls: bool, signed_in: bool) -> Protocol:
    """RFC 3848. TLS and AUTH need EHLO, so HELO is plain SMTP."""
    if not extended:
        return Protocol.SMTP
    return Protocol("ESMTP" + ("S" if tls else "") + ("A" if signed_in else ""))
