"""A strict SMTP client for raw dialogues: it sends what it is told and complains about replies that are malformed."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import socket
import ssl
import struct
from types import TracebackType
from typing import Self

from .ca import client_context

_LINE = re.compile(rb"([2-5][0-9][0-9])([ -])([\t -~]*)\r\n")
_ENHANCED = re.compile(r"([245])\.[0-9]{1,3}\.[0-9]{1,3} ")


class SmtpClient:
    """`async with await SmtpClient.connect(port) as smtp: assert await smtp.reply() == …`"""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int, *, tls: bool = False, host: str = "127.0.0.1") -> SmtpClient:
        context = client_context() if tls else None
        return cls(*await asyncio.open_connection(host, port, ssl=context))

    @classmethod
    async def greeted(cls, port: int, *, tls: bool = False, ehlo: str | None = "client.example") -> SmtpClient:
        """Past the greeting and EHLO."""
        client = await cls.connect(port, tls=tls)
        await client.expect(220)
        if ehlo is not None:
            await client.command(f"EHLO {ehlo}", 250)
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):  # the other side may have been faster
            await self.writer.wait_closed()

    def abort(self) -> None:
        """Gone without a word: the connection is reset."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def send_slowly(self, data: bytes) -> None:
        """Octet by octet, each given the chance to be a segment of its own."""
        for position in range(len(data)):
            self.writer.write(data[position : position + 1])
            await self.writer.drain()
            await asyncio.sleep(0)

    async def reply_lines(self) -> tuple[int, list[str]]:
        """(code, texts) of one reply, checked for form. RFC 5321 4.2.1."""
        code: int | None = None
        texts: list[str] = []
        while True:
            line = await self.reader.readline()
            found = _LINE.fullmatch(line)
            if found is None:
                raise AssertionError(
                    f"not a reply line: {line!r}" if line else "the server hung up instead of replying"
                )
            assert len(line) <= 512, "a reply line of more than 512 octets"
            assert code in (None, int(found[1])), "two codes in one reply"
            code = int(found[1])
            texts.append(found[3].decode())
            if found[2] == b" ":
                return code, texts

    async def reply(self) -> str:
        """One reply as `250 2.0.0 OK`, lines joined by a newline."""
        code, texts = await self.reply_lines()
        enhanced = _ENHANCED.match(texts[-1])
        if enhanced is not None:
            assert enhanced[1] == str(code)[0], f"the two codes of {code} {texts} disagree"
        return f"{code} " + "\n".join(texts)

    async def expect(self, start: int | str) -> str:
        reply = await self.reply()
        assert reply.startswith(str(start)), f"wanted {start}, got {reply}"
        return reply

    async def command(self, line: str | bytes, start: int | str) -> str:
        self.send((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        return await self.expect(start)

    async def envelope(self, *recipients: str, reverse_path: str = "bo@far.example") -> None:
        await self.command(f"MAIL FROM:<{reverse_path}>", 250)
        for recipient in recipients or ("ana@example.org",):
            await self.command(f"RCPT TO:<{recipient}>", 250)

    async def message(self, content: bytes, start: int | str = 250) -> str:
        """DATA; `content` is sent as it stands, so that it brings its own dots and line ends."""
        await self.command("DATA", 354)
        self.send(content + b".\r\n")
        return await self.expect(start)

    async def start_tls(self) -> None:
        """STARTTLS and the handshake; EHLO is to be said again."""
        await self.command("STARTTLS", 220)
        await self.upgrade()

    async def upgrade(self) -> None:
        await self.writer.start_tls(client_context(), server_hostname="127.0.0.1")

    async def sign_in(self, start: int | str = 235, password: str = "trees and rivers") -> str:
        initial = base64.b64encode(b"\0ana@example.org\0" + password.encode()).decode()
        return await self.command(f"AUTH PLAIN {initial}", start)

    async def closed(self) -> bool:
        """Whether the server has hung up and said nothing more."""
        return await self.reader.read() == b""
