"""The simulated card does what tests and benches take it to do: it counts, it is slow, it forgets, it fails."""

from __future__ import annotations

import errno
import mmap
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.card.card import PROFILES, Card, CardError, Counters, missing

BLOCK_OCTETS = 4096
BLOCKS = 64

pytestmark = pytest.mark.skipif(missing() is not None, reason=f"no simulated card: {missing()}")


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Card]:
    with Card(tmp_path / "card", profile="fast", size_mib=64) as card:
        yield card


def prepared(card: Card) -> int:
    """A file of BLOCKS blocks of "A", all durable, opened past the page cache's delays."""
    file = os.open(card.mount / "file", os.O_RDWR | os.O_CREAT)
    os.pwrite(file, b"A" * (BLOCK_OCTETS * BLOCKS), 0)
    os.fsync(file)
    return file


def hand_over(card: Card, content: bytes) -> None:
    """Written past the page cache: the card has it, and no flush has come after it."""
    descriptor = os.open(card.mount / "file", os.O_WRONLY | os.O_DIRECT)
    with open(descriptor, "wb", buffering=0) as file, mmap.mmap(-1, len(content)) as aligned:
        aligned.write(content)
        assert file.write(aligned) == len(content)


def blocks(card: Card) -> str:
    content = (card.mount / "file").read_bytes()
    assert len(content) == BLOCK_OCTETS * BLOCKS
    kinds = [content[at : at + BLOCK_OCTETS] for at in range(0, len(content), BLOCK_OCTETS)]
    assert all(kind == kind[:1] * BLOCK_OCTETS for kind in kinds), "a torn block"
    return "".join(chr(kind[0]) for kind in kinds)


def test_each_write_in_place_that_is_made_durable_costs_one_flush_and_one_block(card: Card) -> None:
    file = prepared(card)
    card.reset_counters()
    assert card.counters() == Counters()
    for at in range(50):
        os.pwrite(file, b"B" * BLOCK_OCTETS, at * BLOCK_OCTETS)
        os.fdatasync(file)
    counted = card.counters()
    os.close(file)
    assert 50 <= counted.flushes <= 53
    assert 50 * BLOCK_OCTETS <= counted.written_octets <= 70 * BLOCK_OCTETS
    assert counted.writes >= 50
    assert 50 <= counted.erase_programs <= 60
    assert counted.empty_flushes <= 3


def test_a_new_file_costs_the_journal_too(card: Card) -> None:
    card.reset_counters()
    for number in range(10):
        with open(card.mount / f"new{number}", "wb") as file:
            file.write(b"x" * 10_000)
            os.fsync(file.fileno())
    counted = card.counters()
    assert counted.flushes >= 10
    assert counted.written_octets > 10 * 12_288 + 10 * 2 * BLOCK_OCTETS


def test_reads_are_counted_when_the_kernel_has_forgotten(card: Card) -> None:
    os.close(prepared(card))
    card.drop_caches()
    card.reset_counters()
    assert blocks(card) == "A" * BLOCKS
    assert card.counters().read_octets >= BLOCKS * BLOCK_OCTETS


@pytest.mark.parametrize("profile", ["a1", "old"])
def test_it_is_as_slow_as_its_profile_says(tmp_path: Path, profile: str) -> None:
    """Lower bounds only, from its own clock's side: a busy machine may make it slower still."""
    writes_per_s, _, _, _, flush_us = PROFILES[profile]
    with Card(tmp_path / "card", profile=profile, size_mib=64) as card:
        card.slow(False)
        file = prepared(card)
        card.slow(True)
        card.reset_counters()
        began_at = time.monotonic()
        for at in (0, 20, 40, 60):  # none follows the one before it
            os.pwrite(file, b"B" * BLOCK_OCTETS, at * BLOCK_OCTETS)
            os.fdatasync(file)
        took_s = time.monotonic() - began_at
        os.close(file)
        least_s = 4 * (1 / writes_per_s + flush_us / 1e6)
        assert took_s >= least_s
        assert least_s * 1e6 * 0.99 <= card.counters().busy_us <= took_s * 1e6


def test_a_power_cut_loses_all_that_was_not_flushed(card: Card) -> None:
    os.close(prepared(card))
    hand_over(card, b"B" * (BLOCK_OCTETS * 32))
    card.cut("drop", 1)
    words = card.replug()
    assert "clean" in words or "recovering journal" in words
    assert blocks(card) == "A" * BLOCKS


def test_a_power_cut_may_lose_a_part_which_the_seed_chooses(tmp_path: Path) -> None:
    survivors: dict[int, str] = {}
    for seed in (1, 1, 2, 3, 4):
        with Card(tmp_path / "card", profile="fast", size_mib=64) as card:
            os.close(prepared(card))
            hand_over(card, b"B" * (BLOCK_OCTETS * 32))
            card.cut("random", seed)
            card.replug()
            seen = blocks(card)
        assert seen[32:] == "A" * (BLOCKS - 32)
        assert survivors.setdefault(seed, seen) == seen
    assert len(set(survivors.values())) == 4
    assert any("A" in seen[:32] and "B" in seen for seen in survivors.values())


def test_without_power_nothing_is_answered(card: Card) -> None:
    file = prepared(card)
    card.cut("drop", 1)
    os.pwrite(file, b"B" * BLOCK_OCTETS, 0)
    with pytest.raises(OSError) as caught:
        os.fsync(file)
    os.close(file)
    assert caught.value.errno == errno.EIO
    card.replug()
    assert blocks(card) == "A" * BLOCKS


@pytest.mark.parametrize("kind", ["writes", "flushes"])
def test_a_fault_reaches_fsync_and_can_be_healed(card: Card, kind: str) -> None:
    file = prepared(card)
    card.fail(writes=kind == "writes", flushes=kind == "flushes")
    os.pwrite(file, b"B" * BLOCK_OCTETS, 0)
    with pytest.raises(OSError) as caught:
        os.fdatasync(file)
    assert caught.value.errno == errno.EIO
    card.fail()
    os.pwrite(file, b"B" * BLOCK_OCTETS, 0)
    os.fdatasync(file)
    os.close(file)


def test_a_fault_may_come_later(card: Card) -> None:
    file = prepared(card)
    card.fail(flushes=True, after=2)
    for at in (0, 1):
        os.pwrite(file, b"B" * BLOCK_OCTETS, at * BLOCK_OCTETS)
        os.fdatasync(file)
    os.pwrite(file, b"B" * BLOCK_OCTETS, 2 * BLOCK_OCTETS)
    with pytest.raises(OSError):
        os.fdatasync(file)
    os.close(file)


def test_reads_fail(card: Card) -> None:
    os.close(prepared(card))
    card.drop_caches()
    card.fail(reads=True)
    with pytest.raises(OSError) as caught:
        (card.mount / "file").read_bytes()
    assert caught.value.errno == errno.EIO
    card.fail()
    assert blocks(card) == "A" * BLOCKS


def test_a_plain_disk_counts_and_cannot_be_cut(tmp_path: Path) -> None:
    with Card(tmp_path / "card", profile="plain", size_mib=64) as card:
        card.reset_counters()
        os.close(prepared(card))
        counted = card.counters()
        assert counted.flushes >= 1
        assert counted.written_octets >= BLOCKS * BLOCK_OCTETS
        with pytest.raises(CardError):
            card.cut("drop", 1)


def test_what_a_killed_run_left_is_cleared_away(tmp_path: Path) -> None:
    left = Card(tmp_path / "card", profile="fast", size_mib=32).start()
    (left.mount / "old").write_bytes(b"old")
    with Card(tmp_path / "card", profile="fast", size_mib=32) as card:
        assert sorted(path.name for path in card.mount.iterdir()) == ["lost+found"]
    left.stop()
