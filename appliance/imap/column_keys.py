"""Keys that ask for a column of a message's row: between which values it lies. Pure.

`search.py` judges a row by them. Of a large mailbox the database answers them for all messages at once: it compares ten
thousand numbers in the time in which the interpreter judges some hundred messages. `indexed_keys.Answers` puts that into
the program, so that a message that is gone matches nothing either way. RFC 3501 6.4.4, RFC 5032, RFC 8514.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

from .grammar import search as keys
from .grammar.search import Key, When
from .indexed_keys import plain_keys

MOST = 10  # keys in one program; with more of them each message is judged by its row
DAY_S = 24 * 60 * 60
Bounds = tuple[str, float, float]  # column, as `Candidate` and the store call it; the least and the highest value

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
