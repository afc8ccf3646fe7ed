"""IMAP beside Dovecot: what people wait for in a large mailbox, in one table.

    python -m bench.imap [--servers merpati sdbox maildir] [--messages 10000] [--profile a1] [--repeat 3] [--json FILE]
                         [--quick] [--work FOLDER]

Every server is on a fresh simulated SD card and gets the same mail over SMTP (`corpus.py`, 2 % with attachments, all to
one user; the card takes it without its delays). Then, each command on a connection of its own, milliseconds from sending it
to its tagged response:

- cold: the server was started anew and nothing of the card is in memory; the first command after the fill is also the first
  time ever that envelopes are asked for;
- warm: the same again;
- searches: the first one ever, and again once the server has done what it does afterwards (it has used no CPU for --quiet-s);
- lag: while that command runs, the longest that another user's NOOP waited for its answer;
- mixed load: 10 clients that select, list, read, search, flag, append and expunge; commands a second;
- IDLE: from dialling to EXISTS; memory (PSS) with 50 and 100 clients in IDLE.

Repeats are interleaved; the table has medians, and beside them the ratio to the first server named.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from bench.corpus import Corpus
from bench.load import Imap, Mail, Watch, idlers, send, until_exists
from bench.peers import PEERS
from bench.rig import DOMAIN, Medium, Peer, Server
from bench.side_by_side import MIB, Figures, Row, choose, end_in_order, interleaved, median, on_a_card, table

WINDOW = "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"
ENVELOPES = "(UID FLAGS RFC822.SIZE INTERNALDATE ENVELOPE)"
MIX_CLIENTS = 10
MIX_ROUNDS = 5
QUIET_MOST_S = 300.0
PING_S = 0.005
QUICK = ["--repeat", "1", "--messages", "120", "--quiet-s", "0.3"]

# name → command; {n} is the number of messages. Warm, and with the lag that others feel.
COMMANDS = {
    "flags": "FETCH 1:* (UID FLAGS)",
    "envelopes": f"FETCH 1:* {ENVELOPES}",
    "structures": "FETCH 1:* (BODYSTRUCTURE)",
    "unseen": "SEARCH UNSEEN",
    "since": "SEARCH SINCE 1-Nov-2025",
    "sort_date": "SORT (DATE) UTF-8 ALL",
    "sort_subject": "SORT (SUBJECT) UTF-8 ALL",
    "thread": "THREAD REFERENCES UTF-8 ALL",
}
SEARCHES = {
    "subject": "SEARCH SUBJECT invoice",
    "from": "SEARCH FROM sari",
    "text": 'SEARCH TEXT "kettle"',
    "absent": "SEARCH BODY nosuchwordatall",
}


def _timed(label: str, key: str) -> list[Row]:
    return [Row(label, key, ".1f"), Row("– others wait meanwhile, at most", key + "_lag", ".0f")]


ROWS = [
    Row("Open the mailbox, ms"),
    Row("SELECT, cold", "select_cold", ".1f"),
    Row("SELECT, warm", "select", ".1f"),
    Row("FETCH, ms"),
    Row("envelopes of all, the first time ever", "envelopes_first", ".0f"),
    Row("flags of all, cold", "flags_cold", ".0f"),
    *_timed("flags of all", "flags"),
    *_timed("envelopes of all", "envelopes"),
    *_timed("structures of all", "structures"),
    Row("a window of 50", "window", ".1f"),
    Row("a message", "message", ".2f"),
    Row("SEARCH, SORT, THREAD, ms"),
    *_timed("UNSEEN", "unseen"),
    *_timed("SINCE", "since"),
    *(
        row
        for name in SEARCHES
        for row in (Row(f"{name}, the first time", f"{name}_first", ".0f"), *_timed(name, name))
    ),
    *_timed("SORT (DATE)", "sort_date"),
    *_timed("SORT (SUBJECT)", "sort_subject"),
    *_timed("THREAD REFERENCES", "thread"),
    Row("Mixed load"),
    Row("commands a second", "mix_rate", ".0f"),
    Row("IDLE"),
    Row("from dialling to EXISTS, median, ms", "exists", ".1f"),
    Row("memory with 50 clients, MiB", "pss_50", ".0f"),
    Row("memory with 100 clients, MiB", "pss_100", ".0f"),
]


class Course:
    """One server's measurement on one card."""

    def __init__(self, server: Server, card: Medium, messages: int, quiet_s: float) -> None:
        self._server = server
        self._card = card
        self._messages = messages
        self._quiet_s = quiet_s
        self._ports = server.place.ports
        self._user, self._other = server.place.users[:2]
        self.figures: Figures = {}

    async def run(self) -> Figures:
        figures = self.figures
        await self._fill()
        await self._cold()
        figures["envelopes_first"] = await self._alone(COMMANDS["envelopes"])
        await self._cold()
        figures["select_cold"] = await self._alone(None)
        await self._cold()
        figures["flags_cold"] = await self._alone(COMMANDS["flags"])
        figures["select"] = statistics.median([await self._alone(None) for _ in range(5)])
        for name, command in COMMANDS.items():
            await self._with_lag(name, command)
        for name, command in SEARCHES.items():
            figures[f"{name}_first"] = await self._alone(command)
        await self._quiet()
        for name, command in SEARCHES.items():
            await self._with_lag(name, command)
        figures["window"] = await self._windows()
        figures["message"] = await self._bodies()
        figures["mix_rate"] = await self._mix()
        corpus = self._corpus(3)
        mails = [Mail.of(corpus, i) for i in range(20)]
        figures["exists"] = statistics.median(await self._exists(mails)) * 1000
        clients = await idlers(self._ports.imap, [self._user], 50)
        figures["pss_50"] = self._server.pss_octets() / MIB
        clients += await idlers(self._ports.imap, [self._user], 50)
        figures["pss_100"] = self._server.pss_octets() / MIB
        for client in clients:
            client.close()
        return figures

    # what is there

    def _corpus(self, seed: int) -> Corpus:
        return Corpus(seed, DOMAIN, attachments=0.02, accounts=[self._user.partition("@")[0]])

    async def _fill(self) -> None:
        corpus = self._corpus(1)
        watch = await Watch.begin(self._ports.imap, [self._user])
        self._card.slow(False)
        for first in range(0, self._messages, 500):
            mails = [Mail.of(corpus, i) for i in range(first, min(first + 500, self._messages))]
            await send(self._ports.smtp, mails, 20)
            await watch.all_there(mails)
        watch.end()

    async def _cold(self) -> None:
        """No client is connected; nothing else waits for the event loop."""
        self._server.stop()
        self._card.slow(False)
        self._card.sync()
        forget_caches()
        self._server.start()
        self._card.slow(True)
        await self._quiet()

    async def _quiet(self) -> None:
        """Until the server has nothing left to do."""
        until, used, since = time.monotonic() + QUIET_MOST_S, self._server.cpu_s(), time.monotonic()
        while time.monotonic() < until and time.monotonic() - since < self._quiet_s:
            await asyncio.sleep(0.2)
            now = self._server.cpu_s()
            if now - used > 0.05:
                used, since = now, time.monotonic()

    # what is timed

    async def _alone(self, command: str | None) -> float:
        """Milliseconds; None: of SELECT."""
        client = await Imap.sign_in(self._ports.imap, self._user)
        select_ms = await _ms(client, "SELECT INBOX")
        command_ms = select_ms if command is None else await _ms(client, command)
        client.close()
        return command_ms

    async def _with_lag(self, name: str, command: str) -> None:
        waits_ms = []
        lags_ms: list[float] = []
        for _ in range(3):
            async with self._pinged(lags_ms.append):
                waits_ms.append(await self._alone(command))
        self.figures[name] = statistics.median(waits_ms)
        self.figures[name + "_lag"] = max(lags_ms, default=0)

    @contextlib.asynccontextmanager
    async def _pinged(self, note: Callable[[float], None]) -> AsyncIterator[None]:
        """Another user asks NOOP all the while. A process of its own: ours is busy reading answers."""
        words = [sys.executable, "-m", "bench.imap", "--ping", str(self._ports.imap), self._other]
        process = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None and process.stdin is not None
        await process.stdout.readline()
        yield
        process.stdin.close()
        note(float(await process.stdout.readline()))
        await process.wait()

    async def _windows(self) -> float:
        client = await Imap.sign_in(self._ports.imap, self._user)
        await client.command("SELECT INBOX")
        choice, waits_ms = random.Random(1), []
        for _ in range(20):
            first = choice.randint(1, max(1, self._messages - 49))
            waits_ms.append(await _ms(client, f"FETCH {first}:{min(first + 49, self._messages)} {WINDOW}"))
        client.close()
        return statistics.median(waits_ms)

    async def _bodies(self) -> float:
        client = await Imap.sign_in(self._ports.imap, self._user)
        await client.command("SELECT INBOX")
        choice = random.Random(2)
        waits_ms = [await _ms(client, f"FETCH {choice.randint(1, self._messages)} BODY.PEEK[]") for _ in range(100)]
        client.close()
        return statistics.median(waits_ms)

    async def _exists(self, mails: Sequence[Mail]) -> list[float]:
        return await until_exists(self._ports.smtp, self._ports.imap, self._user, mails)

    async def _mix(self) -> float:
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._mixed(random.Random(n))) for n in range(MIX_CLIENTS)]
        return sum(task.result() for task in tasks) / (time.monotonic() - begun)

    async def _mixed(self, choice: random.Random) -> int:
        """How many commands were done."""
        client = await Imap.sign_in(self._ports.imap, self._user)
        corpus = self._corpus(4)
        most = max(1, self._messages - 60)
        done = 0
        for _ in range(MIX_ROUNDS):
            first = choice.randint(1, most)
            await client.command("SELECT INBOX")
            await client.command(f"FETCH {first}:{min(first + 49, self._messages)} {WINDOW}")
            for _ in range(5):
                await client.command(f"FETCH {choice.randint(1, most)} BODY.PEEK[]")
            await client.command(f"SEARCH SUBJECT {choice.choice(['invoice', 'meeting', 'pigeon'])}")
            await client.command("SEARCH SINCE 1-Jan-2024 UNSEEN")
            for _ in range(2):
                await client.command(f"STORE {choice.randint(1, most)} +FLAGS (\\Seen \\Flagged)")
            await client.command("APPEND INBOX (\\Seen)", corpus.message(choice.randrange(1000)))
            await client.command("NOOP")
            done += 13
        client.close()
        return done


def forget_caches() -> None:
    """Of all file systems; without root they stay."""
    with contextlib.suppress(PermissionError):
        Path("/proc/sys/vm/drop_caches").write_text("3")


async def _ms(client: Imap, command: str) -> float:
    begun = time.monotonic()
    await client.command(command)
    return (time.monotonic() - begun) * 1000


async def ping(port: int, user: str) -> None:
    """NOOP after NOOP until the end of the input; then the longest wait is printed, in milliseconds."""
    client = await Imap.sign_in(port, user)
    print("ready", flush=True)
    over = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    longest_ms = 0.0
    while not over.done():
        longest_ms = max(longest_ms, await _ms(client, "NOOP"))
        await asyncio.sleep(PING_S)
    client.close()
    print(f"{longest_ms:.1f}")


def measure(peer: Peer, profile: str, messages: int, quiet_s: float, folder: Path) -> Figures:
    """On a fresh card; nothing of it is left. Raises RuntimeError, load.Unexpected."""
    with on_a_card(peer, profile, folder) as (server, card):
        return asyncio.run(Course(server, card, messages, quiet_s).run())


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", nargs="+", choices=PEERS, default=["merpati", "sdbox"])
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--profile", default="a1", help="of the card: a1, plain …; folder: no card")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--quiet-s", type=float, default=3.0)
    parser.add_argument("--json", type=Path, help="every single run is added to this file, one line each")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--ping", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args(words)
    return parser.parse_args([*words, *QUICK]) if asked.quick else asked


def main(words: Sequence[str]) -> None:
    asked = arguments(words)
    if asked.ping is not None:
        asyncio.run(ping(int(asked.ping[0]), asked.ping[1]))
        return
    signal.signal(signal.SIGTERM, end_in_order)
    runs = interleaved(
        choose(asked.servers),
        asked.repeat,
        lambda peer: measure(peer, asked.profile, asked.messages, asked.quiet_s, asked.work),
        asked.json,
        messages=asked.messages,
    )
    print(
        f"{asked.messages} messages, profile {asked.profile}, medians of {asked.repeat}. × is the ratio to the first column.\n"
    )
    print("\n".join(table({name: median(figures) for name, figures in runs.items()}, ROWS)))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
