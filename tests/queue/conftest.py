"""A post office for the tests of this room: real store, intake, deliverer and queue, a name server, a clock to turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from appliance.config.schema import OutboundConfig
from appliance.dns.resolver import Resolver
from appliance.intake.accept import Intake, IntakeSettings
from appliance.mail.address import Address
from appliance.mail.content import Content
from appliance.mail.envelope import Envelope, Notify, Peer, Protocol, Recipient
from appliance.queue.concurrency import Limits
from appliance.queue.runner import QueueRunner
from appliance.status.bus import Bus
from appliance.status.events import Attempted, Event
from appliance.store import queue_rows
from appliance.store.changes.accounts import add_account
from appliance.store.interface import Store
from appliance.store.mailboxes import find_mailbox
from appliance.store.queue_rows import QueuedMessage, QueuedRecipient
from appliance.transport.connection import Timeouts
from appliance.transport.deliver import Deliverer
from tests.support.dns_server import DnsServer

ZONES = """
them.test.     MX 10 mx.them.test.
mx.them.test.  A  127.0.0.1
other.test.    MX 10 mx.other.test.
mx.other.test. A  127.0.0.2
nomail.test.   MX 0 .
"""
CONTENT = b"From: ana@example.org\r\nSubject: hello\r\nMessage-ID: <1@example.org>\r\n\r\nhello\r\n"
DAY_S = 86400.0
PATIENCE_S = 20.0

E = TypeVar("E", bound=Event)


class PostOffice:
    """One per test. `events` holds everything published; the queue's clock runs ahead of the real one by what was given
    to `pass_time`."""

    def __init__(self, home: Path, dns: DnsServer) -> None:
        self.home = home
        self._ahead_s = 0.0
        self.events: list[Event] = []
        self.bus = Bus()
        self.bus.subscribe(self._note)
        self._changed = asyncio.Event()
        self._dns = dns
        self.store = Store(home / "store", bus=self.bus, scratch=home)
        self.bus.attach(asyncio.get_running_loop())
        settings = IntakeSettings("mx.example.org", ("example.org",), 50_000_000, True)
        self.intake = Intake(settings, self.store, _unsigned)
        self.runner: QueueRunner | None = None

    async def open(self) -> None:
        self.account = await self.store.write(add_account("ana@example.org", "x"))

    async def close(self) -> None:
        await self.stop()
        self.store.close()

    @property
    def dns_port(self) -> int:
        return self._dns.address[1]

    async def run(self, mx_port: int = 9, **changes: Any) -> QueueRunner:
        """Starts a runner; `limits`, `schedule`, `deliverer`, `plan_report` may be given."""
        settings: dict[str, Any] = {
            "deliverer": self.deliverer(mx_port),
            "plan_report": self.intake.plan_report,
            "bus": self.bus,
            "hostname": "mx.example.org",
            "clock": self.clock,
            "jitter": lambda: 0.0,
            "limits": Limits(rest_s=0),
        }
        self.runner = QueueRunner(self.store, **(settings | changes))
        await self.runner.start()
        return self.runner

    async def stop(self) -> None:
        if self.runner is not None:
            await self.runner.stop()
            self.runner = None

    def deliverer(self, mx_port: int, **outbound: Any) -> Deliverer:
        return Deliverer(
            OutboundConfig(mode="direct", mx_port=mx_port) if not outbound else OutboundConfig(**outbound),
            Resolver([self._dns.address], timeout_s=0.5, lifetime_s=1),
            hostname="mx.example.org",
            home=self.home,
            timeouts=Timeouts(connect_s=2, greeting_s=2, ehlo_s=2, mail_s=2, rcpt_s=2, data_s=2, piece_s=2, dot_s=2),
        )

    async def send(
        self,
        *recipients: str,
        reverse_path: str = "ana@example.org",
        content: bytes = CONTENT,
        notify: str = "",
        account: bool = True,
        **envelope: Any,
    ) -> str:
        """Through intake, as submission does. Returns the trace id."""
        to = tuple(
            Recipient(Address.parse(each), frozenset(Notify(word) for word in notify.split(",") if word))
            for each in recipients
        )
        peer = Peer("127.0.0.1", "laptop", Protocol.ESMTPSA)
        if account:
            peer = Peer("127.0.0.1", "laptop", Protocol.ESMTPSA, None, self.account.id, self.account.address)
        path = Address.parse(reverse_path) if reverse_path else None
        reply = await self.intake.accept(peer, Envelope(path, to, **envelope), self.store.spool_bytes(content))
        assert reply.code == 250, reply
        return str(reply.reason.params["id"])

    async def queued(self) -> list[QueuedRecipient]:
        return await self.store.read(queue_rows.all_recipients)

    async def messages(self) -> list[QueuedMessage]:
        return await self.store.read(queue_rows.all_messages)

    async def inbox(self) -> list[bytes]:
        """The contents in ana's INBOX."""

        def read(connection: Any) -> list[Content]:
            mailbox = find_mailbox(connection, self.account.id, "INBOX")
            assert mailbox is not None
            rows = connection.execute("SELECT blob_id FROM messages WHERE mailbox_id = ? ORDER BY uid", (mailbox.id,))
            return [self.store.content_in(connection, blob_id) for (blob_id,) in rows.fetchall()]

        return [b"".join(content.pieces()) for content in await self.store.read(read)]

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Checked whenever something was published."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def until_attempted(self, count: int) -> None:
        await self.until(lambda: len(self.of(Attempted)) >= count)

    def clock(self) -> float:
        return time.time() + self._ahead_s

    def pass_time(self, seconds: float) -> None:
        self._ahead_s += seconds
        assert self.runner is not None
        self.runner.kick()

    def _note(self, event: Event) -> None:
        self.events.append(event)
        self._changed.set()


async def _unsigned(domain: str, prefix: bytes, content: Content) -> bytes:
    return b""


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[PostOffice]:
    with DnsServer(ZONES) as dns:
        office = PostOffice(tmp_path, dns)
        await office.open()
        yield office
        await office.close()
