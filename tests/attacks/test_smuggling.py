"""One message stays one message, on its way in and on its way out."""

from __future__ import annotations

import base64
import imaplib
import socket
import ssl

import pytest

from tests.support.remote_mta import RemoteMta
from tests.support.world import PASSWORD, World, eventually

# What some servers have taken for the end of a message.
ENDS = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\n",
    b"\r\n.\r",
    b"\r\n\x00.\r\n",
    b"\n\n.\n\n",
    b"\r\r\n.\r\r\n",
]
SMUGGLED = (
    b"MAIL FROM:<admin@near.example>\r\nRCPT TO:<bob@near.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"
)


def speak(line: socket.socket, octets: bytes) -> None:
    """A command, and the whole of its reply."""
    line.sendall(octets)
    said = b""
    while not said.endswith(b"\r\n") or said.splitlines()[-1][3:4] == b"-":
        got = line.recv(65536)
        assert got, said
        said += got


def subjects(world: World) -> bytes:
    with imaplib.IMAP4("127.0.0.1", world.ports["imap"], timeout=30) as imap:
        imap.login("bob@near.example", PASSWORD)
        imap.select("INBOX", readonly=True)
        answers = imap.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
        return b"".join(answer[1] for answer in answers if isinstance(answer, tuple))


@pytest.mark.parametrize("end", ENDS, ids=repr)
def test_no_other_end_is_taken_for_the_end(world: World, end: bytes) -> None:
    with socket.create_connection(("127.0.0.1", world.ports["smtp"]), timeout=30) as line:
        speak(line, b"")
        speak(line, b"EHLO x\r\n")
        speak(line, b"MAIL FROM:<a@far.example>\r\n")
        speak(line, b"RCPT TO:<bob@near.example>\r\n")
        speak(line, b"DATA\r\n")
        line.sendall(b"Subject: carrier\r\n\r\nx" + end + SMUGGLED + b"QUIT\r\n")
        replies = line.makefile("rb").read().splitlines()
    # The smuggled text is content; what follows its own CR LF . CR LF is QUIT: one reply each, and the first a refusal.
    assert [reply[:3] for reply in replies] == [b"550", b"221"], replies
    assert b"smuggled" not in subjects(world)


@pytest.mark.parametrize("end", [end for end in ENDS if b"\x00" not in end], ids=repr)
def test_none_of_them_leaves_us(world: World, remote: RemoteMta, end: bytes) -> None:
    """Sent by one of us, in one chunk (BDAT), where there is no end of data to look for."""
    before = len(remote.messages)
    context = ssl.create_default_context(cafile=str(world.home / "keys" / "tls" / "self-signed.crt"))
    context.check_hostname = False
    with (
        socket.create_connection(("127.0.0.1", world.ports["submissions"]), timeout=30) as plain,
        context.wrap_socket(plain) as line,
    ):
        speak(line, b"")
        speak(line, b"EHLO x\r\n")
        speak(line, b"AUTH PLAIN " + base64.b64encode(f"\0bob@near.example\0{PASSWORD}".encode()) + b"\r\n")
        speak(line, b"MAIL FROM:<bob@near.example>\r\n")
        speak(line, b"RCPT TO:<x@elsewhere.example>\r\n")
        content = b"Subject: carrier\r\n\r\nx" + end + SMUGGLED
        line.sendall(b"BDAT %d LAST\r\n" % len(content) + content)
        assert line.recv(4096).startswith(b"550 5.6.11")
    assert len(remote.messages) == before


def test_dots_go_out_as_they_came_in(world: World, remote: RemoteMta) -> None:
    before = len(remote.messages)
    content = b"Subject: dots\r\nDate: Tue, 24 Nov 2026 12:00:00 +0000\r\nMessage-ID: <d@near.example>\r\n\r\n.\r\n..\r\n.a\r\n\r\n.\r\nend\r\n"
    context = ssl.create_default_context(cafile=str(world.home / "keys" / "tls" / "self-signed.crt"))
    context.check_hostname = False
    with (
        socket.create_connection(("127.0.0.1", world.ports["submissions"]), timeout=30) as plain,
        context.wrap_socket(plain) as line,
    ):
        speak(line, b"")
        speak(line, b"EHLO x\r\n")
        speak(line, b"AUTH PLAIN " + base64.b64encode(f"\0bob@near.example\0{PASSWORD}".encode()) + b"\r\n")
        speak(line, b"MAIL FROM:<bob@near.example>\r\n")
        speak(line, b"RCPT TO:<x@elsewhere.example>\r\n")
        line.sendall(b"BDAT %d LAST\r\n" % len(content) + content)
        assert line.recv(4096).startswith(b"250 2.0.0")
    eventually(lambda: len(remote.messages) > before, world.log)
    assert remote.messages[-1].content.endswith(content)
