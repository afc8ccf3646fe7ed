"""The order that SORT asks for: what each criterion compares, and the sorting itself. Pure.

Promises: messages that no criterion tells apart keep their order, also under REVERSE (RFC 5256 3); one step never holds up
the other threads for long, since each is a small sort or the merging of two runs. A message costs eight octets for each
number compared and its shortened text for each text; equal texts are one object.
RFC 5256 2.2 and 3, RFC 5957 3.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..mime.addresses import MailboxOrGroup
from ..mime.encoded_words import decode
from ..mime.parts import Head
from .base_subject import base_subject
from .collation import collation_key
from .grammar.sort import Criterion, SortKey

# What the columns of a row tell; all else is in the structure.
FROM_ROW = frozenset((SortKey.ARRIVAL, SortKey.SIZE))

RUN = 4096  # so many are sorted in one step: some milliseconds
_MOST_SHARED = 100_000


def first_local_part(addresses: Sequence[MailboxOrGroup]) -> str:
    """RFC 5256 3: "addr-mailbox of the first address", which of a group is its name; empty when there is none."""
    return decode(addresses[0].mailbox or b"") if addresses else ""


def display_name(addresses: Sequence[MailboxOrGroup]) -> str:
    """RFC 5957 3: the first one's name, a group's among them, else its address; empty when there is none."""
    if not addresses:
        return ""
    first = addresses[0]
    if first.host is None:
        return decode(first.mailbox or b"").strip()
    return decode(first.name or b"").strip() or decode(first.address)


_TEXTS: dict[SortKey, Callable[[Head], str]] = {
    SortKey.CC: lambda head: first_local_part(head.envelope.cc),
    SortKey.DISPLAYFROM: lambda head: display_name(head.envelope.from_),
    SortKey.DISPLAYTO: lambda head: display_name(head.envelope.to),
    SortKey.FROM: lambda head: first_local_part(head.envelope.from_),
    SortKey.SUBJECT: lambda head: base_subject(head.envelope.subject)[0],
    SortKey.TO: lambda head: first_local_part(head.envelope.to),
}


def sent_at(head: Head, internal_date: int) -> float:
    """RFC 5256 2.2: the Date field in UTC, else INTERNALDATE. Seconds since the epoch."""
    return head.header_date if head.header_date is not None else float(internal_date)


class Columns:
    """What the messages are compared by, criterion by criterion, in the order in which they are added."""

    def __init__(self, keys: Iterable[SortKey]) -> None:
        self._numbers: dict[SortKey, array[Any]] = {}
        self._texts: dict[SortKey, list[str]] = {}
        for key in keys:
            if key in _TEXTS:
                self._texts[key] = []
            else:
                self._numbers[key] = array("d" if key is SortKey.DATE else "q")
        self._shared: dict[str, str] = {}

    @property
    def needs_structure(self) -> bool:
        return bool(self._texts) or SortKey.DATE in self._numbers

    def add(self, internal_date: int, size_octets: int, head: Head | None) -> None:
        """head: None only where no structure is needed, or where it does not read."""
        for key, numbers in self._numbers.items():
            match key:
                case SortKey.SIZE:
                    numbers.append(size_octets)
                case SortKey.DATE if head is not None:
                    numbers.append(sent_at(head, internal_date))
                case _:
                    numbers.append(internal_date)
        for key, texts in self._texts.items():
            text = collation_key(_TEXTS[key](head)) if head is not None else ""
            if len(self._shared) < _MOST_SHARED:
                text = self._shared.setdefault(text, text)
            texts.append(text)

    def of(self, key: SortKey) -> Sequence[Any]:
        return self._texts[key] if key in self._texts else self._numbers[key]


def sorted_places(count: int, criteria: Sequence[Criterion], columns: Columns) -> list[int]:
    """0 to count-1 by the criteria. Cost: for each criterion some 2 µs a message."""
    places = list(range(count))
    for criterion in reversed(criteria):  # the sort is stable: the last criterion goes first
        places = sorted_by(places, columns.of(criterion.key).__getitem__, reverse=criterion.reverse)
    return places


def sorted_by(items: Sequence[int], key: Callable[[int], Any], *, reverse: bool = False) -> list[int]:
    """As `sorted`, in steps between which other threads have their turn: runs, then pairs of runs, which `sort` finds
    in order already and only merges."""
    runs = [sorted(items[start : start + RUN], key=key, reverse=reverse) for start in range(0, len(items), RUN)]
    while len(runs) > 1:
        merged: list[list[int]] = []
        for first in range(0, len(runs), 2):
            both = [number for run in runs[first : first + 2] for number in run]
            both.sort(key=key, reverse=reverse)
            merged.append(both)
        runs = merged
    return runs[0] if runs else []
