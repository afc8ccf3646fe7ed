"""APPEND: a message streamed from the client into the store. RFC 3501 6.3.11, RFC 4315 3 (APPENDUID), RFC 7889.

The message is on the card when OK is said. Memory does not grow with it: pieces go to a spool as they come.
"""

from __future__ import annotations

import asyncio
import time

from ...store import mailboxes
from ...store.changes.messages import NewMessage, append
from ...store.flags import to_bits
from ...store.refusals import NoSuchMailbox
from ...store.spool import SpooledContent
from .. import render
from ..answers import Done, HangUp, Refusal
from ..machine import AppendEnded, AppendOctets, AppendReady, Fatal, Fault
from ..session import Session


async def append_message(session: Session, event: AppendReady) -> Done:
    command = event.command
    try:
        mailbox_id = await _mailbox(session, command.mailbox)
        _check_size(session, command.size_octets)
        await asyncio.to_thread(session.store.need_room, command.size_octets)
    except BaseException:
        session.machine.refuse_append()
        raise
    if session.machine.accept_append():
        session.send(render.continuation("Ready for the message"))
    flags, keywords = to_bits(command.flags)
    internal_date = int(time.time() if command.internal_date is None else command.internal_date.timestamp())
    content = await _received(session)
    try:
        new = NewMessage(content, flags, keywords, internal_date)
        uidvalidity, uids = await session.change(append(mailbox_id, (new,)))
    except NoSuchMailbox:
        raise Refusal("The mailbox was deleted meanwhile", "TRYCREATE") from None
    finally:
        content.discard()
    return Done("Kept", f"APPENDUID {uidvalidity} {uids[0]}")


async def _mailbox(session: Session, name: str) -> int:
    """Raises Refusal with TRYCREATE, which tells the client that CREATE would help."""
    account_id = session.account.id
    mailbox = await session.read(lambda connection: mailboxes.find_mailbox(connection, account_id, name))
    if mailbox is None:
        raise Refusal("There is no such mailbox", "TRYCREATE")
    return mailbox.id


def _check_size(session: Session, size_octets: int) -> None:
    if not size_octets:
        raise Refusal("A message without any octets is none", "CANNOT")
    if size_octets > session.settings.message_octets:
        raise Refusal(f"The message is larger than {session.settings.message_octets} octets", "TOOBIG")


async def _received(session: Session) -> SpooledContent:
    """The message, whole. Raises Refusal when the command goes on where it should end, HangUp when it breaks off."""
    spool = session.store.open_spool()
    try:
        while True:
            match await session.next_event():
                case AppendOctets(octets):
                    await asyncio.to_thread(spool.write, octets)
                case AppendEnded():
                    return await asyncio.to_thread(spool.finish)
                case Fault() as fault:
                    raise Refusal(fault.text, status="BAD")
                case Fatal(text):
                    raise HangUp(text)
                case event:
                    raise AssertionError(event)
    except BaseException:
        spool.discard()
        raise
