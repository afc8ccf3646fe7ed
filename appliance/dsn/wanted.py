"""Whether the reverse-path wants to hear of what became of a recipient. Pure. RFC 3461 4.1, 5.2."""

from __future__ import annotations

from collections.abc import Set

from ..mail.envelope import Notify

_WHEN_NOT_ASKED = frozenset({Notify.FAILURE, Notify.DELAY})


def parse_notify(words: str) -> frozenset[Notify]:
    """The queue's form of NOTIFY: its words with commas between them, `` where nothing was asked."""
    return frozenset(Notify(word) for word in words.split(",") if word)


def wants(notify: Set[Notify], about: Notify) -> bool:
    """Who did not ask hears of failures and delays."""
    return about in (notify or _WHEN_NOT_ASKED)
