"""The store: each thing that is wrong with it is said, and the next step; a sound one is said to be whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.doctor import mail_store
from appliance.doctor.finding import Finding, Status
from appliance.store.database import FILE_NAME, connect_writer
from appliance.store.interface import Store
from tests.support.homes import put_in_queue
from tests.support.stores import mailbox_of, new_account, put

DAMAGE: dict[str, tuple[str, str]] = {
    "a wrong count": ("UPDATE mailboxes SET messages = 7", "mailbox 1 counts differ from its messages"),
    "a UID too high": ("UPDATE mailboxes SET uidnext = 1", "mailbox 1 has given a UID that is not below its UIDNEXT"),
    "references": ("UPDATE blobs SET refs = refs + 1", "counts another number of references than it has"),
    "a content that is gone": ("DELETE FROM blobs", "is referred to and does not exist"),
    "an account without a mailbox": ("DELETE FROM mailboxes", "account 1 has no INBOX"),
    "a queue without recipients": ("DELETE FROM queue_recipients", "queued message 1 has no recipient"),
    "a content that was changed": (
        "UPDATE blobs SET data = zeroblob(length(data)) WHERE data IS NOT NULL",
        "content 1 is damaged",
    ),
}


def checked(home: Path) -> list[Finding]:
    store = Store(home)
    try:
        return mail_store.check(store)
    finally:
        store.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    store = Store(tmp_path / "home")
    try:
        account = new_account(store)
        put(store, mailbox_of(store, account.id).id, b"Subject: x\r\n\r\nx\r\n")
        put_in_queue(store, "t1", "a@far.example")
    finally:
        store.close()
    return tmp_path / "home"


def test_a_sound_store_is_whole(home: Path) -> None:
    assert checked(home) == [Finding("store", Status.GOOD, "The mail store is whole.")]


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named(name: str, home: Path) -> None:
    sql, words = DAMAGE[name]
    connection = connect_writer(home / FILE_NAME)
    connection.execute(sql)
    connection.close()
    findings = checked(home)
    assert {(finding.topic, finding.status) for finding in findings} == {("store", Status.BROKEN)}
    assert any(words in finding.what for finding in findings), findings
    assert all("merpati doctor --repair" in finding.do for finding in findings)


def test_a_page_that_is_overwritten_is_damage(home: Path) -> None:
    """Whatever the check comes to, it comes to an end and says so."""
    connection = connect_writer(home / FILE_NAME)
    (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'messages'").fetchone()
    connection.close()
    with open(home / FILE_NAME, "r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xa5" * 4096)
    findings = checked(home)
    assert all(finding.status is Status.BROKEN for finding in findings)
    assert "the database is damaged" in findings[0].what


def test_a_thousand_faults_are_not_a_thousand_lines(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        mail_store, "check_store", lambda store, contents: [f"content {n} is damaged" for n in range(1000)]
    )
    findings = checked(home)
    assert len(findings) == mail_store.SAID_MOST + 1
    assert findings[-1].what == "The mail store is damaged: and 980 more of that kind."
