"""One frame of a stored content: up to FRAME_OCTETS octets of it, packed on their own.

    head      kind (1 octet), octets of content (3, big endian), packed octets that follow (4)
    plain     kind 0: a zstd frame of the content's octets
    runs      kind 1: length of the next (4), a zstd frame of (directory, text), a zstd frame of the decoded octets.
              The content is text in which lines of base64 are missing; `base64_runs.py` says which lines they can be.
              directory: number of runs (2), then for each the octets of text before it (4), and its lines (4),
              letters in a line (2), octets of a line end (1)

Two zstd frames, because text packs badly among octets that do not pack at all. Each has its own checksum, so damage is
noticed; and whatever a damaged frame claims, reading it takes no more memory than a whole one: every length is checked
against the content's before anything is unpacked.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import zstandard

from . import base64_runs
from .base64_runs import RUNS_MOST, Run, Shape

FRAME_OCTETS = 256 * 1024
LEVEL = 3
HEAD_OCTETS = 8
_PLAIN, _RUNS = 0, 1
_HEAD = struct.Struct(">II")
_TEXT_OCTETS = struct.Struct(">I")
_RUN_COUNT = struct.Struct(">H")
_RUN = struct.Struct(">IIHB")
_KEPT = 2  # of each sort; each is some 100 KiB to 1 MiB


class Broken(Exception):
    """These octets are no frame that `pack` has made."""


def pack(octets: bytes, runs: Sequence[Run]) -> bytes:
    """Args: runs: of base64 in the octets, as `base64_runs.find` gives them."""
    if not runs:
        packed = _compress(octets)
        return _HEAD.pack(_PLAIN << 24 | len(octets), len(packed)) + packed
    texts, directory, at = [], [_RUN_COUNT.pack(len(runs))], 0
    for run in runs:
        texts.append(octets[at : run.start])
        directory.append(_RUN.pack(run.start - at, run.shape.lines, run.shape.letters, run.shape.end_octets))
        at = run.end
    text = _compress(b"".join([*directory, *texts, octets[at:]]))
    decoded = _compress(b"".join([run.decoded for run in runs]))
    packed_octets = _TEXT_OCTETS.size + len(text) + len(decoded)
    head = _HEAD.pack(_RUNS << 24 | len(octets), packed_octets)
    return b"".join([head, _TEXT_OCTETS.pack(len(text)), text, decoded])


def read_head(head: bytes) -> tuple[int, int, int]:
    """(kind, octets of content, packed octets). Raises Broken."""
    if len(head) != HEAD_OCTETS:
        raise Broken
    kind_and_octets, packed_octets = _HEAD.unpack(head)
    kind, octets = kind_and_octets >> 24, kind_and_octets & 0xFFFFFF
    if kind not in (_PLAIN, _RUNS) or not 0 < octets <= FRAME_OCTETS:
        raise Broken
    return kind, octets, packed_octets


def unpack(kind: int, packed: bytes, octets: int) -> bytes:
    """What follows the head → the content's octets, of which there are as many as asked for. Raises Broken."""
    if kind == _PLAIN:
        return _decompress(packed, octets, octets)
    if len(packed) < _TEXT_OCTETS.size:
        raise Broken
    (text_octets,) = _TEXT_OCTETS.unpack_from(packed)
    # A run's entry in the directory is shorter than its lines are, so text and directory are not longer than all.
    text = _decompress(packed[_TEXT_OCTETS.size : _TEXT_OCTETS.size + text_octets], 0, octets)
    befores, shapes, at = _directory(text)
    decoded_octets = sum(shape.decoded_octets for shape in shapes)
    if len(text) - at + sum(shape.octets for shape in shapes) != octets or sum(befores) > len(text) - at:
        raise Broken
    decoded = _decompress(packed[_TEXT_OCTETS.size + text_octets :], decoded_octets, decoded_octets)
    pieces, start = [], 0
    for before, shape in zip(befores, shapes, strict=True):
        pieces += [text[at : at + before], base64_runs.encode(decoded[start : start + shape.decoded_octets], shape)]
        at += before
        start += shape.decoded_octets
    return b"".join([*pieces, text[at:]])


def _directory(text: bytes) -> tuple[list[int], list[Shape], int]:
    """(octets of text before each run, the runs' shapes, where the directory ends)."""
    if len(text) < _RUN_COUNT.size:
        raise Broken
    (count,) = _RUN_COUNT.unpack_from(text)
    end = _RUN_COUNT.size + count * _RUN.size
    if not 0 < count <= RUNS_MOST or len(text) < end:
        raise Broken
    entries = list(_RUN.iter_unpack(text[_RUN_COUNT.size : end]))
    shapes = [Shape(*entry[1:]) for entry in entries]
    if not all(shape.is_legal() for shape in shapes):
        raise Broken
    return [entry[0] for entry in entries], shapes, end


# Making a compressor costs as much as packing a short mail with it, so a few are kept; never one for each thread.
_compressors: list[zstandard.ZstdCompressor] = []
_decompressors: list[zstandard.ZstdDecompressor] = []


def _compress(octets: bytes) -> bytes:
    try:
        zstd = _compressors.pop()
    except IndexError:
        zstd = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, write_content_size=True)
    try:
        return zstd.compress(octets)
    finally:
        if len(_compressors) < _KEPT:
            _compressors.append(zstd)


def _decompress(packed: bytes, least: int, most: int) -> bytes:
    """Raises Broken."""
    try:
        # Asked first: a damaged frame may claim any size, and the memory for it would be taken at once; or that it
        # has no checksum.
        says = zstandard.get_frame_parameters(packed)
        if not least <= says.content_size <= most or not says.has_checksum:
            raise Broken
        try:
            zstd = _decompressors.pop()
        except IndexError:
            zstd = zstandard.ZstdDecompressor()
        octets = zstd.decompress(packed)
    except zstandard.ZstdError as fault:
        raise Broken from fault
    if len(_decompressors) < _KEPT:
        _decompressors.append(zstd)
    if len(octets) != says.content_size:
        raise Broken
    return octets
