"""Whatever part of a store is damaged, the repair makes a sound one of the rest, in which everything is whose own place
was not touched; nobody gets another's mail; and what is missing is said."""

from __future__ import annotations

import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from appliance.store import recover as recovery
from appliance.store.database import FILE_NAME, PAGE_OCTETS
from appliance.store.derived.search_index import FOLDER
from appliance.store.interface import Store
from appliance.store.losses import Report
from appliance.store.messages import gone_since
from appliance.store.recover import NoRoom, recover
from appliance.store.set_aside import NEW, PLAN, StoreInUse, alone_with, exchange, finish_exchange
from appliance.store.sqlite_file import DatabaseFile, Tree
from appliance.store.sqlite_pages import Cell, parse_page, record
from tests.support.stores import open_store

from .home_to_damage import PEOPLE, Kept, kept

WAL = f"{FILE_NAME}-wal"
SEGMENT = "blobs/00000001.seg"
Extent = tuple[str, int, int]  # file, from, to


class Sample:
    """A home, what is in it, and where each message lies: its row, its content, its mailbox's and its account's row."""

    def __init__(self, home: Path, told: Kept) -> None:
        self.home = home
        self.kept = told
        self.places: dict[tuple[str, str, int], tuple[Extent, ...]] = {}
        self.contents: dict[tuple[str, str, int], tuple[Extent, ...]] = {}

    def __repr__(self) -> str:
        return str(self.home)

    def copy(self, to: Path) -> Path:
        shutil.copytree(self.home, to)
        return to


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Everything is still in the log."""
    home = tmp_path_factory.mktemp("cut") / "home"
    code = "import pathlib, sys; from tests.store.home_to_damage import main; main(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(home)]
    told = pickle.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    (home / f"{FILE_NAME}-shm").unlink()
    extents = [extent for extents in _sample(home, told).places.values() for extent in extents]
    used = max(to for name, _, to in extents if name == SEGMENT)
    os.truncate(home / SEGMENT, used)  # what lies behind is room
    return _sample(home, told)


@pytest.fixture(scope="module")
def closed(cut: Sample, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Everything is in the database, and there is no log."""
    home = cut.copy(tmp_path_factory.mktemp("closed") / "home")
    with open_store(home) as store:
        assert kept(store) == cut.kept
    assert not (home / WAL).exists()
    return _sample(home, cut.kept)


@pytest.fixture(params=["cut", "closed"])
def sample(request: pytest.FixtureRequest) -> Sample:
    found: Sample = request.getfixturevalue(request.param)
    return found


def _sample(home: Path, told: Kept) -> Sample:
    with open(home / FILE_NAME, "rb") as base, closing(DatabaseFile(base.fileno(), home / WAL)) as file:
        roots = file.roots()
        assert roots is not None

        def where(number: int) -> Extent:
            position = file._in_log.get(number)
            if position is not None:
                return WAL, position, position + PAGE_OCTETS
            return FILE_NAME, (number - 1) * PAGE_OCTETS, number * PAGE_OCTETS

        def rows(table: str, indexed: bool) -> Iterator[tuple[tuple[Extent, ...], list[object]]]:
            tree = Tree(roots[table], indexed)
            assert sum(1 for _ in file.cells(tree)) or table == "freed"
            for number in sorted(tree.pages):
                page = parse_page(file.page(number) or b"", number)
                assert page is not None
                for cell in page.cells:
                    values, whole = file.values(cell)
                    assert whole
                    yield (where(number), *map(where, _chain(file, cell))), [cell.rowid, *values]

        accounts = {row[0]: (place, row[2]) for place, row in rows("accounts", False)}
        mailboxes = {row[0]: (place, row[2], row[3]) for place, row in rows("mailboxes", False)}
        blobs: dict[object, tuple[Extent, ...]] = {}
        for place, row in rows("blobs", False):
            if row[8] is not None:
                assert isinstance(row[9], int) and isinstance(row[10], int)
                place = (*place, (SEGMENT, row[9], row[9] + row[10]))
            blobs[row[0]] = place
        found = Sample(home, told)
        for place, (_, mailbox_id, uid, blob_id, *_) in rows("messages", True):
            mailbox_place, account_id, name = mailboxes[mailbox_id]
            account_place, address = accounts[account_id]
            key = (str(address), str(name), int(str(uid)))
            found.places[key] = (*place, *mailbox_place, *account_place, *blobs[blob_id])
            found.contents[key] = blobs[blob_id]
        assert set(found.places) == set(told.messages)
        return found


def _chain(file: DatabaseFile, cell: Cell) -> Iterator[int]:
    number, missing = cell.overflow, cell.octets - len(cell.payload)
    while missing > 0:
        yield number
        octets = file.page(number)
        assert octets is not None
        number, missing = int.from_bytes(octets[:4], "big"), missing - (PAGE_OCTETS - 4)


# -- damage


@dataclass(frozen=True)
class Damage:
    """kind: zero, noise, octet, cut; where: 0 to 1 of the file, or a page."""

    name: str
    kind: str
    where: float | int

    def do(self, home: Path) -> list[Extent]:
        """Returns what was touched."""
        path = home / self.name
        if not path.exists():
            return []
        octets = bytearray(path.read_bytes())
        if not octets:  # cut off before
            return []
        at = (
            min(int(self.where * len(octets)), len(octets) - 1)
            if isinstance(self.where, float)
            else self.where * PAGE_OCTETS
        )
        page = at - at % PAGE_OCTETS
        match self.kind:
            case "zero":
                octets[page : page + PAGE_OCTETS] = bytes(len(octets[page : page + PAGE_OCTETS]))
                touched = (self.name, page, page + PAGE_OCTETS)
            case "noise":
                octets[page : page + PAGE_OCTETS] = os.urandom(len(octets[page : page + PAGE_OCTETS]))
                touched = (self.name, page, page + PAGE_OCTETS)
            case "octet":
                octets[at] ^= 0x15
                touched = (self.name, at, at + 1)
            case "cut":
                del octets[at:]
                touched = (self.name, at, 1 << 60)
            case _:
                raise AssertionError(self.kind)
        path.write_bytes(octets)
        return [touched]


def repaired(home: Path) -> tuple[Report, Kept]:
    report = recover(home, scratch=home.parent)
    with open_store(home) as store:  # which checks it, too
        return report, kept(store)


def hit(extents: tuple[Extent, ...], touched: list[Extent]) -> bool:
    return any(a[0] == b[0] and a[1] < b[2] and b[1] < a[2] for a in extents for b in touched)


def judge(sample: Sample, home: Path, touched: list[Extent]) -> Report:
    """Everything that is promised of a repair."""
    report, after = repaired(home)
    exported = {Path(name).read_bytes() for name in report.exported}
    anywhere = {octets for octets, _, _ in after.messages.values()} | exported
    for key, message in sample.kept.messages.items():
        if not hit(sample.places[key], touched):
            assert after.messages.get(key) == message, (key, report)
        elif not hit(sample.contents[key], touched):
            assert message[0] in anywhere, (key, report)
    for (address, mailbox, uid), (octets, _, _) in after.messages.items():
        assert f"To: {address}\r\n".encode() in octets or b"X-Merpati-Recovered: a part" in octets, (
            address,
            mailbox,
            uid,
        )
    missing = len([octets for octets, _, _ in sample.kept.messages.values() if octets not in anywhere])
    # A log that ends with a whole frame, or with none, looks like one that never was longer: nobody can tell.
    log_cut_off = any(name == WAL and end == 1 << 60 for name, _, end in touched)
    assert not missing or report.lost or report.notes or log_cut_off
    assert (home / report.set_aside[0]).exists()
    return report


CASES: dict[str, list[Damage]] = {
    "nothing": [],
    "the first page": [Damage(FILE_NAME, "zero", 0)],
    "the first page's head": [Damage(FILE_NAME, "octet", 0.0)],
    "the second page": [Damage(FILE_NAME, "noise", 1)],
    "the small tables": [Damage(FILE_NAME, "zero", page) for page in range(1, 10)],
    "the second half": [Damage(FILE_NAME, "cut", 0.5)],
    "all": [Damage(FILE_NAME, "cut", 0.0), Damage(WAL, "cut", 0.0)],
    "the log's head": [Damage(WAL, "octet", 0.0)],
    "the log's first page": [Damage(WAL, "noise", 0)],
    "the middle of the log": [Damage(WAL, "zero", 0.5)],
    "the second half of the log": [Damage(WAL, "cut", 0.5)],
    "a segment's first frame": [Damage(SEGMENT, "zero", 0)],
    "an octet of a segment": [Damage(SEGMENT, "octet", 0.4)],
    "half of a segment": [Damage(SEGMENT, "cut", 0.5)],
}


@pytest.mark.parametrize("name", CASES)
def test_named_damage(name: str, sample: Sample, tmp_path: Path) -> None:
    home = sample.copy(tmp_path / "home")
    touched = [extent for damage in CASES[name] for extent in damage.do(home)]
    report = judge(sample, home, touched)
    if not touched:
        assert report.lost == [] and report.notes == []


def test_an_older_page_of_a_tree_does_not_hide_what_lies_below_it(cut: Sample, tmp_path: Path) -> None:
    """The newest of such a page is lost with a frame of the log, the one before leads to fewer pages, and looks whole."""
    with open(cut.home / FILE_NAME, "rb") as base, closing(DatabaseFile(base.fileno(), cut.home / WAL)) as file:
        pages = {number: parse_page(file.page(number) or b"", number) for number in file._in_log}
        places = [file._in_log[number] for number, page in pages.items() if page is not None and page.children]
    assert len(places) > 1
    for at in places:
        home = cut.copy(tmp_path / f"home{at}")
        octets = bytearray((home / WAL).read_bytes())
        octets[at : at + PAGE_OCTETS] = os.urandom(PAGE_OCTETS)
        (home / WAL).write_bytes(octets)
        judge(cut, home, [(WAL, at, at + PAGE_OCTETS)])


EXAMPLES = int(os.environ.get("MERPATI_EXAMPLES", "8"))
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # an example takes too long for making it smaller

damages = st.builds(
    Damage,
    st.sampled_from([FILE_NAME, FILE_NAME, WAL, WAL, SEGMENT]),
    st.sampled_from(["zero", "noise", "octet", "octet", "cut"]),
    st.floats(0, 1),
)


@settings(max_examples=EXAMPLES, deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
@given(st.lists(damages, min_size=1, max_size=6))
def test_any_damage(sample: Sample, some: list[Damage]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = sample.copy(Path(folder) / "home")
        touched = [extent for damage in some for extent in damage.do(home)]
        judge(sample, home, touched)


# -- the exchange


def test_the_search_index_goes_since_ids_may_be_others_now(closed: Sample, tmp_path: Path) -> None:
    home = closed.copy(tmp_path / "home")
    (home / FOLDER / "1").mkdir(parents=True)
    (home / FOLDER / "1" / "00000001.index").write_bytes(b"of before")
    recover(home, scratch=tmp_path)
    assert not (home / FOLDER).exists()


def test_somebody_who_has_the_store_open_is_left_alone(closed: Sample, tmp_path: Path) -> None:
    home = closed.copy(tmp_path / "home")
    code = (
        "import pathlib, sys; from appliance.store.interface import Store\n"
        "store = Store(pathlib.Path(sys.argv[1])); print('open', flush=True); sys.stdin.read(); store.close()"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdin is not None
    try:
        assert child.stdout.readline() == b"open\n"
        with pytest.raises(StoreInUse):
            recover(home, scratch=tmp_path)
        assert not (home / NEW).exists()
    finally:
        child.stdin.close()
        child.wait()
        child.stdout.close()


def test_without_room_nothing_is_touched(closed: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = closed.copy(tmp_path / "home")
    monkeypatch.setattr(recovery, "SPARE_OCTETS", 1 << 60)
    before = sorted(os.listdir(home))
    with pytest.raises(NoRoom) as refused:
        recover(home, scratch=tmp_path)
    assert refused.value.need_octets > 1 << 60
    assert sorted(os.listdir(home)) == before


class PowerCut(Exception):
    pass


CALLS = ("rename", "replace", "unlink", "fsync")


def test_the_power_may_be_cut_at_any_step(closed: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut before the n-th call that changes or keeps a name, for every n: the old store or the new one is there, the
    damaged one is never gone, and beginning again completes it."""
    damaged = closed.copy(tmp_path / "damaged")
    Damage(FILE_NAME, "zero", 20).do(damaged)
    (damaged / WAL).write_bytes(b"")
    kept_octets = (damaged / FILE_NAME).read_bytes()
    for step in range(1, 100):
        home = tmp_path / f"home{step}"
        shutil.copytree(damaged, home)
        left = step

        def counted(call: Callable[..., object]) -> Callable[..., object]:
            def counting(*args: object, **more: object) -> object:
                nonlocal left
                left -= 1
                if left == 0:
                    raise PowerCut
                if left < 0:  # the power is off
                    raise PowerCut
                return call(*args, **more)

            return counting

        with monkeypatch.context() as patched:
            for name in CALLS:
                patched.setattr(os, name, counted(getattr(os, name)))
            try:
                recover(home, scratch=tmp_path)
            except PowerCut:
                whole = False
            else:
                whole = True
        damaged_files = [path for path in home.glob(f"{FILE_NAME}*") if path.read_bytes() == kept_octets]
        assert len(damaged_files) == 1, (step, damaged_files)
        if not (home / f"{FILE_NAME}.exchange").exists() and damaged_files[0].name == FILE_NAME:
            recover(home, scratch=tmp_path)
        with open_store(home) as store:
            assert len(kept(store).messages) > 50, step
        assert not (home / NEW).exists()
        assert not (home / PLAN).exists()
        assert any(path.read_bytes() == kept_octets for path in home.glob(f"{FILE_NAME}.damaged-*"))
        shutil.rmtree(home)
        if whole:
            assert step > 8
            return
    raise AssertionError("it never ended")


def test_an_exchange_that_was_completed_but_for_its_plan_is_not_done_twice(closed: Sample, tmp_path: Path) -> None:
    home = closed.copy(tmp_path / "home")
    new = (home / FILE_NAME).read_bytes()
    (home / NEW).write_bytes(new)
    assert exchange(home, "2026-01-01") == [f"{FILE_NAME}.damaged-2026-01-01"]
    (home / PLAN).write_text("2026-01-01")
    (home / WAL).write_bytes(b"the new database's own")
    finish_exchange(home)
    assert (home / WAL).read_bytes() == b"the new database's own"
    assert (home / FILE_NAME).read_bytes() == new


# -- what is said


def test_a_damaged_content_is_named_and_what_is_left_of_it_is_filed(closed: Sample, tmp_path: Path) -> None:
    home = closed.copy(tmp_path / "home")
    extents = {key: places[-1] for key, places in closed.contents.items() if places[-1][0] == SEGMENT}
    key, (_, start, end) = max(extents.items(), key=lambda each: each[1][2] - each[1][1])
    octets = bytearray((home / SEGMENT).read_bytes())
    octets[start + (end - start) // 2] ^= 1
    (home / SEGMENT).write_bytes(octets)
    report, after = repaired(home)
    lost = [each for each in report.lost if (each.account, each.mailbox, each.uid) == key]
    assert len(lost) == 1
    assert lost[0].what == "the content is damaged"
    assert lost[0].subject.startswith("letter ")
    assert lost[0].header_from.startswith("friend")
    assert key not in after.messages
    (remains,) = [octets for (_, mailbox, _), (octets, _, _) in after.messages.items() if mailbox == "Recovered"]
    assert b"X-Merpati-Recovered: a part of this message was lost" in remains
    assert f"Subject: {lost[0].subject}\r\n".encode() in remains
    assert 0 < len(remains) < len(closed.kept.messages[key][0])


def test_what_is_left_of_tombstones_does_not_pass_for_all_of_them(closed: Sample, tmp_path: Path) -> None:
    """A row is gone, and the page says that there were more: who asks from before the repair on is told of every missing UID."""
    home = closed.copy(tmp_path / "home")
    with closing(sqlite3.connect(home / FILE_NAME)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'expunged'").fetchone()
        (mailbox_id,) = connection.execute("SELECT mailbox_id FROM expunged LIMIT 1").fetchone()
        newest = "modseq = (SELECT max(modseq) FROM expunged WHERE mailbox_id = ?1)"
        lost = connection.execute(
            f"DELETE FROM expunged WHERE mailbox_id = ?1 AND {newest} RETURNING modseq", (mailbox_id,)
        ).fetchall()
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with open(home / FILE_NAME, "r+b") as file:
        file.seek((root - 1) * PAGE_OCTETS + 3)
        cells = int.from_bytes(file.read(2), "big")
        file.seek((root - 1) * PAGE_OCTETS + 3)
        file.write((cells + 1).to_bytes(2, "big"))
        file.seek((root - 1) * PAGE_OCTETS + 8 + 2 * cells)
        file.write(bytes(2))  # where the cell lies: nowhere
    recover(home, scratch=tmp_path)
    with open_store(home) as store:
        assert store.read_now(lambda c: gone_since(c, mailbox_id, lost[0][0] - 1)) is None


def test_an_account_whose_row_is_gone_is_known_by_its_index(closed: Sample, tmp_path: Path) -> None:
    home = closed.copy(tmp_path / "home")
    with closing(sqlite3.connect(home / FILE_NAME)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'accounts'").fetchone()
    Damage(FILE_NAME, "zero", root - 1).do(home)
    report, after = repaired(home)
    assert set(after.hashes) == set(PEOPLE)
    assert set(after.hashes.values()) == {"!"}
    assert after.messages == closed.kept.messages
    assert [step for step in report.to_do if "account passwd" in step] == [
        f"Set a password: merpati account passwd {address}" for address in PEOPLE
    ]


def test_mailboxes_whose_rows_are_gone_get_a_new_uidvalidity(closed: Sample, tmp_path: Path) -> None:
    home = closed.copy(tmp_path / "home")
    with closing(sqlite3.connect(home / FILE_NAME)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'mailboxes'").fetchone()
    Damage(FILE_NAME, "zero", root - 1).do(home)
    report, after = repaired(home)
    assert after.messages == closed.kept.messages
    assert set(after.uidvalidities) == set(closed.kept.uidvalidities)
    for address in PEOPLE:
        had, has = (
            {v for (a, _), v in some.items() if a == address}
            for some in (closed.kept.uidvalidities, after.uidvalidities)
        )
        assert not had & has
    assert all(mailbox.renumbered for mailbox in report.mailboxes)


def test_missing_uids_are_told_as_expunged(closed: Sample, tmp_path: Path) -> None:
    """So that mail programs that were away learn which of what they know is gone, and keep the rest."""
    home = closed.copy(tmp_path / "home")
    place = closed.places["ayu@x.example", "INBOX", 1][0]
    Damage(FILE_NAME, "zero", place[1] // PAGE_OCTETS).do(home)
    report, after = repaired(home)
    gone = {key for key in closed.kept.messages if key not in after.messages}
    assert {(each.account, each.mailbox, each.uid) for each in report.lost} == gone
    assert all(after.uidvalidities[name] == number for name, number in closed.kept.uidvalidities.items())
    store = Store(home, scratch=tmp_path)
    tombstones = store.read_now(
        lambda c: c.execute(
            "SELECT address, name, uid FROM expunged JOIN mailboxes m ON m.id = mailbox_id JOIN accounts a ON a.id = account_id"
        ).fetchall()
    )
    store.close()
    assert gone <= set(tombstones)


def test_a_mail_that_cannot_be_placed_is_exported_or_goes_to_whom_the_owner_names(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with open_store(home) as store:
        from appliance.store.changes.accounts import add_account
        from appliance.store.changes.messages import NewMessage, append
        from tests.support.stores import mailbox_of

        one = store.write_now(add_account("one@x.example", "!"))
        store.write_now(add_account("two@x.example", "!"))
        content = store.spool_bytes(b"From: list@far.example\r\nTo: list@far.example\r\nSubject: x\r\n\r\nx")
        store.write_now(append(mailbox_of(store, one.id).id, [NewMessage(content, 0, "", 1)]))
    with closing(sqlite3.connect(home / FILE_NAME)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'messages'").fetchone()
    Damage(FILE_NAME, "zero", root - 1).do(home)
    again = tmp_path / "again"
    shutil.copytree(home, again)
    report, after = repaired(home)
    assert after.messages == {}
    (file,) = report.exported
    assert Path(file).parent == home / "recovered"
    assert b"Subject: x" in Path(file).read_bytes()
    report = recover(again, scratch=tmp_path, recovered_to="two@x.example")
    with open_store(again) as store:
        assert [key for key in kept(store).messages] == [("two@x.example", "Recovered", 1)]
    assert (report.recovered, report.exported) == (1, [])


def test_the_store_cannot_be_opened_while_it_is_repaired(closed: Sample, tmp_path: Path) -> None:
    home = closed.copy(tmp_path / "home")
    code = "import pathlib, sys; from appliance.store.interface import Store; Store(pathlib.Path(sys.argv[1])).close()"
    with alone_with(home):
        child = subprocess.Popen([sys.executable, "-c", code, str(home)])
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(1.0)
    assert child.wait() == 0


def test_records_that_make_no_sense_are_no_values() -> None:
    for octets in (b"", b"\x05", b"\x02\x0a", b"\x80" * 20, b"\x03\x81"):
        with pytest.raises(ValueError):
            record(octets)
