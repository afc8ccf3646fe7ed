"""A message on its way in: any cut gives the same, memory is bounded, and nothing is lost without a word."""

from __future__ import annotations

import os
import random
import tempfile
import threading
from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.mime.structure import StructureScanner
from appliance.store.layout import FRAME_OCTETS
from appliance.store.spool import MEMORY_OCTETS, Spool, SpooledContent, spool_bytes
from tests.support import strategies
from tests.support.corpus import corpus

LARGE = random.Random(3).randbytes(2 * FRAME_OCTETS + 17)


def test_what_goes_in_comes_out_however_it_was_cut(tmp_path: Path) -> None:
    for cut in (1000, FRAME_OCTETS - 1, FRAME_OCTETS, FRAME_OCTETS + 1, len(LARGE)):
        spool = Spool(tmp_path)
        for at in range(0, len(LARGE), cut):
            spool.write(LARGE[at : at + cut])
        content = spool.finish()
        assert content.size == len(LARGE)
        assert content.digest == blake2b(LARGE, digest_size=16).digest()
        assert b"".join(content.pieces()) == LARGE
        assert b"".join(content.pieces(FRAME_OCTETS - 5, 10)) == LARGE[FRAME_OCTETS - 5 : FRAME_OCTETS + 5]
        content.discard()


@settings(max_examples=50, deadline=None)
@given(strategies.messages, st.lists(st.integers(0, 2000), max_size=5))
def test_a_small_message_too_with_its_structure(message: bytes, cuts: list[int]) -> None:
    spool = Spool(Path("/nonexistent"))
    scanner = StructureScanner()
    scanner.feed(message)
    at = 0
    for cut in sorted(cuts):
        spool.write(message[at:cut])
        at = max(at, cut)
    spool.write(message[at:])
    content = spool.finish()
    assert b"".join(content.pieces()) == message
    assert content.structure == scanner.finish()
    assert content.packed is not None and len(content.packed) == content.stored_octets


SAMPLES = [sample for sample in corpus() if len(sample.message) < 1_500_000]


@pytest.mark.parametrize("number", range(10))
def test_attachments_come_back_and_their_structure_is_the_same(number: int, tmp_path: Path) -> None:
    """Lines of base64 are stored decoded and the structure scanner passes over them: nothing of that may show."""
    for sample in SAMPLES[number::10]:
        scanner = StructureScanner()
        scanner.feed(sample.message)
        content = spool_bytes(tmp_path, sample.message)
        assert content.structure == scanner.finish(), sample.name
        assert b"".join(content.pieces()) == sample.message, sample.name
        content.discard()


def test_an_empty_message_is_a_message(tmp_path: Path) -> None:
    content = spool_bytes(tmp_path, b"")
    assert (content.size, content.stored_octets, list(content.pieces())) == (0, 0, [])


def test_only_what_is_large_goes_to_a_file_and_the_file_has_no_name(tmp_path: Path) -> None:
    small = spool_bytes(tmp_path, LARGE[: MEMORY_OCTETS - 1000])
    assert small.packed is not None
    large = spool_bytes(tmp_path, LARGE)
    assert large.packed is None
    assert os.listdir(tmp_path) == []
    large.discard()


def test_discarding_is_possible_at_any_time_and_more_than_once(tmp_path: Path) -> None:
    unused = Spool(tmp_path)
    unused.discard()
    for octets in (b"x", LARGE):
        spool = Spool(tmp_path)
        spool.write(octets)
        spool.discard()
        spool.discard()
        spool = Spool(tmp_path)
        spool.write(octets)
        content = spool.finish()
        content.discard()
        content.discard()
        spool.discard()


def test_a_full_scratch_disk_is_told_and_never_cuts_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without a buffer may take less than it is given."""
    real = tempfile.TemporaryFile

    class Short:
        def __init__(self, room: int) -> None:
            self._file = real(dir=tmp_path, buffering=0)
            self._room = room

        def write(self, octets: bytes) -> int:
            if self._room == 0:
                raise OSError(28, "No space left on device")
            taken = self._file.write(octets[: min(self._room, 50_000)])
            self._room -= taken
            return taken

        def fileno(self) -> int:
            return self._file.fileno()

        def close(self) -> None:
            self._file.close()

    for room, fits in ((10 * len(LARGE), True), (len(LARGE) // 2, False)):
        monkeypatch.setattr(tempfile, "TemporaryFile", lambda room=room, **_: Short(room))
        spool = Spool(tmp_path)
        if fits:
            spool.write(LARGE)
            assert b"".join(spool.finish().pieces()) == LARGE
        else:
            with pytest.raises(OSError, match="No space"):
                spool.write(LARGE)
        spool.discard()


def test_a_content_discarded_while_it_is_copied_is_an_error_and_never_another_files_octets(tmp_path: Path) -> None:
    """The number of a closed file is soon another file's: a hang-up during the copy must not store that one."""
    other = tmp_path / "other"
    other.write_bytes(b"secret" * 100_000)
    for _ in range(30):
        content = spool_bytes(tmp_path, LARGE)
        stored = b"".join(content.read(at, 65536) for at in range(0, content.stored_octets, 65536))
        begun = threading.Event()
        thread = threading.Thread(target=_discard_and_open, args=(content, begun, other))
        thread.start()
        try:
            for at in range(0, content.stored_octets, 512):
                begun.set()
                assert content.read(at, 512) == stored[at : at + 512]
        except ValueError:
            pass
        thread.join()


def _discard_and_open(content: SpooledContent, begun: threading.Event, other: Path) -> None:
    begun.wait()
    content.discard()
    for fd in [os.open(other, os.O_RDONLY) for _ in range(3)]:
        os.close(fd)
