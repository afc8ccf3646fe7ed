"""From stored messages to what the reader's pages show."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.mime.addresses import parse_addresses
from appliance.mime.parts import Part
from web.webmail import reading
from web.webmail.safe_html import html_to_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("Hello", "Hello"),
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<ul><li>x<li>y</ul>", "- x\n- y"),
        ("a &amp; b &lt;c&gt; &#233;", "a & b <c> é"),
        ("  lots \n of\t space ", "lots of space"),
        ("<SCRIPT>alert(1)</SCRIPT>after", "after"),
        ("<script>never closed", ""),
        ("<style>a{}</style >x", "x"),
        ("<!-- a -- > b -->c", "c"),
        ("<!-- never closed", ""),
        ("<!doctype html>x", "x"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("<a href='http://x.example/'>x</a>", "x <http://x.example/>"),
        ("<a href='http://x.example/'>http://x.example/</a>", "http://x.example/"),
        ("<a href='javascript:alert(1)'>x</a>", "x"),
        ("<a href=http://x.example/>x</a>", "x <http://x.example/>"),
        ("<a href='&#106;avascript:alert(1)'>x</a>", "x"),
        ("<img alt='a pigeon' src='http://t.example/'>", "[a pigeon]"),
        ("<b", ""),
        ("<", "<"),
        ("", ""),
        ("<table><tr><td>1</td><td>2</td></tr></table>", "1  2"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;", "<script>alert(1)</script>"),  # text, and escaped as such on the page
    ],
)
def test_html_becomes_the_text_one_sees(html: str, text: str) -> None:
    assert html_to_text(html) == text


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="<>!-/ab='\"&;# \nscript", max_size=300))
def test_any_html_becomes_text(html: str) -> None:
    text = html_to_text(html)
    assert "\n\n\n" not in text


@pytest.mark.parametrize(
    "piece",
    ["<", "<!--", "<a ", "<a href=", "<script>", "</", "&", "<p>", "<a href='http://x/'>", "<![", "'\"", "<td>"],
)
def test_hostile_html_takes_no_time(piece: str) -> None:
    """Twice the input takes about twice the time."""

    def cost(octets: int) -> float:
        source = piece * (octets // len(piece))
        started = time.process_time()
        html_to_text(source)
        return time.process_time() - started

    small = min(cost(50_000) for _ in range(3))
    large = min(cost(200_000) for _ in range(3))
    assert large < 0.05 + 12 * small


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        (b"Ann Other <ann@example.org>", "Ann Other <ann@example.org>"),
        (b"ann@example.org", "ann@example.org"),
        (b"=?utf-8?q?J=C3=B6rg?= <j@example.org>", "Jörg <j@example.org>"),
        (b'"boss@bank.example" <evil@elsewhere.example>', "boss@bank.example <evil@elsewhere.example>"),
        (b"friends: a@x.example, b@x.example;", "friends:, a@x.example, b@x.example"),
        (b"", ""),
    ],
)
def test_people_are_shown_with_their_address(header: bytes, shown: str) -> None:
    assert reading.people(parse_addresses(header)) == shown


def part(type_: bytes, subtype: bytes, *children: Part, **more: object) -> Part:
    values: dict[str, object] = {
        "type": type_,
        "subtype": subtype,
        "params": (),
        "id": None,
        "description": None,
        "encoding": b"7bit",
        "md5": None,
        "disposition": None,
        "language": (),
        "location": None,
        "header_start": 0,
        "body_start": 0,
        "end": 0,
        "lines": 0,
        "children": children,
    }
    return Part(**(values | more))  # type: ignore[arg-type]


ATTACHED = (b"attachment", ((b"filename", b"x.txt"),))


@pytest.mark.parametrize(
    ("tree", "bodies"),
    [
        (part(b"text", b"plain"), ["plain"]),
        (part(b"text", b"html"), ["html"]),
        (part(b"image", b"png"), []),
        (part(b"text", b"plain", disposition=ATTACHED), []),
        (part(b"multipart", b"alternative", part(b"text", b"plain"), part(b"text", b"html")), ["plain"]),
        (part(b"multipart", b"alternative", part(b"text", b"html"), part(b"text", b"plain")), ["plain"]),
        (part(b"multipart", b"alternative", part(b"text", b"html")), ["html"]),
        (
            part(b"multipart", b"mixed", part(b"text", b"plain"), part(b"image", b"png"), part(b"text", b"html")),
            ["plain", "html"],
        ),
        (part(b"multipart", b"related", part(b"text", b"html"), part(b"image", b"png")), ["html"]),
        (
            part(
                b"multipart",
                b"alternative",
                part(b"text", b"plain"),
                part(b"multipart", b"related", part(b"text", b"html"), part(b"image", b"png")),
            ),
            ["plain"],
        ),
        (part(b"message", b"rfc822", part(b"text", b"plain")), []),
    ],
)
def test_which_parts_are_the_text(tree: Part, bodies: list[str]) -> None:
    assert [each.subtype.decode() for each in reading._bodies(tree)] == bodies


@pytest.mark.parametrize(
    ("name", "saved_as"),
    [
        (b"photo.jpg", "photo.jpg"),
        (b"../../etc/passwd", "_.._etc_passwd"),
        (b"C:\\autoexec.bat", "C__autoexec.bat"),
        (b"a\r\nb.txt", "ab.txt"),
        (b"", "part-1"),
        (b"...", "part-1"),
        (b"x" * 300 + b".pdf", "x" * 116 + ".pdf"),
        ("evil\u202egpj.exe".encode(), "evil_gpj.exe"),
    ],
)
def test_a_name_cannot_lead_out_of_a_folder(name: bytes, saved_as: str) -> None:
    attached = part(b"application", b"x", disposition=(b"attachment", ((b"filename", name),)))
    assert reading.file_name(0, attached) == saved_as


class Text:
    """Content of one piece a time, to be sure that nobody counts on more."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.size = len(octets)

    def pieces(self, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        end = self.size if length is None else start + length
        for i in range(start, end):
            yield self.octets[i : i + 1]


def test_a_part_comes_out_of_its_encoding_in_any_pieces() -> None:
    encoded = part(b"application", b"x", encoding=b"base64", body_start=2, end=10)
    assert b"".join(reading.octets_of(encoded, Text(b"..aGVsbG8=.."))) == b"hello"


def test_characters_that_turn_the_text_around_are_taken_out() -> None:
    octets = "evil\u202etxt\x07\tok".encode()
    plain = part(b"text", b"plain", params=((b"charset", b"utf-8"),), end=len(octets))
    text, whole = reading._text_of(plain, Text(octets), 1000)
    assert (text, whole) == ("eviltxt\tok", True)
    assert reading._text_of(plain, Text(octets), 4) == ("evil", False)
