"""The load: strangers and our own people over SMTP, and mail clients that file, flag, move and delete over IMAP.

Each client writes down what it is about to ask for, asks, and writes down that it was acknowledged. They go on until
the server is gone; a refusal ends them too, and is only right once the card is without power.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from tests.support.imap_client import Answer, ImapClient
from tests.support.smtp_client import SmtpClient
from tests.support.world import PASSWORD

from .ledger import Desk, Folder, Kept, Ledger
from .letters import is_report, is_whole, letter, name_of
from .server import DOMAIN, Server

RECIPIENTS = ("ana", "bob")
DESKS = ("desk1", "desk2", "desk3")
USERS = (*RECIPIENTS, *DESKS)
STRANGERS = 4
WORK, KEPT, ARCHIVE = "INBOX", "Kept", "Old"
_UIDS = re.compile(r"\d+ \S+ ([\d:,]+)")
_FLAGS = ("\\Flagged", "\\Seen", "\\Answered", "later")
GONE = (ConnectionError, asyncio.IncompleteReadError, TimeoutError)


class Refused(Exception):
    """The server said no."""


@dataclass
class Load:
    """Everybody who is at work. acknowledged: (when, what) of each acknowledgement; refusals the same."""

    server: Server
    ledger: Ledger
    desks: dict[str, Desk]
    rng: random.Random
    round: int
    acknowledged: list[tuple[float, str]] = field(default_factory=list)
    refusals: list[tuple[float, str]] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _noted: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Until the server is gone. Raises what a client found wrong with an answer."""
        works: list[Callable[[random.Random], Awaitable[None]]] = [
            *[self.stranger for _ in range(STRANGERS)],
            self.submitter,
            self.archivist,
            self.deleter,
            *[self._desk_worker(name) for name in DESKS],
        ]
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(self._until_gone(work))

    async def _until_gone(self, work: Callable[[random.Random], Awaitable[None]]) -> None:
        rng = random.Random(self.rng.random())
        try:
            await work(rng)
        except GONE:
            return
        except Refused as refused:
            self.refusals.append((time.monotonic(), str(refused)))
        except AssertionError as fault:  # as the strict clients tell it
            if not self.server.is_running and "hung up" in str(fault):
                return
            if re.search(r"got 4\d\d|\* BYE ", str(fault)) is None:
                raise
            self.refusals.append((time.monotonic(), str(fault)))

    def note(self, what: str) -> None:
        self.acknowledged.append((time.monotonic(), what))
        self._noted.set()

    async def until_acknowledged(self, count: int) -> None:
        while len(self.acknowledged) < count:
            self._noted.clear()
            await self._noted.wait()

    def _name(self, kind: str) -> str:
        return f"{kind}-{self.round}-{next(self.numbers)}"

    # -- SMTP

    async def stranger(self, rng: random.Random) -> None:
        while True:
            smtp = await SmtpClient.greeted(self.server.ports["smtp"])
            with contextlib.closing(_Closing(smtp.writer)):
                for _ in range(rng.randrange(1, 6)):
                    name, to = self._name("in"), tuple(rng.choice((["ana"], ["bob"], ["ana", "bob"])))
                    await smtp.envelope(*(f"{user}@{DOMAIN}" for user in to))
                    self.ledger.under_way[name] = to
                    await smtp.message(_stuffed(letter(name)))
                    del self.ledger.under_way[name]
                    self.ledger.delivered[name] = to
                    self.note("delivery")

    async def submitter(self, rng: random.Random) -> None:
        """Some of what it sends is put off there, some refused for good."""
        smtp = await SmtpClient.greeted(self.server.ports["submission"])
        with contextlib.closing(_Closing(smtp.writer)):
            await smtp.command("AUTH PLAIN " + _plain("bob"), 235)
            while True:
                name = self._name("out")
                kind = rng.choice(("fine", "fine", "later", "nobody"))
                await smtp.envelope(f"{kind}-{name}@far.example", reverse_path=f"bob@{DOMAIN}")
                await smtp.message(_stuffed(letter(name)))
                (self.ledger.refused if kind == "nobody" else self.ledger.sent).add(name)
                self.note("outgoing")

    # -- IMAP

    async def archivist(self, rng: random.Random) -> None:
        """Moves what comes for ana."""
        imap = await ImapClient.signed_in(self.server.ports["imap"], f"ana@{DOMAIN}", PASSWORD)
        with contextlib.closing(_Closing(imap._writer)):
            async for uids, keys in self._batches(imap, "ana", rng):
                self.ledger.moving |= keys
                await _done(imap, f"UID MOVE {uids} {ARCHIVE}")
                self.ledger.moving -= keys
                self.ledger.moved |= keys
                self.note("move")

    async def deleter(self, rng: random.Random) -> None:
        """Deletes some of what comes for bob."""
        imap = await ImapClient.signed_in(self.server.ports["imap"], f"bob@{DOMAIN}", PASSWORD)
        with contextlib.closing(_Closing(imap._writer)):
            async for uids, keys in self._batches(imap, "bob", rng):
                if rng.random() < 0.4:
                    await _done(imap, f"UID STORE {uids} +FLAGS (\\Seen)")
                    self.note("flags")
                    continue
                await _done(imap, f"UID STORE {uids} +FLAGS.SILENT (\\Deleted)")
                self.ledger.going |= keys
                await _done(imap, f"UID EXPUNGE {uids}")
                self.ledger.going -= keys
                self.ledger.gone |= keys
                self.note("expunge")

    async def _batches(
        self, imap: ImapClient, account: str, rng: random.Random
    ) -> AsyncIterator[tuple[str, set[tuple[str, str]]]]:
        """Some messages at a time of what is in the INBOX: (UID set, keys in the ledger)."""
        await _done(imap, "SELECT INBOX")
        while True:
            await _done(imap, "NOOP")
            assert imap.mailbox is not None
            count = len(imap.mailbox.uids)
            if count < 4:
                await asyncio.sleep(0.02)
                continue
            first = rng.randrange(1, count - 2)
            answer = await _done(imap, f"FETCH {first}:{first + 2} (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            found = {}
            for each in answer.fetched:
                (subject,) = [value for item, value in each.items.items() if item.startswith("BODY[")]
                assert isinstance(subject, bytes)
                name = name_of(subject)
                if name is not None and not is_report(b"\r\n" + subject):
                    found[each.items["UID"]] = name
            if found:
                yield ",".join(map(str, found)), {(account, name) for name in found.values()}

    def _desk_worker(self, account: str) -> Callable[[random.Random], Awaitable[None]]:
        async def work(rng: random.Random) -> None:
            imap = await ImapClient.signed_in(self.server.ports["imap"], f"{account}@{DOMAIN}", PASSWORD)
            with contextlib.closing(_Closing(imap._writer)):
                await _done(imap, f"SELECT {WORK}")
                while True:
                    await self._one_step(imap, self.desks[account], rng)

        return work

    async def _one_step(self, imap: ImapClient, desk: Desk, rng: random.Random) -> None:
        here, there = dict(desk.now[WORK]), dict(desk.now[KEPT])
        some = rng.sample(sorted(here), min(len(here), rng.randrange(1, 4)))
        uids, durable = ",".join(map(str, some)), True
        what = rng.choice(("append", "append", "append", "flags", "copy", "move", "expunge")) if some else "append"
        match what:
            case "append":
                name, uid, flags = self._name("desk"), desk.uidnext[WORK], rng.sample(_FLAGS, rng.randrange(3))
                here[uid] = name, frozenset(flags)
                desk.begin({WORK: here})
                answer = await _done(imap, f"APPEND {WORK} ({' '.join(flags)}) {{}}", letter(name))
                assert _uids(answer.code("APPENDUID")) == [uid], answer
            case "flags":
                sign, flag, durable = rng.choice("+-"), rng.choice(_FLAGS), False
                for uid in some:
                    name, had = here[uid]
                    here[uid] = name, had | {flag} if sign == "+" else had - {flag}
                desk.begin({WORK: here})
                await _done(imap, f"UID STORE {uids} {sign}FLAGS ({flag})")
            case "copy" | "move":
                for target, uid in enumerate(sorted(some), desk.uidnext[KEPT]):
                    there[target] = here[uid]
                    if what == "move":
                        del here[uid]
                desk.begin({WORK: here, KEPT: there})
                answer = await _done(imap, f"UID {what} {uids} {KEPT}")
                expected = list(range(desk.uidnext[KEPT], desk.uidnext[KEPT] + len(some)))
                assert _uids(answer.code("COPYUID")) == expected, answer
            case "expunge":
                for uid in some:
                    name, had = here[uid]
                    here[uid] = name, had | {"\\Deleted"}
                desk.begin({WORK: here})
                await _done(imap, f"UID STORE {uids} +FLAGS.SILENT (\\Deleted)")
                desk.acknowledge(durable=False)
                # Also those that an earlier round had flagged when its power went.
                here = {uid: each for uid, each in here.items() if "\\Deleted" not in each[1]}
                desk.begin({WORK: here})
                await _done(imap, "EXPUNGE")
        desk.acknowledge(durable=durable)
        self.note(what)


class _Closing:
    """For contextlib.closing: the connection is dropped, whatever state it is in."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def close(self) -> None:
        self._writer.transport.abort()


async def _done(imap: ImapClient, text: str, *literals: bytes) -> Answer:
    answer = await imap.command(text, *literals)
    if not answer.ok:
        raise Refused(f"{text[:60]}: {answer.done}")
    return answer


async def make_mailboxes(server: Server) -> None:
    """Those that the clients file into."""
    for account in USERS:
        imap = await ImapClient.signed_in(server.ports["imap"], f"{account}@{DOMAIN}", PASSWORD)
        with contextlib.closing(_Closing(imap._writer)):
            await imap.ok(f"CREATE {KEPT if account in DESKS else ARCHIVE}")


async def look(server: Server, account: str) -> dict[str, Folder]:
    """All that the account holds, as a client that reads everything sees it."""
    found = {}
    imap = await ImapClient.signed_in(server.ports["imap"], f"{account}@{DOMAIN}", PASSWORD)
    with contextlib.closing(_Closing(imap._writer)):
        for mailbox in (WORK, KEPT if account in DESKS else ARCHIVE):
            answer = await imap.ok(f"EXAMINE {mailbox}")
            uidvalidity, uidnext = answer.code("UIDVALIDITY"), answer.code("UIDNEXT")
            assert uidvalidity is not None and uidnext is not None and imap.mailbox is not None
            folder = found[mailbox] = Folder(int(uidvalidity), int(uidnext))
            for first in range(1, len(imap.mailbox.uids) + 1, 50):
                last = min(first + 49, len(imap.mailbox.uids))
                answer = await imap.ok(f"FETCH {first}:{last} (UID FLAGS BODY.PEEK[])")
                assert len(answer.fetched) == last - first + 1
                for each in answer.fetched:
                    uid, flags, octets = each.items["UID"], each.items["FLAGS"], each.items["BODY[]"]
                    assert isinstance(uid, int) and isinstance(flags, frozenset) and isinstance(octets, bytes)
                    folder.messages[uid] = _kept(flags, octets)
    return found


def _kept(flags: frozenset[bytes], octets: bytes) -> Kept:
    name, report = name_of(octets), is_report(octets)
    words = frozenset(flag.decode() for flag in flags if flag != b"\\Recent")
    return Kept(name, words, report or (name is not None and is_whole(octets, name)), report)


def _uids(argument: str | None) -> list[int]:
    """The last UID set of APPENDUID and COPYUID, whose first word is UIDVALIDITY."""
    assert argument is not None
    uids: list[int] = []
    for part in argument.split(" ")[-1].split(","):
        first, _, last = part.partition(":")
        uids += range(int(first), int(last or first) + 1)
    return uids


def _stuffed(content: bytes) -> bytes:
    return re.sub(rb"(?m)^\.", b"..", content)


def _plain(user: str) -> str:
    return base64.b64encode(f"\0{user}@{DOMAIN}\0{PASSWORD}".encode()).decode()
