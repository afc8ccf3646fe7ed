"""Unique-ids stay what they are for as long as the message lies there, and are never given to another (RFC 1939 7)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from appliance.pop3 import inbox
from appliance.pop3.maildrop import Inbox, Maildrop
from appliance.store import mailboxes
from appliance.store.changes.flags import store_flags
from appliance.store.changes.messages import remove
from appliance.store.flags import FLAGGED, SEEN
from appliance.store.interface import Store
from appliance.store.recover import recover
from tests.support.stores import mailbox_of, new_account, open_store, put, read_message


def unique_ids(store: Store, account_id: int = 1) -> dict[bytes, str]:
    """By the message's octets."""
    maildrop = Maildrop(store.read_now(lambda connection: inbox.look(connection, account_id)))
    octets = [read_message(store, maildrop.inbox.mailbox_id, maildrop.uid(number)) for number in maildrop.numbers()]
    return dict(zip(octets, map(maildrop.unique_id, maildrop.numbers()), strict=True))


def message(number: int) -> bytes:
    return b"Subject: %d\r\n\r\n" % number + b"x" * (number * 1000) + b"\r\n"


def test_through_a_restart_and_what_others_do(tmp_path: Path) -> None:
    with open_store(tmp_path / "home") as store:
        mailbox = mailbox_of(store, new_account(store).id)
        uids = [put(store, mailbox.id, message(number)) for number in range(5)]
        first = unique_ids(store)
        assert len(set(first.values())) == 5
        put(store, mailbox.id, message(7), flags=SEEN | FLAGGED)
        store.write_now(store_flags(mailbox.id, uids[:1], "+", SEEN | FLAGGED, "work"))
        store.write_now(remove(mailbox.id, [uids[1]]))
        later = unique_ids(store)
    with open_store(tmp_path / "home") as store:
        assert unique_ids(store) == later
        assert later.items() >= {octets: id for octets, id in first.items() if octets != message(1)}.items()


def test_through_a_repair_that_gives_the_mailbox_a_new_uidvalidity(tmp_path: Path) -> None:
    """What is left keeps its unique-id; what comes afterwards gets none that there was before, whatever UID it has."""
    home = tmp_path / "home"
    seen: set[str] = set()
    with open_store(home) as store:
        mailbox = mailbox_of(store, new_account(store).id)
        for number in range(8):
            put(store, mailbox.id, message(number))
        first = unique_ids(store)
    for repair in range(3):
        with open_store(home) as store:
            before = unique_ids(store)
            uidvalidity = mailbox_of(store, 1).uidvalidity
            seen |= set(before.values())
        hurt_the_log(home)
        recover(home, scratch=tmp_path)
        with open_store(home) as store:
            assert mailbox_of(store, 1).uidvalidity != uidvalidity, "or this test shows nothing"
            after = unique_ids(store)
            assert after.items() <= before.items() and len(after) >= 7
            new = [message(20 + 2 * repair), message(21 + 2 * repair)]
            for octets in new:
                put(store, mailbox.id, octets)
            fresh = unique_ids(store)
            assert not {fresh[octets] for octets in new} & seen
            assert all(len(id) <= 70 for id in fresh.values())
    assert len(set(first.values()) & set(fresh.values())) >= 5


def hurt_the_log(home: Path) -> None:
    """The power fails after a message came and went, and a page that says so does not read back."""
    left = home.with_name("left")
    with open_store(home) as store:
        mailbox = mailbox_of(store, 1)
        uid = put(store, mailbox.id, b"Subject: last\r\n\r\n")
        store.write_now(remove(mailbox.id, [uid]))
        # By another process: closing a file of the store in this one would let go of SQLite's locks.
        subprocess.run(["cp", "-r", home, left], check=True)
    shutil.rmtree(home)
    left.rename(home)
    log = home / "store.db-wal"
    octets = bytearray(log.read_bytes())
    octets[32 + 24 + 100] ^= 0x15  # in the first page
    log.write_bytes(octets)


def test_epochs_are_told_in_order() -> None:
    maildrop = Maildrop(Inbox(1, 900, (1, 4, 5, 9, 10), (1, 1, 1, 1, 1), ((5, 700), (10, 800))))
    assert [maildrop.unique_id(number) for number in maildrop.numbers()] == [
        "700.1",
        "700.4",
        "800.5",
        "800.9",
        "900.10",
    ]


def test_they_go_with_the_mailbox(tmp_path: Path) -> None:
    from appliance.store.changes.accounts import remove_account

    with open_store(tmp_path / "home") as store:
        mailbox = mailbox_of(store, new_account(store).id)
        store.write_now(
            lambda tx: tx.connection.execute("INSERT INTO unique_id_epochs VALUES (?, 1, 5)", (mailbox.id,)).rowcount
        )
        assert store.read_now(lambda c: mailboxes.unique_id_epochs(c, mailbox.id)) == [(1, 5)]
        store.write_now(remove_account("bob@example.org"))
        assert store.read_now(lambda c: mailboxes.unique_id_epochs(c, mailbox.id)) == []
