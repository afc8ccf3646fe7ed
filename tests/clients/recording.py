"""A relay on loopback that keeps what a client and the server said to each other. Passwords are not kept."""

from __future__ import annotations

import re
import socket
import threading
import zlib
from collections import Counter
from dataclasses import dataclass

SECRET = re.compile(rb"(?i)^(\S+ LOGIN \S+ |\S+ AUTHENTICATE \S+ ).*$")


class Recording:
    """port: where the client connects. conversation: lines, `>` what the client said and `<` what the server said."""

    def __init__(self, server_port: int) -> None:
        self._server = ("127.0.0.1", server_port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.conversation: list[str] = []
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Recording:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # shutdown wakes the thread that waits in accept; close alone does not.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        with self._lock:
            for each in self._open:
                each.close()

    def commands(self) -> list[str]:
        """What the client asked, without tags: literals and continuation lines are left out."""
        tagged = re.compile(r"^\d+> [A-Za-z]*\d+ (.+)$")
        return [found[1] for line in list(self.conversation) if (found := tagged.match(line))]

    def verbs(self) -> Counter[str]:
        words = (command.upper().split() for command in self.commands())
        return Counter(" ".join(each[:2]) if each[0] == "UID" else each[0] for each in words if each)

    def waits_in(self, mailbox: str) -> bool:
        """Whether a connection that selected it last said IDLE after that."""
        selected: dict[str, str] = {}
        idle: dict[str, bool] = {}
        for line in list(self.conversation):
            if found := re.match(r'(?i)^(\d+)> \S+ SELECT "?([^"]*)', line):
                selected[found[1]], idle[found[1]] = found[2], False
            elif found := re.match(r"(?i)^(\d+)> (?:\S+ (IDLE)|DONE)$", line):
                idle[found[1]] = found[2] is not None
        return any(idle[number] and name == mailbox for number, name in selected.items())

    def refused(self) -> list[str]:
        """Every answer NO or BAD."""
        return [line for line in list(self.conversation) if re.match(r"^\d+< [A-Za-z]*\d+ (NO|BAD) ", line)]

    def _accept(self) -> None:
        number = 0
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            number += 1
            server = socket.create_connection(self._server)
            with self._lock:
                self._open += [client, server]
            shared = _Shared()
            for source, target, heard in (
                (client, server, _Heard(f"{number}>", True, shared)),
                (server, client, _Heard(f"{number}<", False, shared)),
            ):
                threading.Thread(target=self._relay, args=(source, target, heard), daemon=True).start()

    def _relay(self, source: socket.socket, target: socket.socket, heard: _Heard) -> None:
        try:
            while octets := source.recv(65536):
                self.conversation += heard.lines(octets)
                target.sendall(octets)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return  # one side has hung up; the other thread sees it too


@dataclass(slots=True)
class _Shared:
    """tag: of a COMPRESS that has been asked for; secret: the client's next line belongs to AUTHENTICATE."""

    tag: bytes = b""
    secret: bool = False


@dataclass(slots=True)
class _Heard:
    """One direction of one connection, read as lines, also once it is compressed (RFC 4978)."""

    mark: str
    from_client: bool
    shared: _Shared
    rest: bytes = b""
    inflate: zlib._Decompress | None = None

    def lines(self, octets: bytes) -> list[str]:
        self.rest += octets if self.inflate is None else self.inflate.decompress(octets)
        found = []
        while b"\n" in self.rest:
            line, self.rest = self.rest.split(b"\n", 1)
            line = line.rstrip(b"\r")
            found.append(f"{self.mark} {self._kept(line).decode(errors='replace')}")
            if self._compresses(line):
                self.inflate = zlib.decompressobj(-15)
                self.rest = self.inflate.decompress(self.rest)
        return found

    def _kept(self, line: bytes) -> bytes:
        if self.from_client and self.shared.secret:
            self.shared.secret = False
            return b"..."
        if self.from_client and re.match(rb"(?i)^\S+ AUTHENTICATE \S+$", line):
            self.shared.secret = True
        return SECRET.sub(rb"\1...", line)

    def _compresses(self, line: bytes) -> bool:
        if self.inflate is not None:
            return False
        if self.from_client:
            asked = re.match(rb"(?i)^(\S+) COMPRESS DEFLATE$", line)
            if asked:
                self.shared.tag = asked[1]
            return asked is not None
        return self.shared.tag != b"" and line.startswith(self.shared.tag + b" OK ")
