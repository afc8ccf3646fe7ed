"""What is stored of a structure gives the structure back, and damage to it is a ValueError."""

from __future__ import annotations

import random
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.mime.parts import decode, encode
from appliance.mime.structure import Structure, StructureScanner

MAIL = (
    b"From: Ann <ann@far.example>\r\nTo: bob@near.example\r\nSubject: two parts\r\n"
    b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello Bob,\r\n"
    b"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Hello Bob,\r\n--b--\r\n"
)


def structure_of(message: bytes) -> Structure:
    scanner = StructureScanner()
    scanner.feed(message)
    return scanner.finish()


@pytest.mark.parametrize(
    "message", [b"", MAIL, b"Subject: " + b"x" * 200_000 + b"\r\n\r\n"], ids=["empty", "mail", "long"]
)
def test_it_comes_back(message: bytes) -> None:
    structure = structure_of(message)
    assert decode(encode(structure)) == structure


def test_it_is_shorter_than_msgpack_alone_and_that_is_read_too() -> None:
    structure = structure_of(MAIL)
    plain = msgspec.msgpack.encode(structure)
    assert len(encode(structure)) < 0.8 * len(plain)
    assert len(encode(structure_of(b""))) <= len(msgspec.msgpack.encode(structure_of(b"")))
    assert decode(plain) == structure


def test_a_flipped_bit_anywhere_is_a_value_error() -> None:
    stored = encode(structure_of(MAIL))
    harmless = 0
    for place in range(len(stored) * 8):
        flipped = bytearray(stored)
        flipped[place // 8] ^= 1 << place % 8
        try:
            assert decode(bytes(flipped)) == structure_of(MAIL)
            harmless += 1
        except ValueError:
            pass
    assert harmless < 16


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda octets: zstandard.FRAME_HEADER + octets))
def test_any_octets_are_a_value_error(octets: bytes) -> None:
    with pytest.raises(ValueError):
        decode(octets)


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(
            zstandard.FRAME_HEADER + b"\xe4" + (2**40).to_bytes(8, "little") + b"\0" * 9, id="says a terabyte"
        ),
        pytest.param(zstandard.compress(bytes(33 * 1024 * 1024)), id="is too large"),
        pytest.param(zstandard.compress(msgspec.msgpack.encode(structure_of(MAIL))), id="no checksum"),
        pytest.param(encode(structure_of(MAIL))[:-5], id="cut"),
    ],
)
def test_what_claims_too_much_takes_no_memory(stored: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ValueError):
            decode(stored)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_many_threads_at_once() -> None:
    rng = random.Random(1)
    structures = [structure_of(b"Subject: %d\r\n" % rng.randrange(10**9) + MAIL) for _ in range(200)]
    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(encode, structures))
        assert list(pool.map(decode, stored)) == structures
