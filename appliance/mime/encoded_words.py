"""Text in header fields: encoded words (RFC 2047) and parameters (RFC 2231).

Promises: `decode(encode(x).encode()) == x` for text without control characters; neither function raises; the text that
comes out holds no control character, so that no line end hides in a subject. Reads what careless programs write:
spaces inside an encoded word, one character split over two words, raw 8-bit text (UTF-8, else Latin). A word that
cannot be read stays as it is. RFC 2047 2 to 6, RFC 2231 3 to 5.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from urllib.parse import unquote_to_bytes

from .charsets import decode_text, decode_transfer, decode_unlabelled

_WORD = re.compile(rb"=\?([^\s?*]{1,40})(?:\*[^\s?]{0,40})?\?([BbQq])\?([^?\r\n]*)\?=")
_MOST_ON_A_LINE = 75  # RFC 2047 2
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), " ")
_NEEDS_NO_WORD = re.compile(r"(?:[!-~]{1,200}(?: +[!-~]{1,200})*)?")
_Q_LITERAL = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")  # RFC 2047 5 (3)


def decode(value: bytes) -> str:
    """The text of an unstructured field or a phrase, folded or not."""
    if b"\n" in value or b"\r" in value:
        value = value.replace(b"\r", b"").replace(b"\n", b"")
    if b"=?" not in value:
        return decode_unlabelled(value).translate(_CONTROLS)
    return "".join(_pieces(value)).translate(_CONTROLS)


def _pieces(value: bytes) -> Iterator[str]:
    position = 0
    run: list[tuple[bytes, bytes]] = []  # words with nothing but space between them: (charset, octets)
    for word in _WORD.finditer(value):
        between = value[position : word.start()]
        if between.strip(b" \t") or not run:
            yield from _run(run)
            run = []
            yield decode_unlabelled(between)
        charset, encoding, text = word.groups()
        run.append((charset.lower(), _octets(encoding, text)))
        position = word.end()
    yield from _run(run)
    yield decode_unlabelled(value[position:])


def _run(run: list[tuple[bytes, bytes]]) -> Iterator[str]:
    for charset, words in groupby(run, key=lambda word: word[0]):
        yield decode_text(b"".join(octets for _, octets in words), charset.decode("latin-1"))


def _octets(encoding: bytes, text: bytes) -> bytes:
    if encoding in b"Bb":
        return decode_transfer(text, b"base64")
    return decode_transfer(text.replace(b"_", b" "), b"quoted-printable")


def encode(text: str) -> str:
    """Text for an unstructured field or a phrase: as it is where ASCII does, else encoded words of at most 75
    characters with spaces between them, where the field may be folded. Control characters become spaces."""
    text = text.translate(_CONTROLS)
    return text if _NEEDS_NO_WORD.fullmatch(text) and "=?" not in text else encode_words(text)


def encode_words(text: str) -> str:
    """Encoded words whatever the text; in UTF-8, no character split over two words, fit for a phrase as well."""
    octets = text.encode("utf-8", "replace")
    quoted = sum(1 if octet in _Q_LITERAL or octet == 32 else 3 for octet in octets)
    base64 = quoted > (len(octets) + 2) // 3 * 4
    room = _MOST_ON_A_LINE - len("=?utf-8?q??=")
    words: list[str] = []
    chunk, used = b"", 0
    for character in text:
        one = character.encode("utf-8", "replace")
        cost = len(one) if base64 else len(_quote(one))
        if used + cost > (room // 4 * 3 if base64 else room):
            words.append(_word(chunk, base64))
            chunk, used = b"", 0
        chunk += one
        used += cost
    words.append(_word(chunk, base64))
    return " ".join(words)


def _quote(octets: bytes) -> str:
    return "".join(chr(octet) if octet in _Q_LITERAL else "_" if octet == 32 else f"={octet:02X}" for octet in octets)


def _word(octets: bytes, base64: bool) -> str:
    if base64:
        return f"=?utf-8?b?{binascii.b2a_base64(octets, newline=False).decode('ascii')}?="
    return f"=?utf-8?q?{_quote(octets)}?="


_SECTION = re.compile(r"(.+?)(?:\*(\d{1,3}))?(\*)?", re.DOTALL)


def decode_parameters(parameters: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Names in lower case → text; continuations joined (RFC 2231 3), percent codes and charset undone (RFC 2231 4).

    An encoded word inside a plain parameter is decoded too: forbidden, and what most programs send.
    """
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[bool, bytes]]] = {}
    for raw_name, value in parameters:
        name = raw_name.decode("latin-1").lower()
        section = _SECTION.fullmatch(name)
        if section is None or (section[2] is None and section[3] is None):
            plain.setdefault(name, decode(value))
        else:
            sections.setdefault(section[1], {}).setdefault(int(section[2] or 0), (section[3] is not None, value))
    for name, numbered in sections.items():
        plain[name] = _join(numbered)
    return plain


def _join(numbered: dict[int, tuple[bool, bytes]]) -> str:
    charset, octets = b"", b""
    for count, number in enumerate(sorted(numbered)):
        if number != count:
            break  # a section is missing: what follows cannot be placed
        extended, value = numbered[number]
        if extended and count == 0 and value.count(b"'") >= 2:
            charset, _, value = value.split(b"'", 2)
        octets += unquote_to_bytes(value) if extended else value
    return decode_text(octets, charset.decode("latin-1")).translate(_CONTROLS)
