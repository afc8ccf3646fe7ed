"""How a dialogue is written, and how it is played. One statement a line:

    # words for people
    put INBOX two          the store files the message `two` in INBOX, as a delivery would
    A > a1 SELECT INBOX    connection A sends a line (the first word from A connects and signs in)
    A >> hello             A sends octets without a line end
    A < * 2 EXISTS         this must come to A before the tagged response of what A sent last
    A < a1 OK              … and this, in this order; what comes between is passed over
    A ! EXPUNGE            no line that came to A since it last sent anything holds this
    A end                  the server hangs up on A

In what must come `…` is anything, and `$name` is a word: the first one met is remembered and wanted again afterwards, and
it may be used in what is sent. A response is matched from its beginning; its literals belong to it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class Peer(Protocol):
    """One connection, signed in."""

    async def send(self, octets: bytes) -> None: ...

    async def response(self) -> bytes:
        """The next one, without its final CRLF; b"" once the server has hung up."""
        ...

    async def close(self) -> None: ...


@dataclass(slots=True, frozen=True)
class Statement:
    line: int
    who: str
    what: str
    rest: str


_STATEMENT = re.compile(r"(put|[A-Z]) ?(>>|>|<|!|end|(?<=put )\S+)(?: (.*))?")


def read(path: Path) -> list[Statement]:
    statements = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _STATEMENT.fullmatch(line)
        assert found is not None, f"{path.name}:{number}: {line!r} is no statement"
        statements.append(Statement(number, found[1], found[2], found[3] or ""))
    return statements


@dataclass
class _Connection:
    peer: Peer
    came: list[bytes] = field(default_factory=list)  # since it last sent anything


class Player:
    """connect: a new peer; put: files the message of that name in a mailbox."""

    def __init__(self, connect: Callable[[], Awaitable[Peer]], put: Callable[[str, str], Awaitable[None]]) -> None:
        self._connect = connect
        self._put = put
        self._connections: dict[str, _Connection] = {}
        self._words: dict[str, str] = {}

    async def play(self, path: Path) -> None:
        try:
            for statement in read(path):
                try:
                    await self._step(statement)
                except AssertionError as fault:
                    raise AssertionError(f"{path.name}:{statement.line}: {fault}") from None
        finally:
            for connection in self._connections.values():
                await connection.peer.close()

    async def _step(self, statement: Statement) -> None:
        if statement.who == "put":
            await self._put(statement.what, statement.rest)
            return
        if statement.who not in self._connections:
            self._connections[statement.who] = _Connection(await self._connect())
        connection = self._connections[statement.who]
        match statement.what:
            case ">" | ">>":
                connection.came.clear()
                octets = self._filled(statement.rest).encode()
                await connection.peer.send(octets + (b"\r\n" if statement.what == ">" else b""))
            case "<":
                await self._expect(connection, statement.rest)
            case "!":
                for response in connection.came:
                    assert statement.rest.encode() not in response, f"this must not come: {response!r}"
            case "end":
                while response := await connection.peer.response():
                    connection.came.append(response)

    def _filled(self, text: str) -> str:
        return re.sub(r"\$(\w+)", lambda found: self._words[found[1]], text)

    async def _expect(self, connection: _Connection, wanted: str) -> None:
        pattern = self._pattern(wanted)
        while True:
            response = await connection.peer.response()
            connection.came.append(response)
            text = response.decode("utf-8", "replace")
            if found := pattern.match(text):
                self._words |= found.groupdict()
                return
            tagged = not text.startswith(("* ", "+"))
            assert not tagged, f"{wanted!r} did not come; last came {text!r}"

    def _pattern(self, wanted: str) -> re.Pattern[str]:
        pieces = []
        new: set[str] = set()
        for piece in re.split(r"(…|\$\w+)", wanted):
            name = piece[1:]
            if piece == "…":
                pieces.append(".*")
            elif not piece.startswith("$"):
                pieces.append(re.escape(piece))
            elif name in self._words:
                pieces.append(re.escape(self._words[name]))
            elif name in new:
                pieces.append(f"(?P={name})")
            else:
                new.add(name)
                pieces.append(rf"(?P<{name}>\w+)")
        return re.compile("".join(pieces), re.DOTALL)
