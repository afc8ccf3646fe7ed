"""What was expunged long ago is forgotten, and it is known that it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.store.changes import tombstones
from appliance.store.changes.messages import remove
from appliance.store.messages import gone_since
from tests.support.stores import mailbox_of, new_account, open_store, put


def test_the_newest_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tombstones, "KEPT", 1)
    monkeypatch.setattr(tombstones, "EVERY", 1)
    with open_store(tmp_path / "home") as store:
        inbox = mailbox_of(store, new_account(store, "bob@example.org").id, "INBOX").id
        for _ in range(4):
            put(store, inbox, b"Subject: a\r\n\r\nb\r\n", 0)
        for uid in (1, 2, 3):
            store.write_now(remove(inbox, (uid,)))  # MODSEQs 6, 7, 8
        assert store.read_now(lambda c: gone_since(c, inbox, 7)) == [3]
        assert store.read_now(lambda c: gone_since(c, inbox, 5)) is None


def test_where_messages_come_and_go_one_by_one_they_do_not_grow_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every expunge has an odd MODSEQ."""
    monkeypatch.setattr(tombstones, "KEPT", 2)
    monkeypatch.setattr(tombstones, "EVERY", 4)
    with open_store(tmp_path / "home") as store:
        inbox = mailbox_of(store, new_account(store, "bob@example.org").id, "INBOX").id
        for uid in range(1, 21):
            put(store, inbox, b"Subject: a\r\n\r\nb\r\n", 0)
            store.write_now(remove(inbox, (uid,)))
        (count,) = store.read_now(lambda c: c.execute("SELECT count(*) FROM expunged").fetchone())
        assert 2 <= count <= 2 + 4
