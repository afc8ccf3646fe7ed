"""A preview is one short line of readable words."""

from __future__ import annotations

import quopri
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.mime import preview as preview_module
from appliance.mime.preview import HEAD_OCTETS, PREVIEW_CHARACTERS, preview


@pytest.mark.parametrize(
    ("head", "subtype", "encoding", "charset", "expected"),
    [
        pytest.param(b"Hello,\r\n\r\n  how are\tyou?\r\n", b"plain", b"7bit", "us-ascii", "Hello, how are you?", id="plain"),
        pytest.param("Grüße\u00a0an alle".encode(), b"plain", b"8bit", "utf-8", "Grüße an alle", id="UTF-8"),
        pytest.param(b"Gr=FC=DFe =\r\naus Ulm", b"plain", b"quoted-printable", "iso-8859-1", "Grüße aus Ulm", id="QP"),
        pytest.param(b"R3LDvMOfZQ==", b"plain", b"base64", "utf-8", "Grüße", id="base64"),
        pytest.param(b"> you wrote\r\n> this\r\nMy answer\r\n", b"plain", b"", "", "My answer", id="own words first"),
        pytest.param(b"> only\r\n> quoted\r\n", b"plain", b"", "", "> only > quoted", id="unless there are none"),
        pytest.param(b"a > b", b"plain", b"", "", "a > b", id="greater than"),
        pytest.param(b"a\0b\x1b[31mc", b"plain", b"", "", "a b [31mc", id="control characters"),
        pytest.param(b"", b"plain", b"", "", "", id="nothing"),
        pytest.param(b"<p>Hello <b>w</b>orld &amp; all</p><p>Next</p>", b"html", b"", "", "Hello world & all Next", id="html"),
        pytest.param(
            b"<html><head><title>T</title><style>p { color: red }</style></head><body><!-- no -->Yes<script>no()</script></body>",
            b"html", b"", "", "Yes", id="what is not shown",
        ),
        pytest.param(b"<STYLE type='text/css'>a</STYLE >Yes", b"html", b"", "", "Yes", id="capitals"),
        pytest.param(b"<style>a{}", b"html", b"", "", "", id="style without end"),
        pytest.param(b"Yes<!-- no", b"html", b"", "", "Yes", id="comment without end"),
        pytest.param(b"Yes<a href='x", b"html", b"", "", "Yes", id="tag without end"),
        pytest.param(b"1 < 2 <3 ok", b"html", b"", "", "1 < 2 <3 ok", id="less than"),
        pytest.param(b"&lt;script&gt;&#x41;&nbsp;&euro;", b"html", b"", "", "<script>A €", id="entities"),
        pytest.param(b"Sale!&zwnj;&nbsp;&zwnj;&nbsp;&#847;&shy;Now", b"html", b"", "", "Sale! Now", id="invisible padding"),
        pytest.param(b"a&#" + b"9" * 5000 + b";b", b"html", b"", "", "a\ufffdb", id="an endless number"),
        pytest.param(b"caf=C3=A9 =", b"plain", b"quoted-printable", "utf-8", "café =", id="cut off"),
        pytest.param(b"caf\xc3", b"plain", b"", "utf-8", "caf\ufffd", id="cut inside a character"),
    ],
)  # fmt: skip
def test_preview(head: bytes, subtype: bytes, encoding: bytes, charset: str, expected: str) -> None:
    assert preview(head, subtype, encoding, charset) == expected


def test_a_long_text_is_cut() -> None:
    short = preview(b"word " * 40, b"plain", b"", "")
    assert short == ("word " * 40).strip()
    long = preview(b"word " * 1000, b"plain", b"", "")
    assert long.startswith("word word")
    assert long.endswith("word…")
    assert len(long) <= PREVIEW_CHARACTERS


_PIECES = [
    b"<",
    b">",
    b"<!--",
    b"-->",
    b"<style>",
    b"</style>",
    b"</",
    b"&",
    b"&#x0;",
    b"&amp;",
    b"a",
    b"\n>",
    b" ",
    b"\xff",
    b"=",
    b"<b>",
]


@given(
    st.lists(st.sampled_from(_PIECES), max_size=20).map(b"".join) | st.binary(max_size=60),
    st.sampled_from([b"plain", b"html"]),
    st.sampled_from([b"7bit", b"base64", b"quoted-printable"]),
    st.sampled_from(["", "utf-8", "utf-16", "utf-7", "iso-2022-kr", "gb2312", "nonsense"]),
)
@settings(max_examples=400, deadline=None)
def test_any_octets_have_a_preview(head: bytes, subtype: bytes, encoding: bytes, charset: str) -> None:
    line = preview(head, subtype, encoding, charset)
    assert len(line) <= PREVIEW_CHARACTERS
    assert line.isprintable()
    assert line == line.strip()
    line.encode()


_LINES = [
    "> quoted words\r\n",
    "some words of mine\r\n",
    "größer\r\n",
    "\r\n",
    "\u200b\u200b",
    ">\n",
    "a > b\n",
    "\x07",
    "=",
    "x" * 90,
]


@given(
    st.lists(st.sampled_from(_LINES), max_size=120).map("".join),
    st.sampled_from([b"8bit", b"quoted-printable"]),
    st.sampled_from(["utf-8", "iso-8859-1"]),
)
@settings(max_examples=150, deadline=None)
def test_the_first_lines_give_what_all_lines_give(text: str, encoding: bytes, charset: str) -> None:
    head = text.encode(charset, "replace")
    if encoding == b"quoted-printable":
        head = quopri.encodestring(head)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preview_module, "_FIRST_OCTETS", 0)
        from_all = preview(head, b"plain", encoding, charset)
    assert preview(head, b"plain", encoding, charset) == from_all


@pytest.mark.parametrize(
    "unit",
    [b"<", b"<a", b"<style", b"<style>", b"<!--", b"</style", b"<b ", b"&", b"&#", b"\n>", b"&amp", b"</style   "],
)
def test_time_grows_with_the_length_only(unit: bytes) -> None:
    started = time.process_time()
    for subtype in (b"plain", b"html"):
        preview(unit * (HEAD_OCTETS // len(unit)), subtype, b"7bit", "utf-8")
    assert time.process_time() - started < 0.5
