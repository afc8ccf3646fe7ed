"""Which of up to 512 texts contain a needle? Answered from the words of all of them and where each occurs. Pure.

A *word* is a run of octets of which each is a letter, a digit or part of a character beyond ASCII; all else separates.
A needle that has no separator in it lies in a text exactly if it lies in one of the text's words, wherever in it, so
that the list of words, looked through from end to end, gives the exact answer; of any length, also of one character. A
needle of several words can only lie in texts that have each of them: those are candidates, and somebody has to look.

Layout: `words` holds each word once, separated by line ends, those that most texts have first, the others by the number
of texts and then in alphabetical order; `places` holds, in the same order, for each word the numbers of its texts
(16 bits each, little-endian), or one bit for each text once that is shorter. `groups` says how many words there are of
each kind, so that where a word's places lie can be reckoned.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

TEXTS_MOST = 512
_BITS_OCTETS = TEXTS_MOST // 8
_LIST_MOST = _BITS_OCTETS // 2  # numbers in a list, before bits are shorter
_WORDS = re.compile(rb"[0-9a-z\x80-\xff]+")
_AT_ONCE = 32 * 1024  # octets that are looked through in one call, during which nobody else's Python runs


class VocabularyBuilder:
    """Of folded texts, number after number. Memory: some 200 octets for each different word."""

    def __init__(self) -> None:
        self._texts_with: dict[bytes, int] = {}
        self.octets = 0

    def add(self, number: int, text: bytes) -> None:
        bit = 1 << number
        seen = self._texts_with
        for word in _words_of(text):
            before = seen.get(word)
            if before is None:
                seen[word] = bit
                self.octets += len(word) + 1
            else:
                seen[word] = before | bit

    def pack(self) -> Vocabulary:
        by_count: dict[int, list[bytes]] = {}
        for word, texts in self._texts_with.items():
            count = texts.bit_count()
            by_count.setdefault(count if count <= _LIST_MOST else 0, []).append(word)
        words: list[bytes] = []
        places = bytearray()
        groups: list[tuple[int, int]] = []
        for count in sorted(by_count, key=lambda count: (count > 0, -count)):
            group = sorted(by_count[count])
            groups.append((count, len(group)))
            words += group
            for word in group:
                texts = self._texts_with[word]
                if count == 0:
                    places += texts.to_bytes(_BITS_OCTETS, "little")
                else:
                    places += b"".join(number.to_bytes(2, "little") for number in numbers(texts))
        octets = bytes(places)
        return Vocabulary(b"\n".join(words), tuple(groups), lambda: octets)


@dataclass(slots=True, frozen=True)
class Vocabulary:
    """groups: (texts of each word, or 0 where bits tell them; how many words). places: asked for where a word matches."""

    words: bytes
    groups: tuple[tuple[int, int], ...]
    places: Callable[[], bytes]

    def texts_with(self, needle: bytes, every: int) -> tuple[int, bool]:
        """(texts that can contain it, one bit each; whether they do contain it). every: bits of all texts there are."""
        found = every
        fragments = [(match.start(), match.end()) for match in _WORDS.finditer(needle)]
        for start, end in fragments:
            # Inside the needle a word is a whole one; at its ends it may be the end or the beginning of one.
            word = (b"\n" if start > 0 else b"") + needle[start:end] + (b"\n" if end < len(needle) else b"")
            found &= self._with_word(word, found)
            if not found:
                return 0, True
        return found, not needle or fragments == [(0, len(needle))]

    def _with_word(self, wanted: bytes, every: int) -> int:
        """wanted: part of a word, with a line end where the word must begin or end. Of the texts in `every`, at least."""
        words = b"\n" + self.words + b"\n" if wanted[:1] == b"\n" or wanted[-1:] == b"\n" else self.words
        leading = 1 if words is not self.words else 0
        found = index = counted = 0
        at = words.find(wanted)
        while at >= 0:
            inside = at + (wanted[:1] == b"\n")
            index += words.count(b"\n", counted, inside)
            counted = inside
            found |= self._places(index - leading)
            if not every & ~found:
                break
            at = words.find(b"\n", inside)
            if at >= 0:
                at = words.find(wanted, at)
        return found

    def _places(self, index: int) -> int:
        places = self.places()
        first = offset = 0
        for count, words in self.groups:
            octets = _BITS_OCTETS if count == 0 else 2 * count
            if index < first + words:
                start = offset + (index - first) * octets
                place = places[start : start + octets]
                if len(place) < octets:
                    break
                if count == 0:
                    return int.from_bytes(place, "little")
                return _bits(place)
            first += words
            offset += words * octets
        raise ValueError("a word without places")


def numbers(bits: int) -> Iterator[int]:
    """Of the texts whose bits are set, from the lowest up."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def _bits(place: bytes) -> int:
    bits = 0
    for low, high in zip(place[::2], place[1::2], strict=True):
        bits |= 1 << (low | high << 8)
    return bits


def _words_of(text: bytes) -> set[bytes]:
    if len(text) <= _AT_ONCE:
        return set(_WORDS.findall(text))
    return {match[0] for match in _WORDS.finditer(text)}
