"""Each kind of damage is found, and told in one sentence."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.store.changes.delivery import DeliveryPlan, Dispatch, Filing, Forwarding, deliver
from appliance.store.changes.messages import expunge_in
from appliance.store.check import check
from appliance.store.interface import Store
from tests.support.stores import INTERNAL_DATE, mailbox_of, new_account, put

LARGE = random.Random(5).randbytes(60_000)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A consistent store: account 1, mailboxes 1 to 6; in INBOX a small, a large and a delivered message; an expunged
    UID; a queued message for two recipients."""
    home = tmp_path / "home"
    store = Store(home, scratch=tmp_path)
    account = new_account(store)
    inbox = mailbox_of(store, account.id).id
    put(store, inbox, b"Subject: small\r\n\r\nsmall")
    put(store, inbox, LARGE)
    gone = put(store, inbox, LARGE[:50_000])
    store.write_now(lambda tx: expunge_in(tx, inbox, [gone]))
    plan = DeliveryPlan(
        trace_id="t",
        content=store.spool_bytes(b"both"),
        prefix=b"Return-Path: <>\r\n",
        internal_date=INTERNAL_DATE,
        filings=(Filing(account.id, account.address, account.address),),
        dispatches=(Dispatch("", (Forwarding("a@b.c", "b.c"), Forwarding("d@e.f", "e.f")), b""),),
    )
    store.write_now(deliver(plan))
    assert check(store) == []
    store.close()
    yield home


DAMAGE = [
    ("UPDATE mailboxes SET messages = 9 WHERE id = 1", "mailbox 1 counts differ from its messages"),
    ("UPDATE mailboxes SET unseen = 9 WHERE id = 2", "mailbox 2 counts differ from its messages"),
    ("UPDATE mailboxes SET size_octets = 9 WHERE id = 1", "mailbox 1 counts differ from its messages"),
    ("UPDATE mailboxes SET uidnext = 4 WHERE id = 1", "mailbox 1 has given a UID that is not below its UIDNEXT"),
    (
        "UPDATE mailboxes SET first_recent_uid = 2 WHERE id = 2",
        "mailbox 2 has announced a UID that it has not given yet",
    ),
    ("UPDATE messages SET modseq = 99 WHERE uid = 1", "mailbox 1 has a MODSEQ above its highest"),
    ("UPDATE expunged SET modseq = 99", "mailbox 1 has an expunged MODSEQ above its highest"),
    ("INSERT INTO expunged VALUES (1, 2, 1)", "mailbox 1 has an expunged UID that is still there"),
    (
        "UPDATE mailboxes SET uidvalidity = uidvalidity + 99 WHERE id = 3",
        "mailbox 3 has a UIDVALIDITY above the highest of its account",
    ),
    ("DELETE FROM mailboxes WHERE id = 1", "a message is in mailbox 1, which does not exist"),
    ("UPDATE mailboxes SET name = 'Inbox' WHERE id = 1", "account 1 has no INBOX"),
    ("INSERT INTO scram_keys VALUES (1, 'h', x'61', 1, x'00', x'00')", "account 1 has keys for SCRAM that are none"),
    (
        "INSERT INTO unique_id_epochs SELECT id, 1, uidvalidity FROM mailboxes WHERE id = 1",
        "mailbox 1 has unique-ids of a UIDVALIDITY that is not an older one",
    ),
    (
        "INSERT INTO unique_id_epochs VALUES (1, 99, 1)",
        "mailbox 1 has unique-ids of a UIDVALIDITY that is not an older one",
    ),
    ("INSERT INTO quotas VALUES (7, 1, 1)", "a quota is of account 7, which does not exist"),
    (
        "INSERT INTO annotations VALUES (99, 0, '/shared/comment', x'61')",
        "something is noted on mailbox 99, which does not exist",
    ),
    (
        "INSERT INTO annotations VALUES (1, 7, '/private/comment', x'61')",
        "something is noted by account 7, which does not exist",
    ),
    ("INSERT INTO mailbox_rights VALUES (0, 99, 'lr')", "mailbox 99 is shared and does not exist"),
    ("INSERT INTO mailbox_rights VALUES (7, 1, 'lr')", "account 7 has rights and does not exist"),
    ("INSERT INTO mailbox_rights VALUES (1, 1, 'lr')", "mailbox 1 is shared with its owner"),
    ("UPDATE mailboxes SET account_id = 7 WHERE id = 2", "mailbox 2 belongs to no account"),
    ("UPDATE blobs SET refs = 2 WHERE id = 1", "content 1 counts another number of references than it has"),
    ("DELETE FROM messages WHERE uid = 1", "content 1 counts another number of references than it has"),
    ("DELETE FROM blobs WHERE id = 1", "content 1 is referred to and does not exist"),
    (
        "UPDATE messages SET size_octets = 1 WHERE uid = 1",
        "content 1 has another size than the messages that refer to it",
    ),
    ("UPDATE blobs SET data = NULL WHERE id = 1", "content 1 is nowhere"),
    ("UPDATE blobs SET data = x'00' WHERE id = 1", "content 1 is nowhere"),
    ("DELETE FROM segments", "content 2 is nowhere"),
    (
        "UPDATE blobs SET segment_id = 1, position = 100, data = NULL WHERE id = 1",
        "content 1 lies where another one lies",
    ),
    ("UPDATE freed SET position = 0", "content 2 lies in blocks that will be given back"),
    ("UPDATE segments SET live_octets = 1", "segment 1 counts differ from its contents"),
    ("UPDATE freed SET stored_octets = 99999", "segment 1 will give blocks back that its next content takes"),
    ("UPDATE segments SET used_octets = 1", "segment 1 counts differ from its contents"),
    ("DELETE FROM queue_recipients", "queued message 1 has no recipient"),
    ("DELETE FROM queue_messages", "queued recipient 1 has no message"),
    ("UPDATE blobs SET digest = x'00' WHERE id = 1", "content 1 is damaged"),
    ("UPDATE blobs SET structure = x'00' WHERE id = 1", "content 1 is damaged"),
    ("UPDATE blobs SET size_octets = size_octets + 1 WHERE id = 1", "content 1 is damaged"),
    ("UPDATE blobs SET position = position + 1 WHERE id = 2", "content 2 is damaged"),
    ("UPDATE blobs SET data = data || x'00', stored_octets = stored_octets - 1 WHERE id = 1", "content 1 is damaged"),
]


@pytest.mark.parametrize(("sql", "finding"), DAMAGE, ids=[d[0] for d in DAMAGE])
def test_each_kind_of_damage_is_found(home: Path, sql: str, finding: str) -> None:
    connection = sqlite3.connect(home / "store.db")
    connection.execute(sql)
    connection.commit()
    connection.close()
    store = Store(home)
    findings = check(store)
    store.close()
    assert finding in findings


def test_a_flipped_bit_in_a_segment_is_found(home: Path) -> None:
    path = home / "blobs" / "00000001.seg"
    with open(path, "r+b") as file:
        file.seek(30_000)
        octet = file.read(1)
        file.seek(30_000)
        file.write(bytes([octet[0] ^ 1]))
    store = Store(home)
    assert check(store) == ["content 2 is damaged"]
    assert check(store, contents=False) == []
    store.close()


def test_a_missing_segment_is_found(home: Path) -> None:
    (home / "blobs" / "00000001.seg").unlink()
    store = Store(home)
    assert check(store) == ["content 2 is damaged"]
    store.close()


def test_a_damaged_database_is_found_and_does_not_raise(home: Path) -> None:
    """Wherever a page is overwritten, there is a finding or nothing was lost, and never an exception."""
    path = home / "store.db"
    whole = path.read_bytes()
    found = 0
    for page in range(1, len(whole) // 4096):
        path.write_bytes(whole[: page * 4096] + b"\xff" * 4096 + whole[(page + 1) * 4096 :])
        try:
            store = Store(home)
        except sqlite3.DatabaseError:
            found += 1
            continue
        found += bool(check(store))
        store.close()
    path.write_bytes(whole)
    assert found >= len(whole) // 4096 - 2


def test_an_emptied_row_is_no_damage(home: Path) -> None:
    store = Store(home)
    inbox = mailbox_of(store, 1).id
    uid = put(store, inbox, b"the last one")
    store.write_now(lambda tx: expunge_in(tx, inbox, [uid]))
    assert store.read_now(lambda c: c.execute("SELECT count(*) FROM blobs WHERE refs = 0").fetchone()) == (1,)
    assert check(store) == []
    store.close()


def test_a_content_that_goes_away_while_the_check_runs_is_not_damaged(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The doctor looks while the server runs."""
    store = Store(home)
    inbox = mailbox_of(store, 1).id
    read_now = store.read_now
    calls = 0

    def deleting(query):  # type: ignore[no-untyped-def]
        nonlocal calls
        result = read_now(query)
        calls += 1
        if calls == 1:
            store.write_now(lambda tx: expunge_in(tx, inbox, [1, 2]))
        return result

    monkeypatch.setattr(store, "read_now", deleting)
    assert check(store) == []
    assert calls > 2
    store.close()
