"""One frame of a stored content: up to FRAME_OCTETS octets of it, packed on their own.

    head      number of a dictionary (4 bits), kind (4 bits), octets of content (3 octets, big endian), packed octets
              that follow (4)
    plain     kind 0: a zstd frame of the content's octets
    runs      kind 1: length of the next (4), a zstd frame of (directory, text), a zstd frame of the decoded octets.
              The content is text in which lines of base64 are missing; `base64_runs.py` says which lines they can be.
              directory: number of runs (2), then for each the octets of text before it (4), and its lines (4),
              letters in a line (2), octets of a line end (1)

A zstd frame of up to DICTIONARY_OCTETS is made with the dictionary (`dictionary.py`) if there is a number, a larger one
never. Two zstd frames, because text packs badly among octets that do not pack at all. Each has its own checksum, so
damage is noticed; and whatever a damaged frame claims, reading it takes no more memory than a whole one: every length is
checked against the content's before anything is unpacked.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Sequence

import zstandard

from . import base64_runs, dictionary
from .base64_runs import RUNS_MOST, Run, Shape

FRAME_OCTETS = 256 * 1024
LEVEL = 3
HEAD_OCTETS = 8
# Longer octets say most words themselves, and looking in two places costs more time than it saves octets.
DICTIONARY_OCTETS = 16 * 1024
_PLAIN, _RUNS = 0, 1
_HEAD = struct.Struct(">II")
_TEXT_OCTETS = struct.Struct(">I")
_RUN_COUNT = struct.Struct(">H")
_RUN = struct.Struct(">IIHB")
_KEPT = 2  # of each sort; each is some 100 KiB to 1 MiB


class Broken(Exception):
    """These octets are no frame that `pack` has made."""


def pack(octets: bytes, runs: Sequence[Run], *, level: int = LEVEL, number: int = dictionary.NEWEST) -> bytes:
    """Args: runs: of base64 in the octets, as `base64_runs.find` gives them; number: of a dictionary, 0 for none."""
    if not runs:
        if len(octets) > DICTIONARY_OCTETS:
            number = 0
        packed = _compress(octets, number, level)
        return _head(_PLAIN, number, len(octets), len(packed)) + packed
    texts, directory, at = [], [_RUN_COUNT.pack(len(runs))], 0
    for run in runs:
        texts.append(octets[at : run.start])
        directory.append(_RUN.pack(run.start - at, run.shape.lines, run.shape.letters, run.shape.end_octets))
        at = run.end
    text = _compress(b"".join([*directory, *texts, octets[at:]]), number, level)
    decoded = _compress(b"".join([run.decoded for run in runs]), number, level)
    head = _head(_RUNS, number, len(octets), _TEXT_OCTETS.size + len(text) + len(decoded))
    return b"".join([head, _TEXT_OCTETS.pack(len(text)), text, decoded])


def _head(kind: int, number: int, octets: int, packed_octets: int) -> bytes:
    return _HEAD.pack(number << 28 | kind << 24 | octets, packed_octets)


def read_head(head: bytes) -> tuple[int, int, int]:
    """(kind, with the number of the dictionary; octets of content; packed octets). Raises Broken."""
    if len(head) != HEAD_OCTETS:
        raise Broken
    first, packed_octets = _HEAD.unpack(head)
    kind, octets = first >> 24, first & 0xFFFFFF
    if kind & 0xF not in (_PLAIN, _RUNS) or kind >> 4 > dictionary.NEWEST or not 0 < octets <= FRAME_OCTETS:
        raise Broken
    return kind, octets, packed_octets


def unpack(kind: int, packed: bytes, octets: int) -> bytes:
    """What follows the head → the content's octets, of which there are as many as asked for. Raises Broken."""
    number = kind >> 4
    if kind & 0xF == _PLAIN:
        return _decompress(packed, number, octets, octets)
    if len(packed) < _TEXT_OCTETS.size:
        raise Broken
    (text_octets,) = _TEXT_OCTETS.unpack_from(packed)
    # A run's entry in the directory is shorter than its lines are, so text and directory are not longer than all.
    text = _decompress(packed[_TEXT_OCTETS.size : _TEXT_OCTETS.size + text_octets], number, 0, octets)
    befores, shapes, at = _directory(text)
    decoded_octets = sum(shape.decoded_octets for shape in shapes)
    if len(text) - at + sum(shape.octets for shape in shapes) != octets or sum(befores) > len(text) - at:
        raise Broken
    decoded = _decompress(packed[_TEXT_OCTETS.size + text_octets :], number, decoded_octets, decoded_octets)
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
_compressors: defaultdict[tuple[int, int], list[zstandard.ZstdCompressor]] = defaultdict(list)
_decompressors: defaultdict[int, list[zstandard.ZstdDecompressor]] = defaultdict(list)


def _compress(octets: bytes, number: int, level: int) -> bytes:
    if len(octets) > DICTIONARY_OCTETS:
        number = 0
    kept = _compressors[number, level]
    try:
        zstd = kept.pop()
    except IndexError:
        words = dictionary.dictionary(number, level) if number else None
        zstd = zstandard.ZstdCompressor(level=level, dict_data=words, write_checksum=True, write_content_size=True)
    packed = zstd.compress(octets)
    if len(kept) < _KEPT:
        kept.append(zstd)
    return packed


def _decompress(packed: bytes, number: int, least: int, most: int) -> bytes:
    """Raises Broken."""
    try:
        # Asked first: a damaged frame may claim any size, and the memory for it would be taken at once; or that it
        # has no checksum.
        says = zstandard.get_frame_parameters(packed)
        if not least <= says.content_size <= most or not says.has_checksum:
            raise Broken
        if says.content_size > DICTIONARY_OCTETS:
            number = 0
        kept = _decompressors[number]
        try:
            zstd = kept.pop()
        except IndexError:
            zstd = zstandard.ZstdDecompressor(dict_data=dictionary.dictionary(number, LEVEL) if number else None)
        octets = zstd.decompress(packed)
    except zstandard.ZstdError as fault:
        raise Broken from fault
    if len(kept) < _KEPT:
        kept.append(zstd)
    if len(octets) != says.content_size:
        raise Broken
    return octets
