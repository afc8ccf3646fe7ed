"""What a household's day writes to the card: 200 mails in, 20 out, five programs that poll and read.

    python -m bench.day [--servers merpati maildir sdbox] [--profile a1] [--share 0.1] [--idle-s 300] [--json FILE]
                        [--quick]

A part of the day, `--share`, is played event by event, and what it wrote is divided by that share. Events of a day lie
minutes apart, so that what is written lazily is written for each of them; played faster they would share flushes. So
after each one all is waited for that happens by itself, SETTLE_S (Merpati's lazy changes take 5 s, ext4's journal 5 s),
and then the file systems are synced, as the kernel would have done by the next event. Flushes are counted up to that sync,
octets with it. What the rest of the day costs, when nothing comes and the programs only poll, is measured in a window of
its own and taken for the whole day; it begins IDLE_AFTER_S after the last event, so that what tidies up after that one
is not taken for what an idle server does. The share of 0.1 takes some twelve minutes for each server.

- in: a mail comes for one of the four accounts, one in ten with a large attachment;
- read: each program of that account sees it, lists it and reads it, which sets \\Seen; Ina's also deletes what she has
  read, Budi's moves it to Archive, Tomas's flags it. Sari has two programs;
- out: one is submitted with authentication, leaves for a server elsewhere, and its copy is appended to Archive;
- idle: five programs in INBOX, each asking every ten seconds.

The server elsewhere is a stand-in on loopback. Merpati finds it by a loopback name server; Postfix is told where it is.
Root is needed, as in side_by_side.py.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.corpus import Corpus
from bench.load import Imap, Mail, Watch, send_one
from bench.peers import PEERS
from bench.rig import DOMAIN, Medium, Peer, Place, Ports, Server, medium
from bench.side_by_side import choose, end_in_order
from tests.support.dns_server import DnsServer
from tests.support.remote_mta import RemoteMta

MAILS_IN, MAILS_OUT, DAY_S = 200, 20, 24 * 60 * 60
SETTLE_S = 6.5
IDLE_AFTER_S = 150.0  # Merpati gives the blocks of deleted messages back after two minutes
MIB = 1024 * 1024
ZONE = "far.example. MX 10 mx.far.example.\nmx.far.example. A 127.0.0.1"
PROGRAMS = ("ina", "budi", "sari", "sari", "tomas")


@dataclass(slots=True, frozen=True)
class Pace:
    settle_s: float = SETTLE_S
    idle_after_s: float = IDLE_AFTER_S
    idle_s: float = 300.0
    poll_s: float = 10.0


QUICK = Pace(0.1, 0.1, 0.5, 0.1)


@dataclass(slots=True)
class Part:
    """octets, flushes: a whole day's."""

    octets: float = 0
    flushes: float = 0


class Day:
    def __init__(self, server: Server, card: Medium, remote: RemoteMta, share: float, pace: Pace) -> None:
        self._server = server
        self._card = card
        self._remote = remote
        self._share = share
        self._pace = pace
        self._ports = server.place.ports
        self._programs: list[tuple[str, Imap]] = []
        self.mail_octets = 0.0
        self.parts = {name: Part() for name in ("in", "read", "out", "idle")}

    async def play(self) -> None:
        watch = await Watch.begin(self._ports.imap, self._server.place.users)
        for name in PROGRAMS:
            client = await Imap.sign_in(self._ports.imap, f"{name}@{DOMAIN}")
            await client.command("SELECT INBOX")
            self._programs.append((f"{name}@{DOMAIN}", client))
        await self._settle()
        mails_in = max(1, round(MAILS_IN * self._share))
        for i in range(mails_in):
            mail = Mail.of(_Mails(4, DOMAIN), i)
            self.mail_octets += len(mail.octets) * MAILS_IN / mails_in
            await self._count("in", MAILS_IN / mails_in, partial(self._comes, mail, watch))
            await self._count("read", MAILS_IN / mails_in, partial(self._is_read, mail.recipient))
        mails_out = max(1, round(MAILS_OUT * self._share))
        for i in range(mails_out):
            await self._count("out", MAILS_OUT / mails_out, partial(self._goes, i))
        await self._idle()
        watch.end()
        for _, client in self._programs:
            client.close()

    async def _comes(self, mail: Mail, watch: Watch) -> None:
        await send_one(self._ports.smtp, mail)
        await watch.all_there([mail])

    async def _is_read(self, recipient: str) -> None:
        for user, client in self._programs:
            if user != recipient:
                continue
            await client.command("NOOP")
            await client.command("FETCH * (UID FLAGS ENVELOPE BODYSTRUCTURE)")
            await client.command("FETCH * BODY[]")
            match user.partition("@")[0]:
                case "ina":
                    await client.command("STORE * +FLAGS (\\Deleted)")
                    await client.command("EXPUNGE")
                case "budi":
                    await client.command("MOVE * Archive")
                case "tomas":
                    await client.command("STORE * +FLAGS (\\Flagged)")

    async def _goes(self, i: int) -> None:
        user, client = self._programs[i % len(self._programs)]
        corpus = Corpus(5, DOMAIN, attachments=0)
        mail = Mail.of(corpus, i)
        before = len(self._remote.messages)
        await send_one(self._ports.submission, Mail(user, "ann@far.example", mail.octets), user=user)
        await asyncio.to_thread(self._remote.wait_for, lambda mta: len(mta.messages) > before, 60)
        await client.command("APPEND Archive (\\Seen)", corpus.message(i))

    async def _idle(self) -> None:
        await asyncio.sleep(self._pace.idle_after_s)
        await asyncio.to_thread(self._card.sync)

        async def poll() -> None:
            begun = time.monotonic()
            while time.monotonic() - begun < self._pace.idle_s:
                for _, client in self._programs:
                    await client.command("NOOP")
                await asyncio.sleep(self._pace.poll_s)

        await self._count("idle", DAY_S / self._pace.idle_s, poll)

    async def _count(self, name: str, times: float, event: Callable[[], Awaitable[None]]) -> None:
        """times: how often the like happens in a day."""
        self._card.reset_counters()
        await event()
        await asyncio.sleep(self._pace.settle_s)
        before_sync = self._card.counters()
        await asyncio.to_thread(self._card.sync)
        after_sync = self._card.counters()
        if before_sync is not None and after_sync is not None:
            self.parts[name].flushes += before_sync.flushes * times
            self.parts[name].octets += after_sync.written_octets * times

    async def _settle(self) -> None:
        await asyncio.sleep(self._pace.settle_s)
        await asyncio.to_thread(self._card.sync)


class _Mails(Corpus):
    """Just one in ten has an attachment, not about so many: a share of a day holds few."""

    def kind(self, i: int) -> str:
        kind = super().kind(i)
        if i % 10 == 7:
            return "attached"
        return "talk" if kind == "attached" else kind


def measure(peer: Peer, profile: str, share: float, pace: Pace, folder: Path) -> dict[str, float]:
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="day-", dir=folder))
    os.chmod(work, 0o755)
    try:
        with medium(profile, work) as card, RemoteMta(keep_content=False) as remote, DnsServer(ZONE) as names:
            os.chmod(card.mount, 0o755)
            (work / "run").mkdir()
            users = tuple(f"{name}@{DOMAIN}" for name in dict.fromkeys(PROGRAMS))
            place = Place(card.mount / "data", work / "run", Ports.free(), users, names.address, remote.port)
            with Server(peer, place) as server:
                day = Day(server, card, remote, share, pace)
                asyncio.run(day.play())
    finally:
        shutil.rmtree(work, ignore_errors=True)
    figures = {"mail_octets": day.mail_octets}
    for name, part in day.parts.items():
        figures[f"{name}/octets"], figures[f"{name}/flushes"] = part.octets, part.flushes
    return figures


def table(measured: dict[str, dict[str, float]]) -> list[str]:
    lines = ["| MiB (flushes) a day | " + " | ".join(measured) + " |", "| --- " * (len(measured) + 1) + "|"]
    parts = ("in", "read", "out", "idle")
    for name in (*parts, "all"):
        cells = []
        for figures in measured.values():
            of = parts if name == "all" else (name,)
            octets = sum(figures[f"{part}/octets"] for part in of)
            flushes = sum(figures[f"{part}/flushes"] for part in of)
            cells.append(f"{octets / MIB:.1f} ({flushes:.0f})")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--profile", default="a1", help="of the card: a1, plain …; folder: no card, nothing is counted")
    parser.add_argument("--share", type=float, default=0.1, help="of the day that is played")
    parser.add_argument("--idle-s", type=float, default=300)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="two mails and hardly a pause: to see that it works")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()))
    asked = parser.parse_args(words)
    signal.signal(signal.SIGTERM, end_in_order)
    share, pace = (0.01, QUICK) if asked.quick else (asked.share, Pace(idle_s=asked.idle_s))
    measured = {}
    for peer in choose(asked.servers):
        measured[peer.name] = measure(peer, asked.profile, share, pace, asked.work)
        if asked.json is not None:
            with open(asked.json, "a") as out:
                out.write(json.dumps({"server": peer.name, "profile": asked.profile, **measured[peer.name]}) + "\n")
    mail_octets = max(figures["mail_octets"] for figures in measured.values())
    print(
        f"Profile {asked.profile}; {share:.0%} of a day played, {pace.settle_s} s after each event. The mail that came in:"
    )
    print(f"{mail_octets / MIB:.1f} MiB a day.\n")
    print("\n".join(table(measured)) if asked.profile != "folder" else "Without a card nothing is counted.")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
