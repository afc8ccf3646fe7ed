"""A simulated SD card, mounted: as slow as a card, with a volatile cache, counters, power cuts and faults.

    with Card(folder, profile="a1") as card:
        card.mount                          # its ext4, mounted noatime
        card.reset_counters(); …; card.sync(); card.counters()
        card.cut("random", seed=7)          # EIO from here on; end what runs on it
        print(card.replug())                # e2fsck's words; mounted again

`card.c` is the card (its header says how it keeps time and what a flush makes durable); here it is compiled, attached to
a loop device, formatted and mounted. It needs root, cc, pkg-config, libfuse3, losetup and e2fsprogs; `missing` says which
of them this machine lacks. The loop device goes past the page cache (direct I/O), for that would merge and hold back
writes that the kernel has sent to the card.

Profiles, from data sheets and measurements of cards: random 4 KiB writes and reads per second, MB/s written and read in a
row, one flush. `a1`: 500, 1500, 10, 40, 8 ms, what an A1 card has to do. `a2`: 2000, 4000, 20, 80, 4 ms. `old`: 50, 800,
4, 20, 30 ms, a card out of a drawer. `fast`: no delays, for counting, cuts and faults. `plain`: no card at all but a file
on a loop device, for comparison: counters from the kernel (without wear), neither cuts nor faults.

What it does not model: garbage collection that stalls for seconds, wear that makes it fail at last, blocks torn in the
middle (a 4 KiB block is written wholly or not at all), and a card that lies about flushes.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import shutil
import struct
import subprocess
import tempfile
import time
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Literal

SOURCE = Path(__file__).with_name("card.c")
# random writes/s, random reads/s, write kB/s, read kB/s, flush µs
PROFILES: dict[str, tuple[int, ...]] = {
    "a1": (500, 1500, 10_000, 40_000, 8_000),
    "a2": (2000, 4000, 20_000, 80_000, 4_000),
    "old": (50, 800, 4_000, 20_000, 30_000),
    "fast": (0, 0, 0, 0, 0),
    "plain": (),
}
# Blocks as on a large card also when it is small. No reserve for root, which the server is not. All tables are written
# now, not by a kernel thread while something is counted.
FORMAT = ("-q", "-F", "-b", "4096", "-m", "0", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0")
TOOLS = {
    "cc": "gcc",
    "pkg-config": "pkg-config",
    "mkfs.ext4": "e2fsprogs",
    "e2fsck": "e2fsprogs",
    "losetup": "mount",
    "mount": "mount",
}
PATIENCE_S = 20.0
SECTOR_OCTETS = 512
BLOCK_OCTETS = 4096  # of the card and of its ext4
_FIBMAP = 1


class CardError(Exception):
    """A card could not be made, mounted or repaired; the words are those of the tool that failed."""


@dataclass(slots=True, frozen=True)
class Counters:
    """What the card was asked since the last reset. Wear and busy_us are 0 for a plain disk.

    empty_flushes: of the flushes, those with nothing to make durable. erase_programs: erase units of 4 MiB with new
    data, summed over flushes. open_misses: writes outside the 8 units written last. busy_us: time the card took.
    """

    writes: int = 0
    written_octets: int = 0
    reads: int = 0
    read_octets: int = 0
    flushes: int = 0
    empty_flushes: int = 0
    erase_programs: int = 0
    open_misses: int = 0
    busy_us: int = 0

    def __sub__(self, earlier: Counters) -> Counters:
        return Counters(**{f.name: getattr(self, f.name) - getattr(earlier, f.name) for f in fields(Counters)})


class Card:
    """folder: for its own files, and where it is mounted; backing: the file that is the flash, elsewhere (on a tmpfs)."""

    def __init__(self, folder: Path, *, profile: str = "a1", size_mib: int = 1024, backing: Path | None = None) -> None:
        self._speeds = PROFILES[profile]
        self.folder = folder.resolve()
        self.profile = profile
        self.size_mib = size_mib
        self.mount = self.folder / "mount"
        self._flash = backing or self.folder / "flash"
        self._device = self._flash if profile == "plain" else self.folder / "device"
        self._process: subprocess.Popen[str] | None = None
        self._loop: str | None = None
        self._counted_before = Counters()

    # -- life

    def start(self) -> Card:
        """Makes it, formats it and mounts it: always empty, whatever an earlier one left in the folder."""
        self._clear_away()
        self.mount.mkdir(parents=True, exist_ok=True)
        self._flash.unlink(missing_ok=True)
        try:
            if self.profile == "plain":
                with open(self._flash, "wb") as file:
                    file.truncate(self.size_mib << 20)
            else:
                self._switch_on()
            self._attach()
            _run("mkfs.ext4", *FORMAT, self._loop_device())
            self._mount()
            self.slow(True)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Unmounts it and throws it away. Raises CardError when something still uses the mount."""
        self._unmount()
        self._detach()
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.close()  # it unmounts itself and ends
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
        if _is_mounted(self._device):
            _run("umount", "-l", str(self._device))
        self._flash.unlink(missing_ok=True)

    def __enter__(self) -> Card:
        return self.start()

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.stop()

    # -- counting

    def counters(self) -> Counters:
        if self.profile == "plain":
            return self._kernel_counters() - self._counted_before
        return Counters(**json.loads(self._ask("counters")))

    def reset_counters(self) -> None:
        """From now on: what was written before has reached the card first."""
        self.sync()
        if self.profile == "plain":
            self._counted_before = self._kernel_counters()
        else:
            self._ask("reset")

    def sync(self) -> None:
        """All that the kernel still holds for it goes to the card, and a flush after it."""
        _run("sync", "-f", str(self.mount))

    def drop_caches(self) -> None:
        """The kernel forgets what it has read (of all file systems): the next reads come from the card."""
        self.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3")

    # -- what it does to its users

    def slow(self, on: bool) -> None:
        """Delays on or off, to fill a card quickly; the counters go on."""
        if self._process is not None:
            self._ask(f"slow {int(on)}")

    def cut(self, mode: Literal["drop", "random"], seed: int) -> None:
        """A power cut: "drop" loses all that no flush made durable, "random" a part that the seed chooses."""
        self._ask("cut drop" if mode == "drop" else f"cut {seed * 2 + 1}")

    def replug(self) -> str:
        """After a cut (or a fault), when nothing uses the mount any more: what `e2fsck -p` said; it is mounted again."""
        self._unmount()
        self._detach()
        self._ask("on")
        self.fail()
        self._attach()
        words = _run("e2fsck", "-p", self._loop_device(), good=(0, 1))
        self._mount()
        return words

    def fail(self, *, writes: bool = False, reads: bool = False, flushes: bool = False, after: int = 0) -> None:
        """Requests of these kinds end in EIO, once `after` more of them have gone well; fail() heals the card.

        What the kernel has found out by then stays: ext4 goes read-only when its journal could not be written, until
        `replug`.
        """
        self._ask(f"fail {int(writes)} {int(reads)} {int(flushes)} {after}")

    def lose(self, file: Path, at: int) -> None:
        """The block of 4 KiB in which this octet of a file lies cannot be read any more, until it is written anew."""
        self.sync()
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # FIBMAP: the number of a block in the file becomes its number on the card.
            number = fcntl.ioctl(fd, _FIBMAP, struct.pack("I", at // BLOCK_OCTETS))
        finally:
            os.close(fd)
        self._ask(f"bad {struct.unpack('I', number)[0]}")

    # -- how

    def _switch_on(self) -> None:
        self._device.write_bytes(b"")
        words = [str(_compiled(self.folder)), str(self._flash), str(self.size_mib), *map(str, self._speeds)]
        with open(self.folder / "card.log", "ab") as log:
            self._process = subprocess.Popen(
                [*words, "-f", "-o", "max_idle_threads=8", str(self._device)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # Ctrl-C is for who uses the card
            )
        self._ask("reset")

    def _ask(self, command: str) -> str:
        process = self._process
        if process is None:
            raise CardError(f"a {self.profile} card cannot do that: {command}")
        assert process.stdin is not None and process.stdout is not None
        answer = ""
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(command + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        if not answer:
            raise CardError(f"the card is gone: {(self.folder / 'card.log').read_text(errors='replace')[-500:]}")
        if answer == "unknown command\n":
            raise CardError(f"the card does not know: {command}")
        return answer

    def _loop_device(self) -> str:
        assert self._loop is not None
        return self._loop

    def _attach(self) -> None:
        # Another may take the free loop device that losetup has found: once more then.
        self._loop = _persist("losetup", "--find", "--show", "--direct-io=on", str(self._device)).split()[-1]

    def _detach(self) -> None:
        if self._loop is not None:
            _run("losetup", "--detach", self._loop, good=(0, 1))
            self._loop = None

    def _mount(self) -> None:
        _run("mount", "-t", "ext4", "-o", "noatime", self._loop_device(), str(self.mount))

    def _unmount(self) -> None:
        if _is_mounted(self.mount):
            _persist("umount", str(self.mount))

    def _clear_away(self) -> None:
        """What a run that was killed has left mounted in this folder."""
        for path in (self.mount, self._device):
            while _is_mounted(path):
                _run("umount", "-l", str(path))
        for line in _run("losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE").splitlines():
            name, _, behind = line.partition(" ")
            if behind.strip() in (str(self._device), str(self._flash)):
                _run("losetup", "--detach", name, good=(0, 1))

    def _kernel_counters(self) -> Counters:
        figures = Path(f"/sys/block/{Path(self._loop_device()).name}/stat").read_text().split()
        reads, _, read_sectors, _, writes, _, written_sectors = map(int, figures[:7])
        return Counters(
            writes=writes,
            written_octets=written_sectors * SECTOR_OCTETS,
            reads=reads,
            read_octets=read_sectors * SECTOR_OCTETS,
            flushes=int(figures[15]) if len(figures) > 15 else 0,
        )


@functools.cache
def missing() -> str | None:
    """Why no card can be simulated on this machine, for a skip that is printed; None: it can, one has been tried."""
    if os.geteuid() != 0:
        return "needs root, for mounts and loop devices"
    for tool, package in TOOLS.items():
        if shutil.which(tool) is None:
            return f"needs {tool} (package {package})"
    if subprocess.run(["pkg-config", "--exists", "fuse3"], check=False).returncode:
        return "needs the headers of FUSE 3 (package libfuse3-dev)"
    for device in ("/dev/fuse", "/dev/loop-control"):
        if not os.path.exists(device):
            return f"there is no {device}"
    with tempfile.TemporaryDirectory(prefix="merpati-card-") as folder:
        try:
            with Card(Path(folder), profile="fast", size_mib=16) as card:
                (card.mount / "tried").write_bytes(b"x")
        except (CardError, OSError) as error:
            return f"a card cannot be mounted here: {error}"
    return None


def _compiled(folder: Path) -> Path:
    """The program, compiled once for each folder and version of the source."""
    program = folder / f"card-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]}"
    if not program.exists():
        flags = _run("pkg-config", "--cflags", "--libs", "fuse3").split()
        _run("cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(program), str(SOURCE), *flags)
    return program


def _is_mounted(path: Path) -> bool:
    return any(line.split(" ", 5)[4] == str(path) for line in Path("/proc/self/mountinfo").read_text().splitlines())


def _run(*words: str, good: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode not in good:
        raise CardError(f"{' '.join(words)}: {done.returncode}: {done.stdout.strip()}")
    return done.stdout.strip()


def _persist(*words: str) -> str:
    """Again and again while it is busy: who has just been killed lets go of a file a little later."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return _run(*words)
        except CardError as error:
            if "busy" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
