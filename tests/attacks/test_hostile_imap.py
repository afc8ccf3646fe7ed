"""Who means ill over IMAP is answered with a reason or hung up on, in bounded memory; a client beside it is served on."""

from __future__ import annotations

import imaplib
import re
import smtplib
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from tests.support.world import PASSWORD, World

from .test_hostile import MIB, peak

LONGEST_WAIT_S = 10.0  # for an answer beside an attack, on a machine that is busy with other tests


class Line:
    """One connection of somebody who need not keep to the protocol."""

    def __init__(self, world: World, user: str | None = "eve", *, receive_octets: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_octets is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_octets)
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", world.ports["imap"]))
        self.file = self.socket.makefile("rb")
        assert self.file.readline().startswith(b"* OK ")
        if user is not None:
            assert self.ask(f'LOGIN {user}@near.example "{PASSWORD}"'.encode())[-1].startswith(b"a OK")

    def ask(self, command: bytes, *, tag: bytes = b"a") -> list[bytes]:
        """The lines of the answer, up to the tagged one or the goodbye; a line of literals is taken as it comes."""
        with suppress(BrokenPipeError, ConnectionResetError):  # it may be told what is wrong before all was sent
            self.socket.sendall(tag + b" " + command + b"\r\n")
        return self.answer(tag)

    def answer(self, tag: bytes = b"a") -> list[bytes]:
        lines = []
        try:
            for line in self.file:
                lines.append(line)
                if line.startswith((tag + b" ", b"* BYE ")):
                    break
        except ConnectionResetError:
            lines.append(b"* BYE (it was reset, with more on the way than was read)\r\n")
        return lines

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()


@contextmanager
def somebody_beside(world: World) -> Iterator[None]:
    """Asks again and again meanwhile, and is answered each time."""
    waited, faults, over = [], [], threading.Event()
    with imaplib.IMAP4("127.0.0.1", world.ports["imap"], timeout=60) as imap:
        imap.login("bob@near.example", PASSWORD)
        imap.select("INBOX")

        def ask() -> None:
            try:
                while not over.is_set() or not waited:
                    began = time.monotonic()
                    assert imap.noop()[0] == "OK"
                    assert imap.status("INBOX", "(MESSAGES UNSEEN)")[0] == "OK"
                    waited.append(time.monotonic() - began)
                    over.wait(0.02)
            except Exception as fault:
                faults.append(fault)

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
    assert not faults, faults
    assert max(waited) < LONGEST_WAIT_S


@pytest.fixture(scope="module", autouse=True)
def bounded(world: World) -> Iterator[None]:
    with somebody_beside(world):
        pass
    with smtplib.SMTP("127.0.0.1", world.ports["smtp"], timeout=60) as smtp:
        smtp.sendmail("a@far.example", ["eve@near.example"], b"Subject: one at least\r\n\r\nx\r\n")
    before = peak(world)
    yield
    # As in test_hostile.py: a password's hash is 19 MiB of this, and what was sent here is more than 600 MB.
    assert peak(world) - before < 60 * MIB


def nested(times: int) -> bytes:
    return b"(" * times + b")" * times


LITERAL = b"{4294967295%b}"
REFUSED = {
    "SEARCH of 4 GB": b"SEARCH TEXT " + LITERAL % b"",
    "SEARCH of 4 GB unasked": b"SEARCH TEXT " + LITERAL % b"+",
    "CREATE of 4 GB": b"CREATE " + LITERAL % b"",
    "APPEND of 4 GB": b"APPEND INBOX " + LITERAL % b"",
    "APPEND of 4 GB unasked": b"APPEND INBOX " + LITERAL % b"+",
    "APPEND of a literal8 of 4 GB": b"APPEND INBOX ~" + LITERAL % b"",
    "APPEND UTF8 of 4 GB": b"APPEND INBOX UTF8 (~" + LITERAL % b"",
    "CATENATE of 4 GB": b"APPEND INBOX CATENATE (TEXT " + LITERAL % b"",
    "REPLACE of 4 GB": b"UID REPLACE 1 INBOX " + LITERAL % b"",
    "SETMETADATA of a literal8 of 4 GB": b"SETMETADATA INBOX (/private/x ~" + LITERAL % b"",
    "a literal beyond 32 bits": b"APPEND INBOX {9999999999}",
    "SEARCH nested": b"SEARCH " + nested(10_000),
    "THREAD nested": b"THREAD REFERENCES UTF-8 " + nested(10_000),
    "SORT nested": b"SORT " + nested(10_000) + b" UTF-8 ALL",
    "SORT of what is nested": b"SORT (DATE) UTF-8 " + b"NOT (" * 10_000 + b"ALL",
    "NOTIFY nested": b"NOTIFY SET " + nested(10_000),
    "NOTIFY nested in its items": b"NOTIFY SET (SELECTED (MessageNew " + nested(10_000) + b"))",
    "LIST options nested": b"LIST " + nested(10_000) + b' "" *',
    "LIST patterns nested": b'LIST "" ' + nested(10_000),
    "LIST RETURN nested": b'LIST "" * RETURN ' + nested(10_000),
    "CATENATE nested": b"APPEND INBOX CATENATE " + nested(10_000),
    "FETCH nested": b"FETCH 1:* " + nested(10_000),
    "STORE nested": b"STORE 1:* FLAGS " + nested(10_000),
    "SELECT parameters nested": b"SELECT INBOX " + nested(10_000),
    "QRESYNC nested": b"SELECT INBOX (QRESYNC " + nested(10_000) + b")",
    "ID nested": b"ID " + nested(10_000),
    "GETMETADATA nested": b"GETMETADATA " + nested(10_000) + b" INBOX",
    "a hundred thousand search keys": b"SEARCH" + b" ALL" * 100_000,
    "a hundred thousand ranges": b"UID FETCH " + b",".join(b"%d" % n for n in range(1, 200_000, 2)) + b" FLAGS",
    "a hundred thousand ranges in SEARCH": b"SEARCH UID " + b",".join(b"%d" % n for n in range(1, 200_000, 2)),
    "keys among literals": b"SEARCH" + b" TEXT {1+}\r\nx" * 20_000,
    "messages beyond all": b"FETCH 4294967295:* FLAGS",
    "messages beyond any number": b"UID FETCH 4294967296:* FLAGS",
    "a part a thousand levels down": b"FETCH 1 BODY.PEEK[" + b"1." * 1000 + b"1]",
    "a decoded part a thousand levels down": b"FETCH 1 BINARY.PEEK[" + b"1." * 1000 + b"1]",
}


@pytest.mark.parametrize("name", REFUSED)
def test_too_much_is_refused_with_a_reason(world: World, name: str) -> None:
    """BAD or NO when there is still a command to answer, BYE when what comes next cannot be told or is 4 GB."""
    with somebody_beside(world), Line(world) as line:
        assert line.ask(b"SELECT INBOX")[-1].startswith(b"a OK")
        last = line.ask(REFUSED[name], tag=b"b")[-1]
        assert re.match(rb"(b (BAD|NO)|\* BYE) \S.{8}", last), last
        if last.startswith(b"b "):
            afterwards = line.ask(b"NOOP", tag=b"c")[-1]
            assert afterwards.startswith(b"c OK" if "unasked" not in name else b"* BYE "), afterwards


@pytest.mark.parametrize("waits", [b"", b"+"], ids=["asked", "unasked"])
def test_a_stranger_gets_no_room_for_4_gb(world: World, waits: bytes) -> None:
    with somebody_beside(world), Line(world, None) as line:
        answer = line.ask(b"LOGIN " + LITERAL % waits)
        assert re.match(rb"(\* BAD|a BAD|\* BYE) \S.{8}", answer[0]), answer


TAKEN = {
    "UIDs beyond all": (b"UID FETCH 4294967295:* (UID)", 1),
    "thousands of ranges": (b"UID FETCH " + b",".join(b"%d" % n for n in range(1, 20_000, 2)) + b" (UID)", None),
    "the same range again and again": (b"UID FETCH " + b",".join([b"1:*"] * 10_000) + b" (UID)", None),
    "UIDs beyond all, searched": (b"UID SEARCH UID 4294967295:*", 1),
}


@pytest.mark.parametrize("name", TAKEN)
def test_large_sets_are_taken(world: World, name: str) -> None:
    """RFC 3501 9: `*` is the last message, also where the other end is beyond it."""
    command, lines = TAKEN[name]
    with somebody_beside(world), Line(world) as line:
        line.ask(b"SELECT INBOX")
        answer = line.ask(command, tag=b"b")
        assert answer[-1].startswith(b"b OK"), answer[-1]
        assert len(answer) > 1 if lines is None else len(answer) == 1 + lines


def multipart_tree(depth: int) -> bytes:
    heads = (b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth))
    return b"".join(heads) + b"Content-Type: text/plain\r\n\r\nat the bottom\r\n"


MESSAGES = {
    "a tree 1,000 deep": multipart_tree(1000),
    "messages in messages": b"Content-Type: message/rfc822\r\n\r\n" * 1000 + b"Subject: bottom\r\n\r\nat the bottom\r\n",
    "100,000 parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 100_000 + b"--b--\r\nat the bottom\r\n",
    "a field of 10 MB": b"X-Large: " + b"y" * 70 + (b"\r\n " + b"z" * 74) * 130_000 + b"\r\nSubject: last\r\n\r\nat the bottom\r\n",
    "a subject of 10 MB": b"Subject: " + b"Re: " * 18 + (b"\r\n " + b"[re] Re: " * 8) * 130_000 + b"\r\n\r\nat the bottom\r\n",
    "references of 10 MB": b"References: <a@b>" + b"".join(b"\r\n <%065d@x>" % n for n in range(140_000)) + b"\r\n\r\nat the bottom\r\n",
}  # fmt: skip
DEEP = b"1" + b".1" * 49
QUESTIONS = [
    b"FETCH * (UID BODYSTRUCTURE BODY ENVELOPE RFC822.SIZE)",
    b"FETCH * (BODY.PEEK[%b] BODY.PEEK[%b.MIME] BINARY.SIZE[%b])" % (DEEP, DEEP, DEEP),
    b"FETCH * (BODY.PEEK[1.1.1] BODY.PEEK[99999] BINARY.PEEK[1]<0.1000>)",
    b"FETCH * (BODY.PEEK[HEADER.FIELDS (SUBJECT X-LARGE)]<0.1000> BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT)]<0.1000> PREVIEW)",
    b'SEARCH TEXT "at the bottom" HEADER X-Large "zzz" NOT BODY "never there"',
    b'SEARCH HEADER References "a@b" SUBJECT "re"',
    b"SORT (SUBJECT DISPLAYFROM DATE) UTF-8 ALL",
    b"THREAD REFERENCES UTF-8 ALL",
    b"THREAD ORDEREDSUBJECT UTF-8 ALL",
]


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_made_to_hurt_is_read_like_any_other(world: World, name: str) -> None:
    """All that IMAP can ask about it is answered; of what is too deep or too far, the answer is as of what is not there."""
    with smtplib.SMTP("127.0.0.1", world.ports["smtp"], timeout=60) as smtp:
        smtp.sendmail("a@far.example", ["carol@near.example"], MESSAGES[name])
    with somebody_beside(world), Line(world, "carol") as line:
        assert line.ask(b"SELECT INBOX")[-1].startswith(b"a OK")
        for place, question in enumerate(QUESTIONS):
            tag = b"q%d" % place
            answer = line.ask(question, tag=tag)
            assert answer[-1].startswith(tag + b" OK"), (question, answer[-1])
            assert len(answer) > 1, question
            assert sum(map(len, answer)) < 12 * MIB
        assert line.ask(b"STORE 1:* +FLAGS.SILENT (\\Deleted)")[-1].startswith(b"a OK")
        assert line.ask(b"EXPUNGE")[-1].startswith(b"a OK")


def test_half_a_command_and_then_nothing(world: World) -> None:
    """Signed in, in the middle of a line, a literal, a message, a SASL exchange; then they are gone without a word."""
    halves = [
        (b"SEARCH TEXT {1000+}\r\nx", "eve"),
        (b"APPEND Drafts {1000000+}\r\n" + b"x" * 500_000, "eve"),
        (b"SEARCH " + b"ALL " * 10_000, "eve"),
        (b"IDLE\r\nDO", "eve"),
        (b"AUTHENTICATE PLAIN\r\nAAA", None),
        (b"LOGIN eve {10+}\r\n1", None),
    ]
    with somebody_beside(world), ExitStack() as lines:
        for octets, user in halves * 2:
            line = lines.enter_context(Line(world, user))
            line.socket.sendall(b"h " + octets)
        with Line(world) as other:
            assert other.ask(b"STATUS Drafts (MESSAGES)")[0] == b"* STATUS Drafts (MESSAGES 0)\r\n"
        for number, (octets, user) in enumerate(halves):
            line = lines.enter_context(Line(world, user))
            line.socket.sendall(b"h " + octets)
            if number % 2:
                line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                line.socket.shutdown(socket.SHUT_WR)
                while line.file.readline():
                    pass


@pytest.mark.parametrize(
    "watching",
    [
        b"IDLE",
        b"NOTIFY SET (SELECTED (MessageNew (UID BODY.PEEK[]) MessageExpunge FlagChange)) (PERSONAL (MailboxName))",
    ],
    ids=["IDLE", "NOTIFY"],
)
def test_news_pile_up_for_nobody(world: World, watching: bytes) -> None:
    """Who waits for news and reads none costs no more the more there are; who makes them is not held up."""
    with ExitStack() as lines:
        for _ in range(4):
            silent = lines.enter_context(Line(world, "dan", receive_octets=4096))
            assert silent.ask(b"SELECT INBOX")[-1].startswith(b"a OK")
            silent.socket.sendall(b"w " + watching + b"\r\n")
        before = peak(world)
        message = b"Subject: news\r\n\r\n" + b"n" * 60_000
        with somebody_beside(world), Line(world, "dan") as busy:
            assert busy.ask(b"SELECT INBOX")[-1].startswith(b"a OK")
            for number in range(150):
                assert busy.ask(b"APPEND INBOX {%d+}\r\n%b" % (len(message), message))[-1].startswith(b"a OK")
                assert busy.ask(b"STORE 1:* FLAGS (k%d)" % (number % 10))[-1].startswith(b"a OK")
            assert busy.ask(b"STORE 1:* FLAGS.SILENT (\\Deleted)")[-1].startswith(b"a OK")
            assert busy.ask(b"EXPUNGE")[-1].startswith(b"a OK")
        assert peak(world) - before < 30 * MIB


BOMBS = {
    "an endless line": b"x" * 1024,
    "nothing but line ends": b"\r\n" * 512,
    "commands": b"n NOOP\r\n" * 128,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_not_unpacked_at_once(world: World, name: str) -> None:
    """200 MB in 200 KB. It is hung up on, or inflated no faster than its commands are answered and the answers read."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(deflate.compress(BOMBS[name] * 64) for _ in range(3200)) + deflate.flush(zlib.Z_SYNC_FLUSH)
    with somebody_beside(world), Line(world) as line:
        assert line.ask(b"COMPRESS DEFLATE")[-1].startswith(b"a OK")
        before = peak(world)
        try:
            line.socket.sendall(bomb)
            if name != "commands":  # whose answers nobody reads
                inflate = zlib.decompressobj(-15)
                said = b""
                while octets := line.socket.recv(65536):
                    said += inflate.decompress(octets)
                assert b"* BYE " in said, said[-100:]
        except ConnectionResetError:
            pass
        with Line(world) as other:
            assert other.ask(b"SELECT INBOX")[-1].startswith(b"a OK")
        assert peak(world) - before < 30 * MIB


def test_a_thousand_of_everything(world: World) -> None:
    """Keywords, notes and mailboxes with names of the longest kind, in an account of its own: taken, or refused with a
    reason, and all that lists them still answers."""
    world.cli("account", "add", "hoarder@near.example", "--password-stdin", stdin=PASSWORD + "\n")
    with somebody_beside(world), Line(world, "hoarder") as line:

        def all_of(commands: list[bytes]) -> None:
            for command in commands:
                last = line.ask(command)[-1]
                assert re.match(rb"a (OK|NO|BAD) \S.{4}", last), (command[:80], last)

        assert line.ask(b"APPEND INBOX {14+}\r\nSubject: x\r\n\r\n")[-1].startswith(b"a OK")
        assert line.ask(b"SELECT INBOX")[-1].startswith(b"a OK")
        all_of(
            [
                b"STORE 1 +FLAGS (" + b" ".join(b"k%0254d" % (n + k) for k in range(50)) + b")"
                for n in range(0, 1000, 50)
            ]
        )
        all_of(
            [b"STORE 1 +FLAGS (" + b" ".join(b"k%d" % (n + k) for k in range(50)) + b")" for n in range(0, 1000, 50)]
        )
        all_of([b"SETMETADATA INBOX (/private/%0246d {1000+}\r\n%b)" % (n, b"m" * 1000) for n in range(1000)])
        all_of([b"CREATE %01000d" % n for n in range(1000)])
        all_of([b"CREATE " + b"/".join(b"%019d" % n for _ in range(50)) for n in range(10)])
        for command in [
            b"FETCH 1 FLAGS",
            b"GETMETADATA (DEPTH infinity) INBOX (/private)",
            b'LIST "" * RETURN (STATUS (MESSAGES UNSEEN) CHILDREN SUBSCRIBED METADATA (/private/x))',
            b"NOTIFY SET STATUS (PERSONAL (MessageNew MessageExpunge MailboxName))",
            b"SELECT INBOX",
        ]:
            assert line.ask(command)[-1].startswith(b"a OK"), command
