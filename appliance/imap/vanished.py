"""Which UIDs to name as VANISHED (EARLIER) to a client that comes back. Pure. RFC 7162 3.2.5, 3.2.6 and 3.2.10.1.

Where the store remembers what was expunged since the client's MODSEQ, these are named and no others. Where it no longer
does (tombstones are not kept for ever), every UID that is not there is named, as ranges, which the RFC allows: a client
passes over those that it does not know. The work is bounded by the sets' own lengths and the mailbox's, whatever numbers
stand in them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from .grammar.modifiers import Resync
from .values import SequenceSet, sequence_set

MOST_MATCHES = 10_000  # pairs of seq-match-data that are looked at; a client sends some dozens

Spans = Sequence[tuple[int, int]]


def spans_of(wanted: SequenceSet | None, largest: int) -> list[tuple[int, int]]:
    """Sorted, apart, and none above `largest`, which is the highest UID ever given: what `*` is here, since the message
    that had it may be gone. None is all."""
    spans = [(1, largest)] if wanted is None else wanted.spans(largest)
    return [(low, min(high, largest)) for low, high in spans if low <= largest]


def remembered(gone: Iterable[int], spans: Spans) -> str:
    """The UIDs of `gone`, which is sorted, that lie in the spans; '' for none."""
    return sequence_set(within(list(gone), spans))


def within(uids: Sequence[int], spans: Spans) -> list[int]:
    found: list[int] = []
    for low, high in spans:
        found += uids[bisect_left(uids, low) : bisect_right(uids, high)]
    return found


def missing(uids: Sequence[int], spans: Spans, *, above: int = 0) -> str:
    """What of the spans is not among `uids`, which are sorted, and higher than `above`."""
    ranges: list[str] = []

    def add(low: int, high: int) -> None:
        if low <= high:
            ranges.append(str(low) if low == high else f"{low}:{high}")

    for low, high in spans:
        at = max(low, above + 1)
        for uid in uids[bisect_left(uids, at) : bisect_right(uids, high)]:
            add(at, uid - 1)
            at = uid + 1
        add(at, high)
    return ",".join(ranges)


def agreed(resync: Resync, uids: Sequence[int]) -> int:
    """The highest UID of seq-match-data that still has its number: no message up to it is gone that the client has.
    0: none, or too many to look at."""
    if resync.matches is None:
        return 0
    numbers, known = (_numbers(each) for each in resync.matches)
    if numbers is None or known is None or len(numbers) != len(known):
        return 0
    for number, uid in zip(reversed(numbers), reversed(known), strict=True):
        if number <= len(uids) and uids[number - 1] == uid:
            return uid
    return 0


def _numbers(wanted: SequenceSet) -> list[int] | None:
    if sum(abs(high - low) + 1 for low, high in wanted.ranges) > MOST_MATCHES:
        return None
    return [number for low, high in wanted.spans(0) for number in range(low, high + 1)]
