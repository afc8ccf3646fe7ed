"""A repair keeps quotas, notes and rights – and takes a right away rather than give one by mistake."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from appliance.store.annotations import annotations_of
from appliance.store.changes.accounts import add_account
from appliance.store.changes.annotations import annotate
from appliance.store.changes.mailboxes import create_mailbox
from appliance.store.changes.quotas import set_quota
from appliance.store.changes.sharing import set_rights
from appliance.store.database import FILE_NAME, PAGE_OCTETS
from appliance.store.interface import Store
from appliance.store.migrate import migrate
from appliance.store.quota import own_limits
from appliance.store.recover import recover
from appliance.store.sharing import Grant, grants
from tests.support.stores import mailbox_of, open_store

ROOT = "SELECT rootpage FROM sqlite_master WHERE name = ?"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    with open_store(home) as store:
        bob = store.write_now(add_account("bob@example.org", "hash of bob's"))
        alice = store.write_now(add_account("alice@example.org", "hash of alice's"))
        work = store.write_now(create_mailbox(bob.id, "Work"))
        store.write_now(set_quota(bob.address, 1_000_000, 0))
        store.write_now(annotate(work.id, bob.id, {"/private/comment": b"mine", "/shared/comment": b"ours"}))
        store.write_now(annotate(0, alice.id, {"/private/vendor/x/y": b"hers"}))
        store.write_now(set_rights(work.id, alice.id, "lrs"))
    return home


def overwrite(home: Path, table: str, octets: bytes = b"\xff" * 64, at: int = 0) -> None:
    connection = sqlite3.connect(home / FILE_NAME)
    (page,) = connection.execute(ROOT, (table,)).fetchone()
    connection.close()
    with open(home / FILE_NAME, "r+b") as file:
        file.seek((page - 1) * PAGE_OCTETS + at)
        file.write(octets)


def the_grants(store: Store) -> list[Grant]:
    work = mailbox_of(store, 1, "Work")
    return store.read_now(lambda c: grants(c, work.id))


def test_nothing_of_it_is_lost_where_nothing_is_damaged(home: Path, tmp_path: Path) -> None:
    report = recover(home, scratch=tmp_path)
    assert not report.lost
    with open_store(home) as store:
        assert the_grants(store) == [Grant(2, "alice@example.org", "lrs")]
        assert store.read_now(lambda c: own_limits(c, 1)) == (1_000_000, 0)
        work = mailbox_of(store, 1, "Work")
        assert store.read_now(lambda c: annotations_of(c, work.id, 1)) == {
            "/private/comment": b"mine",
            "/shared/comment": b"ours",
        }
        assert store.read_now(lambda c: annotations_of(c, 0, 2)) == {"/private/vendor/x/y": b"hers"}


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("mailbox_rights", "Mailboxes may have been shared with others"),
        ("quotas", "Quotas of single accounts may be missing"),
        ("annotations", "What mail programs noted on mailboxes may be missing"),
    ],
)
def test_what_may_be_missing_is_said(home: Path, tmp_path: Path, table: str, sentence: str) -> None:
    overwrite(home, table)
    report = recover(home, scratch=tmp_path)
    assert any(note.startswith(sentence) for note in report.notes), report.notes
    with open_store(home) as store:
        assert bool(the_grants(store)) == (table != "mailbox_rights")


def test_rights_of_which_some_may_be_old_are_taken_away_and_named(home: Path, tmp_path: Path) -> None:
    """The page still holds a row, but its list of cells says that there is another one, which is nowhere."""
    overwrite(home, "mailbox_rights", b"\x00\x02", at=3)
    report = recover(home, scratch=tmp_path)
    with open_store(home) as store:
        assert the_grants(store) == []
    named = [(each.account, each.mailbox, each.what) for each in report.lost]
    assert named == [("bob@example.org", "Work", "what alice@example.org was allowed to do: lrs")]


def test_nobody_keeps_rights_by_an_account_whose_row_is_lost(home: Path, tmp_path: Path) -> None:
    overwrite(home, "accounts")
    recover(home, scratch=tmp_path)
    with open_store(home) as store:
        assert store.read_now(lambda c: c.execute("SELECT count(*) FROM mailbox_rights").fetchone()) == (0,)


def test_a_store_of_the_first_layout_is_mended_and_brought_up_to_date(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    connection = sqlite3.connect(home / FILE_NAME, isolation_level=None)
    connection.execute("PRAGMA page_size = 4096")
    migrate(connection, upto=1)
    connection.execute("INSERT INTO accounts (address, password_hash, created_at) VALUES ('bob@example.org', 'h', 1)")
    connection.close()
    recover(home, scratch=tmp_path)
    with open_store(home) as store:
        assert [row for row in store.read_now(lambda c: c.execute("SELECT address FROM accounts").fetchall())] == [
            ("bob@example.org",)
        ]
        assert store.read_now(lambda c: own_limits(c, 1)) == (None, None)
