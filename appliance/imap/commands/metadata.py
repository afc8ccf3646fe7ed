"""GETMETADATA and SETMETADATA: notes on mailboxes, and on the server under the name ''. RFC 5464, RFC 6154 4.

Whoever may list a mailbox and read or fill it may read and change what is noted on it (RFC 5464 3.3). On the server,
everybody has notes of their own; the shared ones are the owner's and cannot be set by mail programs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from ...store.annotations import SERVER, SHARED_PREFIX, annotations_of
from ...store.changes.annotations import annotate
from ...store.transaction import Tx
from .. import render, rights, visible
from ..answers import Done, Refusal
from ..grammar.metadata import GetMetadata, SetMetadata
from ..session import Session

MOST_OCTETS = 64 * 1024  # of one value; RFC 5464 4.1 wants 1024
SPECIAL_USE = "/private/specialuse"  # RFC 6154 4: tied to what LIST says
ADMIN = "/shared/admin"

_READ_ONLY = (SPECIAL_USE, ADMIN)


async def get_metadata(session: Session, command: GetMetadata) -> Done:
    """RFC 5464 4.2. An entry that was asked for by its name and is not there comes as NIL."""
    account_id = session.account.id

    def query(connection: sqlite3.Connection) -> tuple[bytes, int]:
        name, mailbox_id, known = b'""', SERVER, {}
        if not command.mailbox:
            known[ADMIN] = f"mailto:{session.settings.postmaster}".encode() if session.settings.postmaster else None
        else:
            found = _need(connection, account_id, command.mailbox)
            name, mailbox_id = session.name(found.name), found.mailbox.id
            use = found.mailbox.special_use
            known[SPECIAL_USE] = use.encode() if use else None
        there = annotations_of(connection, mailbox_id, account_id)
        there |= {entry: value for entry, value in known.items() if value is not None}
        return _answer(name, there, command)

    line, longest = await session.read(query)
    session.send(line)
    return Done("That is what is noted", f"METADATA LONGENTRIES {longest}" if longest else None)


def noted_on(
    connection: sqlite3.Connection,
    account_id: int,
    found: visible.VisibleMailbox,
    name: bytes,
    entries: tuple[str, ...],
) -> bytes:
    """The response for one mailbox of a LIST, empty where the account may not see what is noted there. RFC 9590 3."""
    if not rights.may_see_notes(found.rights):
        return b""
    there = annotations_of(connection, found.mailbox.id, account_id)
    if found.mailbox.special_use:
        there[SPECIAL_USE] = found.mailbox.special_use.encode()
    return _answer(name, there, GetMetadata(found.name, entries))[0]


def _answer(name: bytes, there: Mapping[str, bytes], command: GetMetadata) -> tuple[bytes, int]:
    """(the response, the size of the longest value that was asked for and left out as too long, or 0)."""
    chosen: dict[str, bytes | None] = {}
    for asked in command.entries:
        if not command.depth:
            chosen[asked] = there.get(asked)
            continue
        for entry in sorted(there):
            below = entry.removeprefix(asked + "/")
            if entry == asked or (below != entry and below.count("/") < command.depth):
                chosen[entry] = there[entry]
    most = command.most_octets
    too_long = [len(value) for value in chosen.values() if value is not None and most is not None and len(value) > most]
    told = [
        b"%b %b" % (render.astring(entry.encode()), _value(value))
        for entry, value in chosen.items()
        if value is None or most is None or len(value) <= most
    ]
    line = b"* METADATA %b (%b)\r\n" % (name, b" ".join(told)) if told else b""
    return line, max(too_long, default=0)


def _value(value: bytes | None) -> bytes:
    """value = nstring / literal8"""
    if value is not None and b"\0" in value:
        return b"~{%d}\r\n%b" % (len(value), value)
    return render.nstring(value)


async def set_metadata(session: Session, command: SetMetadata) -> Done:
    """RFC 5464 4.3: all or nothing."""
    account_id = session.account.id
    values = dict(command.values)
    if any(value is not None and len(value) > MOST_OCTETS for value in values.values()):
        raise Refusal("One of the values is too long", f"METADATA MAXSIZE {MOST_OCTETS}")
    if not command.mailbox:
        if any(entry.startswith(SHARED_PREFIX) for entry in values):
            raise Refusal("What is noted on the server for all cannot be changed", "NOPERM")
    elif any(entry in _READ_ONLY for entry in values):
        raise Refusal("That is known and cannot be set", "CANNOT")

    def change(tx: Tx) -> None:
        mailbox_id = _need(tx.connection, account_id, command.mailbox).mailbox.id if command.mailbox else SERVER
        annotate(mailbox_id, account_id, values)(tx)

    await session.change(change)
    return Done("Noted")


def _need(connection: sqlite3.Connection, account_id: int, name: str) -> visible.VisibleMailbox:
    """Raises Refusal. RFC 5464 3.3."""
    found = visible.need(connection, account_id, name, "l")
    if not rights.may_see_notes(found.rights):
        raise visible.not_permitted()
    return found
