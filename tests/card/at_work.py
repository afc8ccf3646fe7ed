"""What tests of a card do with the server on it: deliver, read, look into the store when it has stopped."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from appliance.store.check import check
from appliance.store.interface import Store
from appliance.store.queue_rows import all_messages
from tests.power.server import DOMAIN, Server
from tests.support.imap_client import ImapClient
from tests.support.smtp_client import SmtpClient
from tests.support.world import PASSWORD


@contextlib.asynccontextmanager
async def reader_of(server: Server, account: str) -> AsyncIterator[ImapClient]:
    imap = await ImapClient.signed_in(server.ports["imap"], f"{account}@{DOMAIN}", PASSWORD)
    try:
        yield imap
    finally:
        await imap.close()


async def deliver(server: Server, content: bytes, start: int | str) -> str:
    """The reply to the message, or to whatever was refused before it."""
    async with await SmtpClient.greeted(server.ports["smtp"]) as smtp:
        for line in ("MAIL FROM:<bo@far.example>", f"RCPT TO:<ana@{DOMAIN}>", "DATA"):
            reply = await smtp.command(line, "")
            if reply[0] not in "23":
                break
        else:
            smtp.send(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            reply = await smtp.reply()
        assert reply.startswith(str(start)), reply
        return reply


def queued(server: Server) -> set[str]:
    store = Store(server.home)
    try:
        return {each.subject for each in store.read_now(all_messages)}
    finally:
        store.close()


def checked(server: Server) -> list[str]:
    store = Store(server.home)
    try:
        return check(store)
    finally:
        store.close()
