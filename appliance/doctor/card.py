"""Room on the card. The store refuses new mail before its reserve is touched; here the owner hears of it earlier."""

from __future__ import annotations

import os
from pathlib import Path

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


def _size(octets: int) -> str:
    return f"{octets / 1e9:.1f} GB" if octets >= 1e9 else f"{octets / 1e6:.0f} MB"
