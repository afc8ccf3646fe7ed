"""Content-Type and its kin: the forms of RFC 2045 and RFC 2183, and what careless programs write."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.mime.content_fields import (
    PARAMETERS_MOST,
    VALUE_OCTETS,
    Parameters,
    parameter,
    parse_content_type,
    parse_disposition,
    parse_encoding,
    parse_languages,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # RFC 2045 5.1
        (b" text/plain; charset=us-ascii (Plain text)", (b"text", b"plain", ((b"charset", b"us-ascii"),))),
        (b' text/plain; charset="us-ascii"', (b"text", b"plain", ((b"charset", b"us-ascii"),))),
        (b"text/plain", (b"text", b"plain", ())),
        (b"TEXT/Plain; CharSet=UTF-8", (b"text", b"plain", ((b"charset", b"UTF-8"),))),
        (b"text / plain ;charset = utf-8", (b"text", b"plain", ((b"charset", b"utf-8"),))),
        (b"text/plain (comment); a=b", (b"text", b"plain", ((b"a", b"b"),))),
        (
            b"text/plain;\r\n\tcharset=utf-8;\r\n format=flowed",
            (b"text", b"plain", ((b"charset", b"utf-8"), (b"format", b"flowed"))),
        ),
        (b"text/plain;", (b"text", b"plain", ())),
        (b"text/plain;;; charset=utf-8;", (b"text", b"plain", ((b"charset", b"utf-8"),))),
        (b"text/plain; charset", (b"text", b"plain", ())),
        (b"text/plain; charset=", (b"text", b"plain", ((b"charset", b""),))),
        (b'a/b; name="x; y=z"; c=d', (b"a", b"b", ((b"name", b"x; y=z"), (b"c", b"d")))),
        (b'a/b; name="say \\"hi\\" \\\\"', (b"a", b"b", ((b"name", b'say "hi" \\'),))),
        (b"a/b; name=my file (1).pdf", (b"a", b"b", ((b"name", b"my file (1).pdf"),))),
        (b'a/b; name="unclosed', (b"a", b"b", ((b"name", b"unclosed"),))),
        (b'a/b; name="unclosed; c=d', (b"a", b"b", ((b"name", b"unclosed"), (b"c", b"d")))),
        (b'a/b; name="fol\r\n ded"', (b"a", b"b", ((b"name", b"fol ded"),))),
        (b"a/b; name=\xfc", (b"a", b"b", ((b"name", b"\xfc"),))),
        (b"a/b; name*0=x; name*1*=%20", (b"a", b"b", ((b"name*0", b"x"), (b"name*1*", b"%20")))),
        (b"a/b; boundary==_x=y", (b"a", b"b", ((b"boundary", b"=_x=y"),))),
        (b"application/vnd.oasis.opendocument.text", (b"application", b"vnd.oasis.opendocument.text", ())),
        (b"image/svg+xml", (b"image", b"svg+xml", ())),
        (b"", None),
        (b"text", None),
        (b"text/", None),
        (b"/plain", None),
        (b"text plain", None),
        (b"text/plain/more", None),
        (b"\xfc/\xfc", None),
    ],
)
def test_parse_content_type(value: bytes, expected: tuple[bytes, bytes, Parameters] | None) -> None:
    assert parse_content_type(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # RFC 2183 2.10, 3
        (b"inline", (b"inline", ())),
        (
            b'attachment; filename=genome.jpeg;\r\n  modification-date="Wed, 12 Feb 1997 16:29:51 -0500";',
            (
                b"attachment",
                ((b"filename", b"genome.jpeg"), (b"modification-date", b"Wed, 12 Feb 1997 16:29:51 -0500")),
            ),
        ),
        (b'"attachment"; filename=a', (b"attachment", ((b"filename", b"a"),))),
        (b"ATTACHMENT;filename=a", (b"attachment", ((b"filename", b"a"),))),
        (b"", None),
        (b"; filename=a", None),
    ],
)
def test_parse_disposition(value: bytes, expected: tuple[bytes, Parameters] | None) -> None:
    assert parse_disposition(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b" Base64 ", b"base64"),
        (b'"quoted-printable"', b"quoted-printable"),
        (b"8bit; x", b"8bit"),
        (b"7bit (comment)", b"7bit"),
        (b"", b"7bit"),
        (b"(comment)", b"7bit"),
        (b"\xfc", b"7bit"),
    ],
)
def test_parse_encoding(value: bytes, expected: bytes) -> None:
    assert parse_encoding(value) == expected


def test_parse_languages() -> None:
    assert parse_languages(b" de, en-GB ,x-klingon") == (b"de", b"en-GB", b"x-klingon")
    assert parse_languages(b"") == ()


def test_parameter_is_the_first_of_its_name() -> None:
    assert parameter(((b"a", b"1"), (b"a", b"2")), b"a") == b"1"
    assert parameter((), b"a") == b""


def test_only_so_many_parameters_are_kept() -> None:
    parsed = parse_content_type(b"a/b" + b";c=d" * 1000)
    assert parsed is not None
    assert len(parsed[2]) == PARAMETERS_MOST


_PIECES = [b"a/b", b";", b"=", b'"', b"\\", b"(", b")", b" ", b"\r\n ", b"name", b"x", b"*0*", b"\xfc"]


@given(st.lists(st.sampled_from(_PIECES), max_size=20).map(b"".join) | st.binary(max_size=40))
@settings(max_examples=400, deadline=None)
def test_any_octets_are_read(value: bytes) -> None:
    for parsed in (parse_content_type(value), parse_content_type(b"a/b; " + value), parse_disposition(value)):
        for name, text in parsed[-1] if parsed else ():
            assert name == name.lower()
            assert b"\n" not in name + text
    assert parse_encoding(value) == parse_encoding(value).lower()


@pytest.mark.parametrize("unit", [b";", b"; a=", b' ;a="', b'\\;a="', b" ", b"(", b"; ", b";a", b"=", b'\\"', b" ("])
def test_time_grows_with_the_length_only(unit: bytes) -> None:
    started = time.process_time()
    for tail in (b"", b")", b'"', b";"):
        parse_content_type(b"a/b;x=" + unit * (VALUE_OCTETS // len(unit)) + tail)
        parse_disposition(unit * (VALUE_OCTETS // len(unit)) + tail)
    assert time.process_time() - started < 1
