"""A real name server on loopback, UDP and TCP on one free port: zones as text, names that misbehave as told.

    with DnsServer("example.org. MX 10 mx.example.org.\\nmx.example.org. A 127.0.0.2") as dns:
        Resolver(nameservers=[dns.address])

It runs in a thread of its own, so that tests of any kind can use it. Zones and misbehaviour may be changed while it
runs. A line of a zone is `name [TTL] TYPE data`, as in a zone file; names are absolute with or without the last dot.
A name that has no records, but others below it, has no data; any other unknown name does not exist.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

DEFAULT_TTL_S = 300
NEGATIVE_TTL_S = 60


class Misbehaviour(StrEnum):
    SILENT = "silent"  # never answers
    SERVFAIL = "servfail"
    REFUSED = "refused"
    TRUNCATED = "truncated"  # over UDP only the flag that says: ask over TCP
    LYING = "lying"  # answers another question than was asked
    GARBAGE = "garbage"  # octets that are no DNS message


@dataclass(frozen=True)
class Asked:
    name: str
    kind: str
    over: str


class DnsServer:
    """zones: lines of text; misbehaving: name → what it does instead of answering. `asked` lists the questions."""

    def __init__(self, zones: str = "", misbehaving: dict[str, Misbehaviour] | None = None) -> None:
        self.asked: list[Asked] = []
        self._lock = threading.Lock()
        self._zones = ""
        self._records: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], dns.rrset.RRset] = {}
        self._misbehaving: dict[dns.name.Name, Misbehaviour] = {}
        self.set_zones(zones)
        for name, what in (misbehaving or {}).items():
            self.misbehave(name, what)
        self._udp, self._tcp = _bind_both()
        self._wake, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="test-dns", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._udp.getsockname()
        return host, port

    def set_zones(self, zones: str) -> None:
        records: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], dns.rrset.RRset] = {}
        for line in zones.splitlines():
            line = line.strip()
            if not line or line.startswith(";"):
                continue
            name_text, rest = line.split(None, 1)
            word, after = rest.split(None, 1)
            ttl_s = DEFAULT_TTL_S
            if word.isdigit():
                ttl_s = int(word)
                word, after = after.split(None, 1)
            if word == "IN":
                word, after = after.split(None, 1)
            name = dns.name.from_text(name_text.lower())
            kind = dns.rdatatype.from_text(word)
            new = dns.rrset.from_text(name, ttl_s, dns.rdataclass.IN, kind, after)
            if (name, kind) in records:
                records[name, kind].update(new)  # type: ignore[no-untyped-call]
            else:
                records[name, kind] = new
        with self._lock:
            self._zones = zones
            self._records = records

    def add(self, zones: str) -> None:
        """More lines, beside those that are there."""
        self.set_zones(self._zones + "\n" + zones)

    def misbehave(self, name: str, what: Misbehaviour | None) -> None:
        """None: behave again."""
        with self._lock:
            if what is None:
                self._misbehaving.pop(dns.name.from_text(name.lower()), None)
            else:
                self._misbehaving[dns.name.from_text(name.lower())] = what

    def questions(self, name: str, kind: str) -> int:
        """How often this was asked."""
        return sum(1 for asked in list(self.asked) if (asked.name, asked.kind) == (name, kind))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._waker.send(b"x")
            self._thread.join(timeout=10)
        for each in (self._udp, self._tcp, self._wake, self._waker):
            each.close()

    def __enter__(self) -> DnsServer:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            for each in (self._udp, self._tcp, self._wake):
                selector.register(each, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._wake:
                        return
                    with contextlib.suppress(OSError):
                        if key.fileobj is self._udp:
                            question, peer = self._udp.recvfrom(65535)
                            for answer in self._answer(question, "udp"):
                                self._udp.sendto(answer, peer)
                        else:
                            self._serve_tcp()

    def _serve_tcp(self) -> None:
        connection, _ = self._tcp.accept()
        with connection:
            connection.settimeout(2)
            while True:
                head = _exactly(connection, 2)
                if not head:
                    return
                question = _exactly(connection, struct.unpack(">H", head)[0])
                for answer in self._answer(question, "tcp"):
                    connection.sendall(struct.pack(">H", len(answer)) + answer)

    def _answer(self, wire: bytes, over: str) -> Iterator[bytes]:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = dns.name.from_text(question.name.to_text().lower())
        with self._lock:
            records = self._records
            what = self._misbehaving.get(name)
        shown = name.to_text(omit_final_dot=True)
        self.asked.append(Asked(shown, dns.rdatatype.to_text(question.rdtype), over))
        answer = dns.message.make_response(query, recursion_available=True)
        match what:
            case Misbehaviour.SILENT:
                return
            case Misbehaviour.GARBAGE:
                yield wire[:2] + b"\x81\x80\x00\x01\xff"
                return
            case Misbehaviour.LYING:
                other = dns.message.make_query("somebody.else.test.", question.rdtype)
                other.id = query.id
                yield dns.message.make_response(other, recursion_available=True).to_wire()
                return
            case Misbehaviour.SERVFAIL:
                answer.set_rcode(dns.rcode.SERVFAIL)
            case Misbehaviour.REFUSED:
                answer.set_rcode(dns.rcode.REFUSED)
            case Misbehaviour.TRUNCATED if over == "udp":
                answer.flags |= dns.flags.TC
            case _:
                _fill(answer, records, name, question.rdtype)
        wire_answer = answer.to_wire(max_size=65535)
        if over == "udp" and len(wire_answer) > max(512, query.payload):
            answer = dns.message.make_response(query, recursion_available=True)
            answer.flags |= dns.flags.TC
            wire_answer = answer.to_wire()
        yield wire_answer


def _fill(
    answer: dns.message.Message,
    records: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], dns.rrset.RRset],
    name: dns.name.Name,
    kind: dns.rdatatype.RdataType,
) -> None:
    for _ in range(10):
        alias = records.get((name, dns.rdatatype.CNAME))
        if alias is None or kind == dns.rdatatype.CNAME:
            break
        answer.answer.append(alias)
        name = dns.name.from_text(alias[0].target.to_text().lower())
    found = records.get((name, kind))
    if found is not None:
        answer.answer.append(found)
        return
    if not any(known.is_subdomain(name) for known, _ in records):
        answer.set_rcode(dns.rcode.NXDOMAIN)
    answer.authority.append(
        dns.rrset.from_text(
            ".", NEGATIVE_TTL_S, "IN", "SOA", f"ns.invalid. root.invalid. 1 3600 600 86400 {NEGATIVE_TTL_S}"
        )
    )


def _bind_both() -> tuple[socket.socket, socket.socket]:
    """One free port for both protocols."""
    for _ in range(50):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            tcp.bind(udp.getsockname())
        except OSError:
            udp.close()
            tcp.close()
            continue
        tcp.listen()
        return udp, tcp
    raise OSError("no port is free for both UDP and TCP")


def _exactly(connection: socket.socket, count: int) -> bytes:
    """`count` octets, or b"" when the peer has closed."""
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            return b""
        data += piece
    return data
