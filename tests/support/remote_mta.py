"""Somebody else's mail server: a scripted SMTP peer on loopback that says what it is told to at any step.

    with RemoteMta({"RCPT": "550 5.1.1 nobody here"}) as mta: … mta.port … mta.messages

A step is GREETING, EHLO, HELO, STARTTLS, AUTH, MAIL, RCPT, DATA, CONTENT (after the first line of a message; the rest is
thrown away then), DOT (after the final dot), RSET, NOOP or QUIT. What it
says there is a reply (lines joined by CRLF), a function of the command's argument that gives one, HANG_UP (close),
RESET (close with RST), STALL (say nothing until the test ends), or a list of these, one for each time. What is not
scripted goes well. It runs in threads with blocking sockets, so that it can stand beside any event loop. Messages are
kept with their exact octets, dot-stuffing undone.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType

HANG_UP = "<hang up>"
RESET = "<reset>"
STALL = "<stall>"

Saying = str | Callable[[str], str]
Script = Mapping[str, Saying | list[Saying]]

EXTENSIONS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "SIZE 100000000")

WELL = {
    "GREETING": "220 remote.test ESMTP",
    "HELO": "250 remote.test",
    "STARTTLS": "220 2.0.0 go ahead",
    "MAIL": "250 2.1.0 fine",
    "RCPT": "250 2.1.5 fine",
    "DATA": "354 go on",
    "DOT": "250 2.0.0 taken as 42",
    "RSET": "250 2.0.0 forgotten",
    "NOOP": "250 2.0.0 yes",
    "QUIT": "221 2.0.0 bye",
}


@dataclass
class Received:
    """One transaction whose final dot arrived. reverse_path and recipients: the arguments as sent, with parameters.
    accepted: whether the reply to the dot was 2xx. `content` is empty when the server was told not to keep it."""

    reverse_path: str
    recipients: list[str]
    content: bytes
    size_octets: int
    digest: str
    tls: str | None
    helo: str
    accepted: bool
    connection: int


@dataclass
class _Session:
    connection: int
    tls: str | None = None
    helo: str = ""
    reverse_path: str | None = None
    recipients: list[str] = field(default_factory=list)
    buffer: bytearray = field(default_factory=bytearray)


class _Over(Exception):
    """The connection is to end here."""


class RemoteMta:
    """certificate: (certificate file, key file), which makes STARTTLS offered; implicit_tls: TLS from the first octet;
    passwords: user name → password, which makes AUTH offered (over TLS only when there is TLS)."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        certificate: tuple[str, str] | None = None,
        implicit_tls: bool = False,
        extensions: tuple[str, ...] = EXTENSIONS,
        passwords: Mapping[str, str] | None = None,
        auth_words: str = "PLAIN LOGIN",
        host: str = "127.0.0.1",
        port: int = 0,
        keep_content: bool = True,
    ) -> None:
        self.messages: list[Received] = []
        self.commands: list[str] = []
        self.connections = 0
        self.open_connections = 0
        self.signed_in: list[str] = []
        self.extensions = extensions
        self._script: dict[str, Saying | list[Saying]] = dict(script or {})
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)
        self._implicit_tls = implicit_tls
        self._passwords = dict(passwords or {})
        self._auth_words = auth_words
        self._keep_content = keep_content
        self._changed = threading.Condition()
        self._ended = threading.Event()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((host, port))
        self._listener.listen(50)
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept, name="test-mta", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._listener.getsockname()[:2]
        return host, port

    @property
    def port(self) -> int:
        return self.address[1]

    def say(self, step: str, saying: Saying | list[Saying] | None) -> None:
        """None: as if it had never been scripted."""
        with self._changed:
            if saying is None:
                self._script.pop(step, None)
            else:
                self._script[step] = saying

    def wait_for(self, what: Callable[[RemoteMta], bool], timeout_s: float = 10) -> None:
        """Until it is so: checked whenever something has happened. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: what(self), timeout_s):
                raise TimeoutError("the remote server has not seen it happen")

    def start(self) -> None:
        self._acceptor.start()

    def stop(self) -> None:
        self._ended.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._acceptor.is_alive():
            self._acceptor.join(timeout=10)
        with self._changed:
            for each in list(self._sockets):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=10)

    def __enter__(self) -> RemoteMta:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                self.connections += 1
                self.open_connections += 1
                number = self.connections
                self._sockets.add(connection)
                self._changed.notify_all()
            thread = threading.Thread(target=self._run, args=(connection, number), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, plain: socket.socket, number: int) -> None:
        line = _Line(plain, self, number)
        try:
            with contextlib.suppress(_Over, OSError, ssl.SSLError):
                if self._implicit_tls:
                    line.start_tls()
                line.step("GREETING", "", WELL["GREETING"])
                while True:
                    line.serve_command()
        finally:
            line.close()
            with self._changed:
                self.open_connections -= 1
                self._sockets.discard(plain)
                self._changed.notify_all()

    # What the connections' threads call.

    def saying(self, step: str) -> Saying | None:
        with self._changed:
            saying = self._script.get(step)
            if isinstance(saying, list):
                return saying.pop(0) if saying else None
            return saying

    def is_scripted(self, step: str) -> bool:
        with self._changed:
            return step in self._script

    def note_command(self, text: str) -> None:
        with self._changed:
            self.commands.append(text)
            self._changed.notify_all()

    def note_message(self, message: Received) -> None:
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def note_sign_in(self, name: str) -> None:
        with self._changed:
            self.signed_in.append(name)

    def note_socket(self, connection: socket.socket) -> None:
        with self._changed:
            self._sockets.add(connection)

    @property
    def context(self) -> ssl.SSLContext | None:
        return self._context

    def wait_for_end(self) -> None:
        self._ended.wait(60)

    def offers(self, tls: bool) -> list[str]:
        words = list(self.extensions)
        if self._context is not None and not tls:
            words.append("STARTTLS")
        if self._passwords and (tls or self._context is None):
            words.append(f"AUTH {self._auth_words}")
        return words

    def password_is(self, name: str, password: str) -> bool:
        return self._passwords.get(name) == password

    @property
    def keeps_content(self) -> bool:
        return self._keep_content


class _Line:
    """One connection: reads commands, says what the script says."""

    def __init__(self, plain: socket.socket, mta: RemoteMta, number: int) -> None:
        self._socket: socket.socket = plain
        self._plain = plain
        self._mta = mta
        self._session = _Session(number)

    def close(self) -> None:
        self._socket.close()
        self._plain.close()

    def start_tls(self) -> None:
        self._session.buffer.clear()
        context = self._mta.context
        if context is None:  # told to promise TLS and not to give it
            raise _Over
        tls = context.wrap_socket(self._socket, server_side=True)
        self._mta.note_socket(tls)
        self._socket = tls
        self._session.tls = tls.version()

    def step(self, name: str, argument: str, otherwise: str) -> str:
        """Says the reply of this step and returns it."""
        saying = self._choose(name, argument, otherwise)
        self._say(saying)
        return saying

    def _choose(self, name: str, argument: str, otherwise: str) -> str:
        saying = self._mta.saying(name)
        if callable(saying):
            saying = saying(argument)
        return otherwise if saying is None else saying

    def _say(self, saying: str) -> None:
        if saying == HANG_UP:
            raise _Over
        if saying == RESET:
            self._plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise _Over
        if saying == STALL:
            self._mta.wait_for_end()
            raise _Over
        self._socket.sendall(saying.encode("utf-8", "surrogateescape") + b"\r\n")

    def serve_command(self) -> None:
        text = self._read_line().decode("utf-8", "surrogateescape")
        verb, _, argument = text.partition(" ")
        verb = verb.upper()
        self._mta.note_command(text)
        session = self._session
        match verb:
            case "EHLO":
                session.helo = argument
                lines = ["remote.test", *self._mta.offers(session.tls is not None)]
                offered = [f"250{'-' if n < len(lines) - 1 else ' '}{line}" for n, line in enumerate(lines)]
                self.step("EHLO", argument, "\r\n".join(offered))
            case "HELO":
                session.helo = argument
                self.step("HELO", argument, WELL["HELO"])
            case "STARTTLS":
                if self.step("STARTTLS", argument, WELL["STARTTLS"]).startswith("220"):
                    self.start_tls()
            case "AUTH":
                self._serve_auth(argument)
            case "MAIL":
                if self.step("MAIL", argument, WELL["MAIL"]).startswith("2"):
                    session.reverse_path = argument.removeprefix("FROM:")
                    session.recipients = []
            case "RCPT":
                if self.step("RCPT", argument, WELL["RCPT"]).startswith("2"):
                    session.recipients.append(argument.removeprefix("TO:"))
            case "DATA":
                self._serve_data()
            case "RSET":
                session.reverse_path, session.recipients = None, []
                self.step("RSET", argument, WELL["RSET"])
            case "QUIT":
                self.step("QUIT", argument, WELL["QUIT"])
                raise _Over
            case _:
                self.step(verb, argument, WELL.get(verb, "502 5.5.2 what?"))

    def _serve_data(self) -> None:
        session = self._session
        otherwise = WELL["DATA"] if session.recipients else "503 5.5.1 no recipients"
        if not self.step("DATA", "", otherwise).startswith("354"):
            return
        digest, size_octets, kept = hashlib.sha256(), 0, []
        while True:
            line = self._read_line(keep_end=True)
            if line == b".\r\n":
                break
            if not size_octets and self._mta.is_scripted("CONTENT"):
                self.step("CONTENT", "", "")
                while self._socket.recv(65536):
                    pass
                raise _Over
            if line.startswith(b"."):
                line = line[1:]
            digest.update(line)
            size_octets += len(line)
            if self._mta.keeps_content:
                kept.append(line)
        content = b"".join(kept)
        received = Received(
            session.reverse_path or "",
            list(session.recipients),
            content,
            size_octets,
            digest.hexdigest(),
            session.tls,
            session.helo,
            False,
            session.connection,
        )
        session.reverse_path, session.recipients = None, []
        saying = self._choose("DOT", "", WELL["DOT"])
        received.accepted = saying.startswith("2")
        self._mta.note_message(received)  # before the reply: who has the reply may look
        self._say(saying)

    def _serve_auth(self, argument: str) -> None:
        mechanism, _, initial = argument.partition(" ")
        if mechanism.upper() == "PLAIN":
            answer = initial or self._ask("")
            _, name, password = _decode(answer).split("\0")
        else:
            name = _decode(initial or self._ask("VXNlcm5hbWU6"))
            password = _decode(self._ask("UGFzc3dvcmQ6"))
        right = self._mta.password_is(name, password)
        if right:
            self._mta.note_sign_in(name)
        self.step("AUTH", name, "235 2.7.0 welcome" if right else "535 5.7.8 no")

    def _ask(self, challenge: str) -> str:
        self._socket.sendall(f"334 {challenge}\r\n".encode())
        return self._read_line().decode()

    def _read_line(self, keep_end: bool = False) -> bytes:
        """A line ends with CRLF and nothing else, so that smuggled ends would show."""
        session = self._session
        while True:
            end = session.buffer.find(b"\r\n")
            if end >= 0:
                line = bytes(session.buffer[: end + 2 if keep_end else end])
                del session.buffer[: end + 2]
                return line
            piece = self._socket.recv(65536)
            if not piece:
                raise _Over
            session.buffer += piece


def _decode(text: str) -> str:
    return base64.b64decode(text).decode()
