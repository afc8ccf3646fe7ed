"""A frame gives back just what was packed, and a frame made to hurt is refused before it takes memory."""

from __future__ import annotations

import base64
import random
import struct
import tracemalloc
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings

from appliance.store import base64_runs, dictionary, layout
from appliance.store.layout import FRAME_OCTETS, HEAD_OCTETS, Broken, pack, read_head, unpack
from tests.support.corpus import corpus

from .test_base64_runs import lines, nearly_base64

SHORT = [sample.message for sample in corpus() if 500 < len(sample.message) < 16_000]
RANDOM = random.Random(5).randbytes(200_000)
MAIL = (
    b"Subject: x\r\n\r\n--b\r\n\r\n"
    + lines(300)
    + b"YQ==\r\n--b\r\n\r\nHello\r\n--b\r\n\r\n"
    + lines(200, 64, b"\n")
    + b"--b--\r\n"
)

KEPT = (
    "110001d0000001570000002828b52ffd2457dd00008000010000004a00000005004c02780d0a0200db5852403f45fd0270d1310528b52f"
    "fd641d00e908006d25cf734c49a1dd273e4d8fab5f5bdb8d1099ec05e8fdc7c1d734777648ab73bde201825045e4da32da5e96796b9d30"
    "78e6452f2969cccdc2710c83869ecb7979fe3fa1ed672c9d538800cb2514a92f93791818c6ed537281b4ab4d9caf4c24252f36175fd1e7"
    "893fdd44cfc0f9efe3272f85b1627f6ba267abb80acb866e98340771fb72bd6a65b85dfaf6aa78f773967767a7539729bd7e84959d380d"
    "6ba667885128a658859f8416d703d065ead4b6fe43878b932b10d3bd3e0f658a20090b7db1308f2b2be138faef3d25928099147eb307c0"
    "1c32c7ae68c47613f68753b8a5c670231e4997ed4da9d7ea9400326051e5844633d03b4d28eaa374844d4b2922f17fa60e2d01ef4a96a9"
    "dfd2c115379213759014a1a71caf3547b2b767c676"
)


def packed(octets: bytes) -> bytes:
    return pack(octets, base64_runs.find(octets))


def unpacked(frame: bytes) -> bytes:
    kind, octets, packed_octets = read_head(frame[:HEAD_OCTETS])
    assert packed_octets == len(frame) - HEAD_OCTETS
    return unpack(kind, frame[HEAD_OCTETS:], octets)


@settings(max_examples=100, deadline=None)
@given(nearly_base64.filter(bool))
def test_what_was_packed_comes_back(octets: bytes) -> None:
    assert unpacked(packed(octets[:FRAME_OCTETS])) == octets[:FRAME_OCTETS]


@pytest.mark.parametrize("start", [0, 1, 36, 37, 38, 75, 76, 77, 78])
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_frames_cut_anywhere_in_a_line_come_back(start: int, end: bytes) -> None:
    whole = base64.encodebytes(RANDOM + RANDOM).replace(b"\n", end)
    frame = whole[start : start + FRAME_OCTETS]
    assert unpacked(packed(frame)) == frame


def test_attachments_take_the_octets_they_were_before_they_were_encoded() -> None:
    frame = (b"\r\n" + base64.encodebytes(RANDOM).replace(b"\n", b"\r\n"))[:FRAME_OCTETS]
    assert len(packed(frame)) < len(frame) * 57 / 78 * 1.002
    text = base64.encodebytes(b"so many words, and always the same " * 3000).replace(b"\n", b"\r\n")
    assert len(packed(text)) * 2 < len(pack(text, []))


def test_frames_of_before_there_were_kinds_are_read() -> None:
    octets = b"Subject: " + b"hello " * 400
    frame = zstandard.ZstdCompressor(level=3, write_checksum=True, write_content_size=True).compress(octets)
    assert unpacked(struct.pack(">II", len(octets), len(frame)) + frame) == octets


def zstd(octets: bytes, *, checksum: bool = True, size: bool = True) -> bytes:
    return zstandard.ZstdCompressor(level=1, write_checksum=checksum, write_content_size=size).compress(octets)


def with_runs(directory: bytes, text: bytes, decoded: bytes, octets: int) -> bytes:
    body = zstd(directory + text)
    body = struct.pack(">I", len(body)) + body + zstd(decoded)
    return struct.pack(">II", 1 << 24 | octets, len(body)) + body


def entry(before: int, count: int, letters: int, end_octets: int) -> bytes:
    return struct.pack(">IIHB", before, count, letters, end_octets)


ONE = struct.pack(">H", 1)
WHOLE = with_runs(ONE + entry(1, 4, 76, 2), b"\nx", RANDOM[:228], 2 + 4 * 78)


def test_a_frame_made_by_hand_is_read() -> None:
    assert unpacked(WHOLE) == b"\n" + lines_of(RANDOM[:228]) + b"x"


def lines_of(octets: bytes) -> bytes:
    return base64.encodebytes(octets).replace(b"\n", b"\r\n")


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(with_runs(ONE + entry(1, 4, 76, 2), b"\nx", RANDOM[:228], 3 + 4 * 78), id="says more octets"),
        pytest.param(with_runs(ONE + entry(1, 4, 76, 2), b"\nx", RANDOM[:228], 1 + 4 * 78), id="says fewer octets"),
        pytest.param(with_runs(ONE + entry(3, 4, 76, 2), b"\nx", RANDOM[:228], 2 + 4 * 78), id="more text before than there is"),
        pytest.param(with_runs(ONE + entry(1, 4, 76, 2), b"\nx", RANDOM[:227], 2 + 4 * 78), id="decoded octets missing"),
        pytest.param(with_runs(ONE + entry(1, 4, 76, 2), b"\nx", RANDOM[:229], 2 + 4 * 78), id="decoded octets too many"),
        pytest.param(with_runs(ONE + entry(1, 3, 76, 2), b"\nx", RANDOM[:171], 2 + 3 * 78), id="too few lines"),
        pytest.param(with_runs(ONE + entry(1, 4, 75, 2), b"\nx", RANDOM[:216], 2 + 4 * 77), id="no multiple of four"),
        pytest.param(with_runs(ONE + entry(1, 4, 76, 3), b"\nx", RANDOM[:228], 2 + 4 * 79), id="no such line end"),
        pytest.param(with_runs(ONE + entry(1, 2**32 - 1, 996, 2), b"\nx", b"", 100), id="four thousand million lines"),
        pytest.param(with_runs(struct.pack(">H", 0), b"\nx", b"", 2), id="no runs"),
        pytest.param(with_runs(struct.pack(">H", 65), b"\nx" * 1000, b"", 2000), id="too many runs"),
        pytest.param(with_runs(struct.pack(">H", 2) + entry(1, 4, 76, 2), b"", RANDOM[:228], 1 + 4 * 78), id="half a directory"),
        pytest.param(with_runs(b"\0", b"", b"", 4), id="no directory"),
        pytest.param(struct.pack(">II", 1 << 24 | 5, 3) + b"abc", id="no text frame"),
        pytest.param(struct.pack(">II", 1 << 24 | 5, 8) + struct.pack(">I", 2**32 - 1) + b"abcd", id="a text frame beyond the end"),
        pytest.param(struct.pack(">II", 5, len(zstd(b"12345", checksum=False))) + zstd(b"12345", checksum=False), id="no checksum"),
        pytest.param(struct.pack(">II", 5, len(zstd(b"12345", size=False))) + zstd(b"12345", size=False), id="no size"),
        pytest.param(struct.pack(">II", 4, len(zstd(b"12345"))) + zstd(b"12345"), id="another size"),
        pytest.param(struct.pack(">II", 200 << 24 | 5, len(zstd(b"12345"))) + zstd(b"12345"), id="a kind there is not"),
        pytest.param(struct.pack(">II", FRAME_OCTETS + 1, 9) + bytes(9), id="too large"),
        pytest.param(struct.pack(">II", 0, 9) + bytes(9), id="nothing"),
        pytest.param(with_runs(ONE + entry(1, 4, 76, 2), b"\n" * 2**22, RANDOM[:228], 1 + 4 * 78), id="text larger than the content"),
        pytest.param(with_runs(ONE + entry(1, 4, 76, 2), b"\nx", bytes(2**22), 2 + 4 * 78), id="decoded larger than the content"),
    ],
)  # fmt: skip
def test_each_kind_of_broken_frame(frame: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(Broken):
            unpacked(frame)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_a_flipped_bit_anywhere_is_noticed_or_harmless() -> None:
    frame = packed(MAIL)
    assert frame[0] == 0x11
    rng = random.Random(1)
    noticed = 0
    places = [*range(HEAD_OCTETS * 8 + 400), *rng.sample(range(len(frame) * 8), 400)]
    for place in places:
        flipped = bytearray(frame)
        flipped[place // 8] ^= 1 << place % 8
        try:
            kind, octets, packed_octets = read_head(bytes(flipped[:HEAD_OCTETS]))
            came = unpack(kind, bytes(flipped[HEAD_OCTETS : HEAD_OCTETS + packed_octets]), octets)
        except Broken:
            noticed += 1
        else:
            assert came == MAIL
    assert noticed > len(places) * 0.95


@pytest.mark.parametrize("threads", [1, 8])
def test_packers_are_kept_but_only_a_few(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many threads pack at once, and what they pack does not mix."""
    made: list[int] = []
    real = zstandard.ZstdCompressor
    monkeypatch.setattr(layout, "_compressors", defaultdict(list))
    monkeypatch.setattr(zstandard, "ZstdCompressor", lambda **asked: made.append(1) or real(**asked))

    def some(number: int) -> bool:
        octets = RANDOM[number * 1000 : number * 1000 + 30_000]
        return all(unpacked(packed(octets[:size])) == octets[:size] for size in range(1, 30_000, 1000))

    with ThreadPoolExecutor(threads) as pool:
        assert all(pool.map(some, range(16)))
    assert len(made) == 2 or threads > 1  # one with the dictionary, one without
    assert all(len(kept) <= 2 for kept in layout._compressors.values())


# ── the dictionary


def test_the_dictionary_makes_short_messages_shorter() -> None:
    with_it = sum(len(packed(sample)) for sample in SHORT)
    without = sum(len(pack(sample, [], number=0)) for sample in SHORT)
    assert with_it < without * 0.97


def test_every_dictionary_there_ever_was_is_there_and_as_it_was() -> None:
    """A change of these octets makes mail unreadable. Never change this test's figures; add to them."""
    octets = dictionary._DICTIONARIES
    assert sorted(octets) == list(range(1, dictionary.NEWEST + 1))
    assert blake2b(octets[1], digest_size=16).hexdigest() == "77ef41ea97916fccf097b181d73fd3e6"
    assert b"\n" not in octets[1].replace(b"\r\n", b"") and dictionary.NEWEST < 16


def test_frames_of_today_can_be_read_for_ever() -> None:
    """Packed by the first release that had a dictionary."""
    octets = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + lines(5)
    assert unpacked(bytes.fromhex(KEPT)) == octets


def test_a_program_whose_dictionary_was_changed_does_not_start() -> None:
    source = Path(dictionary.__file__).read_text().replace("unsubscribe from", "unsubscribe fron", 1)
    with pytest.raises(Exception, match="install Merpati anew"):
        exec(compile(source, "dictionary.py", "exec"), {"__name__": "dictionary"})


def test_the_dictionary_of_a_head_must_be_known_and_the_right_one() -> None:
    frame = bytearray(
        packed(b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n" * 3)
    )
    assert frame[0] == 0x10
    for number in (0, *range(2, 16)):
        frame[0] = number << 4
        with pytest.raises(Broken):
            unpacked(bytes(frame))
