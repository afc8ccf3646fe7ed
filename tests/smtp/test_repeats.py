"""A message whose answer was lost is answered again; any other message is new."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from appliance.mail.address import Address
from appliance.mail.envelope import Envelope, Peer, Recipient
from appliance.mail.reason import because
from appliance.mail.reply import Reply
from appliance.smtp.repeats import KEEP_S, MOST, Fingerprint, RepeatWindow

from .fakes import FakeContent

ACCEPTED = Reply(250, "0.0", because("accepted", id="m1"))
ENVELOPE = Envelope(
    Address("bo", "far.example"), (Recipient(Address("ana", "example.org")), Recipient(Address("cy", "example.org")))
)
PEER = Peer("192.0.2.1")
CONTENT = FakeContent(b"hello", b"digest")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def outcome() -> asyncio.Future[Reply]:
    future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    future.set_result(ACCEPTED)
    return future


def test_what_makes_two_messages_one() -> None:
    one = Fingerprint.of(PEER, ENVELOPE, CONTENT)
    same = {
        "other order of recipients": Fingerprint.of(
            PEER, replace(ENVELOPE, recipients=ENVELOPE.recipients[::-1]), CONTENT
        ),
        "another address of the same peer": Fingerprint.of(replace(PEER, ip="192.0.2.9", helo="x"), ENVELOPE, CONTENT),
    }
    other = {
        "content": Fingerprint.of(PEER, ENVELOPE, FakeContent(b"hello", b"other")),
        "reverse-path": Fingerprint.of(PEER, replace(ENVELOPE, reverse_path=None), CONTENT),
        "recipients": Fingerprint.of(PEER, replace(ENVELOPE, recipients=ENVELOPE.recipients[:1]), CONTENT),
        "account": Fingerprint.of(replace(PEER, account_id=7), ENVELOPE, CONTENT),
    }
    assert {name for name, fingerprint in same.items() if fingerprint != one} == set()
    assert {name for name, fingerprint in other.items() if fingerprint == one} == set()


async def test_it_is_handed_out_once() -> None:
    window = RepeatWindow(Clock())
    fingerprint = Fingerprint.of(PEER, ENVELOPE, CONTENT)
    assert window.take(fingerprint) is None
    lost = outcome()
    window.unheard(fingerprint, lost)
    assert window.take(fingerprint) is lost
    assert window.take(fingerprint) is None


async def test_it_is_kept_for_an_hour() -> None:
    clock = Clock()
    window = RepeatWindow(clock)
    fingerprint = Fingerprint.of(PEER, ENVELOPE, CONTENT)
    window.unheard(fingerprint, outcome())
    clock.now = KEEP_S - 1
    found = window.take(fingerprint)
    assert found is not None
    window.unheard(fingerprint, found)
    clock.now = 2 * KEEP_S
    assert window.take(fingerprint) is None
    assert len(window) == 0


async def test_it_is_small() -> None:
    window = RepeatWindow(Clock())
    prints = [Fingerprint(b"%d" % number, 1, "", frozenset(), None) for number in range(MOST + 10)]
    for fingerprint in prints:
        window.unheard(fingerprint, outcome())
    assert len(window) == MOST
    assert window.take(prints[9]) is None
    assert window.take(prints[10]) is not None
