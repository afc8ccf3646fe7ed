"""What came is read once, in order, and a peer that sends too much is held back."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from appliance.smtp.inbox import HIGH_OCTETS, Inbox, Interrupted

from .loop_clock import LoopClock


class FakeTransport(asyncio.ReadTransport):
    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def pause_reading(self) -> None:
        self.told.append("pause")

    def resume_reading(self) -> None:
        self.told.append("resume")

    def is_closing(self) -> bool:
        return False


@pytest.fixture
async def inbox() -> Inbox:
    return Inbox(asyncio.get_running_loop())


async def test_everything_at_once_and_then_the_end(inbox: Inbox) -> None:
    inbox.feed(b"a")
    inbox.feed(b"b")
    inbox.end()
    assert await inbox.read(5) == b"ab"
    assert await inbox.read(5) == b""
    assert await inbox.read(5) == b""


@pytest.mark.parametrize("wake", ["feed", "end", "interrupt"])
async def test_a_reader_that_waits_is_woken(inbox: Inbox, wake: str) -> None:
    reading = asyncio.ensure_future(inbox.read(5))
    await asyncio.sleep(0)
    assert not reading.done()
    match wake:
        case "feed":
            inbox.feed(b"a")
            inbox.feed(b"b")
            assert await reading == b"ab"
        case "end":
            inbox.end()
            assert await reading == b""
        case "interrupt":
            inbox.interrupt()
            with pytest.raises(Interrupted):
                await reading


async def test_each_wait_has_its_own_deadline(inbox: Inbox) -> None:
    """Though one timer serves all of them: later ones do not end with the first one's, nor shorter ones with a longer's."""
    clock = LoopClock()
    for wait_s in (300.0, 300.0, 10.0, 600.0):
        reading = asyncio.ensure_future(inbox.read(wait_s))
        await clock.forward(wait_s - 1)
        inbox.feed(b"a")
        assert await reading == b"a"
        reading = asyncio.ensure_future(inbox.read(wait_s))
        await clock.forward(wait_s - 1)
        assert not reading.done()
        await clock.forward(1.1)
        with pytest.raises(TimeoutError):
            await reading


async def test_what_has_ended_keeps_no_timer() -> None:
    inbox = Inbox(asyncio.get_running_loop())
    reading = asyncio.ensure_future(inbox.read(300))
    await asyncio.sleep(0)
    inbox.end()
    assert await reading == b""
    gone = weakref.ref(inbox)
    del inbox, reading
    gc.collect()
    assert gone() is None


async def test_interrupting_nobody_does_nothing(inbox: Inbox) -> None:
    inbox.interrupt()
    inbox.feed(b"a")
    assert await inbox.read(5) == b"a"


async def test_a_cancelled_reader_loses_nothing(inbox: Inbox) -> None:
    reading = asyncio.ensure_future(inbox.read(5))
    await asyncio.sleep(0)
    reading.cancel()
    inbox.feed(b"a")
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await inbox.read(5) == b"a"


async def test_too_much_is_held_back_until_it_is_read(inbox: Inbox) -> None:
    transport = FakeTransport()
    inbox.attach(transport)
    inbox.feed(b"x" * HIGH_OCTETS)
    assert transport.told == []
    inbox.feed(b"x")
    inbox.feed(b"x")
    assert transport.told == ["pause"]
    assert len(await inbox.read(5)) == HIGH_OCTETS + 2
    assert transport.told == ["pause", "resume"]


async def test_a_new_transport_starts_free(inbox: Inbox) -> None:
    """TLS puts its transport over the first one; what was held back there must not stay so."""
    raw, tls = FakeTransport(), FakeTransport()
    inbox.attach(raw)
    inbox.feed(b"x" * (HIGH_OCTETS + 1))
    inbox.attach(tls)
    assert raw.told == ["pause", "resume"]
    inbox.take()
    assert tls.told == []


async def test_clear_forgets(inbox: Inbox) -> None:
    inbox.feed(b"a")
    inbox.clear()
    inbox.feed(b"b")
    assert inbox.take() == b"b"
    assert inbox.take() == b""
