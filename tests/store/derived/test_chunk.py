"""A file of the index: it answers as the texts that went in would, and damage shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.store.derived.chunk import (
    FORMAT,
    Chunk,
    ChunkBuilder,
    ChunkDamaged,
    Entry,
    InField,
    InHeader,
    InText,
    Question,
)
from appliance.store.derived.vocabulary import TEXTS_MOST, numbers

LETTERS = st.lists(st.sampled_from(["a", "b", "z", " ", ": ", "-", "é", "你", "x-n", "\r\n"]), max_size=12)
TEXT = LETTERS.map("".join).map(str.encode)
VALUE = TEXT.map(lambda text: text.replace(b"\r\n", b" "))
LINES = st.lists(st.tuples(st.sampled_from([b"subject", b"x-n", b"to"]), VALUE), max_size=4)
NEEDLES = st.lists(st.sampled_from(["a", "b", "z", " ", ":", "-", "é", "你", "x", "n", "\n"]), max_size=4)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    header = b"\n".join(b"%b: %b" % line for line in draw(LINES))
    fields = tuple(b"\n".join(draw(st.lists(VALUE, max_size=2))) for _ in range(2))
    body = b"\0".join(draw(st.lists(TEXT, max_size=3)))
    return Entry(draw(st.integers(1, 1 << 40)), draw(st.binary(min_size=8, max_size=8)), fields, header, body)


def questions(needle: bytes) -> list[Question]:
    fields: list[Question] = [InField(0, needle), InField(1, needle)] if needle else []
    headers = [InHeader(name, needle) for name in (b"subject", b"x-n", b"none")]
    return [*fields, *headers, InText(needle, False), InText(needle, True)]


def matches(entry: Entry, question: Question) -> bool:
    match question:
        case InField(field, needle):
            return any(needle in value for value in entry.fields[field].split(b"\n"))
        case InHeader(name, needle):
            return any(
                line.startswith(name + b": ") and needle in line[len(name) + 2 :] for line in entry.header.split(b"\n")
            )
        case InText(needle, with_header):
            return any(needle in text for text in entry.body.split(b"\0")) or (with_header and needle in entry.header)


def written(path: Path, some: list[Entry]) -> Chunk:
    builder = ChunkBuilder()
    for each in some:
        builder.add(each)
    path.write_bytes(builder.pack())
    return Chunk(path)


@settings(max_examples=150, deadline=None)
@given(st.lists(entries(), min_size=1, max_size=20), NEEDLES)
def test_it_answers_as_its_texts_do(
    tmp_path_factory: pytest.TempPathFactory, some: list[Entry], needle: list[str]
) -> None:
    chunk = written(tmp_path_factory.mktemp("chunk") / "1.index", some)
    with chunk.open() as opened:
        for question in questions("".join(needle).encode()):
            assert set(numbers(opened.found(question))) == {
                number for number, each in enumerate(some) if matches(each, question)
            }, question
        assert list(opened.entries(lambda blob_id: True)) == some
        wanted = some[0].blob_id
        assert list(opened.entries(lambda blob_id: blob_id == wanted)) == [e for e in some if e.blob_id == wanted]
        assert [opened.mark(number) for number in range(len(some))] == [each.mark for each in some]
    assert list(chunk.blob_ids) == [each.blob_id for each in some]


SOME = [
    Entry(n + 1, b"%08d" % n, (b"red %d" % n, b""), b"subject: red %d\nto: bob" % n, b"a boat\0the %d harbour" % n)
    for n in range(20)
]
ASKED = [InField(0, b"red 7"), InHeader(b"subject", b"red 7"), InText(b"harbour", False), InText(b"7 harbour", True)]


def test_cut_anywhere_it_is_damaged(tmp_path: Path) -> None:
    whole = written(tmp_path / "1.index", SOME).path.read_bytes()
    for length in range(0, len(whole), 7):
        (tmp_path / "1.index").write_bytes(whole[:length])
        with pytest.raises(ChunkDamaged):
            look_at_all(tmp_path / "1.index")


def test_with_an_octet_changed_it_is_damaged_or_as_before(tmp_path: Path) -> None:
    path = tmp_path / "1.index"
    whole = written(path, SOME).path.read_bytes()
    before = look_at_all(path)
    damaged = 0
    for at in range(0, len(whole), 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])
        try:
            assert look_at_all(path) == before
        except ChunkDamaged:
            damaged += 1
    assert damaged > len(whole) // 3 * 0.95


def test_with_zeros_in_the_place_of_a_block_it_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "1.index"
    whole = written(path, SOME).path.read_bytes()
    for at in range(0, len(whole), 64):
        path.write_bytes(whole[:at] + bytes(min(64, len(whole) - at)) + whole[at + 64 :])
        with pytest.raises(ChunkDamaged):
            look_at_all(path)


def look_at_all(path: Path) -> object:
    with Chunk(path).open() as opened:
        return [opened.found(question) for question in ASKED], list(opened.entries(lambda blob_id: True))


@pytest.mark.parametrize(
    "octets", [b"", b"SQLite format 3\0" * 10, FORMAT.replace(b" 1,", b" 0,") + bytes(100), FORMAT]
)
def test_what_is_of_another_format_is_no_chunk(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "1.index").write_bytes(octets)
    with pytest.raises(ChunkDamaged):
        Chunk(tmp_path / "1.index")


def test_a_file_that_is_gone_is_damaged(tmp_path: Path) -> None:
    chunk = written(tmp_path / "1.index", SOME)
    chunk.path.unlink()
    with pytest.raises(ChunkDamaged):
        chunk.open()


def test_a_builder_is_full_by_number_and_by_octets() -> None:
    builder = ChunkBuilder()
    while not builder.full:
        builder.add(SOME[0])
    assert len(builder.blob_ids) == TEXTS_MOST
    builder = ChunkBuilder()
    while not builder.full:
        number = len(builder.blob_ids)
        words = b" ".join(b"%x" % ((number << 20 | n) * 0x9E3779B97F4A7C15 % (1 << 64)) for n in range(20_000))
        builder.add(Entry(number, bytes(8), (), b"", words))
    assert 1 < len(builder.blob_ids) < 10


def test_a_file_is_as_full_as_its_builder_was(tmp_path: Path) -> None:
    builder = ChunkBuilder()
    for number in range(3):
        words = b" ".join(b"%x" % ((number << 20 | n) * 0x9E3779B97F4A7C15 % (1 << 64)) for n in range(5_000))
        builder.add(Entry(number, bytes(8), (), b"subject: x", words))
    (tmp_path / "1.index").write_bytes(builder.pack())
    assert 0.1 < builder.fullness < 1
    assert Chunk(tmp_path / "1.index").fullness == pytest.approx(builder.fullness, rel=0.001)
