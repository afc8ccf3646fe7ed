"""The pages of an SQLite database, read without SQLite, so that what is still whole can be had out of a damaged one.

Octets in, values out. Nothing in a page is believed: every offset and length is checked, a cell that makes no sense is
left out and counted, and no input takes more than its own size in memory or never ends.
The format: sqlite.org/fileformat2.html; section names of it stand beside what they describe. Only pages of PAGE_OCTETS
without reserved octets, which are all that `database.py` makes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from .database import PAGE_OCTETS

Value = int | float | str | bytes | None

FILE_HEADER_OCTETS = 100
INDEX_INTERIOR, TABLE_INTERIOR, INDEX_LEAF, TABLE_LEAF = 2, 5, 10, 13
COLUMNS_MOST = 64  # more than any table of ours has
_PAGE_HEADER = struct.Struct(">BHHHB")
_MOST_LOCAL = {  # "B-tree Cell Payload Overflow Pages"
    TABLE_LEAF: PAGE_OCTETS - 35,
    INDEX_LEAF: (PAGE_OCTETS - 12) * 64 // 255 - 23,
    INDEX_INTERIOR: (PAGE_OCTETS - 12) * 64 // 255 - 23,
}
_LEAST_LOCAL = (PAGE_OCTETS - 12) * 32 // 255 - 23
_INTEGER_OCTETS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}


@dataclass(slots=True, frozen=True)
class Cell:
    """rowid: of tables that have one; payload: what of it lies in the page; octets: all of it, the rest in the chain of
    pages that begins at `overflow` (0: there is none)."""

    rowid: int | None
    payload: bytes
    octets: int
    overflow: int


@dataclass(slots=True, frozen=True)
class Page:
    """A b-tree page. children: of an interior page, in order; broken: how many cells made no sense."""

    kind: int
    cells: tuple[Cell, ...]
    children: tuple[int, ...]
    broken: int


def parse_page(octets: bytes, number: int) -> Page | None:
    """None: this is no b-tree page. ("B-tree Pages")"""
    start = FILE_HEADER_OCTETS if number == 1 else 0
    if len(octets) != PAGE_OCTETS:
        return None
    kind, _, count, _, fragments = _PAGE_HEADER.unpack_from(octets, start)
    interior = kind in (INDEX_INTERIOR, TABLE_INTERIOR)
    if not (interior or kind in (INDEX_LEAF, TABLE_LEAF)) or fragments > 60:
        return None
    pointers = start + (12 if interior else 8)
    if pointers + 2 * count > PAGE_OCTETS:
        return None
    cells: list[Cell] = []
    children: list[int] = []
    broken = 0
    for (at,) in struct.iter_unpack(">H", octets[pointers : pointers + 2 * count]):
        try:
            if at < pointers + 2 * count:
                raise ValueError
            if interior:
                children.append(_page_number(octets, at))
                at += 4
            if kind != TABLE_INTERIOR:
                cells.append(_cell(octets, at, kind))
        except (ValueError, IndexError, struct.error):
            broken += 1
    if interior:
        children.append(_page_number(octets, start + 8))
    return Page(kind, tuple(cells), tuple(children), broken)


def varint(octets: bytes, at: int) -> tuple[int, int]:
    """(value as unsigned, where it ends). Raises IndexError. ("Record Format")"""
    value = 0
    for count in range(9):
        octet = octets[at + count]
        if count == 8:
            return value << 8 | octet, at + 9
        value = value << 7 | octet & 0x7F
        if octet < 0x80:
            return value, at + count + 1
    raise AssertionError


def record(payload: bytes) -> tuple[list[Value], bool]:
    """(the values, whether the payload was long enough for all of them). One that is cut short ends with what there is
    of the value that it ends in. Raises ValueError: this is no record. ("Record Format", "Serial Type Codes")"""
    try:
        header_octets, at = varint(payload, 0)
        if not at <= header_octets <= len(payload):
            raise ValueError
        types = []
        while at < header_octets:
            serial_type, at = varint(payload, at)
            types.append(serial_type)
    except IndexError:
        raise ValueError from None
    if at != header_octets or len(types) > COLUMNS_MOST:
        raise ValueError
    values: list[Value] = []
    for serial_type in types:
        octets = _value_octets(serial_type)
        piece = payload[at : at + octets]
        if len(piece) < octets and serial_type < 12:
            return values, False
        values.append(_value(serial_type, piece))
        at += octets
        if len(piece) < octets:
            return values, False
    return values, True


def _cell(octets: bytes, at: int, kind: int) -> Cell:
    """Raises ValueError, IndexError."""
    total, at = varint(octets, at)
    rowid = None
    if kind == TABLE_LEAF:
        unsigned, at = varint(octets, at)
        rowid = unsigned - (1 << 64) if unsigned >= 1 << 63 else unsigned
    most = _MOST_LOCAL[kind]
    if total <= most:
        local = total
    else:
        local = _LEAST_LOCAL + (total - _LEAST_LOCAL) % (PAGE_OCTETS - 4)
        local = local if local <= most else _LEAST_LOCAL
    if not total or at + local + (4 if local < total else 0) > PAGE_OCTETS:
        raise ValueError
    overflow = _page_number(octets, at + local) if local < total else 0
    return Cell(rowid, octets[at : at + local], total, overflow)


def _page_number(octets: bytes, at: int) -> int:
    return int.from_bytes(octets[at : at + 4], "big")


def _value_octets(serial_type: int) -> int:
    if serial_type >= 12:
        return (serial_type - 12) // 2
    if serial_type in (10, 11):
        raise ValueError
    return 8 if serial_type == 7 else _INTEGER_OCTETS.get(serial_type, 0)


def _value(serial_type: int, piece: bytes) -> Value:
    match serial_type:
        case 0:
            return None
        case 7:
            (real,) = struct.unpack(">d", piece)
            return float(real)
        case 8 | 9:
            return serial_type - 8
        case _ if serial_type < 12:
            return int.from_bytes(piece, "big", signed=True)
        case _ if serial_type % 2:
            return piece.decode("utf-8", "replace")
        case _:
            return piece


@dataclass(slots=True, frozen=True)
class Frame:
    """One page in the log. position: of its octets in the file; commit: whether a transaction ends with it; ours: it
    bears the marks of the log that is in use; whole: so does what it holds, by its checksum."""

    page: int
    position: int
    commit: bool
    ours: bool
    whole: bool


LOG_HEADER_OCTETS, FRAME_HEADER_OCTETS = 32, 24
_LOG_HEADER = struct.Struct(">IIII8sII")
_FRAME_HEADER = struct.Struct(">II8sII")
_MAGIC = (0x377F0682, 0x377F0683)


def log_header(octets: bytes) -> tuple[bytes, bytes, tuple[int, int]] | None:
    """(byte order of its checksums as `struct` writes it, the salts, the checksum). None: this is none.
    ("WAL Header")"""
    if len(octets) < LOG_HEADER_OCTETS:
        return None
    magic, _, page_octets, _, salts, *said = _LOG_HEADER.unpack(octets[:LOG_HEADER_OCTETS])
    if magic not in _MAGIC or page_octets != PAGE_OCTETS:
        return None
    order = b">" if magic & 1 else b"<"
    if tuple(said) != checksum(order, octets[:24], (0, 0)):
        return None
    return order, salts, (said[0], said[1])


def read_frame(
    octets: bytes, position: int, order: bytes, salts: bytes, before: tuple[int, int]
) -> tuple[Frame, tuple[int, int]]:
    """octets: header and page, whole; position: where they lie; before: the checksum that the frame before says it has.
    Returns the frame and the checksum that it says it has. ("WAL Frame Format")"""
    page, size_pages, marks, first, second = _FRAME_HEADER.unpack_from(octets)
    ours = marks == salts and page > 0
    body = octets[FRAME_HEADER_OCTETS : FRAME_HEADER_OCTETS + PAGE_OCTETS]
    whole = ours and checksum(order, octets[:8] + body, before) == (first, second)
    return Frame(page, position + FRAME_HEADER_OCTETS, size_pages > 0, ours, whole), (first, second)


def checksum(order: bytes, octets: bytes, start: tuple[int, int]) -> tuple[int, int]:
    """("Checksum Algorithm")"""
    first, second = start
    words: Sequence[int] = struct.unpack(f"{order.decode()}{len(octets) // 4}I", octets)
    for at in range(0, len(words), 2):
        first = (first + words[at] + second) & 0xFFFFFFFF
        second = (second + words[at + 1] + first) & 0xFFFFFFFF
    return first, second
