"""What of a search program an index of texts can answer, and what is left of the program then. Pure.

A key that asks for a text becomes a question to the index. The answer is exact for the messages that the index knows;
so the key is put as "one of these UIDs, or not known and …", which means the same, and NOT, OR and all that stands around
it need no thought. Besides, `possible` tells which messages are worth judging at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ..store.derived.chunk import SEPARATOR, InField, InHeader, InText, Question
from .grammar import search as keys
from .grammar.search import Key
from .searchable import FIELD_NAME, FROM_STRUCTURE, fold
from .values import SequenceSet

FIELDS = tuple(FROM_STRUCTURE)  # in the order in which the index keeps them
_NOTHING = keys.Not(keys.All())


def octets(text: str) -> bytes:
    """As the index keeps it; half a surrogate pair is no text, but a needle may lie beside it."""
    return text.encode("utf-8", "surrogatepass")


def questions(key: Key) -> dict[Key, Question]:
    """Those of its keys that an index can answer."""
    found = ((each, question_for(each)) for each in plain_keys(key))
    return {each: question for each, question in found if question is not None}


def question_for(key: Key) -> Question | None:
    match key:
        case keys.Header(name, text):
            needle = octets(fold(text))
            if needle and name.lower() in FROM_STRUCTURE:
                return InField(FIELDS.index(name.lower()), needle)
            if FIELD_NAME.fullmatch(name):
                return InHeader(name.lower().encode("ascii"), needle)
        case keys.Body(text) | keys.Text(text):
            needle = octets(fold(text))
            if SEPARATOR not in needle:
                return InText(needle, isinstance(key, keys.Text))
    return None


def plain_keys(key: Key) -> Iterator[Key]:
    """All but those that hold others."""
    match key:
        case keys.Not(inner):
            yield from plain_keys(inner)
        case keys.Or(left, right):
            yield from plain_keys(left)
            yield from plain_keys(right)
        case keys.And(several):
            for each in several:
                yield from plain_keys(each)
        case _:
            yield key


@dataclass(slots=True, frozen=True)
class Answers:
    """asked, known: UIDs, the ones among the others; matching: for each key that was answered those that match it, all of
    them known."""

    asked: Collection[int]
    known: set[int]
    matching: Mapping[Key, set[int]]

    def put(self, key: Key) -> Key:
        """The same program, for the messages that were asked for, with the answers in place of keys."""
        match key:
            case keys.Not(inner):
                return keys.Not(self.put(inner))
            case keys.Or(left, right):
                return keys.Or(self.put(left), self.put(right))
            case keys.And(several):
                return keys.And(tuple(self.put(each) for each in several))
        matching = self.matching.get(key)
        if matching is None:
            return key
        match_it = one_of(matching)
        if len(self.known) == len(self.asked):
            return match_it
        return keys.Or(match_it, keys.And((keys.Not(one_of(self.known)), key)))

    def possible(self, key: Key) -> set[int] | None:
        """No others of those that were asked for can match; None: who knows."""
        match key:
            case keys.And(several):
                found = None
                for each in several:
                    one = self.possible(each)
                    if one is not None:
                        found = one if found is None else found & one
                return found
            case keys.Or(left, right):
                one, other = self.possible(left), self.possible(right)
                return None if one is None or other is None else one | other
        matching = self.matching.get(key)
        return None if matching is None else matching.union(self.asked).difference(self.known - matching)


def one_of(uids: Collection[int]) -> Key:
    """keys.Uids has no way to say "none"."""
    if not uids:
        return _NOTHING
    ranges: list[tuple[int, int]] = []
    low = high = 0
    for uid in sorted(uids):
        if uid != high + 1 or not low:
            if low:
                ranges.append((low, high))
            low = uid
        high = uid
    ranges.append((low, high))
    return keys.Uids(SequenceSet(tuple(ranges)))
