"""How fast the store takes mail, and what that costs the card.

    python bench/store_rate.py [--folder DIR] [--messages N] [--size OCTETS] [--concurrent 1 10 50]

Delivers mails of `--size` octets (4 KiB by default, words that compress as text does) to one INBOX, each as a durable
change of its own, with 1, 10 and 50 deliveries under way at once, and prints for each:

- messages a second, and the median and the slowest wait for the flush in milliseconds;
- flushes (fsync and fdatasync calls) a message, counted with strace in a run of its own, since strace slows things
  down; `-` where strace is missing or may not trace;
- octets handed to the kernel for each octet of mail, checkpoints included.

With `--card PROFILE` (`python -m bench.store_rate --card a1`) it is `bench/store_card.py` that measures, on a simulated
card, with a household's mail in place of mails of one size.

The log is warm (a first batch is not counted), as it is on a server that runs. DIR should lie on the medium that is in
question: in memory (tmpfs) a flush costs nothing, and only the flushes and the octets mean something. Nothing is
asserted here; docs/performance.md holds figures with their machines.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from appliance.store.changes.accounts import add_account
from appliance.store.changes.delivery import DeliveryPlan, Filing, deliver
from appliance.store.interface import Store

WARM_UP = 600  # messages, which fill the log once
STRACE = ("strace", "-f", "-c", "-e", "trace=fsync,fdatasync")
CALLS = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(?:fsync|fdatasync)$", re.MULTILINE)


@dataclass(slots=True, frozen=True)
class Run:
    messages: int
    took_s: float
    waits_s: list[float]
    written_octets: int
    mail_octets: int


def main() -> None:
    asked = arguments()
    if asked.card is not None:
        from bench.store_card import print_table

        print_table(asked.card, asked.concurrent, asked.messages)
        return
    if asked.only is not None:  # the run inside strace
        measure(Path(asked.folder), asked.only, asked.messages, asked.size)
        return
    print(f"{asked.messages} mails of {asked.size} octets, each durable, in {asked.folder}")
    print("at once  msg/s  median ms  slowest ms  flushes/msg  octets written/octet of mail")
    for concurrent in asked.concurrent:
        run = measure(Path(asked.folder), concurrent, asked.messages, asked.size)
        flushes = count_flushes(asked.folder, concurrent, asked.messages, asked.size)
        print(
            f"{concurrent:7d}  {run.messages / run.took_s:5.0f}  {statistics.median(run.waits_s) * 1000:9.2f}"
            f"  {max(run.waits_s) * 1000:10.2f}  {'-' if flushes is None else f'{flushes:.2f}':>11}"
            f"  {run.written_octets / run.mail_octets:28.2f}",
            flush=True,
        )


def arguments() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", default=tempfile.gettempdir())
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--concurrent", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--card", help="a1, a2, old, fast or plain: on a simulated card")
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(folder: Path, concurrent: int, messages: int, size: int) -> Run:
    """On a fresh store, removed afterwards."""
    home = Path(tempfile.mkdtemp(prefix="store-rate-", dir=folder))
    store = Store(home / "home", scratch=home)
    try:
        store.write_now(add_account("bob@example.org", "hash"))
        asyncio.run(run(store, concurrent, mails(WARM_UP, size)))
        return asyncio.run(run(store, concurrent, mails(messages, size)))
    finally:
        store.close()
        shutil.rmtree(home)


async def run(store: Store, concurrent: int, todo: list[bytes]) -> Run:
    waits_s: list[float] = []
    left = iter(todo)

    async def work() -> None:
        for octets in left:
            content = store.spool_bytes(octets)
            plan = DeliveryPlan(
                trace_id="bench",
                content=content,
                prefix=b"Return-Path: <eve@elsewhere.example>\r\n",
                internal_date=0,
                filings=(Filing(1, "bob@example.org", "bob@example.org"),),
            )
            begun = time.perf_counter()
            await store.write(deliver(plan))
            waits_s.append(time.perf_counter() - begun)
            content.discard()

    written, begun = written_octets(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrent):
            group.create_task(work())
    took_s = time.perf_counter() - begun
    return Run(len(todo), took_s, waits_s, written_octets() - written, sum(map(len, todo)))


def mails(count: int, size: int) -> list[bytes]:
    """Each different, of words of very different frequency."""
    choice = random.Random(count)
    words = ["".join(choice.choices("etaoinshrdlu", k=choice.randint(2, 9))) for _ in range(2000)]
    made = []
    for n in range(count):
        header = f"From: eve@elsewhere.example\r\nTo: bob@example.org\r\nSubject: mail {n}\r\nMessage-ID: <{n}@bench>\r\n\r\n"
        body = ""
        while len(header) + len(body) < size:
            body += " ".join(words[int(choice.paretovariate(0.5)) % 2000] for _ in range(11)) + "\r\n"
        made.append((header + body)[:size].encode())
    return made


def written_octets() -> int:
    """What this process handed to the kernel for writing so far."""
    found = re.search(r"^wchar: (\d+)", Path("/proc/self/io").read_text(), re.MULTILINE)
    return int(found.group(1)) if found else 0


def count_flushes(folder: str, concurrent: int, messages: int, size: int) -> float | None:
    """Per message, over two runs that differ only in how many there are: what set-up and warm-up cost drops out."""
    counts = []
    for share in (2, 1):
        command = [sys.executable, os.path.abspath(__file__), "--folder", folder, "--only", str(concurrent)]
        command += ["--messages", str(messages // share), "--size", str(size)]
        try:
            traced = subprocess.run([*STRACE, *command], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        counts.append(sum(int(calls) for calls in CALLS.findall(traced.stderr)))
    return (counts[1] - counts[0]) / (messages - messages // 2)


if __name__ == "__main__":
    main()
