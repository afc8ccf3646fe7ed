"""The whole of it: a server, its clients, deliveries, and the comparison whenever all are quiet."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from appliance.imap.server import ImapServer, ImapSettings
from appliance.store.changes.messages import append
from appliance.store.interface import Store
from tests.imap.conftest import ADDRESS, PASSWORD, Gate
from tests.support.imap_client import ImapClient, Violation
from tests.support.stores import mailbox_of, new_account, new_message, open_store

from .actor import KINDS, MANY, MESSAGE, Actor, Broken
from .truth import Truth, flags_of

STEPS = 6  # of each client between two comparisons
PATIENCE_S = 30.0
KEPT = 60  # lines of the client that failed
KEPT_OF_ALL = 400


@dataclass
class Figures:
    rounds: int = 0
    commands: int = 0
    comebacks: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return (
            f"{self.commands} commands in {self.rounds} rounds, {self.comebacks} times a client came back;"
            f" all views were the store's"
        )


class Failed(AssertionError):
    """With the seed and the last commands."""


@dataclass
class Journal:
    """What was said, in the order of time."""

    lines: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=5000))
    commands: Counter[str] = field(default_factory=Counter)

    def __call__(self, name: str, line: str) -> None:
        self.lines.append((name, line))
        if line.startswith("C: "):
            words = line[3:].split(" ")
            self.commands[" ".join(words[:2]) if words[0] == "UID" else words[0]] += 1

    def of(self, name: str) -> str:
        own = [line for who, line in self.lines if who == name][-KEPT:]
        everybody = [f"{who}: {line}" for who, line in self.lines if line.startswith("C: ") or who == name]
        return "\n".join([f"the last lines of {name}:", *own, "commands of all:", *everybody[-KEPT_OF_ALL:]])


async def run(home: Path, *, seed: int, clients: int, seconds: float, say: Callable[[str], None] = print) -> Figures:
    """Raises Failed."""
    with open_store(home) as store:
        store.bus.attach(asyncio.get_running_loop())
        account = new_account(store, ADDRESS)
        settings = ImapSettings("mx.example.org")
        server = ImapServer(settings, store, Gate(account.id, store), tls=None)  # type: ignore[arg-type]
        port = await server.start("127.0.0.1", 0)
        journal = Journal()
        try:
            return await _run(
                store, account.id, port, server, journal, seed=seed, clients=clients, seconds=seconds, say=say
            )
        finally:
            await server.stop()


async def _run(
    store: Store,
    account_id: int,
    port: int,
    server: ImapServer,
    journal: Journal,
    *,
    seed: int,
    clients: int,
    seconds: float,
    say: Callable[[str], None],
) -> Figures:
    dice = random.Random(seed)
    truth = Truth(store, mailbox_of(store, account_id).id)
    truth.begin()
    await deliver(store, truth.mailbox_id, 8)

    async def connect() -> ImapClient:
        return await ImapClient.signed_in(port, ADDRESS, PASSWORD)

    actors = [
        Actor(f"{number} ({kind.name})", kind, connect, random.Random(dice.random()), journal)
        for number, kind in ((number, KINDS[number % len(KINDS)]) for number in range(clients))
    ]
    figures = Figures()

    async def guarded(actor: Actor, doing: Callable[[Actor], object]) -> None:
        try:
            await doing(actor)  # type: ignore[misc]
        except (Broken, Violation, AssertionError, TimeoutError, asyncio.IncompleteReadError, ValueError) as fault:
            raise Failed(
                f"seed {seed}, round {figures.rounds}, client {actor.name}: {type(fault).__name__}: {fault}\n"
                f"{journal.of(actor.name)}"
            ) from fault

    async def all_do(doing: Callable[[Actor], object]) -> None:
        async with asyncio.TaskGroup() as group:
            for actor in actors:
                group.create_task(guarded(actor, doing))

    async def begin(actor: Actor) -> None:
        await actor.come()
        await actor.enter()

    async def some_steps(actor: Actor) -> None:
        for _ in range(STEPS):
            await actor.step()

    ends_at = time.monotonic() + seconds
    said_at = time.monotonic()
    try:
        await all_do(begin)
        while time.monotonic() < ends_at:
            delivering = asyncio.create_task(_deliveries(store, truth, random.Random(dice.random())))
            try:
                await all_do(some_steps)
            finally:
                await delivering
            async with asyncio.timeout(PATIENCE_S):
                # A command runs still whose client hung up; nothing tells when it has ended.
                while server.connections > len(actors):  # noqa: ASYNC110
                    await asyncio.sleep(0.002)
            await all_do(lambda actor: actor.say("NOOP", must=True))
            rows = truth.catch_up()

            async def compare(actor: Actor, rows: list[tuple[int, int, str, int]] = rows) -> None:
                actor.judge(truth)
                same(actor, rows)
                if actor.dice.random() < 0.5:
                    await actor.learn_all()
                    actor.judge(truth)
                    same(actor, rows, whole=True)

            await all_do(compare)
            figures.rounds += 1
            if time.monotonic() - said_at > 30:
                said_at = time.monotonic()
                say(f"round {figures.rounds}, {sum(journal.commands.values())} commands, {len(rows)} messages")
    except BaseExceptionGroup as several:
        found = several.subgroup(Failed)
        raise (found.exceptions[0] if found is not None else several.exceptions[0]) from None
    finally:
        for actor in actors:
            if hasattr(actor, "client"):
                await actor.client.close()
    figures.kinds = journal.commands
    figures.commands = sum(journal.commands.values())
    figures.comebacks = sum(actor.comebacks for actor in actors)
    return figures


def same(actor: Actor, rows: list[tuple[int, int, str, int]], *, whole: bool = False) -> None:
    """What the client knows is what the store has. whole: it has just asked for everything."""
    mailbox, uids = actor.mailbox, [row[0] for row in rows]
    if actor.client.uid_only:  # of those that it does not know, only their number counts
        fits = len(uids) == len(mailbox.uids) and set(actor.known()) <= set(uids)
    else:
        fits = len(uids) == len(mailbox.uids) and all(
            known in (None, uid) for known, uid in zip(mailbox.uids, uids, strict=True)
        )
    if not fits or (whole and None in mailbox.uids):
        raise Broken(f"the view is {mailbox.uids}, the store has {uids}")
    for uid, bits, keywords, modseq in rows:
        flags = flags_of(bits, keywords)
        if (known := mailbox.known_flags.get(uid)) is not None and known - {b"\\Recent"} != flags:
            raise Broken(f"{uid} has {set(flags)}, and the client has been told {set(known)}")
        if actor.kind.modseqs and mailbox.modseqs.get(uid, modseq) != modseq:
            raise Broken(f"{uid} has MODSEQ {modseq}, and the client has been told {mailbox.modseqs[uid]}")
        if whole and uid not in mailbox.known_flags:
            raise Broken(f"the flags of {uid} were not told")


async def _deliveries(store: Store, truth: Truth, dice: random.Random) -> None:
    for _ in range(3):
        await deliver(store, truth.mailbox_id, dice.randint(0, 2))


async def deliver(store: Store, mailbox_id: int, count: int) -> None:
    for _ in range(count):
        new = await asyncio.to_thread(new_message, store, MESSAGE)
        try:
            await store.write(append(mailbox_id, [new]))
        finally:
            new.content.discard()


__all__ = ["MANY", "Failed", "Figures", "run"]
