"""NOTIFY=SUCCESS for a mailbox here: the receipt is stored in the change that files the message. RFC 3461 5.2.2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.intake.accept import Intake, IntakeSettings
from appliance.mail.address import Address
from appliance.mail.content import Content
from appliance.mail.envelope import Envelope, Notify, Peer, Protocol, Recipient
from appliance.store.changes.accounts import add_account, set_alias
from appliance.store.interface import Store
from appliance.store.queue_rows import all_messages, all_recipients
from tests.support.stores import mailbox_of, octets_of, open_store, uids_of

PEER = Peer(ip="192.0.2.7", helo="mail.far.example", protocol=Protocol.ESMTPS)
MESSAGE = b"From: ann@far.example\r\nSubject: please tell me\r\nMessage-ID: <1@far.example>\r\n\r\nsecret body\r\n"


async def no_signature(domain: str, prefix: bytes, content: Content) -> bytes:
    return b""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "home") as store:
        store.write_now(add_account("bob@near.example", "hash"))
        store.write_now(set_alias("info@near.example", ["bob@near.example"]))
        store.write_now(set_alias("out@near.example", ["carl@elsewhere.example"]))
        yield store


async def accept(store: Store, reverse_path: str | None, *recipients: tuple[str, set[Notify]]) -> None:
    intake = Intake(IntakeSettings("mx.near.example", ("near.example",), 1_000_000, sends=True), store, no_signature)
    envelope = Envelope(
        reverse_path=Address.parse(reverse_path) if reverse_path else None,
        recipients=tuple(
            Recipient(Address.parse(address), frozenset(notify), f"rfc822;{address}") for address, notify in recipients
        ),
        envid="QQ314159",
    )
    spool = intake.open_spool()
    spool.write(MESSAGE)
    assert (await intake.accept(PEER, envelope, spool.finish())).code == 250


async def test_who_asked_is_told_what_was_delivered(store: Store) -> None:
    await accept(
        store, "ann@far.example", ("bob@near.example", {Notify.SUCCESS}), ("info@near.example", {Notify.SUCCESS})
    )
    (queued,) = store.read_now(all_messages)
    assert queued.reverse_path == ""
    assert [each.address for each in store.read_now(all_recipients)] == ["ann@far.example"]
    report = octets_of(store.content(queued.blob_id))
    assert report.count(b"Action: delivered\r\n") == 2
    assert b"Final-Recipient: rfc822; bob@near.example\r\n" in report
    assert b"Original-Envelope-Id: QQ314159\r\n" in report
    assert b"Status: 2.1.5\r\n" in report
    assert b"Subject: please tell me" in report
    assert b"secret body" not in report


@pytest.mark.parametrize(
    ("reverse_path", "recipient", "notify"),
    [
        ("ann@far.example", "bob@near.example", set()),
        ("ann@far.example", "bob@near.example", {Notify.FAILURE, Notify.DELAY}),
        ("ann@far.example", "bob@near.example", {Notify.NEVER}),
        (None, "bob@near.example", {Notify.SUCCESS}),
    ],
)
async def test_nobody_else_is(store: Store, reverse_path: str | None, recipient: str, notify: set[Notify]) -> None:
    await accept(store, reverse_path, (recipient, notify))
    assert store.read_now(all_messages) == []
    assert len(uids_of(store, mailbox_of(store, 1).id)) == 1


async def test_what_is_passed_on_is_not_delivered_yet(store: Store) -> None:
    await accept(store, "ann@far.example", ("out@near.example", {Notify.SUCCESS}))
    assert [each.address for each in store.read_now(all_recipients)] == ["carl@elsewhere.example"]
    assert store.read_now(all_recipients)[0].notify == "SUCCESS"
