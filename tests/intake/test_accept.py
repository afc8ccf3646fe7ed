"""The way in: who may send what to whom, one durable change for all recipients, and an honest reply."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import re
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from appliance.intake import accept as room
from appliance.intake import destinations
from appliance.intake.accept import HOPS_MOST, Intake, IntakeSettings
from appliance.mail.address import Address
from appliance.mail.content import Content
from appliance.mail.envelope import Envelope, Notify, Peer, Protocol, Recipient
from appliance.mail.reply import Reply
from appliance.mime.parts import decode
from appliance.status.bus import Bus
from appliance.status.events import Accepted, Event, Filed, MailboxChanged, QueueChanged, Queued
from appliance.store import interface, spool
from appliance.store.changes.accounts import add_account, remove_account, set_alias
from appliance.store.changes.delivery import deliver
from appliance.store.interface import Store
from appliance.store.messages import rows
from appliance.store.queue_rows import QueuedMessage, all_messages, all_recipients
from appliance.store.spool import SpooledContent
from tests.support.stores import mailbox_of, octets_of, open_store, read_message, recorded, uids_of

SETTINGS = IntakeSettings(hostname="mx.example.org", domains=("example.org",), message_size=1_000_000, sends=True)
STRANGER = Peer(
    ip="192.0.2.7", helo="mail.elsewhere.example", protocol=Protocol.ESMTPS, tls="TLSv1.3 TLS_AES_256_GCM_SHA384"
)
BOB = Peer(
    ip="203.0.113.5",
    helo="[192.168.1.23]",
    protocol=Protocol.ESMTPSA,
    tls="TLSv1.3 TLS_AES_256_GCM_SHA384",
    account_id=1,
    account="bob@example.org",
    listener="submission",
)
MESSAGE = b"From: far@elsewhere.example\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\nMessage-ID: <1@elsewhere.example>\r\n\r\nHello\r\n"
SUBMISSION = b"From: bob@example.org\r\nSubject: hello\r\n\r\nHello\r\n"


class Signer:
    """Stands in for DKIM: keeps what it was asked to sign."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes, bytes]] = []
        self.fault: Exception | None = None

    async def __call__(self, domain: str, header_lines: bytes, content: Content) -> bytes:
        if self.fault is not None:
            raise self.fault
        self.asked.append((domain, header_lines, octets_of(content)))
        return f"DKIM-Signature: d={domain}\r\n".encode()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "home", bus=Bus()) as store:
        for name in ("bob", "eve"):
            store.write_now(add_account(f"{name}@example.org", "hash"))
        for name, targets in {
            "info": ["bob@example.org"],
            "team": ["bob@example.org", "eve@example.org"],
            "out": ["Far.Away@elsewhere.example"],
            "outs": ["a@elsewhere.example", "b@elsewhere.example"],
            "mixed": ["eve@example.org", "far@elsewhere.example"],
            "loop": ["loop@example.org"],
        }.items():
            store.write_now(set_alias(f"{name}@example.org", targets))
        yield store


@pytest.fixture
def signer() -> Signer:
    return Signer()


@pytest.fixture
def intake(store: Store, signer: Signer) -> Intake:
    return Intake(SETTINGS, store, signer)


@pytest.fixture
async def events(store: Store) -> AsyncIterator[list[Event]]:
    store.bus.attach(asyncio.get_running_loop())
    yield recorded(store.bus)


def to(*recipients: str) -> tuple[Recipient, ...]:
    return tuple(Recipient(Address.parse(address)) for address in recipients)


def envelope(*recipients: str, reverse_path: str | None = "far@elsewhere.example") -> Envelope:
    return Envelope(Address.parse(reverse_path) if reverse_path else None, to(*recipients))


def spooled(intake: Intake, octets: bytes) -> SpooledContent:
    spool = intake.open_spool()
    spool.write(octets)
    return spool.finish()


async def accept(intake: Intake, peer: Peer, sent: Envelope, octets: bytes = MESSAGE) -> Reply:
    return await intake.accept(peer, sent, spooled(intake, octets))


def inbox(store: Store, account_id: int = 1) -> list[bytes]:
    mailbox_id = mailbox_of(store, account_id).id
    return [read_message(store, mailbox_id, uid) for uid in uids_of(store, mailbox_id)]


def queue(store: Store) -> list[QueuedMessage]:
    return store.read_now(all_messages)


def nothing_is_kept(store: Store) -> bool:
    return store.read_now(lambda c: c.execute("SELECT count(*) FROM blobs").fetchone()) == (0,)


async def settled(store: Store) -> None:
    """All that was published so far has been told: the writer takes the next change after it told of the one before."""
    await store.write(lambda tx: None)


# ---- refusals: MAIL

MAIL = [
    # (name, peer, reverse-path, SIZE, reply or None)
    ("a stranger as anybody", STRANGER, "far@elsewhere.example", None, None),
    ("a stranger as one of us", STRANGER, "bob@example.org", None, None),
    ("a report", STRANGER, None, 1000, None),
    ("just small enough", STRANGER, "far@elsewhere.example", 1_000_000, None),
    ("too large", STRANGER, "far@elsewhere.example", 1_000_001, "552 5.3.4 The message is larger than 1000000 octets, the most accepted here"),
    ("as oneself", BOB, "bob@example.org", None, None),
    ("as oneself with a detail", BOB, "BOB+shop@example.org", None, None),
    ("as an alias of one's own", BOB, "team@example.org", None, None),
    ("as nobody", BOB, None, None, None),
    ("as somebody else", BOB, "eve@example.org", None, "553 5.7.1 That sender address does not belong to the account you signed in with"),
    ("as somebody far", BOB, "far@elsewhere.example", None, "553 5.7.1 That sender address does not belong to the account you signed in with"),
]  # fmt: skip


@pytest.mark.parametrize(("peer", "reverse_path", "size", "reply"), [m[1:] for m in MAIL], ids=[m[0] for m in MAIL])
async def test_who_may_send_as_whom(
    intake: Intake, peer: Peer, reverse_path: str | None, size: int | None, reply: str | None
) -> None:
    address = Address.parse(reverse_path) if reverse_path else None
    found = await intake.check_reverse_path(peer, address, size, False)
    assert (str(found) if found else None) == reply


async def test_who_was_removed_while_signed_in_sends_no_more(store: Store, intake: Intake) -> None:
    assert await intake.check_reverse_path(BOB, None, None, False) is None
    await store.write(remove_account("bob@example.org"))
    for reverse_path in (None, Address.parse("bob@example.org")):
        refusal = await intake.check_reverse_path(BOB, reverse_path, None, False)
        assert refusal is not None and refusal.code == 553


# ---- refusals: RCPT

RCPT = [
    # (name, peer, recipient, sends, reply or None)
    ("an account", STRANGER, "bob@example.org", True, None),
    ("a detail", STRANGER, "bob+x@example.org", True, None),
    ("an alias", STRANGER, "team@example.org", True, None),
    ("an alias that leads away", STRANGER, "out@example.org", True, None),
    ("nobody", STRANGER, "nobody@example.org", True, "550 5.1.1 There is no such address here"),
    ("nobody, from one of us", BOB, "nobody@example.org", True, "550 5.1.1 There is no such address here"),
    ("a loop", STRANGER, "loop@example.org", True, "550 5.4.6 The address leads back to itself"),
    ("relaying", STRANGER, "far@elsewhere.example", True, "550 5.7.1 Relaying denied: sign in to send mail elsewhere"),
    ("relaying to a name below ours", STRANGER, "bob@sub.example.org", True, "550 5.7.1 Relaying denied: sign in to send mail elsewhere"),
    ("relaying with a source route's look", STRANGER, "bob%elsewhere.example@example.org", True, "550 5.1.1 There is no such address here"),
    ("one of us to elsewhere", BOB, "far@elsewhere.example", True, None),
    ("sending is off", BOB, "far@elsewhere.example", False, "550 5.7.1 This server does not send mail elsewhere"),
    ("sending is off, relaying", STRANGER, "far@elsewhere.example", False, "550 5.7.1 Relaying denied: sign in to send mail elsewhere"),
    ("sending is off, an alias leads away", STRANGER, "out@example.org", False, "450 4.7.1 This server does not send mail elsewhere"),
    ("sending is off, an alias leads to two away", STRANGER, "outs@example.org", False, "450 4.7.1 This server does not send mail elsewhere"),
    ("sending is off, an alias leads here too", STRANGER, "mixed@example.org", False, None),
]  # fmt: skip


@pytest.mark.parametrize(("peer", "recipient", "sends", "reply"), [r[1:] for r in RCPT], ids=[r[0] for r in RCPT])
async def test_who_may_send_to_whom(
    store: Store, signer: Signer, peer: Peer, recipient: str, sends: bool, reply: str | None
) -> None:
    settings = IntakeSettings("mx.example.org", ("example.org",), 1_000_000, sends)
    found = await Intake(settings, store, signer).check_recipient(peer, None, to(recipient)[0])
    assert (str(found) if found else None) == reply
    if found is not None:
        assert "example.org" not in found.reason.for_peer, "the peer learns nothing of our addresses"
        assert found.reason.for_owner


# ---- refusals: storage


async def test_before_the_card_is_full_mail_is_put_off(
    store: Store, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = SimpleNamespace(f_frsize=4096, f_blocks=10**7, f_bavail=220 * 256)
    monkeypatch.setattr(interface.os, "statvfs", lambda path: card)
    assert await intake.check_reverse_path(STRANGER, None, 10 * 1024 * 1024 // 100, False) is None
    card.f_bavail = 200 * 256
    refused = await intake.check_reverse_path(STRANGER, None, 1000, False)
    assert str(refused) == "452 4.3.1 Not enough storage, try again later"
    reply = await accept(intake, STRANGER, envelope("bob@example.org"))
    assert str(reply) == "452 4.3.1 Not enough storage, try again later"
    assert nothing_is_kept(store)


async def test_a_card_that_fills_up_meanwhile_is_no_permanent_refusal(
    store: Store, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as card:
        card.setattr(os, "posix_fallocate", full)
        reply = await accept(
            intake, STRANGER, envelope("bob@example.org"), MESSAGE + random.Random(1).randbytes(90_000)
        )
    assert str(reply) == "452 4.3.1 Not enough storage, try again later"
    assert nothing_is_kept(store)
    assert (await accept(intake, STRANGER, envelope("bob@example.org"))).code == 250


async def test_after_the_card_has_failed_everything_is_put_off(store: Store, intake: Intake) -> None:
    store._writer.failure = "disk I/O error"
    try:
        for reply in (
            await intake.check_reverse_path(STRANGER, None, None, False),
            await accept(intake, STRANGER, envelope("bob@example.org")),
        ):
            assert str(reply) == "451 4.3.0 Storage failed, try again later"
            assert reply is not None and "disk I/O error" in reply.reason.for_owner
    finally:
        store._writer.failure = None
    assert nothing_is_kept(store)


@pytest.mark.parametrize("where", ["signing", "spooling again", "a bug in the change", "reading"])
async def test_a_fault_of_our_own_is_temporary_and_tells_the_peer_nothing(
    store: Store, intake: Intake, signer: Signer, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    secret = ValueError("/var/lib/merpati/keys")
    with monkeypatch.context() as bug:
        match where:
            case "signing":
                signer.fault = secret
            case "spooling again":
                content = spooled(intake, SUBMISSION)
                bug.setattr(spool.Spool, "write", lambda *_: (_ for _ in ()).throw(secret))
            case "a bug in the change":
                bug.setattr(room, "deliver_in", lambda *_: (_ for _ in ()).throw(secret))
            case _:
                bug.setattr(destinations, "resolve", lambda *_: (_ for _ in ()).throw(secret))
        if where != "spooling again":
            content = spooled(intake, SUBMISSION)
        reply = await intake.accept(BOB, envelope("far@elsewhere.example", reverse_path="bob@example.org"), content)
    assert str(reply) == "451 4.3.0 Something went wrong here, try again later"
    assert "/var/lib/merpati/keys" in reply.reason.for_owner
    assert nothing_is_kept(store)
    assert store.failure is None


async def test_an_envelope_without_recipients_is_never_acknowledged(store: Store, intake: Intake) -> None:
    reply = await accept(intake, STRANGER, Envelope(None, ()))
    assert reply.temporary
    assert nothing_is_kept(store)


# ---- refusals: the message


async def test_too_large_a_message_is_refused_whatever_was_said_of_its_size(store: Store, intake: Intake) -> None:
    reply = await accept(intake, STRANGER, envelope("bob@example.org"), b"x" * 1_000_001)
    assert str(reply).startswith("552 5.3.4 ")
    assert nothing_is_kept(store)


@pytest.mark.parametrize(("hops", "code"), [(0, 250), (HOPS_MOST, 250), (HOPS_MOST + 1, 554)])
async def test_a_message_that_came_round_too_often_is_a_loop(
    store: Store, intake: Intake, hops: int, code: int
) -> None:
    octets = b"received: from a by b\r\n\tfolded: yes\r\n" * hops + MESSAGE
    reply = await accept(intake, STRANGER, envelope("bob@example.org"), octets)
    assert reply.code == code
    if code == 554:
        assert str(reply) == "554 5.4.6 The message has passed too many servers: a mail loop"
        assert nothing_is_kept(store)


async def test_received_lines_in_the_body_do_not_count(intake: Intake) -> None:
    octets = MESSAGE + b"Received: from a by b\r\n" * 100
    assert (await accept(intake, STRANGER, envelope("bob@example.org"), octets)).code == 250


# ---- recipients that went away between RCPT and the end of DATA


@pytest.mark.parametrize(
    "recipients",
    [("eve@example.org",), ("bob@example.org", "eve@example.org"), ("eve@example.org", "far@elsewhere.example")],
)
async def test_when_a_recipient_went_away_nobody_gets_it_until_the_peer_comes_again(
    store: Store, intake: Intake, recipients: tuple[str, ...]
) -> None:
    """Never a 250 for less than all, and never a copy twice: the peer is asked to come again, and hears 550 then."""
    assert await intake.check_recipient(STRANGER, None, to("eve@example.org")[0]) is None
    content = spooled(intake, SUBMISSION)
    store.write_now(remove_account("eve@example.org"))
    reply = await intake.accept(BOB, envelope(*recipients, reverse_path="bob@example.org"), content)
    assert str(reply) == "450 4.2.1 There is no account eve@example.org"
    assert nothing_is_kept(store)
    again = await intake.check_recipient(STRANGER, None, to("eve@example.org")[0])
    assert again is not None and again.code == 550


async def test_an_account_removed_in_the_last_moment_is_noticed_by_the_change_itself(
    store: Store, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = intake._plan

    async def planned_and_removed(*args: object) -> object:
        planned = await plan(*args)  # type: ignore[arg-type]
        await store.write(remove_account("eve@example.org"))
        return planned

    monkeypatch.setattr(intake, "_plan", planned_and_removed)
    reply = await accept(intake, STRANGER, envelope("bob@example.org", "eve@example.org"))
    assert str(reply) == "450 4.2.1 There is no account eve@example.org"
    assert nothing_is_kept(store)


async def test_an_alias_of_which_one_target_went_away_still_reaches_the_others(store: Store, intake: Intake) -> None:
    store.write_now(remove_account("eve@example.org"))
    assert (await accept(intake, STRANGER, envelope("team@example.org"))).code == 250
    assert len(inbox(store)) == 1


# ---- what is kept


async def test_a_message_is_filed_with_our_trace_and_otherwise_octet_for_octet(store: Store, intake: Intake) -> None:
    octets = b"Subject: odd\n\nbare LF, \x00 and \xff, no end"
    reply = await accept(intake, STRANGER, envelope("bob@example.org"), octets)
    match = re.fullmatch(r"250 2\.0\.0 Accepted as ([0-9a-hjkmnp-tv-z]{12})", str(reply))
    assert match
    (message,) = inbox(store)
    prefix = message.removesuffix(octets).decode()
    lines = prefix.splitlines()
    assert lines[:-1] == [
        "Return-Path: <far@elsewhere.example>",
        "Received: from mail.elsewhere.example ([192.0.2.7])",
        "\tby mx.example.org",
        f"\twith ESMTPS id {match.group(1)}",
        "\t(TLSv1.3 TLS_AES_256_GCM_SHA384)",
        "\tfor <bob@example.org>;",
    ]
    assert prefix.count("\n") == prefix.count("\r\n")
    assert isinstance(parsedate_to_datetime(lines[-1].strip()), datetime)


async def test_no_copy_tells_of_the_other_recipients(store: Store, intake: Intake) -> None:
    """RFC 5321 7.2."""
    await accept(intake, STRANGER, envelope("bob@example.org", "eve@example.org"))
    for account_id in (1, 2):
        (message,) = inbox(store, account_id)
        assert b"for <" not in message


async def test_however_many_recipients_lead_to_an_account_it_gets_one_copy(store: Store, intake: Intake) -> None:
    sent = envelope("bob@example.org", "Bob+x@example.org", "info@example.org", "team@example.org", "out@example.org")
    sent = Envelope(
        sent.reverse_path, (*sent.recipients, *to("far.away@elsewhere.example", "Far.Away@elsewhere.example"))
    )
    assert (await accept(intake, STRANGER, sent)).code == 250
    assert (len(inbox(store, 1)), len(inbox(store, 2))) == (1, 1)
    assert sorted(r.address for r in store.read_now(all_recipients)) == [
        "Far.Away@elsewhere.example",
        "far.away@elsewhere.example",
    ]
    assert store.read_now(lambda c: c.execute("SELECT count(*), sum(refs) FROM blobs").fetchone()) == (1, 3)


async def test_local_and_remote_are_one_change_and_told_in_order(
    store: Store, intake: Intake, events: list[Event]
) -> None:
    commits: list[object] = []
    write = store.write

    async def counted(*args: object, **kwargs: object) -> object:
        commits.append(args)
        return await write(*args, **kwargs)  # type: ignore[arg-type]

    store.write = counted  # type: ignore[method-assign, assignment]
    reply = await accept(
        intake, BOB, envelope("eve@example.org", "far@elsewhere.example", reverse_path="bob@example.org"), SUBMISSION
    )
    assert reply.code == 250
    assert len(commits) == 1
    await settled(store)
    assert [type(event) for event in events] == [Accepted, MailboxChanged, Filed, Queued, QueueChanged]
    accepted, _, filed, queued, _ = events
    assert isinstance(accepted, Accepted) and isinstance(filed, Filed) and isinstance(queued, Queued)
    assert accepted.trace_id == filed.trace_id == queued.trace_id == reply.reason.params["id"]
    assert accepted.recipients == ("eve@example.org", "far@elsewhere.example")
    assert (accepted.reverse_path, accepted.account, accepted.ip) == (
        "bob@example.org",
        "bob@example.org",
        "203.0.113.5",
    )
    assert (accepted.subject, accepted.protocol, accepted.tls) == ("hello", "ESMTPSA", BOB.tls)
    assert re.fullmatch(r"<\d{14}\.[0-9a-z]{12}@mx\.example\.org>", accepted.message_id)
    assert (filed.account, filed.mailbox, filed.uid) == ("eve@example.org", "INBOX", 1)
    assert queued.recipient == "far@elsewhere.example"


async def test_nothing_is_told_of_what_was_refused(store: Store, intake: Intake, events: list[Event]) -> None:
    store.write_now(remove_account("eve@example.org"))
    await settled(store)
    events.clear()
    await accept(intake, STRANGER, envelope("bob@example.org", "eve@example.org"))
    await accept(intake, STRANGER, envelope("bob@example.org"), b"x" * 1_000_001)
    await settled(store)
    assert events == []


async def test_words_of_the_header_are_read_for_the_trace(store: Store, intake: Intake, events: list[Event]) -> None:
    await accept(intake, STRANGER, envelope("bob@example.org", reverse_path=None))
    await settled(store)
    accepted = events[0]
    assert isinstance(accepted, Accepted)
    assert (accepted.subject, accepted.message_id, accepted.reverse_path) == ("café", "<1@elsewhere.example>", "")
    assert inbox(store)[0].startswith(b"Return-Path: <>\r\n")


async def test_what_goes_elsewhere_keeps_its_envelope(store: Store, intake: Intake) -> None:
    recipients = (
        Recipient(
            Address.parse("far@elsewhere.example"), frozenset({Notify.FAILURE, Notify.DELAY}), "rfc822;far@old.example"
        ),
        Recipient(Address.parse("out@example.org")),
    )
    sent = Envelope(
        Address.parse("bob@example.org"), recipients, eight_bit=True, smtputf8=True, ret="HDRS", envid="e 1"
    )
    await accept(intake, BOB, sent, SUBMISSION)
    (message,) = queue(store)
    assert (message.reverse_path, message.account_id) == ("bob@example.org", 1)
    assert (message.eight_bit, message.smtputf8, message.ret, message.envid) == (True, True, "HDRS", "e 1")
    found = [(r.address, r.orcpt, r.notify) for r in store.read_now(all_recipients)]
    assert found == [
        ("far@elsewhere.example", "rfc822;far@old.example", "DELAY,FAILURE"),
        ("Far.Away@elsewhere.example", "rfc822;out@example.org", ""),
    ]


@pytest.mark.parametrize(("octets", "eight_bit"), [(SUBMISSION, False), (SUBMISSION + "café".encode(), True)])
async def test_eight_bit_content_is_known_whatever_was_said_of_it(
    store: Store, intake: Intake, octets: bytes, eight_bit: bool
) -> None:
    await accept(intake, BOB, envelope("far@elsewhere.example", reverse_path="bob@example.org"), octets)
    assert [m.eight_bit for m in queue(store)] == [eight_bit]


# ---- submissions


@pytest.mark.parametrize(
    ("header", "added"),
    [
        (b"", [b"Date", b"Message-ID"]),
        (b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n", [b"Message-ID"]),
        (b"message-id: <1@example.org>\r\n", [b"Date"]),
        (b"DATE: x\r\nMessage-Id: y\r\n", []),
    ],
)
async def test_a_submission_gets_the_header_lines_that_it_lacks(
    store: Store, intake: Intake, header: bytes, added: list[bytes]
) -> None:
    """RFC 6409 8. They are part of the content: signed, counted and indexed with it."""
    octets = header + SUBMISSION
    await accept(
        intake, BOB, envelope("eve@example.org", "far@elsewhere.example", reverse_path="bob@example.org"), octets
    )
    (message,) = queue(store)
    content = octets_of(store.content(message.blob_id))
    assert content.endswith(octets)
    assert [line.split(b":")[0] for line in content.removesuffix(octets).splitlines()] == added
    assert inbox(store, 2)[0].endswith(content)
    mailbox_id = mailbox_of(store, 2).id
    (row,) = store.read_now(lambda c: rows(c, mailbox_id, [1], structure=True))
    assert row.structure is not None
    fields = decode(row.structure).envelope
    assert fields.message_id
    assert fields.message_id.decode() == message.message_id_header


async def test_a_strangers_message_is_not_completed(store: Store, intake: Intake) -> None:
    await accept(intake, STRANGER, envelope("bob@example.org"), b"Subject: x\r\n\r\n")
    assert inbox(store)[0].endswith(b"Subject: x\r\n\r\n")
    assert b"Message-ID" not in inbox(store)[0]


async def test_a_submission_tells_nobody_where_its_owner_sits(store: Store, intake: Intake) -> None:
    await accept(intake, BOB, envelope("far@elsewhere.example", reverse_path="bob@example.org"), SUBMISSION)
    (message,) = queue(store)
    sent = message.prefix + octets_of(store.content(message.blob_id))
    for private in (b"203.0.113.5", b"192.168.1.23"):
        assert private not in sent
    assert b"Received: from unknown by mx.example.org\r\n\twith ESMTPSA id " in message.prefix


# ---- signatures


async def test_what_our_people_send_elsewhere_is_signed_over_the_completed_content(
    store: Store, intake: Intake, signer: Signer
) -> None:
    await accept(intake, BOB, envelope("far@elsewhere.example", reverse_path="bob@example.org"), SUBMISSION)
    (message,) = queue(store)
    assert signer.asked == [("example.org", b"", octets_of(store.content(message.blob_id)))]
    assert message.prefix.startswith(b"DKIM-Signature: d=example.org\r\nReceived: from ")


async def test_what_is_only_passed_on_or_stays_here_is_not_signed(store: Store, intake: Intake, signer: Signer) -> None:
    await accept(intake, STRANGER, envelope("out@example.org"))
    await accept(intake, BOB, envelope("eve@example.org", reverse_path="bob@example.org"), SUBMISSION)
    assert signer.asked == []
    (message,) = queue(store)
    assert message.prefix.startswith(b"Received: from mail.elsewhere.example")


# ---- reports


async def test_a_report_to_one_of_us_is_filed_and_one_to_elsewhere_is_queued_signed(
    store: Store, intake: Intake, signer: Signer
) -> None:
    near = await intake.plan_report(b"Subject: report\r\n\r\n", Address.parse("bob@example.org"))
    far = await intake.plan_report(b"Subject: report\r\n\r\n", Address.parse("far@elsewhere.example"))
    assert near is not None and far is not None
    assert nothing_is_kept(store), "the queue keeps it, with what it reports"
    await store.write(deliver(near))
    await store.write(deliver(far))
    assert inbox(store)[0].startswith(b"Return-Path: <>\r\nReceived: from mx.example.org ([127.0.0.1])\r\n")
    (message,) = queue(store)
    assert (message.reverse_path, message.account_id) == ("", None)
    assert [domain for domain, _, _ in signer.asked] == ["example.org"]


async def test_there_is_no_report_to_nobody(store: Store, intake: Intake) -> None:
    """Or a report about the report would follow (RFC 5321 6.1)."""
    large = random.Random(2).randbytes(300_000)  # spooled to a file, which must not stay open
    assert await intake.plan_report(large, Address.parse("nobody@example.org")) is None
    assert await intake.plan_report(b"x", Address.parse("loop@example.org")) is None


# ---- who hangs up


async def test_a_caller_that_hangs_up_leaves_all_of_the_message_or_nothing(store: Store, intake: Intake) -> None:
    """Cancelled at each turn of the loop in turn: what is stored reads back whole, and its spool is closed."""
    octets = MESSAGE + random.Random(3).randbytes(400_000)
    for turns in range(1, 40):
        content = spooled(intake, octets)
        task = asyncio.ensure_future(intake.accept(STRANGER, envelope("bob@example.org"), content))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    store.write_now(lambda tx: None)  # whatever was under way is done
    for message in inbox(store):
        assert message.endswith(octets)


async def test_many_at_once_are_all_kept_and_nobody_gets_anothers(store: Store, intake: Intake) -> None:
    async def one(n: int) -> Reply:
        octets = b"Subject: %d\r\n\r\n" % n + random.Random(n).randbytes(60_000 if n % 7 == 0 else 500)
        return await accept(intake, STRANGER, envelope("bob@example.org" if n % 2 else "eve@example.org"), octets)

    replies = await asyncio.gather(*(one(n) for n in range(60)))
    assert {reply.code for reply in replies} == {250}
    assert len({reply.reason.params["id"] for reply in replies}) == 60
    for account_id, odd in ((1, 1), (2, 0)):
        subjects = [int(re.search(rb"Subject: (\d+)", m).group(1)) for m in inbox(store, account_id)]  # type: ignore[union-attr]
        assert sorted(subjects) == list(range(odd, 60, 2))
