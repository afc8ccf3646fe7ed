"""What stands in parentheses beside FETCH, STORE, SELECT and EXAMINE: CHANGEDSINCE, VANISHED, PARTIAL, UNCHANGEDSINCE,
CONDSTORE, QRESYNC. RFC 4466 2.1, 2.4 and 2.5; RFC 7162 7; RFC 9394 4.

Leniency: 0 is taken as a MODSEQ everywhere, where RFC 7162 allows it for UNCHANGEDSINCE alone: no message has it, so that
all have changed since.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..values import STAR, SequenceSet
from .cursor import Cursor, GrammarFault

LARGEST_MODSEQ = (1 << 63) - 1  # RFC 7162 7: mod-sequence-value


@dataclass(slots=True, frozen=True)
class FetchModifiers:
    """changed_since: a MODSEQ; vanished: also what was expunged since; partial: from–to among what is found, counted from
    1, or from -1 at the end."""

    changed_since: int | None = None
    vanished: bool = False
    partial: tuple[int, int] | None = None


NO_MODIFIERS = FetchModifiers()


@dataclass(slots=True, frozen=True)
class Resync:
    """What a client knows that comes back. known: its UIDs, None for all of them; matches: sequence numbers and the UIDs
    that they had."""

    uidvalidity: int
    modseq: int
    known: SequenceSet | None = None
    matches: tuple[SequenceSet, SequenceSet] | None = None


@dataclass(slots=True, frozen=True)
class SelectParameters:
    condstore: bool = False
    resync: Resync | None = None


NO_PARAMETERS = SelectParameters()

_MODSEQ = re.compile(rb"\d{1,19}(?!\d)")
# partial-range = partial-range-first / partial-range-last
# partial-range-first = nz-number ":" nz-number; partial-range-last = "-" nz-number ":" "-" nz-number
_PARTIAL_RANGE = re.compile(rb"(-?)([1-9]\d{0,9}):(-?)([1-9]\d{0,9})(?!\d)")


def modseq(cursor: Cursor) -> int:
    value = int(cursor.match(_MODSEQ, "a MODSEQ").group())
    if value > LARGEST_MODSEQ:
        raise GrammarFault("a MODSEQ has 63 bits")
    return value


def partial_range(cursor: Cursor) -> tuple[int, int]:
    """The end nearer to where it counts from first, as in `100:1` too."""
    sign, one, other_sign, other = cursor.match(_PARTIAL_RANGE, "a range such as 1:100 or -1:-100").groups()
    if sign != other_sign:
        raise GrammarFault("a range counts from one end")
    low, high = sorted((int(one), int(other)))
    return (-low, -high) if sign else (low, high)


def fetch_modifiers(cursor: Cursor) -> FetchModifiers:
    """fetch-modifiers = "(" fetch-modifier *(SP fetch-modifier) ")"
    fetch-modifier =/ "CHANGEDSINCE" SP mod-sequence-value / "VANISHED" / "PARTIAL" SP partial-range"""
    found: dict[bytes, int | bool | tuple[int, int]] = {}

    def one() -> None:
        word = cursor.word("CHANGEDSINCE, VANISHED or PARTIAL")
        _once(word, found)
        match word:
            case b"CHANGEDSINCE":
                cursor.space()
                found[word] = modseq(cursor)
            case b"VANISHED":
                found[word] = True
            case b"PARTIAL":
                cursor.space()
                found[word] = partial_range(cursor)
            case _:
                raise GrammarFault("there is no such modifier of FETCH")

    cursor.parenthesised(one)
    if b"VANISHED" in found and b"CHANGEDSINCE" not in found:
        raise GrammarFault("VANISHED needs CHANGEDSINCE beside it")  # RFC 7162 3.2.6
    return FetchModifiers(found.get(b"CHANGEDSINCE"), b"VANISHED" in found, found.get(b"PARTIAL"))  # type: ignore[arg-type]


def store_modifiers(cursor: Cursor) -> int:
    """store-modifiers = "(" "UNCHANGEDSINCE" SP mod-sequence-valzer ")", and the space after it"""
    cursor.need(b"(")
    if cursor.word("UNCHANGEDSINCE") != b"UNCHANGEDSINCE":
        raise GrammarFault("there is no such modifier of STORE")
    cursor.space()
    since = modseq(cursor)
    cursor.need(b")")
    cursor.space()
    return since


def select_parameters(cursor: Cursor) -> SelectParameters:
    """[SP "(" select-param *(SP select-param) ")"]; select-param =/ "CONDSTORE" / "QRESYNC" SP "(" ... ")" """
    if not cursor.take(b" ("):
        return NO_PARAMETERS
    cursor.at -= 1
    found: dict[bytes, Resync | bool] = {}

    def one() -> None:
        word = cursor.word("CONDSTORE or QRESYNC")
        _once(word, found)
        match word:
            case b"CONDSTORE":
                found[word] = True
            case b"QRESYNC":
                cursor.space()
                found[word] = _resync(cursor)
            case _:
                raise GrammarFault("there is no such parameter of SELECT")

    cursor.parenthesised(one)
    return SelectParameters(b"CONDSTORE" in found, found.get(b"QRESYNC"))  # type: ignore[arg-type]


def _once(word: bytes, found: Mapping[bytes, object]) -> None:
    if word in found:
        raise GrammarFault(f"{word.decode('ascii')} stands twice")


def _resync(cursor: Cursor) -> Resync:
    """ "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"
    seq-match-data = "(" known-sequence-set SP known-uid-set ")"; none of the sets has a `*`"""
    cursor.need(b"(")
    uidvalidity = cursor.nz_number()
    cursor.space()
    since = modseq(cursor)
    known: SequenceSet | None = None
    matches: tuple[SequenceSet, SequenceSet] | None = None
    if cursor.stands(b" ") and not cursor.stands(b" ("):
        cursor.space()
        known = _plain_set(cursor)
    if cursor.take(b" ("):
        numbers = _plain_set(cursor)
        cursor.space()
        matches = numbers, _plain_set(cursor)
        cursor.need(b")")
    cursor.need(b")")
    return Resync(uidvalidity, since, known, matches)


def _plain_set(cursor: Cursor) -> SequenceSet:
    wanted = cursor.sequence_set()
    if wanted.is_saved or any(STAR in pair for pair in wanted.ranges):
        raise GrammarFault("neither * nor $ can stand in that set")
    return wanted
