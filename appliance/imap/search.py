"""Search criteria → matcher: which messages does a SEARCH mean? Pure.

A matcher answers True, False, or None for "cannot say yet": a Candidate is first shown with what the view knows, then with
its row, then with its structure, then with its content. So most messages are decided without reading them, and what must be read is
read once. Cheap keys are tried before dear ones.

Which texts a message has, `searchable.py` says. Days of INTERNALDATE are days of UTC, as it is shown; a Date header counts
by its own zone.
RFC 3501 6.4.4, RFC 5032 (OLDER, YOUNGER), RFC 5182 (`$`), RFC 7162 3.1.5 (MODSEQ), RFC 8474 5 (EMAILID, THREADID),
RFC 8514 4.3 (SAVEDSINCE …).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from operator import attrgetter

from ..mail.content import Content
from ..mime.dates import parse_date
from ..mime.parts import Structure
from .column_keys import bounds
from .grammar import search as keys
from .grammar.search import Key, When
from .object_ids import thread_id
from .searchable import FROM_STRUCTURE, LONGEST_HEADER, body_texts, contain, fold, header_text, values_of
from .values import SequenceSet
from .view import RECENT

FLAG_BITS = {"\\seen": 1, "\\answered": 2, "\\flagged": 4, "\\deleted": 8, "\\draft": 16, "\\recent": RECENT}


class Level(IntEnum):
    """How much of a candidate is known."""

    VIEW = 0
    ROW = 1
    STRUCTURE = 2
    WHOLE = 3


@dataclass(slots=True)
class Candidate:
    """A message to be judged. flags: with RECENT. From ROW on internal_date and saved_at (epoch seconds), size_octets and
    modseq are set, from STRUCTURE on also email_id, prefix and structure, with WHOLE the content."""

    number: int
    uid: int
    flags: int
    keywords: str
    level: Level = Level.VIEW
    internal_date: int = 0
    saved_at: int = 0
    size_octets: int = 0
    modseq: int = 0
    email_id: str = ""
    prefix: bytes = b""
    structure: Structure | None = None
    content: Content | None = None

    def header(self) -> bytes:
        assert self.structure is not None and self.content is not None
        length = min(self.structure.root.body_start, LONGEST_HEADER)
        return self.prefix + b"".join(self.content.pieces(0, length))


Matcher = Callable[[Candidate], "bool | None"]


@dataclass(slots=True, frozen=True)
class World:
    """What keys mean that say nothing by themselves. messages, largest_uid: `*` in this view; saved: the UIDs of `$`, in
    order; now_s: since the epoch."""

    messages: int
    largest_uid: int
    saved: Sequence[int] = ()
    now_s: float = 0.0


def matcher(key: Key, world: World) -> Matcher:
    return _compile(key, world)[1]


def said_by_view(key: Key) -> bool:
    """Of a key that holds no others: nothing has to be read for it."""
    return isinstance(key, (keys.All, keys.Flagged, keys.Recent, keys.Numbers, keys.Uids))


# Costs: what is in the view, a set look-up, a row, a field of the structure, a header, a body.
_VIEW, _SET, _ROW, _FIELD, _HEADER, _BODY = range(6)
_Weighed = tuple[int, Matcher]


def _compile(key: Key, world: World) -> _Weighed:
    match key:
        case keys.All():
            return _VIEW, lambda candidate: True
        case keys.Flagged(flag):
            return _VIEW, _flagged(flag)
        case keys.Recent():
            return _VIEW, lambda candidate: bool(candidate.flags & RECENT)
        case keys.Numbers(wanted):
            if wanted.is_saved:
                return _SET, _among(world.saved)
            return _SET, _within(wanted, world.messages, lambda candidate: candidate.number)
        case keys.Uids(wanted):
            if wanted.is_saved:
                return _SET, _among(world.saved)
            return _SET, _within(wanted, world.largest_uid, lambda candidate: candidate.uid)
        case keys.Larger() | keys.Smaller() | keys.Internal() | keys.Saved() | keys.Older() | keys.Younger():
            return _ROW, _in_column(key, world.now_s)
        case keys.ChangedSince(modseq):
            return _ROW, lambda candidate: candidate.modseq >= modseq if candidate.level else None
        case keys.EmailId(id_):
            return _FIELD, lambda candidate: candidate.email_id == id_ if candidate.structure is not None else None
        case keys.ThreadId(id_):
            return _FIELD, _in_thread(id_)
        case keys.Sent(when, day):
            return _FIELD, _sent(when, day)
        case keys.Header(name, text):
            return _header(name, text)
        case keys.Body(text):
            return _BODY, _content(text, with_header=False)
        case keys.Text(text):
            return _BODY, _content(text, with_header=True)
        case keys.Not(inner):
            cost, matches = _compile(inner, world)
            return cost, _negated(matches)
        case keys.Or(left, right):
            return _any_of([_compile(left, world), _compile(right, world)])
        case keys.And(several):
            return _all_of([_compile(each, world) for each in several])


def _negated(matches: Matcher) -> Matcher:
    def negated(candidate: Candidate) -> bool | None:
        answer = matches(candidate)
        return None if answer is None else not answer

    return negated


def _all_of(weighed: list[_Weighed]) -> _Weighed:
    ordered = [matches for _, matches in sorted(weighed, key=lambda each: each[0])]

    def all_of(candidate: Candidate) -> bool | None:
        answer: bool | None = True
        for matches in ordered:
            one = matches(candidate)
            if one is False:
                return False
            if one is None:
                answer = None
        return answer

    return max(cost for cost, _ in weighed), all_of


def _any_of(weighed: list[_Weighed]) -> _Weighed:
    ordered = [matches for _, matches in sorted(weighed, key=lambda each: each[0])]

    def any_of(candidate: Candidate) -> bool | None:
        answer: bool | None = False
        for matches in ordered:
            one = matches(candidate)
            if one:
                return True
            if one is None:
                answer = None
        return answer

    return max(cost for cost, _ in weighed), any_of


def _flagged(flag: str) -> Matcher:
    if flag.startswith("\\"):
        bit = FLAG_BITS.get(flag.lower(), 0)
        return lambda candidate: bool(candidate.flags & bit)
    keyword = flag.lower()
    return lambda candidate: bool(candidate.keywords) and keyword in candidate.keywords.lower().split()


def _within(wanted: SequenceSet, largest: int, value: Callable[[Candidate], int]) -> Matcher:
    spans = wanted.spans(largest)
    lows, highs = array("Q", (low for low, _ in spans)), array("Q", (high for _, high in spans))

    def within(candidate: Candidate) -> bool:
        number = value(candidate)
        place = bisect_left(highs, number)
        return place < len(lows) and lows[place] <= number

    return within


def _among(uids: Sequence[int]) -> Matcher:
    def among(candidate: Candidate) -> bool:
        place = bisect_left(uids, candidate.uid)
        return place < len(uids) and uids[place] == candidate.uid

    return among


def _in_thread(id_: str) -> Matcher:
    def in_thread(candidate: Candidate) -> bool | None:
        if candidate.structure is None:
            return None
        structure = candidate.structure
        return thread_id(structure.envelope, structure.references, candidate.email_id) == id_

    return in_thread


def _compare(when: When, wanted: date) -> Callable[[date], bool]:
    match when:
        case When.BEFORE:
            return lambda day: day < wanted
        case When.ON:
            return lambda day: day == wanted
        case When.SINCE:
            return lambda day: day >= wanted


def _in_column(key: Key, now_s: float) -> Matcher:
    within = bounds(key, now_s)
    assert within is not None
    column, least, most = within
    value = attrgetter(column)
    return lambda candidate: least <= value(candidate) <= most if candidate.level else None


def _sent(when: When, wanted: date) -> Matcher:
    """A message without a Date that can be read was sent on no day."""
    compare = _compare(when, wanted)

    def sent(candidate: Candidate) -> bool | None:
        if candidate.structure is None:
            return None
        field = candidate.structure.envelope.date
        moment = parse_date(field) if field else None
        return moment is not None and compare(moment.date())

    return sent


# texts


def _header(name: str, text: str) -> _Weighed:
    needle = fold(text)
    # Without a text only the field's presence counts, of which the structure does not tell.
    from_structure = FROM_STRUCTURE.get(name.lower()) if needle else None
    if from_structure is not None:
        read = from_structure

        def in_structure(candidate: Candidate) -> bool | None:
            if candidate.structure is None:
                return None
            return any(needle in fold(value) for value in read(candidate.structure))

        return _FIELD, in_structure

    def in_header(candidate: Candidate) -> bool | None:
        if candidate.level < Level.WHOLE:
            return None
        return any(needle in value for value in values_of(candidate.header(), name))

    return _HEADER, in_header


def _content(text: str, *, with_header: bool) -> Matcher:
    needle = fold(text)

    def contains(candidate: Candidate) -> bool | None:
        if candidate.level < Level.WHOLE:
            return None
        if not needle:
            return True
        if with_header and needle in header_text(candidate.header()):
            return True
        assert candidate.structure is not None and candidate.content is not None
        return any(contain(pieces, needle) for pieces in body_texts(candidate.structure.root, candidate.content))

    return contains
