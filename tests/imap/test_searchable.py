"""The texts of a message: how pieces of them are folded, and where a needle may lie."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.imap.searchable import body_texts, contain, fold, header_text
from appliance.mime.structure import StructureScanner
from tests.imap.test_search import MESSAGE
from tests.support.contents import InMemory

# What folding does most to: several marks on a letter, letters that become several, signs that decompose, jamo.
LETTERS = "aßİıſKÅéü각ﬁΣςςϓ̈" + "̣́̈̄" + "\u0344\u0f73\u0fb2\u0f71 \n"


def test_headers_of_all_parts_and_texts_are_looked_into_and_other_attachments_are_not() -> None:
    scanner = StructureScanner()
    scanner.feed(MESSAGE)
    texts = ["".join(pieces) for pieces in body_texts(scanner.finish().root, InMemory(MESSAGE, 3))]
    assert texts == [
        "content-type: text/plain; charset=utf-8\ncontent-transfer-encoding: base64",
        fold("Königliche Post"),
        "content-type: text/html; charset=iso-8859-1\ncontent-transfer-encoding: quoted-printable",
        fold("<p>Tür und Tor</p>"),
        "content-type: message/rfc822",
        "subject: nested thing",
        "deep text",
        'content-type: application/octet-stream; name="secret-plan.bin"',
    ]


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (b"Subject: Hello\r\n\r\n", "subject: hello"),
        (b"X-A:   two\r\n\t lines \r\nX-B:\r\n", "x-a: two  lines\nx-b: "),
        (b"From nobody\r\nTo: =?utf-8?q?=C3=9F?= \r\n", "to: ss"),
        (b"", ""),
    ],
)
def test_a_header_is_a_line_for_each_field(header: bytes, text: str) -> None:
    assert header_text(header) == text


@settings(max_examples=300, deadline=None)
@given(st.text(LETTERS, max_size=60), st.lists(st.integers(1, 9), max_size=20))
def test_in_pieces_it_is_folded_as_a_whole(text: str, lengths: list[int]) -> None:
    octets = text.replace("\n", "\r\n").encode()
    message = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + octets
    scanner = StructureScanner()
    scanner.feed(message)
    (pieces,) = body_texts(scanner.finish().root, Cut(message, lengths=tuple(lengths)))
    assert "".join(pieces) == fold(octets.decode())


@dataclass(slots=True, frozen=True)
class Cut(InMemory):
    """In pieces of these lengths, then of one octet."""

    lengths: tuple[int, ...] = ()

    def pieces(self, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        end = len(self.octets) if length is None else start + length
        for step in self.lengths:
            yield self.octets[start : min(start + step, end)]
            start = min(start + step, end)
        for at in range(start, end):
            yield self.octets[at : at + 1]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text("ab", max_size=4), max_size=8), st.text("ab", min_size=1, max_size=6))
def test_a_needle_may_lie_over_a_seam(pieces: list[str], needle: str) -> None:
    assert contain(pieces, needle) == (needle in "".join(pieces))


@settings(max_examples=300, deadline=None)
@given(st.text(), st.text(LETTERS))
def test_case_and_composition_are_no_difference(text: str, letters: str) -> None:
    both = text + letters
    assert fold(unicodedata.normalize("NFD", both)) == fold(unicodedata.normalize("NFC", both)) == fold(both)
    assert fold(fold(both)) == fold(both)
