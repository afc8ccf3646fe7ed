"""The counters and registers that the kernel keeps: of the disk that the data folder lies on.

Promises: reads a handful of small files under /sys and /proc, writes nothing, needs no privilege, and never fails: what
is not there, or cannot be told, is None or a `Hidden` reason. The whole disk is counted and not the partition, since that
is what wears. Leaves adding up to `card.py`, and what of it is ours to `own_writes.py`.

What the kernel counts: `/sys/block/DISK/stat` field 7 is sectors of 512 octets written and field 16 flushes; a disk
without a volatile cache, which most SD cards are, is sent none and shows none (`queue/write_cache` says so), and then
flushes are None. An eMMC's registers are
what they were when the machine started: the kernel reads them once. Failed writes are counted for no card; the count of
SCSI disks (`ioerr_cnt`) was tried and dropped, since each command that a stick does not know is one. A failed write of
our own is noticed by the store, at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from .card import Counters, Disk, Health, Hidden, Kind
from .own_writes import OwnWrites

SECTOR_OCTETS = 512
SMART_WITHIN_S = 30.0
_WHERE_PROGRAMS_ARE = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
_MEMORY = {"tmpfs", "ramfs", "rootfs"}
_LAYERS = {"overlay", "aufs", "unionfs"}
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs"}


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Where the data folder lies. folder: of the disk in /sys; id: of this very disk; either a disk or a reason."""

    disk: Disk | None = None
    hidden: Hidden | None = None
    folder: Path = Path()
    id: str = ""


class CardReader:
    """Args: device: st_dev's (major, minor), from `home` or the nearest folder above it; sys, proc: where they are
    mounted; smartctl: its path, found by itself, '' for none."""

    def __init__(
        self,
        home: Path,
        *,
        device: tuple[int, int] | None = None,
        sys: Path = Path("/sys"),
        proc: Path = Path("/proc"),
        smartctl: str | None = None,
        uptime: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
    ) -> None:
        self._home, self._sys, self._proc, self._device, self._uptime = home, sys, proc, device, uptime
        self._smartctl = shutil.which("smartctl", path=_WHERE_PROGRAMS_ARE) if smartctl is None else smartctl
        self._own = OwnWrites(proc / "self")
        self._found: Found | None = None

    @property
    def found(self) -> Found:
        """Looked for once: a data folder does not move under a running server."""
        if self._found is None:
            self._found = self._find()
        return self._found

    def counters(self) -> Counters:
        """Of the disk; `ours` is this process alone, and begins anew with each reader."""
        written = flushes = None
        if self.found.disk is not None:
            fields = _numbers(self.found.folder / "stat")
            written = fields[6] * SECTOR_OCTETS if len(fields) > 6 else None
            if _text(self.found.folder / "queue" / "write_cache") != "write through" and len(fields) > 15:
                flushes = fields[15]
        return Counters(
            uptime_s=self._uptime(),
            written_octets=written,
            flushes=flushes,
            ours=self._own.octets(),
        )

    def health(self, *, ask_smart: bool = False) -> Health:
        """Args: ask_smart: runs smartctl, where it is there and the disk is one that knows SMART; takes seconds, wakes
        no disk that sleeps."""
        found = self.found
        if found.disk is None:
            return Health()
        used, spare, failing = None, None, False
        if found.disk.kind is Kind.EMMC:
            device = found.folder / "device"
            used, spare = _life_time(_text(device / "life_time")), _hex(_text(device / "pre_eol_info"))
        elif ask_smart:
            used, failing = self._smart(found.disk.name)
        return Health(life_used_percent=used, spare_blocks=spare or None, errors=self._errors(found), failing=failing)

    # -- which disk

    def _find(self) -> Found:
        device = self._device
        if device is None:
            there = next(folder for folder in (self._home, *self._home.absolute().parents) if folder.exists())
            number = os.stat(there).st_dev
            device = os.major(number), os.minor(number)
        link = self._sys / "dev" / "block" / f"{device[0]}:{device[1]}"
        if not link.exists():
            return Found(hidden=self._why_none(device))
        folder = link.resolve()
        if (folder / "partition").exists():
            folder = folder.parent
        while below := _names(folder / "slaves"):  # LUKS, LVM
            if len(below) > 1:
                return Found(hidden=Hidden.SEVERAL)
            folder = (folder / "slaves" / below[0]).resolve()
            if (folder / "partition").exists():
                folder = folder.parent
        return _disk(folder, self._sys.resolve())

    def _why_none(self, device: tuple[int, int]) -> Hidden:
        name = f"{device[0]}:{device[1]}"
        for line in _text(self._proc / "self" / "mountinfo").splitlines():
            mount, _, kind = line.partition(" - ")
            if mount.split()[2:3] == [name]:
                fs = kind.split()[0] if kind else ""
                if fs in _MEMORY:
                    return Hidden.MEMORY
                if fs in _LAYERS:
                    return Hidden.LAYERS
                if fs in _NETWORK or fs.startswith("fuse"):
                    return Hidden.NETWORK
        return Hidden.UNKNOWN

    def _errors(self, found: Found) -> int:
        """That ext4 has noted, of all its file systems on this disk. The count stays until e2fsck has mended them."""
        ext4 = self._sys / "fs" / "ext4"
        device = self._device_name()
        names = [name for name in _names(ext4) if name in (device, found.folder.name) or (found.folder / name).is_dir()]
        return sum(sum(_numbers(ext4 / name / "errors_count")[:1]) for name in names)

    def _device_name(self) -> str:
        """Of what the data folder lies on itself: a partition, or what a disk is made into (dm-0)."""
        device = self._device
        if device is None:
            with contextlib.suppress(OSError):
                number = os.stat(self._home).st_dev
                device = os.major(number), os.minor(number)
        return "" if device is None else (self._sys / "dev" / "block" / f"{device[0]}:{device[1]}").resolve().name

    # -- SMART

    def _smart(self, name: str) -> tuple[tuple[int, int] | None, bool]:
        if not self._smartctl or not name.startswith(("sd", "nvme")):
            return None, False
        try:
            asked = subprocess.run(
                [self._smartctl, "--json", "--all", "--nocheck=standby", f"/dev/{name}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=SMART_WITHIN_S,
                check=False,  # its exit status is a set of warnings
            )
            return smart_says(json.loads(asked.stdout))
        except (OSError, ValueError, subprocess.SubprocessError):
            return None, False


def smart_says(told: object) -> tuple[tuple[int, int] | None, bool]:
    """`smartctl --json` → (percent of its life that is used, whether it says that it fails)."""
    used = _in(told, "endurance_used", "current_percent")
    if used is None:
        used = _in(told, "nvme_smart_health_information_log", "percentage_used")
    failing = _in(told, "smart_status", "passed") is False
    if isinstance(used, bool) or not isinstance(used, int) or used < 0:
        return None, failing
    return (min(used, 100), min(used, 100)), failing


def _disk(folder: Path, sys: Path) -> Found:
    name, device = folder.name, folder / "device"
    if name.startswith("loop"):
        return Found(hidden=Hidden.LOOP)
    if name.startswith(("zram", "ram")):
        return Found(hidden=Hidden.MEMORY)
    if name.startswith("nbd"):
        return Found(hidden=Hidden.NETWORK)
    size = sum(_numbers(folder / "size")[:1]) * SECTOR_OCTETS
    model = _text(device / "name") if name.startswith("mmcblk") else _text(device / "model")
    number = _text(device / "cid") or _text(device / "wwid") or _text(folder / "wwid") or _text(device / "serial")
    disk = Disk(
        name=name,
        kind=_kind(folder, sys),
        size_octets=size,
        model=model,
        maker=_text(device / "manfid") if name.startswith("mmcblk") else "",
        made=_text(device / "date"),
    )
    return Found(disk=disk, folder=folder, id=f"{number or name} {size}")


def _kind(folder: Path, sys: Path) -> Kind:
    name = folder.name
    if name.startswith("mmcblk"):
        return Kind.EMMC if _text(folder / "device" / "type") == "MMC" else Kind.SD
    if name.startswith("nvme"):
        return Kind.SSD
    if name.startswith("sd"):
        # USB sticks often claim to rotate; what hangs on USB and does so is taken for one, which is the careful way.
        rotates = _text(folder / "queue" / "rotational") == "1"
        if _text(folder / "removable") == "1" or (rotates and "/usb" in f"/{folder.relative_to(sys)}"):
            return Kind.STICK
        return Kind.HARD_DISK if rotates else Kind.SSD
    return Kind.VIRTUAL


def _life_time(register: str) -> tuple[int, int] | None:
    """`0x02 0x01`, of two sorts of cells: the more worn one counts. 1: 0 to 10 % used … 10: 90 to 100 %, 11: over."""
    steps = [step for step in map(_hex, register.split()) if step]
    if not steps or not 0 < (worst := max(steps)) <= 11:
        return None
    return (100, 100) if worst == 11 else ((worst - 1) * 10, worst * 10)


def _hex(text: str) -> int | None:
    try:
        return int(text, 16)
    except ValueError:
        return None


def _in(told: object, *path: str) -> object:
    for name in path:
        told = told.get(name) if isinstance(told, dict) else None
    return told


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _numbers(path: Path) -> list[int]:
    return [int(word) for word in _text(path).split() if word.isdecimal()]


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
