"""Encoded words and parameters: the examples of RFC 2047 8 and RFC 2231, careless writers, and back."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appliance.mime.encoded_words import decode, decode_parameters, encode, encode_words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        # RFC 2047 8
        (b"=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>"),
        (b"=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?= <keld@dkuug.dk>", "Keld Jørn Simonsen <keld@dkuug.dk>"),
        (
            b"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
            "If you can read this you understand the example.",
        ),
        (b"(=?ISO-8859-1?Q?a?=)", "(a)"),
        (b"(=?ISO-8859-1?Q?a?= b)", "(a b)"),
        (b"(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"),
        (b"(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)"),
        (b"(=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=)", "(ab)"),
        (b"(=?ISO-8859-1?Q?a_b?=)", "(a b)"),
        (b"(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)"),
        # RFC 2231 5, with a language
        (b"=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore"),
        # others
        (b"", ""),
        (b"plain", "plain"),
        (b"fol\r\n ded", "fol ded"),
        (b"=?utf-8?q?=C3=BC?=", "ü"),
        (b"=?UTF-8?B?w7w=?=", "ü"),
        (b"=?UTF-8?B?w7w?=", "ü"),
        (b"=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "ü"),
        (b"=?utf-8?b?w?= =?UTF-8?b?7w=?=", "\ufffd"),
        (b"=?utf-8?q?with spaces inside?=", "with spaces inside"),
        (b"=?utf-8?q??=", ""),
        (b"=?utf-8?q?a?=b", "ab"),
        (b"=?x-unknown?q?a=FCb?=", "a\ufffdb"),
        (b"=?utf-8?x?abc?=", "=?x-unknown".replace("x-unknown", "utf-8") + "?x?abc?="),
        (b"=?utf-8?q?never closed", "=?utf-8?q?never closed"),
        (b"=?utf-8?q?a?b?=", "=?utf-8?q?a?b?="),
        ("Grüße".encode(), "Grüße"),
        ("Grüße".encode("latin-1"), "Grüße"),
        ("ü =?utf-8?q?=C3=BC?= ü".encode(), "ü ü ü"),
        (b"=?utf-8?q?a=0D=0ABcc:_b?=", "a  Bcc: b"),
        (b"a\0b\x7f\x1b[31m", "a b  [31m"),
        (b"=?iso-2022-jp?B?GyRCJDMkcxsoQg==?=", "こん"),
    ],
)
def test_decode(value: bytes, text: str) -> None:
    assert decode(value) == text


def test_encode_leaves_plain_words_alone() -> None:
    assert encode("Re: Hello, World! (1/2)") == "Re: Hello, World! (1/2)"
    assert encode("") == ""


def test_encode_makes_short_words() -> None:
    words = encode("Grüße aus München, " * 20).split(" ")
    assert len(words) > 3
    for word in words:
        assert len(word) <= 75
        assert re.fullmatch(r"=\?utf-8\?[bq]\?[!->@-~]*\?=", word)
        decode(word.encode()).encode()


@pytest.mark.parametrize("text", ["=?utf-8?q?a?=", " leading", "trailing ", "x" * 300, "a=?b"])
def test_encode_hides_what_would_be_changed_on_the_way(text: str) -> None:
    assert encode(text) != text
    assert decode(encode(text).encode()) == text


_plain_text = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=120)


@given(_plain_text)
@settings(max_examples=300, deadline=None)
@example("a" * 74 + "ü")
@example("=?=?=?")
@example("漢字" * 60)
def test_what_is_encoded_comes_back(text: str) -> None:
    for encoded in (encode(text), encode_words(text)):
        assert encoded.isascii()
        assert "\r" not in encoded
        assert "\n" not in encoded
        assert decode(encoded.encode()) == text
        assert decode(encoded.replace(" ", "\r\n ").encode()) == text


@given(st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_text_is_encoded(text: str) -> None:
    decoded = decode(encode(text).encode())
    assert len(decoded) == len(text)


_WORDS = [
    b"=?",
    b"?=",
    b"?",
    b"q",
    b"B",
    b"utf-8",
    b"=C3",
    b" ",
    b"\r\n ",
    b"=?utf-8?q?",
    b"=?utf-16?b?",
    b"\xff",
    b"w7w=",
    b"_",
]


@given(st.lists(st.sampled_from(_WORDS), max_size=20).map(b"".join) | st.binary(max_size=60))
@settings(max_examples=400, deadline=None)
def test_any_octets_are_text_of_one_line(value: bytes) -> None:
    text = decode(value)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text)


@pytest.mark.parametrize(
    ("parameters", "decoded"),
    [
        pytest.param([], {}, id="none"),
        pytest.param([(b"charset", b"us-ascii")], {"charset": "us-ascii"}, id="plain"),
        # RFC 2231 3
        pytest.param(
            [(b"access-type", b"URL"), (b"url*0", b"ftp://"), (b"url*1", b"cs.utk.edu/pub/moore/bulk-mailer.tar")],
            {"access-type": "URL", "url": "ftp://cs.utk.edu/pub/moore/bulk-mailer.tar"}, id="continuations",
        ),
        # RFC 2231 4
        pytest.param(
            [(b"title*", b"us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A")], {"title": "This is ***fun***"}, id="charset",
        ),
        # RFC 2231 4.1
        pytest.param(
            [(b"title*0*", b"us-ascii'en'This%20is%20even%20more%20"), (b"title*1*", b"%2A%2A%2Afun%2A%2A%2A%20"),
             (b"title*2", b"isn't it!")],
            {"title": "This is even more ***fun*** isn't it!"}, id="both",
        ),
        pytest.param([(b"t*1", b"b"), (b"t*0", b"a")], {"t": "ab"}, id="out of order"),
        pytest.param([(b"t*0", b"a"), (b"t*2", b"c")], {"t": "a"}, id="a section is missing"),
        pytest.param([(b"filename*", b"utf-8''%e2%82%ac"), (b"filename", b"EUR")], {"filename": "€"}, id="the better one wins"),
        pytest.param([(b"filename", b"=?utf-8?q?=C3=BC?=.txt")], {"filename": "ü.txt"}, id="encoded word"),
        pytest.param([(b"filename", "ü.txt".encode())], {"filename": "ü.txt"}, id="raw UTF-8"),
        pytest.param([(b"FileName", b"a"), (b"filename", b"b")], {"filename": "a"}, id="the first of two"),
        pytest.param([(b"t*", b"no quotes%20")], {"t": "no quotes "}, id="no charset"),
        pytest.param([(b"t*", b"utf-8''%0d%0a%zz")], {"t": "  %zz"}, id="control characters, bad codes"),
        pytest.param([(b"t*0*", b"utf-8''%C3"), (b"t*1*", b"%BC")], {"t": "ü"}, id="a character over two sections"),
        pytest.param([(b"*", b"x"), (b"*0", b"y")], {"*": "x", "*0": "y"}, id="nothing before the star"),
    ],
)  # fmt: skip
def test_decode_parameters(parameters: list[tuple[bytes, bytes]], decoded: dict[str, str]) -> None:
    assert decode_parameters(parameters) == decoded


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"a", b"a*", b"a*0", b"a*0*", b"a*1", b"*", b""]) | st.binary(max_size=4),
            st.binary(max_size=12),
        )
    )
)
@settings(max_examples=200, deadline=None)
def test_any_parameters_are_read(parameters: list[tuple[bytes, bytes]]) -> None:
    for text in decode_parameters(parameters).values():
        assert "\n" not in text
