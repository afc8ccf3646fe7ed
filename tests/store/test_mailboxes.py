"""Creating, renaming, deleting and subscribing; what the model does not reach."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.status.bus import Bus
from appliance.status.events import MailboxListChanged
from appliance.store.changes import mailboxes as room
from appliance.store.changes.accounts import remove_account
from appliance.store.changes.mailboxes import create_mailbox, delete_mailbox, rename_mailbox, subscribe
from appliance.store.changes.messages import append, copy, move
from appliance.store.interface import Store
from appliance.store.mailboxes import canonical_name, find_mailbox, list_mailboxes, subscriptions
from appliance.store.refusals import BadMailboxName, MailboxExists, NoSuchAccount, NoSuchMailbox
from tests.support.stores import mailbox_of, new_account, new_message, open_store, put, recorded, uids_of


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "home", bus=Bus()) as store:
        new_account(store)
        yield store


def names(store: Store, account_id: int = 1) -> set[str]:
    return {m.name for m in store.read_now(lambda c: list_mailboxes(c, account_id))}


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("inbox", "INBOX"),
        ("InBox/Sub", "INBOX/Sub"),
        ("inboxes", "inboxes"),
        ("a/inbox", "a/inbox"),
        ("Årsmöte", "Årsmöte"),
    ],
)
def test_inbox_in_any_case_is_inbox(store: Store, name: str, canonical: str) -> None:
    assert canonical_name(name) == canonical
    if canonical != "INBOX":
        store.write_now(create_mailbox(1, name))
    assert store.read_now(lambda c: find_mailbox(c, 1, name)) == mailbox_of(store, 1, canonical)


@pytest.mark.parametrize("name", ["", "/", "//", "/a", "a//b", "a//", "inbox//", "a\r\nb", "a\0", "\x7f", "x" * 501])
def test_names_that_are_none_are_refused(store: Store, name: str) -> None:
    before = names(store)
    with pytest.raises(BadMailboxName):
        store.write_now(create_mailbox(1, name))
    with pytest.raises(BadMailboxName):
        store.write_now(rename_mailbox(1, "Archive", name))
    assert names(store) == before


def test_a_separator_at_the_end_only_says_that_more_will_come_below(store: Store) -> None:
    """RFC 9051 6.3.4."""
    assert store.write_now(create_mailbox(1, "projects/")).name == "projects"


def test_levels_above_are_made_too_and_a_special_use_is_kept(store: Store) -> None:
    made = store.write_now(create_mailbox(1, "a/b/c", "\\Archive"))
    assert {"a", "a/b", "a/b/c"} <= names(store)
    assert made.special_use == "\\Archive"
    assert mailbox_of(store, 1, "a").special_use is None


def test_there_is_no_mailbox_without_an_account(store: Store) -> None:
    with pytest.raises(NoSuchAccount):
        store.write_now(create_mailbox(99, "a"))


def test_a_rename_that_would_run_into_what_a_deleted_mailbox_left_below_is_refused_whole(store: Store) -> None:
    for name in ("old", "old/kept", "new", "new/kept"):
        store.write_now(create_mailbox(1, name))
    store.write_now(delete_mailbox(1, "new"))
    with pytest.raises(MailboxExists):
        store.write_now(rename_mailbox(1, "old", "new"))
    assert {"old", "old/kept", "new/kept"} <= names(store)
    assert "new" not in names(store)


def test_a_level_that_is_no_mailbox_is_renamed_with_what_is_below_it(store: Store) -> None:
    for name in ("a", "a/b"):
        store.write_now(create_mailbox(1, name))
    store.write_now(delete_mailbox(1, "a"))
    store.write_now(rename_mailbox(1, "a", "z"))
    assert "z/b" in names(store)
    assert not {"a", "a/b", "z"} & names(store)


def test_names_that_change_places_within_a_rename(store: Store) -> None:
    """Each of them is free once all are renamed."""
    for name in ("a/b", "a/b/c", "a/b/b/c"):
        store.write_now(create_mailbox(1, name))
    store.write_now(delete_mailbox(1, "a"))
    before = {name: mailbox_of(store, 1, name).uidvalidity for name in ("a/b", "a/b/c", "a/b/b", "a/b/b/c")}
    store.write_now(rename_mailbox(1, "a/b", "a"))
    after = {"a" + name.removeprefix("a/b"): it for name, it in before.items()}
    assert {name: mailbox_of(store, 1, name).uidvalidity for name in after} == after


def test_a_name_like_another_ones_beginning_is_not_below_it(store: Store) -> None:
    for name in ("a", "a/b", "ab"):
        store.write_now(create_mailbox(1, name))
    store.write_now(rename_mailbox(1, "a", "z"))
    assert {"z", "z/b", "ab"} <= names(store)


def test_a_name_that_comes_back_has_a_higher_uidvalidity_even_when_the_clock_went_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Raspberry Pi without a clock chip starts in the past."""
    seen = []
    for now in (2_000_000_000.0, 1_000.0, 1_000.0, 2_100_000_000.0):
        monkeypatch.setattr(room.time, "time", lambda now=now: now)
        seen.append(store.write_now(create_mailbox(1, "again")).uidvalidity)
        store.write_now(delete_mailbox(1, "again"))
    assert seen == sorted(set(seen))


def test_subscriptions_are_names_and_outlive_their_mailboxes(store: Store) -> None:
    """RFC 9051 6.3.7."""
    store.write_now(subscribe(1, "inbox/later", True))
    store.write_now(subscribe(1, "INBOX/later", True))
    store.write_now(delete_mailbox(1, "Junk"))
    assert {"INBOX/later", "Junk", "INBOX"} <= store.read_now(lambda c: subscriptions(c, 1))
    store.write_now(subscribe(1, "Junk", False))
    assert "Junk" not in store.read_now(lambda c: subscriptions(c, 1))


def test_each_change_of_the_list_is_told(store: Store) -> None:
    events = recorded(store.bus)
    store.write_now(create_mailbox(1, "a"))
    store.write_now(rename_mailbox(1, "a", "b"))
    store.write_now(subscribe(1, "b", True))
    store.write_now(delete_mailbox(1, "b"))
    store.close()
    assert [e.account_id for e in events if isinstance(e, MailboxListChanged)] == [1, 1, 1, 1]


def test_a_removed_account_takes_its_mail_and_nothing_else(store: Store) -> None:
    eve = new_account(store, "eve@example.org")
    put(store, mailbox_of(store, 1).id, b"bob's")
    theirs = put(store, mailbox_of(store, eve.id).id, b"eve's")
    store.write_now(create_mailbox(1, "a/b"))
    store.write_now(remove_account("bob@example.org"))
    assert names(store) == set()
    assert store.read_now(lambda c: subscriptions(c, 1)) == set()
    assert uids_of(store, mailbox_of(store, eve.id).id) == [theirs]
    assert store.read_now(lambda c: c.execute("SELECT count(*) FROM blobs WHERE refs > 0").fetchone()) == (1,)


def test_nothing_goes_into_a_mailbox_that_is_not_there(store: Store) -> None:
    inbox = mailbox_of(store, 1).id
    uid = put(store, inbox, b"x")
    refused: list[Any] = [
        append(99, [new_message(store, b"y")]),
        append(99, []),
        copy(inbox, [uid], 99),
        copy(inbox, [], 99),
        move(inbox, [uid], 99),
    ]
    for change in refused:
        with pytest.raises(NoSuchMailbox):
            store.write_now(change)
    assert uids_of(store, inbox) == [uid]
