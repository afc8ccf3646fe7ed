"""How far a long command has come: `* OK [INPROGRESS ("t1" 454 1000)]`, so that nobody takes waiting for hanging.

RFC 9585. Pure; the caller has the clock. Nothing is said in the first `every_s`, nor more often than that (RFC 9585 3
advises 10 to 15 seconds), and progress is always below its goal.
"""

from __future__ import annotations

from . import render

EVERY_S = 10.0


class Progress:
    """Of one command. goal: what `reached` counts up to, or None where nobody can tell."""

    def __init__(self, tag: str, goal: int | None, *, now_s: float, every_s: float = EVERY_S) -> None:
        self._tag = tag
        self._goal = goal
        self._every_s = every_s
        self._said_s = now_s
        self._count = -1

    def reached(self, count: int, *, now_s: float) -> bytes:
        """What is to be said now: an untagged response, or nothing."""
        if now_s - self._said_s < self._every_s or count <= self._count:
            return b""
        if self._goal is not None and count >= self._goal:
            return b""  # the end is near, and the tagged response tells of it
        self._said_s, self._count = now_s, count
        goal = "NIL" if self._goal is None else str(self._goal)
        words = f"{count} done" if self._goal is None else f"{count} of {self._goal} done"
        return render.untagged("OK", words, f'INPROGRESS ("{_quoted(self._tag)}" {count} {goal})')


def _quoted(tag: str) -> str:
    return tag.replace("\\", "\\\\").replace('"', '\\"')
