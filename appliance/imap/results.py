"""What a search, sort or thread has found → what of it is told, what of it is saved, and the response. Pure.

RFC 3501 7.2.5, RFC 4731 3.1 (ESEARCH), RFC 5182 2.1 and 2.4 (which of the results `$` means), RFC 9394 3 (PARTIAL),
RFC 7162 3.1.5, 3.1.6 and 3.1.10 (MODSEQ), RFC 5256 4 (SORT, THREAD), RFC 5267 3 (RETURN with SORT).

Numbers come in the order in which they are told: ascending from a search, by its criteria from a sort, where MIN and MAX
are the first and the last (RFC 5267 3.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from . import render
from .grammar.search import Partial, Return
from .values import sequence_set

_ALL_OF_THEM = frozenset((Return.ALL, Return.COUNT))
_SOME_OF_THEM = frozenset((Return.MIN, Return.MAX, Return.PARTIAL))


def chosen(numbers: Sequence[int], results: frozenset[Return] | None, partial: Partial | None) -> Sequence[int]:
    """Those that `$` means afterwards, and whose highest MODSEQ is told: all, unless only MIN, MAX or PARTIAL is asked for.

    RFC 5182 2.4, table; RFC 9394 3.2; RFC 7162 3.1.10.
    """
    if results is None or results & _ALL_OF_THEM or not results & _SOME_OF_THEM or not numbers:
        return numbers
    some: list[int] = []
    if Return.MIN in results:
        some.append(numbers[0])
    if Return.MAX in results:
        some.append(numbers[-1])
    if partial is not None:
        some += numbers[partial.of(len(numbers))]
    return list(dict.fromkeys(some))


def plain(verb: bytes, numbers: Iterable[int], modseq: int) -> bytes:
    """verb: SEARCH or SORT; modseq: 0 where none is told."""
    told = "".join(f" {number}" for number in numbers).encode("ascii")
    return b"* %b%b%b\r\n" % (verb, told, b" (MODSEQ %d)" % modseq if modseq else b"")


def extended(
    tag: str,
    numbers: Sequence[int],
    results: frozenset[Return],
    partial: Partial | None,
    *,
    by_uid: bool,
    modseq: int = 0,
) -> bytes:
    """The ESEARCH response, or nothing where all that was asked for is to save (RFC 5182 2.2).

    MIN, MAX and ALL are left out where nothing was found (RFC 4731 3.1); of PARTIAL, NIL is told (RFC 9394 3.1).
    """
    if results == {Return.SAVE}:
        return b""
    line = [b"* ESEARCH (TAG %b)" % render.string(tag.encode("ascii"))]
    if by_uid:
        line.append(b" UID")
    if numbers and Return.MIN in results:
        line.append(b" MIN %d" % numbers[0])
    if numbers and Return.MAX in results:
        line.append(b" MAX %d" % numbers[-1])
    if Return.COUNT in results:
        line.append(b" COUNT %d" % len(numbers))
    if numbers and Return.ALL in results:
        line.append(b" ALL %b" % sequence_set(numbers).encode("ascii"))
    if partial is not None:
        some = numbers[partial.of(len(numbers))]
        told = sequence_set(some) if some else "NIL"
        line.append(f" PARTIAL ({partial} {told})".encode("ascii"))
    if modseq:
        line.append(b" MODSEQ %d" % modseq)
    line.append(b"\r\n")
    return b"".join(line)
