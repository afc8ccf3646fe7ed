"""Merpati beside Postfix + Dovecot, each on a fresh simulated SD card, in one table.

    python -m bench.side_by_side [--servers merpati maildir sdbox] [--profile a1] [--repeat 3] [--messages-percent 100]
                                 [--idle-s 60] [--json FILE] [--quick] [--work FOLDER]

Every server gets the same mail over SMTP (`corpus.py`, one connection for each message), first to warm up, then with 1,
10 and 50 connections at once, then small messages alone one after another. Repeats are interleaved: each server once,
then each again; the table has medians, and beside them the ratio to the first server named. Root is needed for the
card's mount and for Postfix.

- messages a second: from the first connection until IMAP shows the last message;
- wait for the 250: from dialling to the answer to the final dot;
- octets and flushes: what reached the card until all was synced, journal, logs and queue files included;
- CPU: of the server's processes, user and system;
- memory: PSS, so that what processes share is counted once;
- the idle window: nothing comes, clients in IDLE stay connected; octets counted after a sync, flushes before it.

--quick sends next to nothing and repeats nothing: to see that it works. --profile folder does without a card.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from bench.corpus import Corpus
from bench.load import Mail, Sent, Watch, idlers, send_and_see, until_exists
from bench.peers import PEERS
from bench.rig import DOMAIN, Medium, Peer, Place, Ports, Server, medium

AT_ONCE = {1: 60, 10: 200, 50: 300}  # connections → messages
WARM_UP = 20
SMALL = 60
IDLE_CLIENTS = 10
MEMORY_CLIENTS = 50
MIB = 1024 * 1024
QUICK = ["--repeat", "1", "--messages-percent", "5", "--idle-s", "1"]

Figures = dict[str, float]


@dataclass(slots=True, frozen=True)
class Row:
    """A figure's key and how it is shown; a row without a key is a heading."""

    label: str
    key: str = ""
    form: str = ".2f"


def _rows_for(at_once: int) -> list[Row]:
    load = f"{at_once}/"
    return [
        Row(f"{at_once} connection{'s' if at_once > 1 else ''} at once"),
        Row("messages a second", load + "rate", ".0f"),
        Row("wait for the 250, median, ms", load + "wait_p50_ms", ".0f"),
        Row("wait for the 250, 99 %, ms", load + "wait_p99_ms", ".0f"),
        Row("octets on the card per octet of mail", load + "octets_per_octet"),
        Row("flushes a message", load + "flushes"),
        Row("erase blocks programmed a message", load + "erase_programs"),
        Row("CPU a message, ms", load + "cpu_ms", ".1f"),
    ]


ROWS = [
    *(row for at_once in AT_ONCE for row in _rows_for(at_once)),
    Row("One client, small messages one after another"),
    Row("messages a second", "small/rate", ".0f"),
    Row("octets on the card per octet of mail", "small/octets_per_octet"),
    Row("flushes a message", "small/flushes"),
    Row("IDLE: from dialling to EXISTS, median, ms", "exists_ms", ".0f"),
    Row("Idle window, a minute of it"),
    Row("KiB on the card", "idle/kib", ".1f"),
    Row("flushes", "idle/flushes", ".1f"),
    Row("Memory (PSS), MiB"),
    Row("after the start", "pss_start_mib", ".0f"),
    Row("after the load", "pss_load_mib", ".0f"),
    Row(f"with {MEMORY_CLIENTS} clients in IDLE", "pss_idle_mib", ".0f"),
    Row("Start, s", "start_s", ".1f"),
]


class Course:
    """One server's measurement on one card."""

    def __init__(self, server: Server, card: Medium, percent: int, idle_s: float) -> None:
        self._server = server
        self._card = card
        self._percent = percent
        self._idle_s = idle_s
        self._ports = server.place.ports
        self._users = server.place.users
        self.figures: Figures = {}

    async def run(self) -> Figures:
        figures, server = self.figures, self._server
        figures["start_s"] = server.start_s
        figures["pss_start_mib"] = server.pss_octets() / MIB
        mails = Corpus(1, DOMAIN)
        watch = await Watch.begin(self._ports.imap, self._users)
        await send_and_see(self._ports.smtp, self._some(mails, 100_000, WARM_UP), 5, watch)
        first = 0
        for at_once, count in AT_ONCE.items():
            todo = self._some(mails, first, count)
            first += len(todo)
            await self._load(f"{at_once}/", todo, at_once, watch)
        await self._load("small/", self._some(Corpus(2, DOMAIN, attachments=0), 0, SMALL), 1, watch)
        watch.end()
        figures["pss_load_mib"] = server.pss_octets() / MIB
        await self._exists()
        await self._idle()
        return figures

    def _some(self, corpus: Corpus, first: int, count: int) -> list[Mail]:
        return [Mail.of(corpus, i) for i in range(first, first + max(2, count * self._percent // 100))]

    async def _load(self, name: str, mails: Sequence[Mail], at_once: int, watch: Watch) -> None:
        card, cpu_s = self._card, self._server.cpu_s()
        await asyncio.to_thread(card.sync)
        card.reset_counters()
        sent = await send_and_see(self._ports.smtp, mails, at_once, watch)
        cpu_s = self._server.cpu_s() - cpu_s
        await asyncio.to_thread(card.sync)
        self._note(name, sent, cpu_s)

    def _note(self, name: str, sent: Sent, cpu_s: float) -> None:
        figures, messages = self.figures, len(sent.waits_s)
        waits_ms = sorted(wait_s * 1000 for wait_s in sent.waits_s)
        figures[name + "rate"] = messages / sent.visible_s
        figures[name + "wait_p50_ms"] = statistics.median(waits_ms)
        figures[name + "wait_p99_ms"] = waits_ms[int(0.99 * (messages - 1))]
        figures[name + "cpu_ms"] = cpu_s * 1000 / messages
        if (counted := self._card.counters()) is not None:
            figures[name + "octets_per_octet"] = counted.written_octets / sent.octets
            figures[name + "flushes"] = counted.flushes / messages
            figures[name + "erase_programs"] = counted.erase_programs / messages

    async def _exists(self) -> None:
        user = self._users[0]
        corpus = Corpus(3, DOMAIN, attachments=0, accounts=[user.partition("@")[0]])
        waits_s = await until_exists(self._ports.smtp, self._ports.imap, user, self._some(corpus, 0, 20))
        self.figures["exists_ms"] = statistics.median(waits_s) * 1000

    async def _idle(self) -> None:
        clients = await idlers(self._ports.imap, self._users, MEMORY_CLIENTS)
        self.figures["pss_idle_mib"] = self._server.pss_octets() / MIB
        for client in clients[IDLE_CLIENTS:]:
            client.close()
        await asyncio.sleep(min(10.0, self._idle_s))  # until what the load left behind is written
        await asyncio.to_thread(self._card.sync)
        self._card.reset_counters()
        await asyncio.sleep(self._idle_s)
        before_sync = self._card.counters()
        await asyncio.to_thread(self._card.sync)
        after_sync = self._card.counters()
        if before_sync is not None and after_sync is not None:
            self.figures["idle/flushes"] = before_sync.flushes * 60 / self._idle_s
            self.figures["idle/kib"] = after_sync.written_octets / 1024 * 60 / self._idle_s
        for client in clients[:IDLE_CLIENTS]:
            client.close()


def measure(peer: Peer, profile: str, percent: int, idle_s: float, folder: Path) -> Figures:
    """On a fresh card; nothing of it is left. Raises RuntimeError, load.Unexpected."""
    with on_a_card(peer, profile, folder) as (server, card):
        server.stop()  # the first start may have had something to make
        server.start()
        return asyncio.run(Course(server, card, percent, idle_s).run())


@contextlib.contextmanager
def on_a_card(peer: Peer, profile: str, folder: Path) -> Iterator[tuple[Server, Medium]]:
    """The server of a peer with the corpus' users, running; afterwards nothing of it is left."""
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="side-by-side-", dir=folder))
    os.chmod(work, 0o755)
    try:
        with medium(profile, work) as card:
            os.chmod(card.mount, 0o755)
            run = work / "run"
            run.mkdir()
            users = tuple(f"{name}@{DOMAIN}" for name in Corpus().accounts)
            with Server(peer, Place(card.mount / "data", run, Ports.free(), users)) as server:
                yield server, card
    finally:
        shutil.rmtree(work, ignore_errors=True)


def interleaved(
    peers: Sequence[Peer], repeat: int, measured: Callable[[Peer], Figures], out: Path | None, **about: object
) -> dict[str, list[Figures]]:
    """Each peer once, then each again. out: gets a line of JSON for each run, with what it is `about`."""
    runs: dict[str, list[Figures]] = {peer.name: [] for peer in peers}
    for number in range(1, repeat + 1):
        for peer in peers:
            begun = time.monotonic()
            figures = measured(peer)
            runs[peer.name].append(figures)
            print(f"{number}. {peer.name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
            if out is not None:
                with open(out, "a") as lines:
                    lines.write(json.dumps({"server": peer.name, **about, **figures}) + "\n")
    return runs


def median(runs: Sequence[Figures]) -> Figures:
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]} if runs else {}


def table(measured: dict[str, Figures], rows: Sequence[Row] = ROWS) -> list[str]:
    """In Markdown: label, the first server, then each other with its ratio to the first."""
    names = list(measured)
    lines = ["| " + " | ".join(["", *names]) + " |", "| --- " * (len(names) + 1) + "|"]
    for row in rows:
        cells = [row.label if row.key else f"**{row.label}**"]
        first = measured[names[0]].get(row.key)
        for name in names:
            value = measured[name].get(row.key)
            if value is None:
                cells.append("")
                continue
            ratio = f" ({value / first:.2f} ×)" if name != names[0] and first else ""
            cells.append(f"{value:{row.form}}{ratio}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def choose(keys: Iterable[str]) -> list[Peer]:
    """Those that can be measured here; of the others it is said why not."""
    chosen = []
    for key in keys:
        why = PEERS[key].missing()
        if why is None:
            chosen.append(PEERS[key])
        else:
            print(f"{PEERS[key].name} is left out: {why}.", file=sys.stderr)
    return chosen


def end_in_order(signal_number: int, frame: FrameType | None) -> None:
    """SIGTERM as Ctrl-C: servers, mounts and loop devices are taken down on the way out."""
    raise KeyboardInterrupt


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--profile", default="a1", help="of the card: a1, plain …; folder: no card, nothing is counted")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--messages-percent", type=int, default=100)
    parser.add_argument("--idle-s", type=float, default=60)
    parser.add_argument("--json", type=Path, help="every single run is added to this file, one line each")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()))
    asked = parser.parse_args(words)
    return parser.parse_args([*words, *QUICK]) if asked.quick else asked


def main(words: Sequence[str]) -> None:
    asked = arguments(words)
    signal.signal(signal.SIGTERM, end_in_order)
    runs = interleaved(
        choose(asked.servers),
        asked.repeat,
        lambda peer: measure(peer, asked.profile, asked.messages_percent, asked.idle_s, asked.work),
        asked.json,
        profile=asked.profile,
    )
    print(f"Profile {asked.profile}, medians of {asked.repeat}. × is the ratio to the first column.\n")
    print("\n".join(table({name: median(figures) for name, figures in runs.items()})))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
