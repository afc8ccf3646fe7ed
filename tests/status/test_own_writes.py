"""What our own threads cause to be written, from two counts that neither tell it alone."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from appliance.status.card_reader import CardReader
from appliance.status.own_writes import Io, Meter, OwnWrites, caused_octets, read
from tests.support.fake_sys import FakeSys

MIB = 2**20

CAUSED = {
    # name: (handed, calls, dirtied), octets that reach the disk
    "whole pages": ((8192, 2, 8192), 8192),
    "one octet, one page": ((1, 1, 4096), 4096),
    "across the border of two": ((24, 1, 8192), 8192),
    "the same page again and again": ((40_960, 10, 4096), 4096),
    "files on tmpfs, sockets": ((MIB, 100, 0), 0),
    "one octet in a piece of 2 MiB": ((1, 1, 2 * MIB), 1),
    "a WAL in pieces of 2 MiB": ((1_283_075, 600, 188_784_640), 1_283_075),
    "taken back": ((4096, 1, -8192), 0),
    "nothing": ((0, 0, 0), 0),
}


@pytest.mark.parametrize("name", CAUSED)
def test_pages_are_believed_while_that_is_possible(name: str) -> None:
    io, octets = CAUSED[name]
    assert caused_octets(Io(*io)) == octets


class Process:
    """The files of a process; a thread that ends is gone and stays in the whole."""

    def __init__(self, folder: Path) -> None:
        self.fake = FakeSys(folder)
        self.folder = self.fake.proc / "self"
        self.whole = Io()
        self.own = OwnWrites(self.folder)
        self.threads: dict[str, Io] = {}

    def writes(self, thread: str, octets: int, *, dirtied: int | None = None) -> None:
        more = Io(octets, 1, octets if dirtied is None else dirtied)
        self.whole += more
        self.threads[thread] = self.threads.get(thread, Io()) + more
        for path, io in (
            (self.folder / "io", self.whole),
            (self.folder / "task" / thread / "io", self.threads[thread]),
        ):
            self.fake.io(path, io.dirtied, wchar=io.handed, syscw=io.calls)

    def ends(self, thread: str) -> None:
        del self.threads[thread]
        (self.folder / "task" / thread / "io").unlink()


def test_each_thread_is_judged_by_itself(tmp_path: Path) -> None:
    """One that talks to sockets does not excuse what another's large pieces claim."""
    process = Process(tmp_path)
    process.writes("1", 400 * MIB, dirtied=0)
    process.writes("2", 4096, dirtied=2 * MIB)
    process.writes("3", 8192)
    assert process.own.octets() == 4096 + 8192
    process.writes("3", 4096)
    assert process.own.octets() == 4096 + 8192 + 4096
    assert process.own.octets() == 4096 + 8192 + 4096


def test_a_thread_that_ended_is_counted_once(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.writes("1", 4096)
    process.writes("2", 8192)
    assert process.own.octets() == 12_288
    process.writes("2", 4096)
    process.ends("2")
    process.writes("3", 4096)  # begins and ends between two looks
    process.ends("3")
    assert process.own.octets() == 20_480
    assert process.own.octets() == 20_480
    process.writes("1", 4096)
    assert process.own.octets() == 24_576


def test_a_whole_that_is_behind_its_threads_is_not_counted_when_it_catches_up(tmp_path: Path) -> None:
    process = Process(tmp_path)
    process.writes("1", 8192)
    assert process.own.octets() == 8192
    before = (process.folder / "io").read_text()
    process.writes("1", 4096)
    late, in_time = before, (process.folder / "io").read_text()
    (process.folder / "io").write_text(late)  # as it was read, just before the thread wrote
    assert process.own.octets() == 12_288
    (process.folder / "io").write_text(in_time)
    assert process.own.octets() == 12_288


@pytest.mark.parametrize("text", ["", "write_bytes: many\ncancelled_write_bytes: 0\nwchar: 1\nsyscw: 1", "wchar: 5"])
def test_where_the_kernel_does_not_count_nothing_is(text: str, tmp_path: Path) -> None:
    fake = FakeSys(tmp_path)
    fake.put(fake.proc / "self" / "io", text)
    assert read(fake.proc / "self" / "io") is None
    assert OwnWrites(fake.proc / "self").octets() == 0
    assert OwnWrites(tmp_path / "none").octets() == 0
    meter = Meter(fake.proc / "self" / "io")
    with meter.writing():
        pass
    assert meter.octets == 0


def test_with_the_kernels_own_counters(tmp_path: Path) -> None:
    if read(Path("/proc/thread-self/io")) is None:
        pytest.skip("this kernel does not count what a thread writes")
    if CardReader(tmp_path).found.disk is None:
        pytest.skip("the tests' folder lies on no disk, and so nothing is counted")
    meter, own = Meter(), OwnWrites()
    before = own.octets()

    def write() -> None:
        with meter.writing():
            (tmp_path / "metered").write_bytes(b"x" * 100_000)
        (tmp_path / "other").write_bytes(b"x" * 50_000)

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert 100_000 <= meter.octets <= 120_000
    assert meter.octets + 50_000 <= own.octets() - before
