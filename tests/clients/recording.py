"""A relay on loopback that keeps what a client and the server said to each other. Passwords are not kept."""

from __future__ import annotations

import re
import socket
import threading
from collections import Counter

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
        tagged = re.compile(r"^\d+> [A-Za-z]*\d+ (.*)$")
        return [found[1] for line in list(self.conversation) if (found := tagged.match(line))]

    def verbs(self) -> Counter[str]:
        words = (command.upper().split() for command in self.commands())
        return Counter(" ".join(each[:2]) if each[0] == "UID" else each[0] for each in words if each)

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
            for source, target, mark in ((client, server, f"{number}>"), (server, client, f"{number}<")):
                threading.Thread(target=self._relay, args=(source, target, mark), daemon=True).start()

    def _relay(self, source: socket.socket, target: socket.socket, mark: str) -> None:
        rest = b""
        try:
            while octets := source.recv(65536):
                *lines, rest = (rest + octets).split(b"\n")
                kept = (SECRET.sub(rb"\1...", line.rstrip(b"\r")).decode(errors="replace") for line in lines)
                self.conversation += [f"{mark} {line}" for line in kept]
                target.sendall(octets)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return  # one side has hung up; the other thread sees it too
