"""Asking and following the mail process, without an event loop: for the web, the command line and the LEDs.

A mail process that is not there is an ordinary case: `ask` and `snapshot` return None, `events` ends. This module stays
clear of asyncio, which would cost the LED process half of its memory.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from . import lines
from .lines import Answer, LineFault, Told
from .snapshot import Snapshot

ANSWER_WITHIN_S = 10.0
SILENT_AFTER_S = 15.0  # three heartbeats: a server that says nothing for so long is not well


class StatusClient:
    """Each call makes a connection of its own, so that one client may serve many threads."""

    def __init__(self, path: Path | str, timeout_s: float = ANSWER_WITHIN_S) -> None:
        self._path = str(path)
        self._timeout_s = timeout_s

    def ask(self, question: Mapping[str, Any] | str, **fields: Any) -> dict[str, Any] | None:
        """The answer: `{"ok": true, …}` with what the verb gives, or `{"ok": false, "error": sentence}`.

        Args: question: a whole question with its "verb", or the verb alone with its fields.
        Returns: None when no mail process answers.
        """
        whole = {"verb": question, **fields} if isinstance(question, str) else {**question, **fields}
        for heard in self._talk(whole, self._timeout_s):
            if isinstance(heard, Answer):
                answer: dict[str, Any] = {**heard.result, "ok": heard.ok}
                return answer if heard.ok else {**answer, "error": heard.error}
        return None

    def snapshot(self) -> Snapshot | None:
        """The state right now, or None when no mail process answers."""
        for heard in self._talk(None, self._timeout_s):
            if isinstance(heard, Snapshot):
                return heard
        return None

    def events(self, timeout_s: float | None = None, types: tuple[str, ...] = ()) -> Iterator[Told]:
        """Snapshots and events as they happen, a snapshot first.

        Args: timeout_s: ends after so long in all; types: names of the types to hear, all when empty.
        Ends by itself when the line breaks, or the server has said nothing for 15 s.
        """
        follow = {"verb": "follow", "types": list(types)} if types else None
        for heard in self._talk(follow, timeout_s, silent_s=SILENT_AFTER_S):
            if not isinstance(heard, Answer):
                yield heard

    def _talk(
        self, question: Mapping[str, Any] | None, timeout_s: float | None, silent_s: float | None = None
    ) -> Iterator[Told | Answer]:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line, contextlib.suppress(OSError, LineFault):
            line.settimeout(timeout_s)
            line.connect(self._path)
            if question is not None:
                line.sendall(lines.encode(question))
            waiting = LineBuffer()
            while True:
                wait_s = silent_s
                if deadline is not None:
                    left_s = deadline - time.monotonic()
                    if left_s <= 0:
                        return
                    wait_s = left_s if wait_s is None else min(left_s, wait_s)
                line.settimeout(wait_s)
                data = line.recv(65536)
                if not data:
                    return
                yield from waiting.feed(data)


class LineBuffer:
    """Octets as they come → what they say. Raises LineFault. Pure."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Told | Answer]:
        self._rest += data
        *whole, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        if len(rest) > lines.LINE_MOST_OCTETS:
            raise LineFault("a line without an end")
        return [heard for line in whole if line and (heard := lines.decode(line)) is not None]
