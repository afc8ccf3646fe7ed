"""What a mailbox costs as it grows: 1, 10 and 100 thousand messages, and a million.

    python -m bench.growth [--sizes 1000 10000 100000 1000000] [--folder FOLDER] [--json FILE] [--quick]

One INBOX is filled through the store itself, many deliveries in one transaction; every mail is small, and no two are
alike. At each size it prints:

- deliver: messages a second straight into the store, each durable, one after another and 50 at once, and what one costs
  in octets handed to the kernel (50 at once, checkpoints included);
- SELECT over IMAP from the real server, started anew and with nothing of the database in memory, then once more; the
  first command that goes by sequence number, FETCH 1:50 of what a client lists; the last 50, as a client asks for that
  opens a mailbox; all in milliseconds;
- memory: PSS of the mail process before SELECT and its peak (RSS) since, in MiB;
- database: octets of store.db for each message, the mail itself included.

What counts is how a column changes from line to line. FOLDER lies on the medium in question; --quick takes 100 and 200
messages, to see that it works.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from appliance.store.changes.delivery import DeliveryPlan, Filing, deliver_in
from appliance.store.changes.mailboxes import take_recent
from appliance.store.interface import Store
from appliance.store.mailboxes import INBOX, find_mailbox
from appliance.store.transaction import Tx
from bench.load import Imap
from bench.peers.merpati import Merpati
from bench.rig import DOMAIN, Place, Ports, Server

USER = f"sari@{DOMAIN}"
SIZES = [1000, 10_000, 100_000, 1_000_000]
BULK = 2000  # deliveries in one transaction
ALONE = 200
TOGETHER = 1000
MIB = 1024 * 1024
LISTED = "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"


@dataclass(slots=True)
class Line:
    messages: int
    alone_rate: float = 0
    together_rate: float = 0
    octets_a_delivery: float = 0
    select_cold_ms: float = 0
    select_warm_ms: float = 0
    first_50_ms: float = 0
    last_50_ms: float = 0
    pss_before_mib: float = 0
    rss_peak_mib: float = 0
    database_octets: float = 0


HEADINGS = {
    "messages": ("messages", ",.0f"),
    "alone_rate": ("deliver alone, msg/s", ".0f"),
    "together_rate": ("50 at once, msg/s", ".0f"),
    "octets_a_delivery": ("octets written a delivery", ",.0f"),
    "select_cold_ms": ("SELECT cold, ms", ".1f"),
    "select_warm_ms": ("SELECT warm, ms", ".1f"),
    "first_50_ms": ("FETCH 1:50, ms", ".1f"),
    "last_50_ms": ("the last 50, ms", ".1f"),
    "pss_before_mib": ("PSS before, MiB", ".0f"),
    "rss_peak_mib": ("peak RSS, MiB", ".0f"),
    "database_octets": ("database octets a message", ",.0f"),
}


def mails() -> Iterator[bytes]:
    """Small ones without end, some 600 octets each."""
    choice = random.Random(8)
    words = ["".join(choice.choices("etaoinshrdlu", k=choice.randint(2, 9))) for _ in range(3000)]
    n = 0
    while True:
        n += 1
        yield (
            f"From: {choice.choice(words)}@far.example\r\nTo: {USER}\r\nSubject: {' '.join(choice.choices(words, k=4))}\r\n"
            f"Message-ID: <{n}.{choice.getrandbits(64):x}@far.example>\r\nDate: Tue, 24 Nov 2026 12:00:00 +0000\r\n\r\n"
            f"{' '.join(choice.choices(words, k=60))}\r\n"
        ).encode()


class Growing:
    """One mailbox, filled and measured."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._mails = mails()
        self._filled = 0

    def fill(self, messages: int) -> None:
        """Up to so many."""
        store = Store(self._place.data, scratch=self._place.run)
        try:
            while self._filled < messages:
                plans = [_plan(store, octets) for octets in islice(self._mails, min(BULK, messages - self._filled))]
                store.write_now(_all_of(plans))
                self._filled += len(plans)
                for plan in plans:
                    plan.content.discard()
        finally:
            store.close()

    def deliver(self, line: Line) -> None:
        store = Store(self._place.data, scratch=self._place.run)
        try:
            # Somebody has looked into it: a mailbox that is never opened has all its messages to count as \Recent.
            store.write_now(take_recent(self._inbox(store)))
            line.alone_rate, _ = asyncio.run(self._rate(store, ALONE, 1))
            line.together_rate, line.octets_a_delivery = asyncio.run(self._rate(store, TOGETHER, 50))
        finally:
            store.close()
        line.database_octets = (self._place.data / "store.db").stat().st_size / self._filled

    def _inbox(self, store: Store) -> int:
        inbox = store.read_now(lambda connection: find_mailbox(connection, 1, INBOX))
        assert inbox is not None
        return inbox.id

    async def _rate(self, store: Store, messages: int, at_once: int) -> tuple[float, float]:
        """(messages a second, octets written for each)."""
        left = islice(self._mails, messages)

        async def work() -> None:
            for octets in left:
                plan = _plan(store, octets)
                await store.write(_all_of([plan]))
                plan.content.discard()

        written, begun = _written_octets(), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(work())
        took_s = time.perf_counter() - begun
        self._filled += messages
        return messages / took_s, (_written_octets() - written) / messages

    def read(self, server: Server, line: Line) -> None:
        _forget_cached(self._place.data / "store.db")
        server.start()
        try:
            asyncio.run(self._as_a_client(server, line))
        finally:
            server.stop()

    async def _as_a_client(self, server: Server, line: Line) -> None:
        port = self._place.ports.imap
        mail = _mail_process(server)
        line.pss_before_mib = _kib(mail, "smaps_rollup", "Pss") / 1024
        client = await Imap.sign_in(port, USER)
        line.select_cold_ms = await _took_ms(client, "SELECT INBOX")
        again = await Imap.sign_in(port, USER)
        line.select_warm_ms = await _took_ms(again, "SELECT INBOX")
        line.first_50_ms = await _took_ms(again, f"FETCH 1:50 {LISTED}")
        line.last_50_ms = await _took_ms(again, f"FETCH {self._filled - 49}:{self._filled} {LISTED}")
        line.rss_peak_mib = _kib(mail, "status", "VmHWM") / 1024
        client.close()
        again.close()


def _plan(store: Store, octets: bytes) -> DeliveryPlan:
    prefix = f"Return-Path: <ann@far.example>\r\nDelivered-To: {USER}\r\n".encode()
    return DeliveryPlan("bench", store.spool_bytes(octets), prefix, 1_795_000_000, filings=(Filing(1, USER, USER),))


def _all_of(plans: Sequence[DeliveryPlan]) -> Callable[[Tx], None]:
    def change(tx: Tx) -> None:
        for plan in plans:
            deliver_in(tx, plan)

    return change


async def _took_ms(client: Imap, words: str) -> float:
    begun = time.perf_counter()
    await client.command(words)
    return (time.perf_counter() - begun) * 1000


def _mail_process(server: Server) -> int:
    return next(pid for pid in server.pids if Path(f"/proc/{pid}/cmdline").read_bytes().endswith(b"\0mail\0"))


def _written_octets() -> int:
    return _value(Path("/proc/self/io"), "wchar")


def _kib(pid: int, name: str, key: str) -> int:
    return _value(Path(f"/proc/{pid}/{name}"), key)


def _value(path: Path, key: str) -> int:
    found = re.search(rf"^{key}:\s+(\d+)", path.read_text(), re.MULTILINE)
    assert found is not None, key
    return int(found[1])


def _forget_cached(database: Path) -> None:
    """What the kernel holds of the file. Only where no store is open in this process: to close the file here would take
    SQLite's locks away."""
    fd = os.open(database, os.O_RDONLY)
    try:
        os.fdatasync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


def row(line: Line) -> str:
    values = asdict(line)
    return "| " + " | ".join(f"{values[key]:{form}}" for key, (_, form) in HEADINGS.items()) + " |"


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args(words)
    print("| " + " | ".join(heading for heading, _ in HEADINGS.values()) + " |")
    print("| --- " * len(HEADINGS) + "|", flush=True)
    work = Path(tempfile.mkdtemp(prefix="growth-", dir=asked.folder))
    try:
        (work / "run").mkdir()
        place = Place(work / "data", work / "run", Ports.free(), (USER,))
        growing = Growing(place)
        with Server(Merpati(), place) as server:
            server.stop()
            for size in [100, 1500] if asked.quick else sorted(asked.sizes):
                growing.fill(size)
                line = Line(size)
                growing.deliver(line)
                growing.read(server, line)
                print(row(line), flush=True)
                if asked.json is not None:
                    with open(asked.json, "a") as out:
                        out.write(json.dumps(asdict(line)) + "\n")
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
