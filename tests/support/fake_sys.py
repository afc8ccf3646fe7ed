"""/sys and /proc as Linux shows them, in a folder: disks of every kind, their counters and their registers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from appliance.status.card_reader import CardReader

SECTOR = 512


class FakeSys:
    """Text files and links; what a test writes is what the reader finds."""

    def __init__(self, folder: Path) -> None:
        self.sys, self.proc = folder / "sys", folder / "proc"
        self.uptime_s = 1000.0
        (self.sys / "dev" / "block").mkdir(parents=True)
        self.put(self.proc / "self" / "mountinfo", "")
        self.caused(0)

    def put(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")

    def disk(
        self,
        name: str,
        number: str,
        *,
        partition: str = "",
        bus: str = "platform/soc",
        size_octets: int = 32_000_000_000,
        files: Mapping[str, str] | None = None,
    ) -> Path:
        """A disk, or with `partition` one that is split and whose part has the number. files: below its folder."""
        folder = self.sys / "devices" / bus / "block" / name
        self.put(folder / "size", str(size_octets // SECTOR))
        self.put(folder / "queue" / "write_cache", "write back")
        node = folder
        if partition:
            node = folder / partition
            self.put(node / "partition", "2")
        for path, text in (files or {}).items():
            self.put(folder / path, text)
        (self.sys / "dev" / "block" / number).symlink_to(os.path.relpath(node, self.sys / "dev" / "block"))
        self.stat(folder, written_octets=0, flushes=0)
        return folder

    def card(self, number: str = "179:2", **files: str) -> Path:
        """An SD card of 32 GB, with its second partition under the number."""
        device = {
            "device/type": "SD",
            "device/name": "SC32G",
            "device/manfid": "0x000003",
            "device/date": "10/2021",
            "device/cid": "035344534333324780aabbccdd0144",
        }
        more = {path.replace("__", "/"): text for path, text in files.items()}
        return self.disk("mmcblk0", number, partition="mmcblk0p2", files=device | more)

    def stat(self, folder: Path, *, written_octets: int, flushes: int) -> None:
        """The 17 fields of Documentation/block/stat.rst: the 7th is sectors written, the 16th flushes."""
        fields = [900, 0, 7200, 400, 500, 20, written_octets // SECTOR, 800, 0, 900, 1200, 0, 0, 0, 0, flushes, 30]
        self.put(folder / "stat", "  ".join(str(field) for field in fields))

    def caused(self, write_octets: int, cancelled_octets: int = 0) -> None:
        """What this process has written, by its only thread."""
        for path in (self.proc / "self" / "io", self.proc / "self" / "task" / "1" / "io"):
            self.io(path, write_octets, cancelled_octets, wchar=write_octets)

    def io(self, path: Path, write_octets: int, cancelled_octets: int = 0, *, wchar: int = 0, syscw: int = 0) -> None:
        self.put(
            path,
            f"rchar: 1\nwchar: {wchar}\nsyscr: 1\nsyscw: {syscw}\nread_bytes: 3\n"
            f"write_bytes: {write_octets}\ncancelled_write_bytes: {cancelled_octets}",
        )

    def reader(self, home: Path, number: str = "179:2", smartctl: str = "") -> CardReader:
        major, _, minor = number.partition(":")
        return CardReader(
            home,
            device=(int(major), int(minor)),
            sys=self.sys,
            proc=self.proc,
            smartctl=smartctl,
            uptime=lambda: self.uptime_s,
        )
