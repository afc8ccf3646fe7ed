"""A file of the search index: what up to 512 messages can be searched by. Written once, whole; never changed.

    line        which format, and by which tables of characters the texts were folded
    directory   a frame: which messages, where everything else lies
    fields      a frame for each: that field of all messages, messages separated by NUL, values by line ends
    words, places of the headers, then of the bodies: see `vocabulary.py`
    texts       two frames for each message: its header, its body

A frame is zstd with a checksum, so that damage shows wherever it is, as `ChunkDamaged`, and never as a wrong answer.
Texts are octets of folded UTF-8 (halves of surrogate pairs as well), in which a needle lies where it lies in the text.
What is in a body that must not match across (one part and the next) is separated by NUL, and no needle has one.
"""

from __future__ import annotations

import os
import unicodedata
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path

import msgspec
import zstandard

from .vocabulary import TEXTS_MOST, Vocabulary, VocabularyBuilder, numbers

FORMAT = f"merpati search index 1, unicode {unicodedata.unidata_version}\n".encode()
SEPARATOR = b"\0"
TEXT_OCTETS_MOST = 512 * 1024  # of one message; a longer one is not worth its room and is looked through instead
_PACKED_OCTETS_MOST = 3 * 1024 * 1024  # of one file's texts, and
_WORDS_OCTETS_MOST = 1024 * 1024  # of its words: what is gathered is in memory until it is written
_FRAME_OCTETS_MOST = 64 * 1024 * 1024
_FRAME_HEAD_OCTETS = 18  # at most, of zstd's
_LEVEL = 1  # 3 saves one octet in fifty and takes longer to unpack
_WORDS_LEVEL = -1  # what every search unpacks: in a quarter of the time, for 340 octets a message


class ChunkDamaged(Exception):
    """The file is gone, was cut or changed, or is of another version: it can be thrown away."""


@dataclass(slots=True, frozen=True)
class Entry:
    """What one message can be searched by, folded. mark: tells this content from another one that an older state of the
    store may have had under its id; fields: as the owner of the index orders them."""

    blob_id: int
    mark: bytes
    fields: tuple[bytes, ...]
    header: bytes
    body: bytes

    @property
    def octets(self) -> int:
        return len(self.header) + len(self.body) + sum(map(len, self.fields))


@dataclass(slots=True, frozen=True)
class InField:
    """A value of that field contains the needle."""

    field: int
    needle: bytes


@dataclass(slots=True, frozen=True)
class InHeader:
    """A line `name: value` of the header, whose value contains the needle. name: in lower case."""

    name: bytes
    needle: bytes


@dataclass(slots=True, frozen=True)
class InText:
    """The body, or with_header the header as well, contains the needle, which has no NUL in it."""

    needle: bytes
    with_header: bool


Question = InField | InHeader | InText


class _Directory(msgspec.Struct, frozen=True, array_like=True):
    """blob_ids: 64 bits each; marks: all of one length; lengths: 32 bits for each frame after this one."""

    blob_ids: bytes
    marks: bytes
    fields: int
    header_groups: tuple[tuple[int, int], ...]
    body_groups: tuple[tuple[int, int], ...]
    lengths: bytes


_directory_of = msgspec.msgpack.Decoder(_Directory).decode


class ChunkBuilder:
    """Gathers entries for one file. Memory: some 10 MB until it is full."""

    def __init__(self) -> None:
        self.blob_ids = array("q")
        self._marks: list[bytes] = []
        self._fields: list[tuple[bytes, ...]] = []
        self._texts: list[bytes] = []
        self._packed_octets = 0
        self._headers, self._bodies = VocabularyBuilder(), VocabularyBuilder()
        self._packer = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        self._words_packer = zstandard.ZstdCompressor(level=_WORDS_LEVEL, write_checksum=True)

    @property
    def full(self) -> bool:
        return self.fullness >= 1

    @property
    def fullness(self) -> float:
        """The share of what a file is to hold."""
        return _fullness(len(self.blob_ids), self._packed_octets, self._headers.octets + self._bodies.octets)

    def add(self, entry: Entry) -> None:
        number = len(self.blob_ids)
        self._headers.add(number, entry.header)
        self._bodies.add(number, entry.body)
        for text in (entry.header, entry.body):
            self._texts.append(self._packer.compress(text))
            self._packed_octets += len(self._texts[-1])
        self._marks.append(entry.mark)
        self._fields.append(entry.fields)
        self.blob_ids.append(entry.blob_id)

    def pack(self) -> bytes:
        """The file's octets. Cost: tens of milliseconds."""
        headers, bodies = self._headers.pack(), self._bodies.pack()
        frames = [self._packer.compress(SEPARATOR.join(field)) for field in zip(*self._fields, strict=True)]
        fields = len(frames)
        for vocabulary in (headers, bodies):
            frames += [self._words_packer.compress(vocabulary.words), self._packer.compress(vocabulary.places())]
        frames += self._texts
        directory = _Directory(
            self.blob_ids.tobytes(),
            b"".join(self._marks),
            fields,
            headers.groups,
            bodies.groups,
            array("I", map(len, frames)).tobytes(),
        )
        packed = self._packer.compress(msgspec.msgpack.encode(directory))
        return b"".join((FORMAT, len(packed).to_bytes(4, "little"), packed, *frames))


def _fullness(messages: int, packed_octets: int, words_octets: int) -> float:
    return max(messages / TEXTS_MOST, packed_octets / _PACKED_OCTETS_MOST, words_octets / _WORDS_OCTETS_MOST)


class Chunk:
    """A file that was written. blob_ids: of its messages, by their numbers in it; fullness: as its builder's was."""

    def __init__(self, path: Path) -> None:
        """Raises ChunkDamaged."""
        self.path = path
        with self.open() as chunk:
            self.blob_ids = chunk.blob_ids
            self.fullness = chunk.fullness()

    def open(self) -> OpenChunk:
        """Raises ChunkDamaged. For as long as it takes to answer: many files are not to be held open."""
        return OpenChunk(self.path)


class OpenChunk:
    """A file that is being read; every method raises ChunkDamaged."""

    def __init__(self, path: Path) -> None:
        self._unpacker = zstandard.ZstdDecompressor()
        self._vocabularies: dict[int, Vocabulary] = {}
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as fault:
            raise ChunkDamaged(str(fault)) from fault
        try:
            self._read_directory()
        except BaseException:
            os.close(self._fd)
            raise

    def _read_directory(self) -> None:
        start = self._read(0, len(FORMAT) + 4)
        if not start.startswith(FORMAT):
            raise ChunkDamaged("of another format")
        octets = int.from_bytes(start[-4:], "little")
        try:
            self._directory = _directory_of(self._frame(len(start), octets))
            self.blob_ids = array("q", self._directory.blob_ids)
            self._lengths = array("I", self._directory.lengths)
        except ValueError as fault:
            raise ChunkDamaged("a directory that is none") from fault
        if len(self._lengths) != self._directory.fields + 4 + 2 * len(self.blob_ids):
            raise ChunkDamaged("a directory that does not fit")
        self._offsets = list(accumulate(self._lengths, initial=len(start) + octets))

    def __enter__(self) -> OpenChunk:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def fullness(self) -> float:
        fields = self._directory.fields
        packed_octets = sum(self._lengths[fields + 4 :])
        words_octets = self._size_of(fields) + self._size_of(fields + 2)
        return _fullness(len(self.blob_ids), packed_octets, words_octets)

    def mark(self, number: int) -> bytes:
        octets = len(self._directory.marks) // len(self.blob_ids)
        return self._directory.marks[number * octets : (number + 1) * octets]

    def found(self, question: Question) -> int:
        """The numbers of the messages that match, one bit each."""
        match question:
            case InField(field, needle):
                return self._in_field(field, needle)
            case InHeader(name, needle):
                possible = self._headers().texts_with(name + b": ", self._every)[0]
                if needle:
                    possible &= self._headers().texts_with(needle, possible)[0]
                return self._those(possible, lambda number: has_line(self._text(2 * number), name, needle))
            case InText(needle, with_header):
                found, exact = self._bodies().texts_with(needle, self._every)
                if not exact:
                    found = self._those(found, lambda number: needle in self._text(2 * number + 1))
                if with_header and found != self._every:
                    more, exact = self._headers().texts_with(needle, self._every)
                    if not exact:
                        more = self._those(more & ~found, lambda number: needle in self._text(2 * number))
                    found |= more
                return found

    def entries(self, wanted: Callable[[int], bool]) -> Iterator[Entry]:
        """Those whose blob id is wanted, as they were added."""
        fields = [self._nth(field).split(SEPARATOR) for field in range(self._directory.fields)]
        if any(len(values) != len(self.blob_ids) for values in fields):
            raise ChunkDamaged("a field of other messages")
        for number, blob_id in enumerate(self.blob_ids):
            if wanted(blob_id):
                header, body = self._text(2 * number), self._text(2 * number + 1)
                yield Entry(blob_id, self.mark(number), tuple(values[number] for values in fields), header, body)

    @property
    def _every(self) -> int:
        return (1 << len(self.blob_ids)) - 1

    def _those(self, possible: int, contains: Callable[[int], bool]) -> int:
        found = 0
        for number in numbers(possible):
            if contains(number):
                found |= 1 << number
        return found

    def _in_field(self, field: int, needle: bytes) -> int:
        """No value has a line end or NUL in it, whatever the message."""
        if SEPARATOR in needle or b"\n" in needle:
            return 0
        values = self._nth(field)
        found = number = counted = 0
        at = values.find(needle)
        while at >= 0:
            number += values.count(SEPARATOR, counted, at)
            counted = at
            found |= 1 << number
            at = values.find(SEPARATOR, at)
            if at >= 0:
                at = values.find(needle, at + 1)
        return found & self._every

    def _headers(self) -> Vocabulary:
        return self._vocabulary(0, self._directory.header_groups)

    def _bodies(self) -> Vocabulary:
        return self._vocabulary(2, self._directory.body_groups)

    def _vocabulary(self, nth: int, groups: tuple[tuple[int, int], ...]) -> Vocabulary:
        """Unpacked once, however many questions there are."""
        found = self._vocabularies.get(nth)
        if found is None:
            at = self._directory.fields + nth
            found = Vocabulary(self._nth(at), groups, cache(lambda: self._nth(at + 1)))
            self._vocabularies[nth] = found
        return found

    def _text(self, index: int) -> bytes:
        return self._nth(self._directory.fields + 4 + index)

    def _size_of(self, frame: int) -> int:
        """Of what it unpacks to, as its head says."""
        head = self._read(self._offsets[frame], min(self._lengths[frame], _FRAME_HEAD_OCTETS))
        try:
            return zstandard.get_frame_parameters(head).content_size
        except zstandard.ZstdError as fault:
            raise ChunkDamaged(str(fault)) from fault

    def _nth(self, frame: int) -> bytes:
        return self._frame(self._offsets[frame], self._lengths[frame])

    def _frame(self, offset: int, length: int) -> bytes:
        packed = self._read(offset, length)
        try:
            says = zstandard.get_frame_parameters(packed)
            if not says.has_checksum or says.content_size > _FRAME_OCTETS_MOST:
                raise ChunkDamaged("a frame that is none of ours")
            return self._unpacker.decompress(packed)
        except zstandard.ZstdError as fault:
            raise ChunkDamaged(str(fault)) from fault

    def _read(self, offset: int, length: int) -> bytes:
        if length > _FRAME_OCTETS_MOST:
            raise ChunkDamaged("a frame that is too long")
        try:
            octets = os.pread(self._fd, length, offset)
        except OSError as fault:
            raise ChunkDamaged(str(fault)) from fault
        if len(octets) != length:
            raise ChunkDamaged("the file ends too soon")
        return octets


def has_line(header: bytes, name: bytes, needle: bytes) -> bool:
    """Whether a field called `name` has the needle in a value; the header's lines are `name: value`."""
    start = name + b": "
    at = 0
    while True:
        end = header.find(b"\n", at)
        line = header[at:] if end < 0 else header[at:end]
        if line.startswith(start) and needle in line[len(start) :]:
            return True
        if end < 0:
            return False
        at = end + 1
