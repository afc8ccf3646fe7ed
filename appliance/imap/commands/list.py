"""LIST and LSUB. RFC 3501 6.3.8-6.3.9, RFC 5258, RFC 5819, RFC 8440, RFC 9590, RFC 9051 6.3.9.

What is listed is found and put into octets on a reader's thread: a household's mailboxes are few, but patterns are a
stranger's.
"""

from __future__ import annotations

import sqlite3

from ...store import mailboxes
from .. import listing, render, visible
from ..answers import Done
from ..enabled import Extension
from ..grammar.list import List, Return
from ..grammar.mailboxes import Lsub
from ..rights import shown
from ..session import FLUSH_OCTETS, Session
from .metadata import noted_on
from .status import asked, values_of


async def list_(session: Session, command: List) -> Done:
    if command.patterns == ("",) and not command.selection:
        # RFC 3501 6.3.8: an empty pattern asks for the separator and the root of the reference.
        session.send(render.listed("LIST", ("\\Noselect",), b'""'))
        return Done("Listed")
    account_id = session.account.id
    # RFC 9051 7.3.1: \NonExistent, which clients of RFC 3501 alone do not know.
    modern = command.extended or session.has(Extension.IMAP4REV2)
    items = asked(session, command.status)

    def query(connection: sqlite3.Connection) -> list[bytes]:
        found = {each.name: each for each in visible.mailboxes_of(connection, account_id)}
        names = {name: each.mailbox.special_use for name, each in found.items()}
        subscribed = mailboxes.subscriptions(connection, account_id)
        lines = []
        for each in listing.listed(names, subscribed, command, modern=modern):
            name = session.name(each.name)
            line = render.listed("LIST", each.attributes, name, child_info=each.child_info)
            there = found.get(each.name)
            if there is not None and each.meant:
                if Return.MYRIGHTS in command.returns:
                    line += b"* MYRIGHTS %b %b\r\n" % (name, shown(there.rights).encode("ascii"))
                # RFC 5819 2: none for a mailbox that may not be looked into.
                if Return.STATUS in command.returns and "r" in there.rights:
                    values = values_of(connection, there.mailbox, items, session.settings.message_octets)
                    line += render.status(name, values)
                if command.metadata:
                    line += noted_on(connection, account_id, there, name, command.metadata)
            lines.append(line)
        return lines

    for line in await session.read(query):
        session.send(line)
        await session.flush(at_least=FLUSH_OCTETS)
    return Done("Listed")


async def lsub(session: Session, command: Lsub) -> Done:
    """IMAP4rev2 has none (RFC 9051 E.8); a client that asks all the same is answered."""
    account_id = session.account.id

    def query(connection: sqlite3.Connection) -> list[bytes]:
        names = mailboxes.subscriptions(connection, account_id)
        return [
            render.listed("LSUB", each.attributes, session.name(each.name))
            for each in listing.subscribed(names, listing.composed(command.reference + command.pattern))
        ]

    for line in await session.read(query):
        session.send(line)
        await session.flush(at_least=FLUSH_OCTETS)
    return Done("Listed")
