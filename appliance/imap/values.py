"""The values that IMAP's grammar is made of: sequence sets and mailbox names in modified UTF-7.

Promises: `decode_mailbox(encode_mailbox(n)) == n` for every name without lone surrogates; a sequence set's work is
bounded by its own length and the mailbox's, however often its ranges overlap. RFC 3501 5.1.3 and 9 (sequence-set).
"""

from __future__ import annotations

import binascii
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LARGEST = 0xFFFFFFFF  # nz-number has 32 bits; as an end of a range it also stands for `*`
STAR = 0  # `*` in a SequenceSet, since no message has the number 0


class MailboxNameFault(ValueError):
    """The octets are not a mailbox name; `str()` of it says why."""


@dataclass(slots=True, frozen=True)
class SequenceSet:
    """ranges: pairs as they were written, STAR for `*`. Numbers or UIDs, as the command says. None at all: `$`, the
    messages that a search has saved (RFC 5182), which only the session knows."""

    ranges: tuple[tuple[int, int], ...]

    @property
    def is_saved(self) -> bool:
        """It is `$`."""
        return not self.ranges

    def spans(self, largest: int) -> list[tuple[int, int]]:
        """Sorted pairs low-high that do not touch. `*` is `largest`, also in `7:*` with 7 above it (RFC 3501 9)."""
        pairs = sorted(
            (min(low, high), max(low, high))
            for low, high in ((low or largest, high or largest) for low, high in self.ranges)
        )
        merged: list[tuple[int, int]] = []
        for low, high in pairs:
            if merged and low <= merged[-1][1] + 1:
                if high > merged[-1][1]:
                    merged[-1] = (merged[-1][0], high)
            else:
                merged.append((low, high))
        return merged

    def in_uids(self, uids: Sequence[int]) -> list[int]:
        """The places in `uids` (which is sorted) that the set names; UIDs that do not exist are passed over."""
        if not uids:
            return []
        found: list[int] = []
        for low, high in self.spans(uids[-1]):
            found += range(bisect_left(uids, low), bisect_right(uids, high))
        return found

    def in_numbers(self, count: int) -> list[int] | None:
        """The places that the set names as sequence numbers; None when it names one that does not exist.

        Leniency: `1:*` in an empty mailbox names nothing (most clients send it without looking).
        """
        if self.is_saved:
            return []
        if not count:
            return [] if any(STAR in pair for pair in self.ranges) else None
        spans = self.spans(count)
        if spans[-1][1] > count:
            return None
        return [place for low, high in spans for place in range(low - 1, high)]

    def __str__(self) -> str:
        if self.is_saved:
            return "$"
        return ",".join(_end(low) if low == high else f"{_end(low)}:{_end(high)}" for low, high in self.ranges)


SAVED = SequenceSet(())


def _end(number: int) -> str:
    return str(number) if number else "*"


def sequence_set(numbers: Iterable[int]) -> str:
    """`1:3,7` for 1, 2, 3, 7, in the order given: a run is one range only where it grows by one."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(low) if low == high else f"{low}:{high}" for low, high in runs)


# RFC 3501 5.1.3: printable US-ASCII but "&" stands for itself.
_SHIFTED = re.compile(rb"&([A-Za-z0-9+,]*)-")
_OUTSIDE = re.compile("[^\x20-\x7e]+")


def encode_mailbox(name: str) -> bytes:
    """A name in modified UTF-7. Cost: linear."""
    return _OUTSIDE.sub(_shift, name.replace("&", "&-")).encode("ascii")


def _shift(match: re.Match[str]) -> str:
    packed = binascii.b2a_base64(match.group().encode("utf-16-be", "surrogatepass"), newline=False)
    return "&" + packed.rstrip(b"=").replace(b"/", b",").decode("ascii") + "-"


def decode_mailbox(wire: bytes) -> str:
    """A mailbox name as it came. Raises MailboxNameFault.

    Leniency: octets above 127 are read as UTF-8, which is what clients mean that forget to encode (old Outlook, scripts).
    """
    if not wire.isascii():
        try:
            return wire.decode("utf-8")
        except UnicodeDecodeError:
            raise MailboxNameFault("the name is neither modified UTF-7 nor UTF-8") from None
    name: list[str] = []
    at = 0
    while (ampersand := wire.find(b"&", at)) >= 0:
        name.append(wire[at:ampersand].decode("ascii"))
        shifted = _SHIFTED.match(wire, ampersand)
        if shifted is None:
            raise MailboxNameFault("an & in the name begins no modified UTF-7")
        name.append(_unshift(shifted.group(1)))
        at = shifted.end()
    name.append(wire[at:].decode("ascii"))
    return "".join(name)


def decode_utf8_name(wire: bytes) -> str:
    """A mailbox name of a client that has asked for UTF-8. Raises MailboxNameFault. RFC 9051 5.1."""
    try:
        return wire.decode("utf-8")
    except UnicodeDecodeError:
        raise MailboxNameFault("the name is not UTF-8") from None


def _unshift(packed: bytes) -> str:
    if not packed:
        return "&"
    try:
        octets = binascii.a2b_base64(packed.replace(b",", b"/") + b"=" * (-len(packed) % 4))
        return octets.decode("utf-16-be")
    except (binascii.Error, UnicodeDecodeError):
        raise MailboxNameFault("the modified UTF-7 in the name is damaged") from None
