"""What is noted on mailboxes is set whole, kept apart by account, and goes where its mailbox goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.status.events import AnnotationsChanged
from appliance.store.accounts import Account
from appliance.store.annotations import SERVER, annotations_of
from appliance.store.changes.accounts import remove_account
from appliance.store.changes.annotations import MOST, MOST_OCTETS, annotate
from appliance.store.changes.mailboxes import create_mailbox, delete_mailbox, rename_mailbox
from appliance.store.interface import Store
from appliance.store.refusals import NoSuchMailbox, TooManyAnnotations
from tests.support.stores import mailbox_of, new_account, open_store, recorded


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "home") as store:
        yield store


@pytest.fixture
def bob(store: Store) -> Account:
    return new_account(store)


def noted(store: Store, mailbox_id: int, account_id: int) -> dict[str, bytes]:
    return store.read_now(lambda c: annotations_of(c, mailbox_id, account_id))


def test_private_ones_are_seen_by_their_writer_alone(store: Store, bob: Account) -> None:
    alice = new_account(store, "alice@example.org")
    inbox = mailbox_of(store, bob.id)
    events = recorded(store.bus)
    store.write_now(annotate(inbox.id, bob.id, {"/private/comment": b"mine", "/shared/comment": b"ours"}))
    store.write_now(annotate(inbox.id, alice.id, {"/private/comment": b"hers"}))
    assert noted(store, inbox.id, bob.id) == {"/private/comment": b"mine", "/shared/comment": b"ours"}
    assert noted(store, inbox.id, alice.id) == {"/private/comment": b"hers", "/shared/comment": b"ours"}
    told = [e for e in events if isinstance(e, AnnotationsChanged)]
    assert [(e.account_id, e.mailbox_id, e.changed_by, e.entries) for e in told] == [
        (bob.id, inbox.id, bob.id, ("/private/comment", "/shared/comment")),
        (bob.id, inbox.id, alice.id, ("/private/comment",)),
    ]


def test_none_removes(store: Store, bob: Account) -> None:
    inbox = mailbox_of(store, bob.id)
    store.write_now(annotate(inbox.id, bob.id, {"/private/a": b"1", "/private/b": b""}))
    store.write_now(annotate(inbox.id, bob.id, {"/private/a": None, "/private/never": None}))
    assert noted(store, inbox.id, bob.id) == {"/private/b": b""}


def test_too_many_change_nothing(store: Store, bob: Account) -> None:
    inbox = mailbox_of(store, bob.id)
    store.write_now(annotate(inbox.id, bob.id, {f"/private/{n}": b"x" for n in range(MOST)}))
    with pytest.raises(TooManyAnnotations):
        store.write_now(annotate(inbox.id, bob.id, {"/private/0": b"changed", "/private/more": b"x"}))
    assert noted(store, inbox.id, bob.id)["/private/0"] == b"x"
    store.write_now(annotate(inbox.id, bob.id, {"/private/0": None, "/private/more": b"x"}))
    store.write_now(annotate(inbox.id, bob.id, {"/shared/more": b"x"}))  # counted apart


def test_an_account_cannot_fill_the_card_with_notes(store: Store, bob: Account) -> None:
    """However many mailboxes it makes: private ones and those for all are counted apart."""
    half = b"x" * (MOST_OCTETS // 2)
    inbox, sent = mailbox_of(store, bob.id), mailbox_of(store, bob.id, "Sent")
    for scope in ("private", "shared"):
        store.write_now(annotate(inbox.id, bob.id, {f"/{scope}/a": half}))
        store.write_now(annotate(sent.id, bob.id, {f"/{scope}/a": half}))
        with pytest.raises(TooManyAnnotations):
            store.write_now(annotate(mailbox_of(store, bob.id, "Junk").id, bob.id, {f"/{scope}/a": b"x"}))
    store.write_now(annotate(sent.id, bob.id, {"/shared/a": None}))
    store.write_now(annotate(sent.id, bob.id, {"/shared/b": b"x"}))


def test_they_follow_a_new_name_and_go_with_the_mailbox(store: Store, bob: Account) -> None:
    made = store.write_now(create_mailbox(bob.id, "Work"))
    store.write_now(annotate(made.id, bob.id, {"/shared/comment": b"ours"}))
    store.write_now(rename_mailbox(bob.id, "Work", "Play"))
    assert noted(store, mailbox_of(store, bob.id, "Play").id, bob.id) == {"/shared/comment": b"ours"}
    store.write_now(delete_mailbox(bob.id, "Play"))
    assert noted(store, made.id, bob.id) == {}
    with pytest.raises(NoSuchMailbox):
        store.write_now(annotate(made.id, bob.id, {"/shared/comment": b"ours"}))


def test_when_inbox_is_renamed_they_are_on_both(store: Store, bob: Account) -> None:
    inbox = mailbox_of(store, bob.id)
    store.write_now(annotate(inbox.id, bob.id, {"/shared/comment": b"ours"}))
    store.write_now(rename_mailbox(bob.id, "INBOX", "Old"))
    for name in ("INBOX", "Old"):
        assert noted(store, mailbox_of(store, bob.id, name).id, bob.id) == {"/shared/comment": b"ours"}


def test_they_go_with_their_writer(store: Store, bob: Account) -> None:
    alice = new_account(store, "alice@example.org")
    inbox = mailbox_of(store, bob.id)
    store.write_now(annotate(inbox.id, alice.id, {"/private/comment": b"hers"}))
    store.write_now(annotate(SERVER, alice.id, {"/private/vendor/x/y": b"hers"}))
    store.write_now(remove_account(alice.address))
    assert store.read_now(lambda c: c.execute("SELECT count(*) FROM annotations").fetchone()) == (0,)
