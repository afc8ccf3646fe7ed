"""What our own processes and threads cause to be written to disks, as the kernel counts it.

`/proc/…/io` has two counts, and neither is the truth alone. `write_bytes` counts a page when it becomes dirty: right where
pages have 4096 octets, also for what is written twice before it reaches the disk, and nothing for files on tmpfs; but
since Linux 6.16 ext4 may keep a file in pieces of up to 2 MiB, a piece counts whole for one octet changed, and the disk is
given that one block (seen: 340 MB counted where 20 were written). `wchar` counts what was handed over in write calls:
no more than that, but to sockets and tmpfs too. So each thread is looked at by itself, and its `write_bytes` are
believed as long as so many calls with so many octets could have made so many pages dirty, else its `wchar` is taken.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PAGE_OCTETS = 4096


@dataclass(slots=True, frozen=True)
class Io:
    """handed: octets in write calls; calls: how many; dirtied: octets of the pages that they touched."""

    handed: int = 0
    calls: int = 0
    dirtied: int = 0

    def __add__(self, other: Io) -> Io:
        return Io(self.handed + other.handed, self.calls + other.calls, self.dirtied + other.dirtied)

    def at_least(self, other: Io) -> Io:
        return Io(max(self.handed, other.handed), max(self.calls, other.calls), max(self.dirtied, other.dirtied))

    def __sub__(self, other: Io) -> Io:
        return Io(self.handed - other.handed, self.calls - other.calls, self.dirtied - other.dirtied)


def caused_octets(more: Io) -> int:
    """What reaches the disk of this, as well as that can be told. A call touches a page in part at either end at most."""
    possible = more.handed + more.calls * 2 * PAGE_OCTETS
    return max(0, more.dirtied if more.dirtied <= possible else more.handed)


def read(io: Path) -> Io | None:
    """None where the kernel does not count."""
    try:
        fields = dict(line.split(": ", 1) for line in io.read_text().splitlines() if ": " in line)
        dirtied = int(fields["write_bytes"]) - int(fields["cancelled_write_bytes"])
        return Io(int(fields["wchar"]), int(fields["syscw"]), dirtied)
    except (OSError, KeyError, ValueError):
        return None


class OwnWrites:
    """Of this process, thread by thread."""

    def __init__(self, process: Path = Path("/proc/self")) -> None:
        self._process = process
        self._threads: dict[str, Io] = {}
        self._ended = Io()
        self._octets = 0

    def octets(self) -> int:
        """Since the process started, as far as was looked. 0 where the kernel does not count. It never grows less."""
        whole = read(self._process / "io")
        if whole is None:
            return self._octets
        now = {name: io for name in self._names() if (io := read(self._process / "task" / name / "io")) is not None}
        for name, io in now.items():
            self._octets += caused_octets(io - self._threads.get(name, Io()))
        # The process's own count has those that have ended, too. What they did while they were looked at is known.
        known = sum((io for name, io in self._threads.items() if name not in now), self._ended)
        # The whole was read first, so it may be behind its parts; it is not counted again when it has caught up.
        self._ended = (whole - sum(now.values(), Io())).at_least(known)
        self._octets += caused_octets(self._ended - known)
        self._threads = now
        return self._octets

    def _names(self) -> list[str]:
        try:
            return os.listdir(self._process / "task")
        except OSError:
            return []


class Meter:
    """Counts at the source what one room writes: by the thread that writes, while it does."""

    def __init__(self, io: Path = Path("/proc/thread-self/io")) -> None:
        self._io = io
        self.octets = 0

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        before = read(self._io)
        try:
            yield
        finally:
            after = read(self._io)
            if before is not None and after is not None:
                self.octets += caused_octets(after - before)
