"""A database becomes what this version needs, once, by whoever comes first; one that is too new is left alone."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from appliance.store import migrate as room
from appliance.store.interface import Store
from appliance.store.messages import rows
from appliance.store.migrate import SchemaTooNew, migrate, steps
from tests.support.stores import mailbox_of, new_account, open_store, put


def version(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def test_steps_are_numbered_from_one_without_a_gap() -> None:
    assert [number for number, _ in steps()] == list(range(1, len(steps()) + 1))
    names = [f.name for f in resources.files(room.SCHEMA).iterdir() if f.name.endswith(".sql")]
    assert all(re.fullmatch(r"\d{4}_[a-z_]+\.sql", name) for name in names)


def test_a_new_home_has_the_newest_layout_and_is_for_our_user_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with open_store(home) as store:
        assert version(home / "store.db") == steps()[-1][0]
        for path in (home, home / "store.db", home / "store.db-wal"):
            assert path.stat().st_mode & 0o077 == 0, path
        assert store.read_now(lambda c: c.execute("PRAGMA journal_mode").fetchone()) == ("wal",)
        assert store.read_now(lambda c: c.execute("PRAGMA page_size").fetchone()) == (4096,)


def test_a_layout_of_a_newer_version_is_refused_with_a_plain_sentence(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with open_store(home):
        pass
    connection = sqlite3.connect(home / "store.db")
    connection.execute("PRAGMA user_version = 77")
    connection.close()
    with pytest.raises(SchemaTooNew) as caught:
        Store(home)
    newest = steps()[-1][0]
    assert str(caught.value) == (
        f"the mail store has layout 77, this version knows layouts up to {newest}: install a newer Merpati"
    )
    assert version(home / "store.db") == 77


def test_each_step_runs_once_and_all_of_it_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = steps()[0]
    connection = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    migrate(connection, upto=1)
    good = (2, "CREATE TABLE extra (note TEXT); -- a comment; with a semicolon\nINSERT INTO extra VALUES ('a;b');\n")
    bad = (3, "CREATE TABLE more (x);\nINSERT INTO nowhere VALUES (1);\n")
    monkeypatch.setattr(room, "steps", lambda: [first, good, bad])
    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError, match="nowhere"):
            migrate(connection)
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
        assert connection.execute("SELECT * FROM extra").fetchall() == [("a;b",)]
        assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'more'").fetchall()
    connection.close()


def test_a_step_that_another_process_took_meanwhile_is_not_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    here, there = (sqlite3.connect(path, isolation_level=None) for _ in range(2))
    look = room._version

    def first_look(connection: sqlite3.Connection) -> int:
        monkeypatch.setattr(room, "_version", look)
        found = look(connection)
        migrate(there)
        return found

    monkeypatch.setattr(room, "_version", first_look)
    migrate(here)
    assert here.execute("PRAGMA user_version").fetchone() == (steps()[-1][0],)
    here.close()
    there.close()


def test_mail_kept_in_an_earlier_layout_is_there_in_the_newest(tmp_path: Path) -> None:
    """What the steps after the first bring is taken away again, which leaves a store as the first version made it."""
    home = tmp_path / "home"
    with open_store(home) as store:
        account = new_account(store)
        inbox = mailbox_of(store, account.id)
        uids = [put(store, inbox.id, b"Subject: %d\r\n\r\n" % size + b"x" * size) for size in (10, 100_000)]
    old = sqlite3.connect(home / "store.db")
    for (name,) in old.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        if f"CREATE TABLE {name} " not in steps()[0][1] and not name.startswith("sqlite_"):
            old.execute(f"DROP TABLE {name}")
    old.execute("PRAGMA user_version = 1")
    old.commit()
    old.close()
    with open_store(home) as store:
        assert version(home / "store.db") == steps()[-1][0]
        found = store.read_now(lambda c: rows(c, inbox.id, uids))
        assert [len(b"".join(store.content(row.blob_id).pieces())) for row in found] == [25, 100_019]
        assert put(store, inbox.id, b"Subject: new\r\n\r\n") == uids[-1] + 1


def test_an_empty_file_left_by_a_crash_becomes_a_store(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "store.db").touch()
    with open_store(home):
        assert version(home / "store.db") == steps()[-1][0]


_OPENING = """
import sys
from pathlib import Path
from appliance.store.changes.accounts import set_setting
from appliance.store.interface import Store
sys.stdin.readline()
for n in range(8):
    store = Store(Path(sys.argv[1]))
    store.write_now(set_setting(sys.argv[2] + str(n), "1"))
    store.close()
"""


def test_processes_that_open_a_new_home_at_once_all_succeed(tmp_path: Path) -> None:
    """As `merpati run` does: the mail and the web process start together."""
    home = tmp_path / "home"
    processes = [
        subprocess.Popen([sys.executable, "-c", _OPENING, str(home), name], stdin=subprocess.PIPE) for name in "abcd"
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.close()
    assert [process.wait(60) for process in processes] == [0, 0, 0, 0]
    with open_store(home) as store:
        assert store.read_now(lambda c: c.execute("SELECT count(*) FROM settings").fetchone()) == (32,)
