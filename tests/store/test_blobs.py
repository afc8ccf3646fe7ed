"""What was packed comes back octet for octet, whole and in parts; what is damaged is noticed and costs no memory."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.store import base64_runs
from appliance.store.blobs import StoredContent, from_file, from_memory
from appliance.store.layout import FRAME_OCTETS, pack
from appliance.store.refusals import Damaged

RANDOM = random.Random(7).randbytes(3 * FRAME_OCTETS)


def packed(octets: bytes) -> bytes:
    frames = [octets[at : at + FRAME_OCTETS] for at in range(0, len(octets), FRAME_OCTETS)]
    return b"".join(pack(frame, base64_runs.find(frame)) for frame in frames)


def content_of(octets: bytes) -> StoredContent:
    return from_memory(1, len(octets), packed(octets))


EDGES = [0, 1, FRAME_OCTETS - 1, FRAME_OCTETS, FRAME_OCTETS + 1, 2 * FRAME_OCTETS - 1, 2 * FRAME_OCTETS]


@pytest.mark.parametrize("size", [*EDGES, 2 * FRAME_OCTETS + 1])
def test_the_whole_comes_back(size: int) -> None:
    content = content_of(RANDOM[:size])
    pieces = list(content.pieces())
    assert b"".join(pieces) == RANDOM[:size]
    assert all(0 < len(piece) <= FRAME_OCTETS for piece in pieces)


@pytest.mark.parametrize("start", EDGES)
@pytest.mark.parametrize("length", [0, 1, 2, FRAME_OCTETS - 1, FRAME_OCTETS, FRAME_OCTETS + 1, None])
def test_parts_at_the_borders_of_frames_come_back(start: int, length: int | None) -> None:
    size = 2 * FRAME_OCTETS + 5
    content = content_of(RANDOM[:size])
    pieces = list(content.pieces(start, length))
    assert b"".join(pieces) == RANDOM[:size][start:][: size if length is None else length]
    assert all(pieces)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2 * FRAME_OCTETS), st.integers(0, 3 * FRAME_OCTETS), st.none() | st.integers(0, 3 * FRAME_OCTETS))
def test_any_part_comes_back(size: int, start: int, length: int | None) -> None:
    octets = RANDOM[:size]
    assert b"".join(content_of(octets).pieces(start, length)) == octets[start:][: size if length is None else length]


def test_only_the_frames_that_are_asked_for_are_unpacked() -> None:
    stored = bytearray(packed(RANDOM))
    stored[20] ^= 1  # damage in the first frame
    content = from_memory(1, len(RANDOM), bytes(stored))
    assert b"".join(content.pieces(FRAME_OCTETS)) == RANDOM[FRAME_OCTETS:]
    with pytest.raises(Damaged):
        next(content.pieces(0, 1))


def test_a_flipped_bit_anywhere_is_noticed_or_harmless() -> None:
    """Wherever it is, what is given is what was stored, or nothing at all."""
    octets = b"Subject: " + b"hello " * 40
    stored = packed(octets)
    noticed = 0
    for position in range(len(stored) * 8):
        flipped = bytearray(stored)
        flipped[position // 8] ^= 1 << position % 8
        try:
            assert b"".join(from_memory(1, len(octets), bytes(flipped)).pieces()) == octets
        except Damaged as fault:
            assert "1 does not read back" in str(fault)
            noticed += 1
    assert noticed > len(stored) * 8 * 0.9


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 1000))
def test_garbage_is_damaged_and_nothing_else(stored: bytes, size: int) -> None:
    try:
        octets = b"".join(from_memory(1, size, stored).pieces())
        assert len(octets) == size
    except Damaged:
        pass


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        packed(b"hello")[:-1],
        packed(b"hello")[:5],
        struct.pack(">II", 0, 0),
        struct.pack(">II", FRAME_OCTETS + 1, 4) + b"abcd",
        struct.pack(">II", 5, 2**31) + b"abcd",
        struct.pack(">II", 6, len(packed(b"hello")) - 8) + packed(b"hello")[8:],
        # A frame that claims to hold a terabyte.
        struct.pack(">II", 5, 14) + zstandard.FRAME_HEADER + b"\xe0" + struct.pack("<Q", 2**40) + b"\0",
        bytes(200),  # blocks that were given back read as zeros
    ],
    ids=["empty", "cut", "head alone", "nothing", "too large", "beyond the end", "another size", "a terabyte", "hole"],
)
def test_each_kind_of_damage(stored: bytes) -> None:
    with pytest.raises(Damaged):
        list(from_memory(1, 5, stored).pieces())


def test_a_file_is_read_where_the_content_lies(tmp_path: Path) -> None:
    octets = RANDOM[: FRAME_OCTETS + 100]
    stored = packed(octets)
    path = tmp_path / "1.seg"
    path.write_bytes(b"before" + stored + b"after")
    content = from_file(1, len(octets), path, 6, len(stored))
    assert b"".join(content.pieces()) == octets
    path.unlink()
    with pytest.raises(Damaged):
        list(content.pieces())
