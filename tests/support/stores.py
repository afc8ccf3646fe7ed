"""Stores for tests: each one that is opened is checked whole when it is closed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from appliance.mail.content import Content
from appliance.status.bus import Bus
from appliance.status.events import Event
from appliance.store.accounts import Account
from appliance.store.changes.accounts import add_account
from appliance.store.changes.messages import NewMessage, append
from appliance.store.check import check
from appliance.store.interface import Store
from appliance.store.mailboxes import INBOX, Mailbox, find_mailbox
from appliance.store.messages import rows, snapshot

INTERNAL_DATE = 1_700_000_000


@contextlib.contextmanager
def open_store(home: Path, *, bus: Bus | None = None) -> Iterator[Store]:
    """A Store in `home`; spools lie beside it. When the test is through with it, all of it is consistent."""
    scratch = home.parent / f"{home.name}-scratch"
    scratch.mkdir(exist_ok=True)
    store = Store(home, bus=bus, scratch=scratch)
    try:
        yield store
    finally:
        store.close()
    reopened = Store(home, scratch=scratch)
    try:
        assert check(reopened) == []
    finally:
        reopened.close()


def recorded(bus: Bus) -> list[Event]:
    """The events of a bus, as they come."""
    events: list[Event] = []
    bus.subscribe(events.append)
    return events


def new_account(store: Store, address: str = "bob@example.org") -> Account:
    return store.write_now(add_account(address, "$argon2id$no-password"))


def mailbox_of(store: Store, account_id: int, name: str = INBOX) -> Mailbox:
    found = store.read_now(lambda c: find_mailbox(c, account_id, name))
    assert found is not None, name
    return found


def new_message(store: Store, octets: bytes, flags: int = 0, keywords: str = "") -> NewMessage:
    return NewMessage(store.spool_bytes(octets), flags, keywords, INTERNAL_DATE)


def put(store: Store, mailbox_id: int, octets: bytes, flags: int = 0) -> int:
    """One message appended; returns its UID."""
    new = new_message(store, octets, flags)
    try:
        _, uids = store.write_now(append(mailbox_id, [new]))
    finally:
        new.content.discard()
    return uids[0]


def octets_of(content: Content) -> bytes:
    return b"".join(content.pieces())


def read_message(store: Store, mailbox_id: int, uid: int) -> bytes:
    """As its reader gets it: our header lines, then what was received."""
    (row,) = store.read_now(lambda c: rows(c, mailbox_id, [uid]))
    return row.prefix + octets_of(store.content(row.blob_id))


def uids_of(store: Store, mailbox_id: int) -> list[int]:
    return [row[0] for row in store.read_now(lambda c: snapshot(c, mailbox_id))]


def wait_until(true: Callable[[], object], patience_s: float = 20.0) -> None:
    """For what another thread or process does and tells nobody: looks again and again, and fails when it never comes."""
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)
