"""Who means ill over POP3 is answered or hung up on, and what was made to hurt is a message like any other."""

from __future__ import annotations

import poplib
import smtplib
import socket
import zlib
from collections.abc import Iterator

import pytest

from tests.support.world import PASSWORD, World

from .test_hostile import MIB, peak
from .test_hostile_imap import MESSAGES, somebody_beside


@pytest.fixture(scope="module", autouse=True)
def bounded(world: World) -> Iterator[None]:
    with somebody_beside(world):
        pass
    before = peak(world)
    yield
    assert peak(world) - before < 60 * MIB  # of which 19 MiB are one password's hash


SAID = {
    "a number of a million digits": b"RETR " + b"9" * 1_000_000 + b"\r\n",
    "numbers beyond all": b"RETR 4294967295\r\nTOP 1 99999999999999999999\r\nDELE 0\r\nLIST -1\r\nUIDL 18446744073709551616\r\n",
    "a line of 10 MB": b"X" * 10_000_000 + b"\r\n",
    "arguments without end": b"LIST" + b" 1" * 100_000 + b"\r\n",
    "line ends": b"\r\n" * 100_000,
    "SCRAM of 1 MB": b"AUTH SCRAM-SHA-256 " + b"QUFB" * 250_000 + b"\r\n",
    "SCRAM in pieces": b"AUTH SCRAM-SHA-256\r\n" + (b"QUFB" * 500 + b"\r\n") * 500,
    "octets that no line has": bytes(range(256)) * 4_000,
    "DEFLATE that nobody asked for": zlib.compress(b"x" * 10_000_000),
}


@pytest.mark.parametrize("signed_in", [False, True], ids=["stranger", "signed in"])
@pytest.mark.parametrize("name", SAID)
def test_what_is_no_command(world: World, name: str, signed_in: bool) -> None:
    """Every answer is -ERR with words, or +OK; the others are answered meanwhile."""
    with (
        somebody_beside(world),
        socket.create_connection(("127.0.0.1", world.ports["pop3"]), timeout=60) as line,
        line.makefile("rb") as file,
    ):
        assert file.readline().startswith(b"+OK ")
        if signed_in:
            line.sendall(f"USER dan@near.example\r\nPASS {PASSWORD}\r\n".encode())
            assert file.readline().startswith(b"+OK ") and file.readline().startswith(b"+OK ")
        answers, reset = [], False
        try:
            line.sendall(SAID[name])
            line.shutdown(socket.SHUT_WR)
            for answer in file:
                answers.append(answer)  # noqa: PERF402 -- what came before a reset counts
        except OSError:
            reset = True  # hung up on with more on the way than was read
        assert answers or reset
        assert all(answer.startswith((b"-ERR ", b"+ ", b"+OK ")) and len(answer) > 2 for answer in answers), answers[:3]


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_made_to_hurt(world: World, name: str) -> None:
    """It is listed, its top is given and all of it, octet for octet, and it goes."""
    with smtplib.SMTP("127.0.0.1", world.ports["smtp"], timeout=60) as smtp:
        smtp.sendmail("a@far.example", ["dan@near.example"], MESSAGES[name])
    with somebody_beside(world):
        pop = poplib.POP3("127.0.0.1", world.ports["pop3"], timeout=60)
        pop.user("dan@near.example")
        pop.pass_(PASSWORD)
        count, _ = pop.stat()
        _, top, octets = pop.top(count, 1)
        assert octets <= len(MESSAGES[name]) + 1000 and top
        _, lines, _ = pop.retr(count)
        assert (b"\r\n".join(lines) + b"\r\n").endswith(MESSAGES[name])
        for number in range(1, count + 1):
            pop.dele(number)
        assert pop.quit().startswith(b"+OK")
