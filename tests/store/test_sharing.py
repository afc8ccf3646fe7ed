"""Rights on mailboxes: granted, joined, inherited, and gone with either side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.status.events import MailboxListChanged
from appliance.store.accounts import Account
from appliance.store.changes.accounts import remove_account
from appliance.store.changes.mailboxes import create_mailbox, delete_mailbox, rename_mailbox
from appliance.store.changes.sharing import set_rights
from appliance.store.interface import Store
from appliance.store.refusals import NoSuchAccount, NoSuchMailbox, OwnersRights
from appliance.store.sharing import ANYONE, ORDER, Grant, anything_shared, grants, rights_on, shared_with
from tests.support.stores import mailbox_of, new_account, open_store, recorded


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "home") as store:
        yield store


@pytest.fixture
def bob(store: Store) -> Account:
    return new_account(store)


@pytest.fixture
def alice(store: Store) -> Account:
    return new_account(store, "alice@example.org")


def shared(store: Store, account: Account) -> dict[str, str]:
    return {
        f"{each.owner}/{each.mailbox.name}": each.rights
        for each in store.read_now(lambda c: shared_with(c, account.id))
    }


MODES = {
    "replace": ([("=", "lrs")], "lrs"),
    "in the order of the RFC": ([("=", "slr")], "lrs"),
    "add": ([("=", "lr"), ("+", "wl")], "lrw"),
    "add to nothing": ([("+", "l")], "l"),
    "take": ([("=", "lrsw"), ("-", "sx")], "lrw"),
    "take all": ([("=", "lr"), ("-", "rl")], None),
    "replace with nothing": ([("=", "lr"), ("=", "")], None),
}


@pytest.mark.parametrize(("steps", "expected"), MODES.values(), ids=MODES)
def test_rights_are_set_added_and_taken(
    store: Store, bob: Account, alice: Account, steps: list[tuple[str, str]], expected: str | None
) -> None:
    inbox = mailbox_of(store, bob.id)
    for mode, rights in steps:
        now = store.write_now(set_rights(inbox.id, alice.id, rights, mode))
    assert now == (expected or "")
    assert store.read_now(lambda c: grants(c, inbox.id)) == (
        [Grant(alice.id, alice.address, expected)] if expected else []
    )
    assert store.read_now(lambda c: rights_on(c, inbox, alice.id)) == (expected or "")
    assert store.read_now(lambda c: rights_on(c, inbox, bob.id)) == ORDER
    assert store.read_now(lambda c: anything_shared(c, alice.id)) == bool(expected)


def test_what_everybody_may_and_what_one_may_are_joined(store: Store, bob: Account, alice: Account) -> None:
    inbox = mailbox_of(store, bob.id)
    store.write_now(set_rights(inbox.id, ANYONE, "lr"))
    store.write_now(set_rights(inbox.id, alice.id, "ti"))
    assert shared(store, alice) == {"bob@example.org/INBOX": "lrit"}
    assert shared(store, bob) == {}  # not from oneself
    eve = new_account(store, "eve@example.org")
    assert shared(store, eve) == {"bob@example.org/INBOX": "lr"}
    assert [grant.address for grant in store.read_now(lambda c: grants(c, inbox.id))] == ["alice@example.org", None]


def test_what_cannot_be_granted(store: Store, bob: Account, alice: Account) -> None:
    inbox = mailbox_of(store, bob.id)
    for fault, change in (
        (OwnersRights, set_rights(inbox.id, bob.id, "l")),
        (NoSuchAccount, set_rights(inbox.id, 999, "l")),
        (NoSuchMailbox, set_rights(999, alice.id, "l")),
    ):
        with pytest.raises(fault):
            store.write_now(change)


def test_what_is_made_below_is_shared_alike(store: Store, bob: Account, alice: Account) -> None:
    made = store.write_now(create_mailbox(bob.id, "Work"))
    store.write_now(set_rights(made.id, alice.id, "lr"))
    store.write_now(create_mailbox(bob.id, "Work/2026/Q1"))
    store.write_now(create_mailbox(bob.id, "Other"))
    assert shared(store, alice) == {f"bob@example.org/{name}": "lr" for name in ("Work", "Work/2026", "Work/2026/Q1")}


def test_rights_follow_a_new_name_and_go_with_the_mailbox(store: Store, bob: Account, alice: Account) -> None:
    made = store.write_now(create_mailbox(bob.id, "Work"))
    store.write_now(set_rights(made.id, alice.id, "lr"))
    events = recorded(store.bus)
    store.write_now(rename_mailbox(bob.id, "Work", "Play"))
    assert shared(store, alice) == {"bob@example.org/Play": "lr"}
    assert {e.account_id for e in events if isinstance(e, MailboxListChanged)} == {bob.id, alice.id}
    events.clear()
    store.write_now(delete_mailbox(bob.id, "Play"))
    assert shared(store, alice) == {}
    assert {e.account_id for e in events if isinstance(e, MailboxListChanged)} == {bob.id, alice.id}
    store.write_now(create_mailbox(bob.id, "Play"))
    assert shared(store, alice) == {}


def test_both_sides_hear_of_a_change_and_nobody_of_none(store: Store, bob: Account, alice: Account) -> None:
    inbox = mailbox_of(store, bob.id)
    events = recorded(store.bus)
    store.write_now(set_rights(inbox.id, alice.id, "lr"))
    assert {e.account_id for e in events if isinstance(e, MailboxListChanged)} == {bob.id, alice.id}
    events.clear()
    store.write_now(set_rights(inbox.id, alice.id, "r", "+"))
    assert events == []


@pytest.mark.parametrize("goes", ["bob@example.org", "alice@example.org"])
def test_rights_go_with_either_account(store: Store, bob: Account, alice: Account, goes: str) -> None:
    inbox = mailbox_of(store, bob.id)
    store.write_now(set_rights(inbox.id, alice.id, "lr"))
    store.write_now(remove_account(goes))
    assert store.read_now(lambda c: c.execute("SELECT count(*) FROM mailbox_rights").fetchone()) == (0,)
