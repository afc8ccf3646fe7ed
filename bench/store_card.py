"""The store on a simulated card: how fast it takes a household's mail, and what that costs.

    python -m bench.store_rate --card a1 [--messages N] [--concurrent 1 10 50]

Delivers the mail of `bench/corpus.py` (10 % with attachments of 100 KB to 3 MB) to 20 accounts, straight into the store,
each message durable, and prints for each number of deliveries under way at once: messages a second; the median of the
waits for a message's flush and the one that a hundredth exceeds; octets on the card for each octet of mail, with the file
system's own and after a final sync; flushes a message; CPU a message (spooling included); how busy the card was. The log
begins warm and is moved into the database when it is full, so let a run be long enough for that (some 700 messages).

What SMTP adds is measured by `bench/side_by_side.py`.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from appliance.store.changes.accounts import add_account
from appliance.store.changes.delivery import DeliveryPlan, Filing, deliver
from appliance.store.interface import Store

from .card.card import Card, Counters, missing
from .corpus import Corpus

ACCOUNTS = 20
WARM_UP = 40
DIFFERENT = 500  # messages; then they come again
PREFIX = (
    b"Return-Path: <eve@far.example>\r\nReceived: from far.example (far.example [192.0.2.7])\r\n"
    b"\tby mx.near.example with ESMTPS id 4f1c2b;\r\n\tTue, 24 Nov 2026 10:00:00 +0000\r\n"
)


@dataclass(slots=True, frozen=True)
class Load:
    took_s: float
    cpu_s: float
    waits_s: list[float]  # sorted
    octets: int

    def wait_ms(self, share: float) -> float:
        return self.waits_s[min(len(self.waits_s) - 1, int(share * len(self.waits_s)))] * 1000


def print_table(profile: str, concurrent: list[int], messages: int) -> None:
    lacking = missing()
    if lacking is not None:
        print(f"no simulated card here: {lacking}")
        return
    corpus = Corpus()
    mail = [corpus.message(i) for i in range(min(messages + WARM_UP, DIFFERENT))]
    print(f"{messages} messages of the household's mail for each line, on a simulated card ({profile})")
    print("at once  msg/s  median ms  99 % ms  octets/octet  flushes/msg  CPU ms/msg  card busy")
    # The flash is a file in memory, so that this machine's disk does not count.
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        for each in concurrent:
            flash = Path(memory) / "flash"
            with Card(Path(folder), profile=profile, size_mib=4096, backing=flash) as card:
                load, counted = measured(card, Path(memory), mail, each, messages)
            print(
                f"{each:7d}  {messages / load.took_s:5.1f}  {load.wait_ms(0.5):9.0f}  {load.wait_ms(0.99):7.0f}"
                f"  {counted.written_octets / load.octets:12.3f}  {counted.flushes / messages:11.3f}"
                f"  {load.cpu_s / messages * 1000:10.2f}  {counted.busy_us / 1e4 / load.took_s:7.0f} %",
                flush=True,
            )


def measured(card: Card, scratch: Path, mail: list[bytes], concurrent: int, messages: int) -> tuple[Load, Counters]:
    card.slow(False)
    store = Store(card.mount / "home", scratch=scratch)
    try:
        for n in range(ACCOUNTS):
            store.write_now(add_account(f"u{n}@near.example", "hash"))
        asyncio.run(store.prepare())
        asyncio.run(deliver_all(store, mail, ACCOUNTS, range(WARM_UP)))
        card.slow(True)
        card.reset_counters()
        load = asyncio.run(deliver_all(store, mail, concurrent, range(WARM_UP, WARM_UP + messages)))
        card.sync()
        counted = card.counters()
        card.slow(False)
        return load, counted
    finally:
        store.close()


async def deliver_all(store: Store, mail: list[bytes], concurrent: int, which: range) -> Load:
    waits_s: list[float] = []
    octets = 0
    left = iter(which)

    async def work() -> None:
        nonlocal octets
        for i in left:
            message = mail[i % len(mail)]
            content = await asyncio.to_thread(store.spool_bytes, message)
            to = f"u{i % ACCOUNTS}@near.example"
            plan = DeliveryPlan(f"bench{i}", content, PREFIX, 1_700_000_000, (Filing(i % ACCOUNTS + 1, to, to),))
            begun = time.perf_counter()
            await store.write(deliver(plan))
            waits_s.append(time.perf_counter() - begun)
            octets += len(message)
            content.discard()

    begun, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrent):
            group.create_task(work())
    return Load(time.perf_counter() - begun, time.process_time() - cpu, sorted(waits_s), octets)
