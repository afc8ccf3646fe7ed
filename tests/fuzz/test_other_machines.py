"""What other servers answer: name servers, the mail servers we deliver to, and whoever writes to the status socket."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.rrset
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config.schema import OutboundConfig
from appliance.dns.answers import Found, NoData, NoSuchName, TryAgain
from appliance.dns.resolver import Resolver
from appliance.mail.address import Address
from appliance.mail.envelope import Recipient
from appliance.status.events import Outcome
from appliance.status.lines import KNOWN_TYPES, LineFault, decode, decode_question, encode, event_of
from appliance.transport.connection import Timeouts
from appliance.transport.deliver import Deliverer
from appliance.transport.interpret import REPLY_OCTETS, RemoteReply, Step, outcome_of, reason_of, status_of
from appliance.transport.next_hop import HOSTS_MOST, NoRoute, Route, next_hop
from appliance.transport.transaction import Job
from tests.support.contents import InMemory

from .octets import nearly, tries

NAME = "them.example."


def answer(*records: str) -> bytes:
    message = dns.message.make_response(dns.message.make_query(NAME, "MX"))
    message.id = 0
    for record in records:
        name, kind, data = record.split(None, 2)
        message.answer.append(dns.rrset.from_text(name, 300, "IN", kind, data))
    return message.to_wire()


ANSWERS = [
    answer(f"{NAME} MX 10 mx.them.example.", "mx.them.example. A 127.0.0.1"),
    answer(f"{NAME} MX 0 ."),
    answer(f"{NAME} CNAME a.example.", f"a.example. CNAME {NAME}"),
    answer(f"{NAME} CNAME a.example.", "a.example. MX 1 localhost."),
    answer(f"{NAME} MX 1 127.0.0.1.", f"{NAME} MX 2 mx.us.example."),
    answer(*(f"{NAME} MX {n} mx{n}.them.example." for n in range(100))),
    answer(rf"{NAME} MX 1 a\000b\.c\".example."),
    answer(),
]
DNS_WORDS = [b"\xc0\x0c", b"\xc0\xff", b"\0", b"\xff\xff", b"\x3f", b"\0\x05\0\x01", b"\0\x0f\0\x01", b"\0\xff"]


class NameServer:
    """Says one thing to whoever asks, with the number of the question and, if asked to, the question itself in front."""

    def __init__(self) -> None:
        self.says = b""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = self._socket.getsockname()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            question, peer = self._socket.recvfrom(65535)
            if not question:
                return
            self._socket.sendto(question[:2] + self.says[2:], peer)

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self.address)
        self._thread.join()
        self._socket.close()


@pytest.fixture(scope="module")
def name_server() -> Iterator[NameServer]:
    server = NameServer()
    yield server
    server.close()


@tries(25)
@given(octets=nearly(ANSWERS, DNS_WORDS))
def test_answers_of_name_servers(name_server: NameServer, octets: bytes) -> None:
    """Any answer is found, no such name, no data or try again; the way it shows leads to few hosts, and not to us."""
    name_server.says = octets

    async def ask() -> None:
        resolver = Resolver([name_server.address], timeout_s=0.05, lifetime_s=0.1)
        found = await resolver.mx("them.example")
        assert isinstance(found, Found | NoSuchName | NoData | TryAgain)
        way = next_hop("them.example", found, frozenset({"mx.us.example"}), lambda: 0.5)
        if isinstance(way, Route):
            assert 0 < len(way.hosts) <= HOSTS_MOST and "mx.us.example" not in way.hosts
            addresses = await resolver.addresses(way.hosts[0])
            assert isinstance(addresses, Found | NoSuchName | NoData | TryAgain)
        else:
            assert isinstance(way, NoRoute)
            way.reason.for_owner.encode()

    asyncio.run(ask())


REPLIES = [
    b"220 them ESMTP\r\n250-them\r\n250-SIZE 1000\r\n250-PIPELINING\r\n250 DSN\r\n250 ok\r\n250 ok\r\n354 go\r\n250 2.0.0 taken\r\n",
    b"220-a\r\n220 b\r\n500 what\r\n250 HELO\r\n250 ok\r\n550 5.1.1 no\r\n250 reset\r\n221 bye\r\n",
    b"220 a\r\n250 them\r\n451 4.7.1 later\r\n421 closing\r\n",
    b"554 no\r\n",
    b"220 a\r\n250-x\r\n250 SMTPUTF8\r\n250 a\r\n250 b\r\n354 go\r\n550 5.7.1 no\r\n",
]
REPLY_WORDS = [
    b"250 ok\r\n", b"354 go\r\n", b"421 4.3.2 bye\r\n", b"250-", b"250-STARTTLS\r\n", b"250-SIZE ", b"9" * 5000, b"\r\n", b"\n", b"\r", b"\0", b"\xff",
    b"999 ", b"-1 ", b"25", b" ", b"5.1.1 ", b"2.0.0", b"A" * 70_000, b"\xd9\xa1\xd9\xa2\xd9\xa3 ", b"250-x\r\n" * 500,
]  # fmt: skip
QUICK = Timeouts(*(0.2,) * 12)


@tries(25)
@given(octets=nearly(REPLIES, REPLY_WORDS))
def test_replies_of_mail_servers(octets: bytes, tmp_path: Path) -> None:
    """Whatever a server says, each recipient has one outcome with printable words; delivered is only what it took after
    the end of the message was there."""
    heard = bytearray()

    async def them(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for reply in octets.splitlines(keepends=True):
                writer.write(reply)
                if reply[3:4] != b"-":
                    heard.extend(await reader.read(65536))
            writer.write_eof()
            while more := await reader.read(65536):
                heard.extend(more)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def deliver() -> None:
        server = await asyncio.start_server(them, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        deliverer = Deliverer(
            OutboundConfig(mode="direct", mx_port=port),
            Resolver([("127.0.0.1", 9)]),
            hostname="mx.us.example",
            home=tmp_path,
            timeouts=QUICK,
        )
        to = tuple(Recipient(Address(name, "[127.0.0.1]")) for name in ("a", "b"))
        job = Job(
            domain="[127.0.0.1]",
            reverse_path=None,
            recipients=to,
            prefix=b"",
            content=InMemory(b"Subject: x\r\n\r\nx\r\n"),
        )
        try:
            outcomes = await deliverer.deliver(job)
        finally:
            await deliverer.close()
            server.close()
        assert [each.recipient for each in outcomes] == list(to)
        for each in outcomes:
            assert each.reply.isprintable() and len(each.reply) <= REPLY_OCTETS + 4
            each.reason.for_owner.encode()
            assert each.status[0] == {Outcome.DELIVERED: "2", Outcome.DEFERRED: "4", Outcome.FAILED: "5"}[each.outcome]
            assert each.outcome is not Outcome.DELIVERED or b"\r\n.\r\n" in heard

    asyncio.run(deliver())


@tries(100)
@given(
    st.integers(-1, 999),
    st.text(max_size=60) | st.sampled_from(["5.1.1 x", "2.0.0", "5.7.", "4.999.999 a"]),
    st.sampled_from(list(Step)),
)
def test_what_a_reply_means(code: int, text: str, step: Step) -> None:
    """Every reply at every step has an outcome, a status of the same class, and words that hold nothing unprintable."""
    reply = RemoteReply.of(code, text)
    outcome = outcome_of(step, reply)
    assert outcome is not Outcome.DELIVERED or 200 <= code < 300
    assert outcome is not Outcome.FAILED or 500 <= code < 600
    assert status_of(step, reply, outcome)[0] in "245"
    assert str(reply).isprintable()
    reason_of("host", reply, outcome).for_peer.encode()


LINES = [
    b'{"verb":"snapshot"}\n', b'{"verb":"follow","types":["Accepted"]}\n', b'{"verb":"queue","action":"flush","id":1}\n',
    b'{"verb":"event","event":{"type":"Filed","at":1.0,"trace_id":"t","recipient":"a@b","account":"a@b","mailbox":"INBOX","uid":1}}\n',
    b'{"type":"Answer","ok":true,"result":{}}\n', b'{"type":"SomethingNew","x":1}\n',
    b'{"type":["Answer"],"ok":true}\n', b'"verb"\n', b'{"\x80":1}\n', b"[" * 2000,
]  # fmt: skip
LINE_WORDS = [
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b":",
    b",",
    b"\\ud800",
    b"\\u0000",
    b"null",
    b"1e999",
    b"9" * 5000,
    b"-1",
    b"\xff",
    b"[" * 2000,
    b"true",
]


@tries(150)
@given(nearly(LINES, LINE_WORDS))
def test_status_lines(octets: bytes) -> None:
    """A line is something we know, something newer, or a LineFault; an event in it can be told again."""
    try:
        told = decode(octets)
    except LineFault:
        pass
    else:
        assert told is None or type(told).__name__ in KNOWN_TYPES
        if told is not None:
            assert decode(encode(told)) == told
    try:
        question = decode_question(octets)
        event = event_of(question.get("event"))
    except LineFault:
        return
    assert event_of(msgspec.to_builtins(event)) == event
