"""What the kernel tells of the disk and of our own writes, and what it does not tell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.status.card import Counters, Disk, Health, Hidden, Kind
from appliance.status.card_reader import CardReader, smart_says
from tests.support.fake_sys import FakeSys

GB = 10**9


@pytest.fixture
def fake(tmp_path: Path) -> FakeSys:
    return FakeSys(tmp_path)


def test_a_card_is_found_by_its_partition_and_counted_whole(fake: FakeSys, tmp_path: Path) -> None:
    card = fake.card()
    fake.stat(card, written_octets=4096 * 1000, flushes=77)
    fake.caused(9_000_000, 1_000_000)
    reader = fake.reader(tmp_path)
    assert reader.found.disk == Disk(
        name="mmcblk0", kind=Kind.SD, size_octets=32 * GB, model="SC32G", maker="0x000003", made="10/2021"
    )
    assert "0353" in reader.found.id
    assert reader.counters() == Counters(uptime_s=1000.0, written_octets=4_096_000, flushes=77, ours=8_000_000)
    assert reader.health() == Health()


KINDS: dict[str, tuple[str, str, dict[str, str], Kind]] = {
    "an SD card": ("mmcblk0", "soc", {"device/type": "SD"}, Kind.SD),
    "eMMC": ("mmcblk0", "soc", {"device/type": "MMC"}, Kind.EMMC),
    "a stick": ("sda", "usb1/1-1", {"removable": "1", "queue/rotational": "1"}, Kind.STICK),
    "a stick that hides it": ("sda", "usb1/1-1", {"removable": "0", "queue/rotational": "1"}, Kind.STICK),
    "an SSD on USB": ("sda", "usb1/1-1", {"removable": "0", "queue/rotational": "0"}, Kind.SSD),
    "an SSD": ("sda", "ata1", {"removable": "0", "queue/rotational": "0"}, Kind.SSD),
    "a hard disk": ("sda", "ata1", {"removable": "0", "queue/rotational": "1"}, Kind.HARD_DISK),
    "NVMe": ("nvme0n1", "pci0", {"queue/rotational": "0"}, Kind.SSD),
    "a virtual disk": ("vda", "virtio1", {"queue/rotational": "1"}, Kind.VIRTUAL),
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("split", [False, True])
def test_disks_are_told_apart(name: str, split: bool, fake: FakeSys, tmp_path: Path) -> None:
    disk, bus, files, kind = KINDS[name]
    fake.disk(disk, "8:1", partition=f"{disk}1" if split else "", bus=bus, files=files)
    found = fake.reader(tmp_path, "8:1").found
    assert found.disk is not None and found.hidden is None
    assert (found.disk.name, found.disk.kind) == (disk, kind)


MOUNTED = "31 1 {number} / /home rw - {fs} none rw\n99 1 0:99 / /x rw - ext4 /dev/x rw"
HIDDEN: dict[str, tuple[str, Hidden]] = {
    "tmpfs": ("tmpfs", Hidden.MEMORY),
    "overlay": ("overlay", Hidden.LAYERS),
    "nfs": ("nfs4", Hidden.NETWORK),
    "sshfs": ("fuse.sshfs", Hidden.NETWORK),
    "btrfs over several": ("btrfs", Hidden.UNKNOWN),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_where_there_is_no_disk_the_reason_is_told(name: str, fake: FakeSys, tmp_path: Path) -> None:
    fs, hidden = HIDDEN[name]
    fake.put(fake.proc / "self" / "mountinfo", MOUNTED.format(number="0:52", fs=fs))
    fake.caused(4096)
    reader = fake.reader(tmp_path, "0:52")
    assert (reader.found.disk, reader.found.hidden) == (None, hidden)
    assert reader.counters() == Counters(uptime_s=1000.0, ours=4096)
    assert reader.health(ask_smart=True) == Health()


@pytest.mark.parametrize(
    ("disk", "hidden"),
    [("loop3", Hidden.LOOP), ("zram0", Hidden.MEMORY), ("ram0", Hidden.MEMORY), ("nbd0", Hidden.NETWORK)],
)
def test_what_only_looks_like_a_disk_is_none(disk: str, hidden: Hidden, fake: FakeSys, tmp_path: Path) -> None:
    fake.disk(disk, "7:3")
    assert (found := fake.reader(tmp_path, "7:3").found).disk is None
    assert found.hidden is hidden


def test_the_card_below_an_encrypted_one_is_found(fake: FakeSys, tmp_path: Path) -> None:
    card = fake.card()
    crypt = fake.disk("dm-0", "254:0", bus="virtual")
    (crypt / "slaves").mkdir()
    (crypt / "slaves" / "mmcblk0p2").symlink_to(card / "mmcblk0p2")
    fake.put(fake.sys / "fs" / "ext4" / "dm-0" / "errors_count", "3")
    reader = fake.reader(tmp_path, "254:0")
    assert reader.found.disk is not None and reader.found.disk.name == "mmcblk0"
    assert reader.health().errors == 3
    (crypt / "slaves" / "sda1").symlink_to(fake.disk("sda", "8:0"))
    assert fake.reader(tmp_path, "254:0").found.hidden is Hidden.SEVERAL


def test_it_looks_where_the_home_is_or_would_be(tmp_path: Path) -> None:
    there, missing = CardReader(tmp_path).found, CardReader(tmp_path / "not" / "yet").found
    assert there == missing
    assert (there.disk is None) is not (there.hidden is None)


def test_a_card_without_a_cache_is_sent_no_flushes_to_count(fake: FakeSys, tmp_path: Path) -> None:
    card = fake.card(queue__write_cache="write through")
    fake.stat(card, written_octets=512, flushes=0)
    assert fake.reader(tmp_path).counters().flushes is None


@pytest.mark.parametrize("stat", ["", "900 0 7200 400", "a kernel of another kind"])
def test_what_the_kernel_does_not_count_is_none(stat: str, fake: FakeSys, tmp_path: Path) -> None:
    fake.put(fake.card() / "stat", stat)
    (fake.proc / "self" / "io").unlink()
    assert fake.reader(tmp_path).counters() == Counters(uptime_s=1000.0)


def test_an_old_kernel_counts_octets_and_no_flushes(fake: FakeSys, tmp_path: Path) -> None:
    fake.put(fake.card() / "stat", "1 0 8 1 1 0 16 1 0 1 1")
    counters = fake.reader(tmp_path).counters()
    assert (counters.written_octets, counters.flushes) == (8192, None)


LIFE_TIME = {
    "0x01 0x01": (0, 10),
    "0x01 0x02": (10, 20),  # the more worn sort of cells
    "0x0a 0x00": (90, 100),
    "0x0b 0x01": (100, 100),
    "0x00 0x00": None,  # it does not say
    "0x0c 0x01": None,
    "": None,
    "broken": None,
}


@pytest.mark.parametrize("register", LIFE_TIME)
def test_emmc_says_itself_how_worn_it_is(register: str, fake: FakeSys, tmp_path: Path) -> None:
    fake.card(device__type="MMC", device__life_time=register, device__pre_eol_info="0x02")
    assert fake.reader(tmp_path).health() == Health(life_used_percent=LIFE_TIME[register], spare_blocks=2)


def test_errors_of_every_file_system_on_the_card_count_and_of_no_other(fake: FakeSys, tmp_path: Path) -> None:
    card = fake.card()
    (card / "mmcblk0p3").mkdir()
    for name, errors in (("mmcblk0p2", "2"), ("mmcblk0p3", "5"), ("sda1", "90")):
        fake.put(fake.sys / "fs" / "ext4" / name / "errors_count", errors)
    (fake.sys / "fs" / "ext4" / "features").mkdir()
    assert fake.reader(tmp_path).health().errors == 7


SMART: dict[str, tuple[object, tuple[int, int] | None, bool]] = {
    "NVMe": (
        {"smart_status": {"passed": True}, "nvme_smart_health_information_log": {"percentage_used": 7}},
        (7, 7),
        False,
    ),
    "newer, of any bus": ({"endurance_used": {"current_percent": 42}}, (42, 42), False),
    "more than all": ({"endurance_used": {"current_percent": 180}}, (100, 100), False),
    "failing": ({"smart_status": {"passed": False}}, None, True),
    "not allowed to ask": (
        {"smartctl": {"exit_status": 2, "messages": [{"string": "Permission denied"}]}},
        None,
        False,
    ),
    "nonsense": ({"endurance_used": [3], "smart_status": "passed"}, None, False),
    "a list": ([], None, False),
    "a truth": ({"endurance_used": {"current_percent": True}}, None, False),
    "less than none": ({"endurance_used": {"current_percent": -1}}, None, False),
}


@pytest.mark.parametrize("name", SMART)
def test_what_smart_says(name: str) -> None:
    told, used, failing = SMART[name]
    assert smart_says(told) == (used, failing)


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


def test_smart_is_asked_only_where_there_is_some_and_when_it_is_time(fake: FakeSys, tmp_path: Path) -> None:
    told = json.dumps({"smart_status": {"passed": False}, "endurance_used": {"current_percent": 12}})
    smartctl = script(tmp_path / "smartctl", f"echo \"$@\" >> {tmp_path / 'asked'}\necho '{told}'\nexit 8")
    fake.disk("nvme0n1", "259:0", bus="pci0")
    fake.card()
    nvme, card = fake.reader(tmp_path, "259:0", smartctl), fake.reader(tmp_path, smartctl=smartctl)
    assert nvme.health() == card.health(ask_smart=True) == Health()
    assert not (tmp_path / "asked").exists()
    assert nvme.health(ask_smart=True) == Health(life_used_percent=(12, 12), failing=True)
    assert (tmp_path / "asked").read_text() == "--json --all --nocheck=standby /dev/nvme0n1\n"


@pytest.mark.parametrize("text", ["echo no json", "exit 1", "kill -9 $$"])
def test_a_smartctl_that_does_not_work_tells_nothing(text: str, fake: FakeSys, tmp_path: Path) -> None:
    fake.disk("nvme0n1", "259:0", bus="pci0")
    smartctl = script(tmp_path / "smartctl", text)
    assert fake.reader(tmp_path, "259:0", smartctl).health(ask_smart=True) == Health()
    assert fake.reader(tmp_path, "259:0", str(tmp_path / "none")).health(ask_smart=True) == Health()
