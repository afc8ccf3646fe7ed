"""System flags as bits, keywords as one sorted string. RFC 9051 2.3.2."""

from __future__ import annotations

from collections.abc import Iterable

SEEN, ANSWERED, FLAGGED, DELETED, DRAFT = 1, 2, 4, 8, 16

BY_NAME = {"\\Seen": SEEN, "\\Answered": ANSWERED, "\\Flagged": FLAGGED, "\\Deleted": DELETED, "\\Draft": DRAFT}


def to_bits(names: Iterable[str]) -> tuple[int, str]:
    """Flag names in any case → (bits, keywords). `\\Recent` is dropped: it is the server's to give."""
    bits = 0
    keywords = set()
    for name in names:
        if name.startswith("\\"):
            bits |= BY_NAME.get(name[:1] + name[1:].capitalize(), 0)
        else:
            keywords.add(name)
    return bits, join_keywords(keywords)


def to_names(bits: int, keywords: str) -> list[str]:
    return [name for name, bit in BY_NAME.items() if bits & bit] + keywords.split()


def join_keywords(keywords: Iterable[str]) -> str:
    """Two spellings of one keyword are one keyword (RFC 9051 2.3.2: case-insensitive); the first one met stays."""
    unique: dict[str, str] = {}
    for keyword in keywords:
        unique.setdefault(keyword.lower(), keyword)
    return " ".join(unique[key] for key in sorted(unique))


EVERY_FLAG = SEEN | ANSWERED | FLAGGED | DELETED | DRAFT
WITH_KEYWORDS = ANSWERED | FLAGGED | DRAFT  # who may change these may change keywords (RFC 4314 4)


def within(settable: int, had: int, had_keywords: str, flags: int, keywords: str) -> tuple[int, str]:
    """What is to be, as far as who wants it may change flags; the rest stays as it was."""
    return had & ~settable | flags & settable, keywords if settable & WITH_KEYWORDS else had_keywords
