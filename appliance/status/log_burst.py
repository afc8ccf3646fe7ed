"""A log written in bursts, for a process that says much: the lines of one turn of its event loop in one write.

Apart from `log_stream.py`, so that processes without an event loop do not carry asyncio.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TextIO


class BurstHandler(logging.StreamHandler[TextIO]):
    """Lines that come in one turn of an event loop are written together, at its end: a write for each costs more than to
    make the line. A warning or worse, and what comes from another thread, is written at once, after what waits."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._waiting: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._waiting.append(self.format(record) + self.terminator)
        except Exception:
            self.handleError(record)
            return
        if record.levelno >= logging.WARNING or (loop := _running_loop()) is None:
            self.flush()
        elif len(self._waiting) == 1:
            loop.call_soon(self.flush)

    def flush(self) -> None:
        with self.lock or contextlib.nullcontext():
            lines, self._waiting = "".join(self._waiting), []
            with contextlib.suppress(OSError, ValueError):  # nobody reads the log: mail goes on
                if lines:
                    self.stream.write(lines)
                super().flush()


def write_together() -> None:
    """From now on the log that `log_stream.to_stderr` has set up is written so."""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # none of it stands in a line
    root = logging.getLogger()
    for each in root.handlers:
        if type(each) is logging.StreamHandler:
            together = BurstHandler(each.stream)
            together.setFormatter(each.formatter)
            root.handlers[root.handlers.index(each)] = together


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
