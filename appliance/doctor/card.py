"""Room on the card, and how long the card will last. The store refuses new mail before its reserve is touched; here the
owner hears of it earlier. What the card takes is counted by `status/card_watch.py` and judged as the lights judge it.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..status.card import Card, Kind
from ..status.card_words import lifetime, troubles
from ..status.events import Severity
from ..status.problems import found, in_words
from ..store.interface import RESERVE_OCTETS, RESERVE_SHARE
from .finding import Finding, Status

EARLY = 2.0  # times the reserve: when the owner is asked to act


def check(home: Path) -> Finding:
    """Of the card that `home` lies on, or would lie on."""
    there = next(folder for folder in (home, *home.absolute().parents) if folder.exists())
    card = os.statvfs(there)
    total, free = card.f_blocks * card.f_frsize, card.f_bavail * card.f_frsize
    return judge(total, free)


def judge(total_octets: int, free_octets: int) -> Finding:
    """By the store's own measure of when to refuse mail."""
    reserve = min(RESERVE_OCTETS, int(total_octets * RESERVE_SHARE))
    words = f"{_size(free_octets)} of {_size(total_octets)} are free"
    if free_octets < reserve:
        return Finding(
            "card",
            Status.BROKEN,
            f"The card is full: {words}, so new mail is asked to come later.",
            "Delete mail, or move to a larger card.",
        )
    if free_octets < reserve * EARLY:
        return Finding("card", Status.NEEDS_YOU, f"The card is nearly full: {words}.", "Delete mail soon.")
    return Finding("card", Status.GOOD, f"There is room on the card: {words}.")


def judge_wear(card: Card) -> list[Finding]:
    """One finding for each thing that is wrong, else one that says how long the card lasts, or why that is not known."""
    problems = [found(id, 0.0, key="", until=None, **named) for id, named in troubles(card).items()]
    if problems:
        status = {Severity.NEEDS_YOU: Status.NEEDS_YOU, Severity.DANGER: Status.BROKEN}
        return [Finding("card-wear", status[problem.severity], problem.what, problem.do) for problem in problems]
    sentence, named = lifetime(card)
    what = sentence % named
    if card.per_day is not None and card.per_day.written_octets is not None:
        what += f" About {in_words(card.per_day.written_octets)} a day are written to it."
    known = card.life or card.health.life_used_percent or (card.disk and card.disk.kind is Kind.HARD_DISK)
    return [Finding("card-wear", Status.GOOD if known else Status.NOTE, what)]


def _size(octets: int) -> str:
    return f"{octets / 1e9:.1f} GB" if octets >= 1e9 else f"{octets / 1e6:.0f} MB"
