"""What an account may keep is asked in the change that fills it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.store.accounts import Account
from appliance.store.changes.delivery import DeliveryPlan, Filing, deliver
from appliance.store.changes.messages import append, copy, expunge, move
from appliance.store.changes.quotas import set_quota
from appliance.store.interface import Store
from appliance.store.quota import Limits, Rule, Use, limits_of, own_limits, use_of
from appliance.store.refusals import NoSuchAccount, OverQuota
from tests.support.stores import mailbox_of, new_account, new_message, open_store, put

MESSAGE = b"Subject: hello\r\n\r\n" + b"x" * 82  # 100 octets


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "home") as store:
        yield store


@pytest.fixture
def bob(store: Store) -> Account:
    return new_account(store)


def used(store: Store, account: Account) -> Use:
    return store.read_now(lambda c: use_of(c, account.id))


def deliver_to(store: Store, rule: Rule, *accounts: Account) -> None:
    content = store.spool_bytes(MESSAGE)
    filings = tuple(Filing(account.id, account.address, account.address) for account in accounts)
    try:
        store.write_now(deliver(DeliveryPlan("t", content, b"", 0, filings, rule=rule)))
    finally:
        content.discard()


LIMITS = {
    "nothing set, nothing by default": (None, None, Limits(), Limits()),
    "the default": (None, None, Limits(10, 2), Limits(10, 2)),
    "of its own": (20, 3, Limits(10, 2), Limits(20, 3)),
    "none of its own": (0, 0, Limits(10, 2), Limits()),
    "one of each": (0, None, Limits(10, 2), Limits(None, 2)),
}


@pytest.mark.parametrize(("octets", "messages", "default", "expected"), LIMITS.values(), ids=LIMITS)
def test_an_accounts_own_limits_go_before_the_default(
    store: Store, bob: Account, octets: int | None, messages: int | None, default: Limits, expected: Limits
) -> None:
    store.write_now(set_quota(bob.address, octets, messages))
    assert store.read_now(lambda c: own_limits(c, bob.id)) == (octets, messages)
    assert store.read_now(lambda c: limits_of(c, bob.id, default)) == expected


def test_a_quota_needs_an_account(store: Store) -> None:
    with pytest.raises(NoSuchAccount):
        store.write_now(set_quota("nobody@example.org", 1, None))


def test_what_does_not_fit_is_not_appended_and_counts_nothing(store: Store, bob: Account) -> None:
    store.write_now(set_quota(bob.address, 250, None))
    inbox = mailbox_of(store, bob.id)
    put(store, inbox.id, MESSAGE)
    put(store, inbox.id, MESSAGE)
    with pytest.raises(OverQuota) as caught:
        put(store, inbox.id, MESSAGE)
    assert not caught.value.never
    assert used(store, bob) == Use(200, 2)
    new = [new_message(store, MESSAGE[:50]), new_message(store, MESSAGE[:50])]
    try:
        store.write_now(append(inbox.id, new[:1]))  # to the last octet
        assert used(store, bob) == Use(250, 3)
    finally:
        for each in new:
            each.content.discard()


def test_the_count_of_messages_is_a_limit_too(store: Store, bob: Account) -> None:
    store.set_default_limits(Limits(messages=1))
    put(store, mailbox_of(store, bob.id).id, MESSAGE)
    with pytest.raises(OverQuota):
        put(store, mailbox_of(store, bob.id, "Sent").id, MESSAGE)


def test_what_is_larger_than_the_whole_quota_never_fits(store: Store, bob: Account) -> None:
    store.write_now(set_quota(bob.address, 99, None))
    with pytest.raises(OverQuota) as caught:
        put(store, mailbox_of(store, bob.id).id, MESSAGE)
    assert caught.value.never


def test_copying_needs_room_and_moving_and_expunging_never_do(store: Store, bob: Account) -> None:
    inbox, trash = mailbox_of(store, bob.id), mailbox_of(store, bob.id, "Trash")
    uid = put(store, inbox.id, MESSAGE, flags=8)
    kept = put(store, inbox.id, MESSAGE)
    store.write_now(set_quota(bob.address, 50, 1))  # less than is there already
    with pytest.raises(OverQuota):
        store.write_now(copy(inbox.id, [kept], trash.id))
    _, pairs = store.write_now(move(inbox.id, [kept], trash.id))
    assert pairs
    assert store.write_now(expunge(inbox.id)) == [uid]
    assert used(store, bob) == Use(100, 1)


def test_moving_into_anothers_mailbox_counts_for_the_other(store: Store, bob: Account) -> None:
    alice = new_account(store, "alice@example.org")
    uid = put(store, mailbox_of(store, bob.id).id, MESSAGE)
    store.write_now(set_quota(alice.address, 50, None))
    with pytest.raises(OverQuota):
        store.write_now(move(mailbox_of(store, bob.id).id, [uid], mailbox_of(store, alice.id).id))
    assert used(store, bob) == Use(100, 1)


def test_a_delivery_keeps_to_its_rule(store: Store, bob: Account) -> None:
    store.write_now(set_quota(bob.address, 150, None))
    deliver_to(store, Rule.FITS, bob)
    with pytest.raises(OverQuota):
        deliver_to(store, Rule.FITS, bob)
    deliver_to(store, Rule.NOT_FULL, bob)  # it was not full
    assert used(store, bob) == Use(200, 2)
    with pytest.raises(OverQuota):
        deliver_to(store, Rule.NOT_FULL, bob)
    deliver_to(store, Rule.NEVER, bob)
    assert used(store, bob) == Use(300, 3)


def test_one_who_is_full_keeps_it_from_all(store: Store, bob: Account) -> None:
    alice = new_account(store, "alice@example.org")
    store.write_now(set_quota(bob.address, 1, None))
    with pytest.raises(OverQuota):
        deliver_to(store, Rule.FITS, alice, bob)
    assert used(store, alice) == Use(0, 0)


async def test_of_many_at_once_no_more_get_in_than_fit(store: Store, bob: Account) -> None:
    store.write_now(set_quota(bob.address, None, 3))
    inbox = mailbox_of(store, bob.id)
    new = [new_message(store, MESSAGE) for _ in range(8)]
    try:
        answers = await asyncio.gather(*(store.write(append(inbox.id, [each])) for each in new), return_exceptions=True)
    finally:
        for each in new:
            each.content.discard()
    assert sum(isinstance(answer, OverQuota) for answer in answers) == 5
    assert used(store, bob).messages == 3
