"""Mail clients that do as told and look at the clock: what benches send to a server and ask it.

SMTP as a server elsewhere speaks it: one connection for each message, commands pipelined (RFC 2920). IMAP with one
command at a time; STATUS shows when a message is in its mailbox. Whatever is not answered as it should be raises
Unexpected: a bench of refusals would mean nothing.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.corpus import Corpus
from bench.rig import HOST, PASSWORD

PATIENCE_S = 300.0
LOOK_AGAIN_S = 0.01
LINE_OCTETS = 1 << 22  # UIDs of a whole mailbox stand in one line


class Unexpected(Exception):
    """The server said something else."""


@dataclass(slots=True, frozen=True)
class Mail:
    """octets: dot-stuffed, with the final dot."""

    reverse_path: str
    recipient: str
    octets: bytes

    @classmethod
    def of(cls, corpus: Corpus, i: int) -> Mail:
        return cls(corpus.reverse_path(i), corpus.recipient(i), stuffed(corpus.message(i)))


def stuffed(message: bytes) -> bytes:
    """RFC 5321 4.5.2. The message ends with CRLF."""
    first = b"." if message.startswith(b".") else b""
    return first + message.replace(b"\r\n.", b"\r\n..") + b".\r\n"


@dataclass(slots=True)
class Sent:
    """waits_s: from dialling to the 250, one for each message. took_s: until the last of them."""

    waits_s: list[float] = field(default_factory=list)
    octets: int = 0
    took_s: float = 0.0
    visible_s: float = 0.0  # until IMAP showed the last message


async def send(port: int, mails: Sequence[Mail], at_once: int) -> Sent:
    sent, left, begun = Sent(), iter(mails), time.monotonic()

    async def work() -> None:
        for mail in left:
            dialled = time.monotonic()
            await send_one(port, mail)
            sent.waits_s.append(time.monotonic() - dialled)
            sent.octets += len(mail.octets)

    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())
    sent.took_s = time.monotonic() - begun
    return sent


async def send_one(port: int, mail: Mail, *, user: str | None = None) -> None:
    """user: who signs in first, at the port for submission."""
    reader, writer = await asyncio.open_connection(HOST, port)

    async def expect(*codes: bytes) -> None:
        for code in codes:
            line = await reader.readline()
            while line[3:4] == b"-":
                line = await reader.readline()
            if not line.startswith(code):
                raise Unexpected(f"{line!r} in place of {code.decode()}")

    await expect(b"220")
    writer.write(b"EHLO mail.far.example\r\n")
    await expect(b"250")
    if user is not None:
        writer.write(b"AUTH PLAIN " + base64.b64encode(f"\0{user}\0{PASSWORD}".encode()) + b"\r\n")
        await expect(b"235")
    writer.write(f"MAIL FROM:<{mail.reverse_path}>\r\nRCPT TO:<{mail.recipient}>\r\nDATA\r\n".encode())
    await expect(b"250", b"250", b"354")
    writer.write(mail.octets)
    await expect(b"250")
    writer.write(b"QUIT\r\n")
    writer.close()


class Imap:
    """One client, signed in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._commands = 0

    @classmethod
    async def sign_in(cls, port: int, user: str) -> Imap:
        reader, writer = await asyncio.open_connection(HOST, port, limit=LINE_OCTETS)
        client = cls(reader, writer)
        await client._response()  # the greeting
        await client.command(f'LOGIN "{user}" "{PASSWORD}"')
        return client

    async def command(self, words: str, literal: bytes | None = None) -> list[bytes]:
        """The untagged responses, literals and all. Raises Unexpected on anything but OK."""
        self._commands += 1
        tag = b"c%d " % self._commands
        if literal is None:
            self._writer.write(tag + words.encode() + b"\r\n")
        else:
            self._writer.write(tag + words.encode() + b" {%d}\r\n" % len(literal))
            await self._response()
            self._writer.write(literal + b"\r\n")
        untagged = []
        while not (response := await self._response()).startswith(tag):
            untagged.append(response)
        if not response.startswith(tag + b"OK"):
            raise Unexpected(f"{words}: {response!r}")
        return untagged

    async def uidnext(self) -> int:
        """Of INBOX, as STATUS says: it grows by one with each message, whatever becomes of that one."""
        for response in await self.command("STATUS INBOX (UIDNEXT)"):
            if response.startswith(b"* STATUS"):
                return int(response.rpartition(b"UIDNEXT ")[2].split(b")")[0])
        raise Unexpected("STATUS without an answer")

    async def idle(self) -> None:
        """RFC 2177; from here on only `exists` and `close` make sense."""
        self._writer.write(b"i IDLE\r\n")
        while not (await self._response()).startswith(b"+"):
            pass

    async def exists(self) -> None:
        """Until the server tells of a new message."""
        while not (await self._response()).endswith(b" EXISTS\r\n"):
            pass

    def close(self) -> None:
        self._writer.close()

    async def _response(self) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            whole = b""
            while True:
                line = await self._reader.readline()
                if not line:
                    raise Unexpected("the server hung up")
                whole += line
                if not line.endswith(b"}\r\n"):
                    return whole
                whole += await self._reader.readexactly(int(line.rpartition(b"{")[2][:-3]))


class Watch:
    """Says when mail is in its mailboxes; a client for each user, quiet until it is asked."""

    def __init__(self, clients: dict[str, Imap], before: dict[str, int]) -> None:
        self._clients = clients
        self._before = before

    @classmethod
    async def begin(cls, port: int, users: Sequence[str]) -> Watch:
        clients = {user: await Imap.sign_in(port, user) for user in users}
        return cls(clients, {user: await client.uidnext() for user, client in clients.items()})

    async def all_there(self, mails: Sequence[Mail]) -> None:
        wanted = Counter(mail.recipient for mail in mails)
        async with asyncio.timeout(PATIENCE_S):
            for user, count in wanted.items():
                # STATUS is asked again and again: Dovecot tells IDLE half a second late.
                while await self._clients[user].uidnext() < self._before[user] + count:  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_AGAIN_S)
                self._before[user] += count

    def end(self) -> None:
        for client in self._clients.values():
            client.close()


async def send_and_see(port: int, mails: Sequence[Mail], at_once: int, watch: Watch) -> Sent:
    begun = time.monotonic()
    sent = await send(port, mails, at_once)
    await watch.all_there(mails)
    sent.visible_s = time.monotonic() - begun
    return sent


async def until_exists(smtp_port: int, imap_port: int, user: str, mails: Sequence[Mail]) -> list[float]:
    """For each mail, sent alone: seconds from dialling to EXISTS at a client in IDLE."""
    client = await Imap.sign_in(imap_port, user)
    await client.command("SELECT INBOX")
    await client.idle()
    waits_s = []
    for mail in mails:
        begun = time.monotonic()
        told = asyncio.create_task(client.exists())
        await send_one(smtp_port, mail)
        await told
        waits_s.append(time.monotonic() - begun)
    client.close()
    return waits_s


async def idlers(port: int, users: Sequence[str], count: int) -> list[Imap]:
    clients = []
    for n in range(count):
        client = await Imap.sign_in(port, users[n % len(users)])
        await client.command("SELECT INBOX")
        await client.idle()
        clients.append(client)
    return clients
