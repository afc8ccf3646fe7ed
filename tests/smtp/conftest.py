"""A listener of ours on loopback, with fakes behind its doors."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from appliance.smtp import Listener, SmtpServer, SmtpSettings
from appliance.smtp.limits import ConnectionLimits
from appliance.smtp.repeats import RepeatWindow
from appliance.status.bus import Bus
from appliance.status.events import Event, Refused
from tests.support.ca import server_context

from .fakes import FakeIntake, FakeSignIn


class House:
    """One listener and everything that stands behind it. slept_s: what the sessions were made to wait."""

    def __init__(self) -> None:
        self.intake = FakeIntake()
        self.sign_in = FakeSignIn()
        self.bus = Bus()
        self.events: list[Event] = []
        self.bus.subscribe(self.events.append)
        self.slept_s: list[float] = []
        self.context: ssl.SSLContext | None = server_context()
        self.now = 1000.0
        self.port = 0
        self.server: SmtpServer

    async def start(
        self, listener: Listener = Listener.SMTP, *, limits: ConnectionLimits | None = None, **settings: object
    ) -> int:
        async def sleep(wait_s: float) -> None:
            self.slept_s.append(wait_s)

        self.server = SmtpServer(
            SmtpSettings(**{"hostname": "mx.example.org", "message_size_octets": 1 << 20, **settings}),  # type: ignore[arg-type]
            listener,
            intake=self.intake,
            sign_in=self.sign_in,
            tls=lambda: self.context,
            bus=self.bus,
            limits=limits,
            repeats=RepeatWindow(lambda: self.now),
            sleep=sleep,
        )
        self.port = await self.server.start("127.0.0.1", 0)
        return self.port

    @property
    def refusals(self) -> list[str]:
        return [event.reason for event in self.events if isinstance(event, Refused)]


Start = Callable[..., Awaitable[House]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """`house = await start(Listener.SUBMISSION, recipients_most=3)`; stopped when the test ends."""
    houses: list[House] = []

    async def begin(listener: Listener = Listener.SMTP, **settings: object) -> House:
        house = House()
        houses.append(house)
        await house.start(listener, **settings)  # type: ignore[arg-type]
        return house

    yield begin
    for house in houses:
        house.intake.go_on.set()
        await house.server.stop()
        assert house.intake.open_spools == 0, "a spool was left open"
