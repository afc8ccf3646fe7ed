"""What a check found: the thing, how bad it is, and the next step."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    GOOD = "good"
    NOTE = "note"
    NEEDS_YOU = "needs-you"
    BROKEN = "broken"


@dataclass(slots=True, frozen=True)
class Finding:
    """topic: a stable id; what: one sentence; do: the next step, '' when there is nothing to do."""

    topic: str
    status: Status
    what: str
    do: str = ""


def count(number: int, noun: str) -> str:
    """`1 day`, `2 days`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
