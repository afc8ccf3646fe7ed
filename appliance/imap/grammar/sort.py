"""SORT and THREAD. RFC 5256 3 and 5, RFC 5957 (DISPLAYFROM, DISPLAYTO), RFC 5267 3 (ESORT: RETURN, as SEARCH has it)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .cursor import Cursor, GrammarFault
from .search import Key, Partial, Return, named_charset, return_options, search_keys


class SortKey(StrEnum):
    ARRIVAL = "ARRIVAL"
    CC = "CC"
    DATE = "DATE"
    DISPLAYFROM = "DISPLAYFROM"
    DISPLAYTO = "DISPLAYTO"
    FROM = "FROM"
    SIZE = "SIZE"
    SUBJECT = "SUBJECT"
    TO = "TO"


@dataclass(slots=True, frozen=True)
class Criterion:
    key: SortKey
    reverse: bool = False


@dataclass(slots=True, frozen=True)
class Sort:
    """criteria: none twice by the same key, since the second could decide nothing. The rest as in Search."""

    criteria: tuple[Criterion, ...]
    key: Key
    results: frozenset[Return] | None = None
    by_uid: bool = False
    partial: Partial | None = None
    by_modseq: bool = False


class Algorithm(StrEnum):
    ORDEREDSUBJECT = "ORDEREDSUBJECT"
    REFERENCES = "REFERENCES"


@dataclass(slots=True, frozen=True)
class Thread:
    algorithm: Algorithm
    key: Key
    by_uid: bool = False
    by_modseq: bool = False


def sort(cursor: Cursor, *, by_uid: bool = False) -> Sort:
    """sort = ["UID" SP] "SORT" [search-return-opts] SP sort-criteria SP search-criteria"""
    cursor.space()
    results, partial = return_options(cursor)
    first_of_each: dict[SortKey, Criterion] = {}
    for criterion in cursor.parenthesised(lambda: _criterion(cursor)):
        first_of_each.setdefault(criterion.key, criterion)
    key, by_modseq = _search_criteria(cursor, results)
    return Sort(tuple(first_of_each.values()), key, results, by_uid, partial, by_modseq)


def thread(cursor: Cursor, *, by_uid: bool = False) -> Thread:
    """thread = ["UID" SP] "THREAD" SP thread-alg SP search-criteria"""
    cursor.space()
    try:
        algorithm = Algorithm(cursor.word("a threading algorithm").decode("ascii"))
    except ValueError:
        raise GrammarFault("there is no such threading algorithm") from None
    key, by_modseq = _search_criteria(cursor, None)
    return Thread(algorithm, key, by_uid, by_modseq)


def _criterion(cursor: Cursor) -> Criterion:
    """sort-criterion = ["REVERSE" SP] sort-key"""
    reverse = cursor.take(b"REVERSE ")
    try:
        return Criterion(SortKey(cursor.word("what to sort by").decode("ascii")), reverse)
    except ValueError:
        raise GrammarFault("there is nothing of that name to sort by") from None


def _search_criteria(cursor: Cursor, results: frozenset[Return] | None) -> tuple[Key, bool]:
    """search-criteria = charset 1*(SP search-key)"""
    cursor.space()
    charset = named_charset(cursor.astring(), results)
    if cursor.utf8_only and charset != "utf-8":  # RFC 6855 erratum 4029
        raise GrammarFault("all is UTF-8 now, so that no other charset can be named")
    cursor.space()
    return search_keys(cursor, charset)
