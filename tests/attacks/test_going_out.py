"""What our own people send, as it is on the wire to a server older than ours; and what is broken off on its way in."""

from __future__ import annotations

import base64
import imaplib
import socket
from collections.abc import Iterator

import pytest

from tests.support.dns_server import DnsServer
from tests.support.remote_mta import RemoteMta
from tests.support.world import PASSWORD, World, eventually

from .test_injection import one
from .test_smuggling import speak

SMUGGLED = (
    b"MAIL FROM:<admin@near.example>\r\nRCPT TO:<victim@elsewhere.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n"
)
CONTENTS = {
    "a dot on a line, and commands after it": b"\r\n.\r\n" + SMUGGLED + b".\r\n",
    "dots that look undone": b"\r\n..\r\n" + SMUGGLED + b"..\r\nQUIT\r\n",
    "the end over the border of a piece": b"x" * (256 * 1024 - 3 - 140) + b"\r\n.\r\n" + SMUGGLED,
    "a line of 100000 octets": b"y" * 100_000 + b"\r\n.\r\n" + SMUGGLED,
    "no line end at the end": SMUGGLED + b".",
    "8 bits": b"gr\xc3\xbc\xc3\x9fe \xff\xfe\r\n.\r\n" + SMUGGLED,
    "nothing": b"",
}
HEADER = b"Subject: carrier\r\nDate: Tue, 24 Nov 2026 12:00:00 +0000\r\nMessage-ID: <carrier@near.example>\r\n\r\n"


@pytest.fixture(scope="module")
def old_server(world: World, names: DnsServer, remote: RemoteMta) -> Iterator[RemoteMta]:
    """The remote server under another name, to which there is no standing connection yet, knowing no extensions."""
    names.add("old.example. MX 10 mx.old.example.\nmx.old.example. A 127.0.0.1")
    extensions, remote.extensions = remote.extensions, ()
    yield remote
    remote.extensions = extensions


def submit(world: World, recipient: bytes, content: bytes, mail_parameters: bytes = b"") -> None:
    """In one chunk, so that nothing has to be dot-stuffed on the way in."""
    with socket.create_connection(("127.0.0.1", world.ports["submission"]), timeout=30) as line:
        speak(line, b"")
        speak(line, b"EHLO x\r\n")
        speak(line, b"AUTH PLAIN " + base64.b64encode(f"\0eve@near.example\0{PASSWORD}".encode()) + b"\r\n")
        speak(line, b"MAIL FROM:<eve@near.example>" + mail_parameters + b"\r\n")
        speak(line, b"RCPT TO:<" + recipient + b">\r\n")
        line.sendall(b"BDAT %d LAST\r\n" % len(content) + content)
        assert line.recv(4096).startswith(b"250 2.0.0")


@pytest.mark.parametrize("name", CONTENTS)
def test_one_message_is_one_message_there(world: World, old_server: RemoteMta, name: str) -> None:
    messages, commands = len(old_server.messages), len(old_server.commands)
    content = HEADER + CONTENTS[name]
    submit(world, b"x@old.example", content, b" BODY=8BITMIME" if name == "8 bits" else b"")
    eventually(lambda: len(old_server.messages) > messages, lambda: world.log()[-3000:])
    message = old_server.messages[-1]
    assert message.content.endswith(content if content.endswith(b"\r\n") else content + b"\r\n")
    assert message.content.count(b"\r") == message.content.count(b"\n") == message.content.count(b"\r\n")
    verbs = [command.split(" ")[0].upper() for command in old_server.commands[commands:]]
    assert set(verbs) <= {"EHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET", "QUIT", "NOOP"}
    assert verbs.count("MAIL") == verbs.count("DATA") == 1
    assert message.reverse_path == "<eve@near.example>", "no parameter that was not offered"


def test_an_international_address_does_not_go_where_nobody_could_read_it(world: World, old_server: RemoteMta) -> None:
    messages = len(old_server.messages)
    submit(world, "grüße@old.example".encode(), HEADER, b" SMTPUTF8")
    assert b"Status: 5.6.7" in one(world, "eve", "Not delivered: carrier")
    assert len(old_server.messages) == messages


STEPS = [
    b"EHLO x\r\n",
    b"MAIL FROM:<a@far.example>\r\n",
    b"RCPT TO:<bob@near.example>\r\n",
    b"DATA\r\n",
    b"Subject: broken off\r\n\r\nx\r\n",
]


@pytest.mark.parametrize("steps", range(len(STEPS) + 1))
@pytest.mark.parametrize("how", ["closed", "reset", "half"])
def test_a_message_that_was_broken_off_is_none(world: World, steps: int, how: str) -> None:
    with socket.create_connection(("127.0.0.1", world.ports["smtp"]), timeout=30) as line:
        speak(line, b"")
        for step in STEPS[:steps]:
            if step is STEPS[-1]:
                line.sendall(step)
            else:
                speak(line, step)
        if how == "reset":
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        elif how == "half":
            line.shutdown(socket.SHUT_WR)
            while line.recv(4096):
                pass
    with imaplib.IMAP4("127.0.0.1", world.ports["imap"], timeout=30) as imap:
        imap.login("bob@near.example", PASSWORD)
        imap.select("INBOX", readonly=True)
        assert imap.search(None, "SUBJECT", '"broken off"')[1] == [b""]
