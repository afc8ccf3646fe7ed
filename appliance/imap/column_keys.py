"""Keys that ask for a column of a message's row, answered by the database for the whole mailbox at once. Pure.

A database compares ten thousand numbers in the time in which the interpreter judges some hundred messages. So such a key
becomes the UIDs that it means, and NOT, OR and all that stands around it need no thought. RFC 3501 6.4.4, RFC 5032, RFC 8514.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

from .grammar import search as keys
from .grammar.search import Key, When
from .indexed_keys import plain_keys

MOST = 10  # keys in one program; with more of them each message is judged by its row
DAY_S = 24 * 60 * 60
Bounds = tuple[str, float, float]  # column, the least and the highest value

_LEAST, _HIGHEST = float("-inf"), float("inf")


def asked(key: Key, now_s: float) -> dict[Key, Bounds]:
    """Its keys of this kind, if they are not too many."""
    found = {each: within for each in plain_keys(key) if (within := bounds(each, now_s)) is not None}
    return found if len(found) <= MOST else {}


def bounds(key: Key, now_s: float) -> Bounds | None:
    """None: it is not a key of this kind."""
    match key:
        case keys.Internal(when, day):
            return "internal_date", *_days(when, day)
        case keys.Saved(when, day):
            return "saved_at", *_days(when, day)
        case keys.Older(age_s):
            return "internal_date", _LEAST, now_s - age_s
        case keys.Younger(age_s):
            return "internal_date", now_s - age_s, _HIGHEST
        case keys.Larger(octets):
            return "size_octets", octets + 1, _HIGHEST
        case keys.Smaller(octets):
            return "size_octets", _LEAST, octets - 1
    return None


def _days(when: When, day: date) -> tuple[float, float]:
    begins = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
    match when:
        case When.BEFORE:
            return _LEAST, begins - 1
        case When.ON:
            return begins, begins + DAY_S - 1
        case When.SINCE:
            return begins, _HIGHEST


def put(key: Key, answers: Mapping[Key, Key]) -> Key:
    """The same program with answers in place of keys."""
    match key:
        case keys.Not(inner):
            return keys.Not(put(inner, answers))
        case keys.Or(left, right):
            return keys.Or(put(left, answers), put(right, answers))
        case keys.And(several):
            return keys.And(tuple(put(each, answers) for each in several))
    return answers.get(key, key)
