"""A server killed at any moment has lost nothing that it answered 250 to, and keeps nothing twice."""

from __future__ import annotations

import collections
import imaplib
import os
import random
import re
import signal
import smtplib
import threading
from pathlib import Path

from appliance.store.check import check
from appliance.store.interface import Store
from tests.support.world import PASSWORD, World

CLIENTS = 20
KILLS = 5


class Sending(threading.Thread):
    """One client that sends one message after another, remembers which were answered 250, and never sends one twice."""

    def __init__(self, number: int, world: World, stop: threading.Event) -> None:
        super().__init__(name=f"client-{number}")
        self.acknowledged: list[str] = []
        self._number = number
        self._world = world
        self._stopping = stop

    def run(self) -> None:
        rng = random.Random(self._number)
        count = 0
        while not self._stopping.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", self._world.ports["smtp"], timeout=20) as smtp:
                    while not self._stopping.is_set():
                        count += 1
                        name = f"{self._number}-{count}-{rng.randrange(10**6)}"
                        body = rng.randbytes(rng.choice((200, 5_000, 90_000))).hex()
                        lines = "\r\n".join(body[at : at + 76] for at in range(0, len(body), 76))
                        smtp.sendmail(
                            "ann@far.example",
                            ["bob@near.example"],
                            f"Subject: crash\r\nX-Name: {name}\r\n\r\n{lines}\r\n".encode(),
                        )
                        self.acknowledged.append(name)
            except (OSError, smtplib.SMTPException):
                self._stopping.wait(0.05)  # the server is down; it comes back


def test_sigkill_loses_nothing_acknowledged(tmp_path: Path) -> None:
    world = World(tmp_path / "home")
    stop = threading.Event()
    rng = random.Random(7)
    with world:
        clients = [Sending(number, world, stop) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        for _ in range(KILLS):
            before = sum(len(client.acknowledged) for client in clients)
            moment = threading.Event()
            while sum(len(client.acknowledged) for client in clients) < before + 30:
                moment.wait(0.05)
            moment.wait(rng.random() * 0.5)
            killed = world.pids["mail"]
            os.kill(killed, signal.SIGKILL)
            world.wait_ready(when=lambda ready, killed=killed: ready["pids"]["mail"] != killed)
        stop.set()
        for client in clients:
            client.join(60)
            assert not client.is_alive()
        names = fetched_names(world)
    acknowledged = [name for client in clients for name in client.acknowledged]
    assert len(acknowledged) > 30 * KILLS
    assert [name for name in acknowledged if names[name] != 1] == []
    assert [name for name, count in names.items() if count > 1] == []
    store = Store(tmp_path / "home")
    try:
        assert check(store) == []
    finally:
        store.close()


def fetched_names(world: World) -> collections.Counter[str]:
    with imaplib.IMAP4("127.0.0.1", world.ports["imap"], timeout=60) as imap:
        imap.login("bob@near.example", PASSWORD)
        imap.select("INBOX", readonly=True)
        _, answers = imap.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (X-NAME)])")
        found = b"".join(answer[1] for answer in answers if isinstance(answer, tuple))
    return collections.Counter(name.decode() for name in re.findall(rb"X-Name: (\S+)", found))
