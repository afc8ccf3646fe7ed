"""Text of every charset, and out of the transfer encodings, in any pieces."""

from __future__ import annotations

import base64
import binascii
import codecs
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.mime import charsets
from appliance.mime.charsets import TransferDecoder, codec_for, decode_text, decode_transfer


@pytest.mark.parametrize(
    ("octets", "charset", "text"),
    [
        (b"plain", "us-ascii", "plain"),
        (b"Gr\xc3\xbc\xc3\x9fe", "UTF-8", "Grüße"),
        (b"Gr\xfc\xdfe", "iso-8859-1", "Grüße"),
        (b"\x93quoted\x94", "ISO-8859-1", "“quoted”"),
        (b"\x80", "windows-1252", "€"),
        (b"\xa4", "iso-8859-15", "€"),
        (b"\xd0\xd2\xc9", "KOI8-R", "при"),
        (b"\x1b$B$3$s\x1b(B", "ISO-2022-JP", "こん"),
        (b"\x82\xb1", "Shift_JIS", "こ"),
        (b"\xc4\xe3", "gb2312", "你"),
        (b"\xa7A", "big5", "你"),
        (b"\xc7\xd1", "ks_c_5601-1987", "한"),
        (b"+AOk-", "utf-7", "é"),
        (b"a+2AA-b", "utf-7", "a?b"),
        (b"+2D3eAA-", "utf-7", "\U0001f600"),
        (b"\xff\xfeA\0", "utf-16", "A"),
        (b"\xa1", "tis-620", "ก"),
        (b"Gr\xc3\xbc\xc3\x9fe", "", "Grüße"),
        (b"Gr\xfc\xdfe", "", "Grüße"),
        (b"Gr\xc3\xbc\xc3\x9fe", "us-ascii", "Grüße"),
        (b"\xc3", "utf-8", "\ufffd"),
        (b"a\xfc", "x-unknown", "a\ufffd"),
        (b"a\xfc", "idna", "a\ufffd"),
        (b"a", "unicode_escape", "a"),
        (b"a", '"UTF-8"', "a"),
    ],
)
def test_decode_text(octets: bytes, charset: str, text: str) -> None:
    assert decode_text(octets, charset) == text


def test_every_codec_of_the_table_exists() -> None:
    for codec in set(charsets._CODECS.values()):
        assert codecs.lookup(codec)._is_text_encoding


@pytest.mark.parametrize(
    "charset", ["zlib", "idna", "punycode", "rot13", "undefined", "mbcs", "oem", "", "x" * 1000, "\0"]
)
def test_only_charsets_of_mail_are_known(charset: str) -> None:
    assert codec_for(charset) is None


def test_any_octets_are_text_in_every_charset() -> None:
    chance = random.Random(1)
    for charset in [*charsets._CODECS, "nonsense", ""]:
        for _ in range(20):
            assert isinstance(decode_text(chance.randbytes(30), charset), str)


@pytest.mark.parametrize(
    ("data", "encoding", "octets"),
    [
        pytest.param(b"a=3Db", b"7bit", b"a=3Db", id="7bit"),
        pytest.param(b"a=3Db", b"x-unknown", b"a=3Db", id="unknown"),
        pytest.param(b"SGVs\r\nbG8=\r\n", b"base64", b"Hello", id="base64"),
        pytest.param(b"SGVs\r\nbG8=\r\n", b" BASE64 ", b"Hello", id="capitals"),
        pytest.param(b"SGVsbG8", b"base64", b"Hello", id="no padding"),
        pytest.param(b"S G*V!s\0bG8=", b"base64", b"Hello", id="characters that do not belong"),
        pytest.param(b"SGVsbG8=SGVsbG8=", b"base64", b"HelloHello", id="one after the other"),
        pytest.param(b"SGVsbG8gSGVsbG8gS", b"base64", b"Hello Hello ", id="cut off"),
        pytest.param(b"=", b"base64", b"", id="only padding"),
        pytest.param(b"====SGVs", b"base64", b"Hel", id="padding first"),
        # RFC 2045 6.7
        pytest.param(
            b"Now's the time =\r\nfor all folk to come=\r\n to the aid of their country.",
            b"quoted-printable", b"Now's the time for all folk to come to the aid of their country.", id="RFC 2045",
        ),
        pytest.param(b"a=3D=c3=A4=C3=b6", b"Quoted-Printable", "a=äö".encode(), id="either case"),
        pytest.param(b"a= \t\r\nb=\nc", b"quoted-printable", b"abc", id="soft breaks with space and with LF"),
        pytest.param(b"a=", b"quoted-printable", b"a=", id="nothing after"),
        pytest.param(b"a=4", b"quoted-printable", b"a=4", id="half"),
        pytest.param(b"a=G1=\rx==41", b"quoted-printable", b"a=G1=\rx=A", id="malformed"),
        pytest.param(b"", b"quoted-printable", b"", id="empty"),
    ],
)  # fmt: skip
def test_decode_transfer(data: bytes, encoding: bytes, octets: bytes) -> None:
    assert decode_transfer(data, encoding) == octets


_encoded = st.lists(
    st.sampled_from([b"=", b"\r", b"\n", b" ", b"\t", b"4", b"1", b"C", b"f", b"==", b"=41", b"SGVs", b"x", b" " * 70])
    | st.binary(max_size=3),
    max_size=20,
).map(b"".join)


@pytest.mark.parametrize("encoding", [b"base64", b"quoted-printable", b"8bit"])
@given(data=_encoded, cuts=st.lists(st.integers(0, 60), max_size=6))
@settings(max_examples=300, deadline=None)
def test_pieces_do_not_matter(encoding: bytes, data: bytes, cuts: list[int]) -> None:
    whole = decode_transfer(data, encoding)
    for places in (sorted(cuts), list(range(len(data) + 1))):
        decoder = TransferDecoder(encoding)
        pieces = [decoder.feed(data[a:b]) for a, b in zip([0, *places], [*places, len(data)], strict=True)]
        assert b"".join(pieces) + decoder.finish() == whole
        assert decoder.finish() == b""


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_what_was_encoded_comes_back(octets: bytes) -> None:
    assert decode_transfer(base64.encodebytes(octets), b"base64") == octets
    assert decode_transfer(binascii.b2a_qp(octets, istext=False), b"quoted-printable") == octets
