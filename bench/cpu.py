"""What a message costs the processor: CPU time of each of our processes, for each kind of message and each stage.

    python -m bench.cpu [--messages 300] [--rounds 3] [--at-once 1 10 50] [--instructions] [--json FILE]

A server is started on a temporary home. What it is asked, by its name in the table:

- hello: connect, EHLO, QUIT: no message at all;
- envelope: the same with MAIL, RCPT and RSET between;
- small: one short message of `corpus.py`; what it costs more than `envelope` is the content, filing, commit and answer;
- large: one with attachments, 100 KB to 3 MB (a tenth of the number of messages);
- mix: as `make bench-card` sends them, one in ten with attachments.

Columns: ms of CPU a message in the mail process, user and system; of these what its other threads take (the store's
writer, those that pack large messages); and what the web and LED processes take of it, which hear of each message. Times are the
kernel's own count and hold also on a machine that is busy otherwise, to a tenth or so: the least of the rounds is shown.

--instructions counts them instead, in the mail process alone, under callgrind (valgrind must be there): a number that
comes out nearly the same each time, but without the kernel's part. --messages 40 are enough. With --keep FOLDER its
profiles are kept, one for each kind in this order, for callgrind_annotate.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.corpus import Corpus
from bench.load import Mail, send
from bench.peers.merpati import Merpati
from bench.rig import DOMAIN, HOST, Command, Folder, Place, Ports, Server

WARM_UP = 30

Figures = dict[str, float]
Load = Callable[[int, Sequence[Mail], int], Awaitable[int]]


@dataclass(slots=True, frozen=True)
class Kind:
    """share: of the number of messages that was asked for."""

    name: str
    corpus: Corpus
    load: Load
    share: float = 1.0

    def mails(self, count: int, first: int) -> list[Mail]:
        number = max(2, int(count * self.share))
        return [Mail.of(self.corpus, i) for i in range(first, first + number)]


async def _messages(port: int, mails: Sequence[Mail], at_once: int) -> int:
    return len((await send(port, mails, at_once)).waits_s)


def _dialogue(*commands: str) -> Load:
    """The commands, pipelined, on a connection for each mail; `{0}` and `{1}` are its reverse-path and recipient."""

    async def one(port: int, mail: Mail) -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        await reader.readline()
        writer.write(b"EHLO mail.far.example\r\n")
        while (await reader.readline())[3:4] == b"-":
            pass
        if commands:
            writer.write("".join(f"{c}\r\n" for c in commands).format(mail.reverse_path, mail.recipient).encode())
            for _ in commands:
                assert (await reader.readline()).startswith(b"250")
        writer.write(b"QUIT\r\n")
        writer.close()

    async def load(port: int, mails: Sequence[Mail], at_once: int) -> int:
        left = iter(mails)

        async def work() -> None:
            for mail in left:
                await one(port, mail)

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(work())
        return len(mails)

    return load


SMALL = Corpus(2, DOMAIN, attachments=0)
KINDS = (
    Kind("hello", SMALL, _dialogue()),
    Kind("envelope", SMALL, _dialogue("MAIL FROM:<{0}>", "RCPT TO:<{1}>", "RSET")),
    Kind("small", SMALL, _messages),
    Kind("large", Corpus(3, DOMAIN, attachments=1), _messages, share=0.1),
    Kind("mix", Corpus(1, DOMAIN), _messages),
)


class Clock:
    """CPU time of the processes of one server, from the kernel's own count of each thread (proc(5), schedstat)."""

    def __init__(self, server: Server) -> None:
        self._pids = {name: pid for pid in server.pids if (name := _part_of(pid)) is not None}

    def read(self) -> Figures:
        """ms so far: mail, of it `threads` (all but the first), web, leds."""
        figures = {name: _ms(pid) for name, pid in self._pids.items()}
        figures["threads"] = figures["mail"] - _ms_of_thread(self._pids["mail"], self._pids["mail"])
        return figures


def _part_of(pid: int) -> str | None:
    words = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
    return words[-1] if words[-1] in ("mail", "web", "leds") else None


def _ms(pid: int) -> float:
    return sum(_ms_of_thread(pid, int(thread)) for thread in os.listdir(f"/proc/{pid}/task"))


def _ms_of_thread(pid: int, thread: int) -> float:
    return int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0]) / 1e6


@contextmanager
def running(peer: Merpati) -> Iterator[Server]:
    work = Path(tempfile.mkdtemp(prefix="merpati-cpu-"))
    try:
        run = work / "run"
        run.mkdir()
        users = tuple(f"{name}@{DOMAIN}" for name in Corpus().accounts)
        place = Place(Folder(work).mount / "data", run, Ports.free(), users)
        with Server(peer, place) as server:
            yield server
    finally:
        shutil.rmtree(work, ignore_errors=True)


async def _warm(port: int) -> None:
    for kind in KINDS:
        await kind.load(port, kind.mails(WARM_UP, 1_000_000), 5)


async def measure(server: Server, count: int, rounds: int, at_once: Sequence[int]) -> dict[tuple[str, int], Figures]:
    """(kind, connections) → ms a message, of the round that took the least."""
    port, clock = server.place.ports.smtp, Clock(server)
    await _warm(port)
    best: dict[tuple[str, int], Figures] = {}
    for number in range(rounds):
        for kind in KINDS:
            for connections in at_once:
                mails = kind.mails(
                    count, number * count
                )  # the same for each number of connections, a new trace id each
                before = clock.read()
                sent = await kind.load(port, mails, connections)
                figures = {name: (ms - before[name]) / sent for name, ms in clock.read().items()}
                known = best.get((kind.name, connections))
                if known is None or figures["mail"] < known["mail"]:
                    best[kind.name, connections] = figures
    return best


def table(measured: dict[tuple[str, int], Figures]) -> list[str]:
    names = ["mail", "threads", "web", "leds"]
    lines = ["| | at once | mail | of it other threads | web | leds |", "| --- | --- | --- | --- | --- | --- |"]
    for (kind, connections), figures in sorted(measured.items(), key=lambda each: _order(each[0])):
        cells = [f"{max(figures[name], 0):.2f}" if name in figures else "not running" for name in names]
        lines.append(f"| {kind} | {connections} | {' | '.join(cells)} |")
    return lines


def _order(key: tuple[str, int]) -> tuple[int, int]:
    return [kind.name for kind in KINDS].index(key[0]), key[1]


class Counted(Merpati):
    """The mail process alone, under callgrind, which counts from the moment it is told to."""

    def __init__(self, profile: Path) -> None:
        self._profile = profile

    def commands(self, place: Place) -> list[Command]:
        (command,) = super().commands(place)
        words = ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", "--fair-sched=yes"]
        words += [
            f"--vgdb-prefix={self._profile.parent}/vgdb",
            f"--callgrind-out-file={self._profile}",
            *command.words[:-1],
            "mail",
        ]
        return [Command(words, command.env)]


async def count_instructions(server: Server, count: int, at_once: int, profile: Path) -> dict[str, float]:
    """kind → thousands of instructions a message."""
    port, pid = server.place.ports.smtp, server.pids[0]
    await _warm(port)
    found: dict[str, float] = {}
    _tell_callgrind(profile, pid, "instrumentation on")
    for number, kind in enumerate(KINDS, 1):
        mails = kind.mails(count, 0)
        _tell_callgrind(profile, pid, "zero")
        sent = await kind.load(port, mails, at_once)
        _tell_callgrind(profile, pid, f"dump {kind.name}")
        found[kind.name] = _total(Path(f"{profile}.{number}")) / sent / 1000
    _tell_callgrind(profile, pid, "instrumentation off")
    return found


def _tell_callgrind(profile: Path, pid: int, what: str) -> None:
    """By valgrind's own remote control; callgrind_control does no more, but looks for its pipes in /tmp only."""
    words = ["vgdb", f"--pid={pid}", f"--vgdb-prefix={profile.parent}/vgdb", *what.split()]
    subprocess.run(words, check=True, capture_output=True, timeout=100)


def _total(dump: Path) -> int:
    totals = re.search(r"^(?:totals|summary): (\d+)", dump.read_text(errors="replace"), re.MULTILINE)
    assert totals is not None, f"{dump} counts nothing"
    return int(totals[1])


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="CPU of a message.")
    parser.add_argument("--messages", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--instructions", action="store_true")
    parser.add_argument("--keep", type=Path, help="folder for callgrind's profiles")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(words)
    if asked.instructions:
        if shutil.which("valgrind") is None:
            print("valgrind is not there", file=sys.stderr)
            return 2
        folder = Path(tempfile.mkdtemp(prefix="merpati-callgrind-"))
        try:
            with running(Counted(folder / "profile")) as server:
                found = asyncio.run(count_instructions(server, asked.messages, asked.at_once[0], folder / "profile"))
            if asked.keep is not None:
                shutil.copytree(folder, asked.keep, dirs_exist_ok=True)
        finally:
            shutil.rmtree(folder)
        print(f"| thousands of instructions a message, {asked.at_once[0]} at once | |\n| --- | --- |")
        for name, thousands in found.items():
            print(f"| {name} | {thousands:.0f} |")
        return 0
    with running(Merpati()) as server:
        measured = asyncio.run(measure(server, asked.messages, asked.rounds, asked.at_once))
    print("\n".join(table(measured)))
    if asked.json is not None:
        asked.json.write_text(json.dumps({f"{kind}/{n}": each for (kind, n), each in measured.items()}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
