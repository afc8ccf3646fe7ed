"""Ten messages of 50 MB at once raise no process by more than 100 MB together, neither coming in nor being read."""

from __future__ import annotations

import base64
import hashlib
import http.cookiejar
import random
import re
import socket
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from tests.support.world import PASSWORD, World

T = TypeVar("T")

MIB = 1024 * 1024
ALLOWED = 100 * MIB
USERS = tuple(f"user{n}" for n in range(10))
RECEIVED = 64 * 1024


def fifty_megabytes() -> bytes:
    """Base64 that does not compress to nothing, under the limit that ships. No line begins with a dot."""
    header = b"From: ann@far.example\r\nSubject: large\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    block = base64.encodebytes(random.Random(50).randbytes(57 * 2000)).replace(b"\n", b"\r\n")
    message = header + block * (50_000_000 // len(block) + 1)
    assert 50_000_000 < len(message) < 50 * MIB
    return message


MESSAGE = fifty_megabytes()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Warm: each way has been gone once, for an account of its own."""
    with World(tmp_path_factory.mktemp("memory") / "home", users=("warm", *USERS)) as world:
        send(world, "warm", b"Subject: warm\r\n\r\n" + b"x" * 70 + b"\r\n")
        fetch(world, "warm")
        retrieve(world, "warm")
        download(signed_in(world, "warm"))
        yield world


Read = tuple[int, bytes]  # how many octets, and their digest


def growth(world: World, process: str, acts: Sequence[Callable[[], T]]) -> tuple[list[T], int]:
    """(what the acts gave, all done at once; how far the process's memory peaked above where it began)."""
    folder = Path(f"/proc/{world.pids[process]}")

    def octets(name: str) -> int:
        found = re.search(rf"{name}:\s+(\d+) kB", (folder / "status").read_text())
        assert found is not None
        return int(found[1]) * 1024

    (folder / "clear_refs").write_text("5")  # the peak begins here
    before = octets("VmRSS")
    with ThreadPoolExecutor(len(acts)) as pool:
        done = [each.result() for each in [pool.submit(act) for act in acts]]
    return done, octets("VmHWM") - before


class Line:
    """A connection on which lines and long runs of octets come."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 100)
        self._file = self._socket.makefile("rb", buffering=RECEIVED)

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def say(self, octets: bytes) -> None:
        self._socket.sendall(octets)

    def expect(self, start: bytes) -> bytes:
        while not (line := self._file.readline()).startswith(start):
            assert line, start
        return line

    def digest_of(self, octets: int) -> bytes:
        digest = hashlib.blake2b()
        while octets:
            piece = self._file.read(min(octets, RECEIVED))
            assert piece
            digest.update(piece)
            octets -= len(piece)
        return digest.digest()


def send(world: World, user: str, message: bytes = MESSAGE) -> None:
    with Line(world.ports["smtp"]) as smtp:
        smtp.expect(b"220 ")
        smtp.say(b"EHLO far.example\r\n")
        smtp.expect(b"250 ")
        smtp.say(f"MAIL FROM:<ann@far.example>\r\nRCPT TO:<{user}@near.example>\r\nDATA\r\n".encode())
        smtp.expect(b"354 ")
        smtp.say(message)
        smtp.say(b".\r\n")
        smtp.expect(b"250 ")


def fetch(world: World, user: str, part: str = "") -> Read:
    with Line(world.ports["imap"]) as imap:
        imap.say(
            f'a LOGIN {user}@near.example "{PASSWORD}"\r\nb EXAMINE INBOX\r\nc FETCH 1 BODY.PEEK[]{part}\r\n'.encode()
        )
        octets = int(imap.expect(b"* 1 FETCH").rpartition(b"{")[2].rstrip(b"}\r\n"))
        digest = imap.digest_of(octets)
        imap.expect(b"c OK")
        return octets, digest


def retrieve(world: World, user: str) -> Read:
    with Line(world.ports["pop3"]) as pop3:
        pop3.expect(b"+OK")
        pop3.say(f"USER {user}@near.example\r\nPASS {PASSWORD}\r\nRETR 1\r\n".encode())
        for _ in range(2):
            pop3.expect(b"+OK")
        octets = int(pop3.expect(b"+OK").split()[1])
        digest = pop3.digest_of(octets)  # no line of it begins with a dot
        pop3.expect(b".\r\n")
        return octets, digest


Browser = tuple[urllib.request.OpenerDirector, str]  # signed in, at the page of the message


def signed_in(world: World, user: str) -> Browser:
    page = f"http://127.0.0.1:{world.ports['web']}"
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    form = browser.open(f"{page}/mail/sign-in", timeout=100).read().decode()
    token = re.search(r'name="csrf_token" value="([^"]+)"', form)
    assert token is not None
    answer = {"csrf_token": token[1], "address": f"{user}@near.example", "password": PASSWORD}
    inbox = browser.open(f"{page}/mail/sign-in", urllib.parse.urlencode(answer).encode(), timeout=100).read().decode()
    message = re.search(r'href="(/mail/\d+/1)"', inbox)
    assert message is not None, inbox
    return browser, page + message[1]


def download(browser: Browser) -> Read:
    opener, page = browser
    octets, digest = 0, hashlib.blake2b()
    with opener.open(f"{page}/whole", timeout=100) as whole:
        while piece := whole.read(RECEIVED):
            octets += len(piece)
            digest.update(piece)
    return octets, digest.digest()


@pytest.mark.timeout(300)  # two gigabytes pass, on a machine that may be busy
def test_ten_come_in_and_are_read(world: World) -> None:
    """Over SMTP in; out over IMAP, whole and in part, over POP3 and from the webmail. All give the same octets."""
    _, grown = growth(world, "mail", [partial(send, world, user) for user in USERS])
    assert grown < ALLOWED
    fetched, grown = growth(world, "mail", [partial(fetch, world, user) for user in USERS])
    assert grown < ALLOWED
    parts, grown = growth(world, "mail", [partial(fetch, world, user, "<40000000.8000000>") for user in USERS])
    assert grown < ALLOWED
    retrieved, grown = growth(world, "mail", [partial(retrieve, world, user) for user in USERS])
    assert grown < ALLOWED
    browsers = [signed_in(world, user) for user in USERS]
    downloaded, grown = growth(world, "web", [partial(download, browser) for browser in browsers])
    assert grown < ALLOWED
    assert fetched == retrieved == downloaded
    assert {octets for octets, _ in parts} == {8_000_000}
    assert all(octets > len(MESSAGE) for octets, _ in fetched)
