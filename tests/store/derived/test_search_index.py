"""The folders of the index: kept over a new start, and of no account whatever becomes of the files."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import pytest

from appliance.store.derived.chunk import Chunk, ChunkBuilder, Entry, InText
from appliance.store.derived.search_index import FOLDER, MARK_OCTETS, AccountIndex, SearchIndex, drop_all

RED, BLUE = InText(b"red", True), InText(b"blue", True)


def digest(blob_id: int, state: str = "") -> bytes:
    return blake2b(f"{blob_id}{state}".encode(), digest_size=16).digest()


def entry(blob_id: int, colour: str = "red") -> Entry:
    return Entry(blob_id, digest(blob_id)[:MARK_OCTETS], (), b"subject: x", f"a {colour} boat".encode())


def built(*some: Entry) -> ChunkBuilder:
    builder = ChunkBuilder()
    for each in some:
        builder.add(each)
    return builder


@pytest.fixture
def contents() -> Iterator[sqlite3.Connection]:
    """What the index asks of the store: the digests of contents 1 to 99."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE blobs (id INTEGER PRIMARY KEY, refs INTEGER, digest BLOB)")
    connection.executemany("INSERT INTO blobs VALUES (?, 1, ?)", [(n, digest(n)) for n in range(1, 100)])
    yield connection
    connection.close()


def account(home: Path) -> AccountIndex:
    return SearchIndex(home).of(7)


def test_what_was_written_answers_for_those_that_are_asked_for(tmp_path: Path, contents: sqlite3.Connection) -> None:
    index = account(tmp_path)
    index.write(built(entry(1), entry(2, "blue"), entry(3)))
    index.write(built(entry(5, "blue")))
    for each in (index, account(tmp_path)):  # as well after a new start
        assert each.answer(contents, {1, 2, 4, 5}, [RED, BLUE]) == ({1, 2, 5}, [{1, 3}, {2, 5}])
        assert each.answer(contents, {4}, [RED]) == (set(), [set()])
        assert each.blob_ids() == {1, 2, 3, 5}


def test_accounts_have_folders_of_their_own(tmp_path: Path, contents: sqlite3.Connection) -> None:
    index = SearchIndex(tmp_path)
    assert index.accounts() == []
    index.of(7).write(built(entry(1)))
    index.of(8).write(built(entry(2)))
    assert index.accounts() == [7, 8]
    assert index.of(8).answer(contents, {1, 2}, [RED]) == ({2}, [{2}])
    index.drop(7)
    assert (index.accounts(), index.of(7).blob_ids()) == ([8], set())
    drop_all(tmp_path)
    assert SearchIndex(tmp_path).accounts() == []


def test_a_file_in_the_place_of_others(tmp_path: Path, contents: sqlite3.Connection) -> None:
    index = account(tmp_path)
    index.write(built(entry(1)))
    index.write(built(entry(2)))
    one, other = index.chunks()
    index.write(built(entry(3)), instead_of=[one])
    assert [list(chunk.blob_ids) for chunk in index.chunks()] == [[2], [3]]
    index.write(ChunkBuilder(), instead_of=[other])
    assert index.answer(contents, {1, 2, 3}, [RED]) == ({3}, [{3}])
    assert len(list((tmp_path / FOLDER / "7").iterdir())) == 1


def test_what_is_written_is_metered_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    index = SearchIndex(tmp_path)
    index.of(7).write(built(entry(1)))
    (file,) = (tmp_path / FOLDER / "7").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def spoil_with_zeros(file: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def spoil_in_the_middle(file: Path) -> None:
    octets = bytearray(file.read_bytes())
    octets[len(octets) // 3 : len(octets) // 3 + 40] = os.urandom(40)
    file.write_bytes(octets)


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def empty(file: Path) -> None:
    os.truncate(file, 0)


def put_another_in_its_place(file: Path) -> None:
    file.write_bytes(built(entry(50)).pack())


def delete(file: Path) -> None:
    file.unlink()


def make_a_folder_of_it(file: Path) -> None:
    file.unlink()
    file.mkdir()


SPOILERS = [
    spoil_with_zeros,
    spoil_in_the_middle,
    cut,
    empty,
    put_another_in_its_place,
    delete,
    make_a_folder_of_it,
]


@pytest.mark.parametrize("spoil", SPOILERS, ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize("when", ["under a running server", "between two starts"])
def test_a_damaged_file_is_as_if_it_had_never_been(
    tmp_path: Path, contents: sqlite3.Connection, spoil: object, when: str
) -> None:
    index = account(tmp_path)
    index.write(built(*(entry(n) for n in range(1, 30))))
    index.write(built(entry(40), entry(41, "blue")))
    assert callable(spoil)
    spoil(index.chunks()[0].path)
    if when != "under a running server":
        index = account(tmp_path)
    asked = {1, 2, 3, 40, 41}
    known, (red,) = index.answer(contents, asked, [RED])
    assert {40, 41} <= known  # what can still be read of a damaged file is right
    assert red & asked == known & {1, 2, 3, 40}
    if spoil not in (spoil_in_the_middle, cut):
        assert known == {40, 41}
    index.write(built(entry(1)))  # and it can be made anew
    for each in (index, account(tmp_path)):
        known, (red,) = each.answer(contents, asked, [RED])
        assert {1, 40, 41} <= known
        assert red & asked == known & {1, 2, 3, 40}


def test_the_folder_deleted_under_a_running_server(tmp_path: Path, contents: sqlite3.Connection) -> None:
    index = account(tmp_path)
    index.write(built(entry(1)))
    drop_all(tmp_path)
    assert index.answer(contents, {1}, [RED]) == (set(), [set()])
    index.write(built(entry(1)))
    assert account(tmp_path).answer(contents, {1}, [RED]) == ({1}, [{1}])


def test_an_older_state_of_the_store_has_other_contents_under_these_ids(
    tmp_path: Path, contents: sqlite3.Connection
) -> None:
    """Put back from a backup, it gives ids anew that the index knows already."""
    index = account(tmp_path)
    index.write(built(entry(1), entry(2)))
    index.write(built(entry(3), entry(4)))
    contents.executemany("UPDATE blobs SET digest = ? WHERE id = ?", [(digest(n, "other"), n) for n in (3, 4)])
    again = account(tmp_path)
    assert again.answer(contents, {1, 2, 3, 4}, [RED]) == ({1, 2}, [{1, 2}])
    assert len(list((tmp_path / FOLDER / "7").iterdir())) == 1


def test_a_content_that_has_gone_meanwhile_is_not_known_and_spoils_nothing(
    tmp_path: Path, contents: sqlite3.Connection
) -> None:
    index = account(tmp_path)
    index.write(built(entry(1), entry(2)))
    contents.execute("DELETE FROM blobs WHERE id = 2")
    assert index.answer(contents, {1, 2}, [RED]) == (set(), [set()])
    assert index.answer(contents, {1}, [RED]) == ({1}, [{1, 2}])


def test_files_are_asked_one_after_the_other_as_time_allows(tmp_path: Path, contents: sqlite3.Connection) -> None:
    index = account(tmp_path)
    for n in (1, 2, 3):
        index.write(built(entry(n)))
    left = deque(index.chunks())
    for n in (1, 2, 3):
        assert index.answer(contents, {1, 2, 3}, [RED], left, for_s=0) == ({n}, [{n}])
    assert not left


def test_what_was_not_finished_is_swept_away(tmp_path: Path, contents: sqlite3.Connection) -> None:
    account(tmp_path).write(built(entry(1)))
    folder = tmp_path / FOLDER / "7"
    (folder / "00000002.part").write_bytes(b"half of it")
    (folder / "read me").write_bytes(b"of somebody else")
    index = account(tmp_path)
    assert index.answer(contents, {1}, [RED]) == ({1}, [{1}])
    assert sorted(file.name for file in folder.iterdir()) == ["00000001.index", "read me"]


@pytest.mark.parametrize("call", ["os.listdir", "Path.unlink"])
def test_a_folder_that_the_card_does_not_give_or_change_fails_nobody(
    tmp_path: Path, contents: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    account(tmp_path).write(built(entry(1)))
    (tmp_path / FOLDER / "7" / "00000002.part").write_bytes(b"half of it")

    def broken(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(f"appliance.store.derived.search_index.{call}", broken)
    known = account(tmp_path).answer(contents, {1}, [RED])[0]
    assert known == (set() if call == "os.listdir" else {1})


def test_on_a_full_card_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    index = account(tmp_path)
    monkeypatch.setattr("appliance.store.derived.search_index.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        index.write(built(entry(1)))
    monkeypatch.undo()
    assert (index.blob_ids(), list((tmp_path / FOLDER / "7").iterdir())) == (set(), [])


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.store.derived.test_search_index import account, built, entry
index = account(Path(sys.argv[1]))
for n in range(1, 100_000):
    index.write(built(*(entry(100 * n + i) for i in range(100))), instead_of=index.chunks()[:-3])
    print(n, flush=True)
"""


def test_killed_while_it_writes_it_is_whole(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    for after in (1, 3, 4, 7):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(root)], stdout=subprocess.PIPE, text=True, cwd=root
        )
        assert child.stdout is not None
        for _ in range(after):
            assert child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        there = [file for file in (tmp_path / FOLDER / "7").iterdir() if file.suffix == ".index"]
        assert there
        for file in there:
            with Chunk(file).open() as opened:
                assert opened.found(RED) == (1 << 100) - 1
                assert sum(1 for _ in opened.entries(lambda blob_id: True)) == 100
        assert len(account(tmp_path).chunks()) == len(there)
