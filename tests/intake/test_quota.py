"""Mail for who is full is put off at RCPT, for that one alone; what never fits is refused; the change itself has the last
word."""

from __future__ import annotations

import pytest

from appliance.intake.accept import Intake
from appliance.mail.address import Address
from appliance.store.changes.delivery import deliver
from appliance.store.changes.quotas import set_quota
from appliance.store.interface import Store
from appliance.store.quota import Limits, use_of

from .test_accept import BOB, STRANGER, accept, envelope, inbox, intake, nothing_is_kept, queue, signer, store, to

__all__ = ["intake", "signer", "store"]  # fixtures

MESSAGE = b"From: far@elsewhere.example\r\nMessage-ID: <1@elsewhere.example>\r\n\r\n" + b"x" * 900 + b"\r\n"
FULL = "452 4.2.2 The mailbox is full, try again later"
NEVER = "552 5.2.3 The message is larger than the mailbox may ever hold"

AT_RCPT = [
    ("no limits", Limits(), "bob@example.org", 5000, None),
    ("it fits", Limits(6000), "bob@example.org", 3000, None),
    ("it does not fit", Limits(6000), "bob@example.org", 5000, FULL),
    ("it never fits", Limits(6000), "bob@example.org", 6001, NEVER),
    ("nothing was said of the size", Limits(6000), "bob@example.org", None, None),
    ("full, and nothing was said of the size", Limits(2000), "bob@example.org", None, FULL),
    ("as many as there may be", Limits(None, 2), "bob@example.org", None, FULL),
    ("one of those that an alias leads to", Limits(None, 2), "team@example.org", None, FULL),
    ("another one", Limits(None, 2), "eve@example.org", None, None),
    ("elsewhere", Limits(None, 1), "out@example.org", None, None),
]


@pytest.mark.parametrize(
    ("limits", "recipient", "size_octets", "reply"), [r[1:] for r in AT_RCPT], ids=[r[0] for r in AT_RCPT]
)
async def test_at_rcpt(
    store: Store, intake: Intake, limits: Limits, recipient: str, size_octets: int | None, reply: str | None
) -> None:
    for _ in range(2):
        assert (await accept(intake, STRANGER, envelope("bob@example.org"), MESSAGE)).ok
    assert 2000 < store.read_now(lambda c: use_of(c, 1)).octets < 2800
    store.set_default_limits(limits)
    found = await intake.check_recipient(STRANGER, None, to(recipient)[0], size_octets)
    assert (str(found) if found else None) == reply


async def test_an_account_with_a_quota_of_its_own_goes_by_that(store: Store, intake: Intake) -> None:
    store.set_default_limits(Limits(500))
    store.write_now(set_quota("bob@example.org", 0, None))
    assert (await accept(intake, STRANGER, envelope("bob@example.org"), MESSAGE)).ok
    assert str(await accept(intake, STRANGER, envelope("eve@example.org"), MESSAGE)) == NEVER


async def test_at_the_end_of_data_what_does_not_fit_is_put_off(store: Store, intake: Intake) -> None:
    store.set_default_limits(Limits(1500))
    assert (await accept(intake, STRANGER, envelope("bob@example.org"), MESSAGE)).ok
    assert str(await accept(intake, STRANGER, envelope("bob@example.org"), MESSAGE)) == FULL
    assert len(inbox(store)) == 1


async def test_one_with_too_little_room_does_not_keep_it_from_the_others(store: Store, intake: Intake) -> None:
    """Who does not say the size at MAIL would otherwise be put off for all of them for as long as one has no room."""
    store.write_now(set_quota("bob@example.org", 1500, None))
    assert (await accept(intake, STRANGER, envelope("bob@example.org"), MESSAGE)).ok
    assert (await accept(intake, STRANGER, envelope("bob@example.org", "eve@example.org"), MESSAGE)).ok
    assert (len(inbox(store)), len(inbox(store, 2))) == (2, 1)
    # Now bob is full: the whole message is put off, and when it comes again RCPT refuses him alone.
    assert str(await accept(intake, STRANGER, envelope("bob@example.org", "eve@example.org"), MESSAGE)) == FULL
    assert (len(inbox(store)), len(inbox(store, 2))) == (2, 1)
    assert await intake.check_recipient(STRANGER, None, to("eve@example.org")[0]) is None


async def test_what_goes_elsewhere_too_waits_for_nobody_here(store: Store, intake: Intake) -> None:
    store.write_now(set_quota("eve@example.org", 500, None))
    sent = envelope("eve@example.org", "far@elsewhere.example", reverse_path="bob@example.org")
    assert (await accept(intake, BOB, sent, MESSAGE)).ok
    assert len(queue(store)) == 1


async def test_who_is_over_can_still_be_told_of_mail_that_did_not_arrive(store: Store, intake: Intake) -> None:
    store.set_default_limits(Limits(1, 1))
    plan = await intake.plan_report(MESSAGE, Address.parse("bob@example.org"))
    assert plan is not None
    store.write_now(deliver(plan))
    plan.content.discard()
    assert len(inbox(store)) == 1


async def test_nothing_of_a_refused_message_is_left(store: Store, intake: Intake) -> None:
    store.set_default_limits(Limits(1, 1))
    for octets in (MESSAGE, MESSAGE + b"y" * 200_000):
        assert str(await accept(intake, STRANGER, envelope("bob@example.org"), octets)) == NEVER
    assert nothing_is_kept(store)
