"""Lines that come together are written together, and what is urgent does not wait."""

from __future__ import annotations

import asyncio
import io
import logging
import threading
from collections.abc import Iterator
from errno import ENOSPC

import pytest

from appliance.status.log_burst import write_together
from appliance.status.log_stream import to_stderr


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = True
    root.handlers[:], root.level = handlers, level


class Writes(io.StringIO):
    """Remembers each write."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[str] = []

    def write(self, text: str) -> int:
        self.all.append(text)
        return super().write(text)


async def test_lines_of_one_turn_are_written_together(root_logger: logging.Logger) -> None:
    stream = Writes()
    to_stderr(stream=stream)
    write_together()
    root_logger.info("one")
    root_logger.info("two")
    assert stream.all == []
    await asyncio.sleep(0)
    assert len(stream.all) == 1
    assert [line[-3:] for line in stream.getvalue().splitlines()] == ["one", "two"]


async def test_a_warning_does_not_wait_and_neither_does_a_thread(root_logger: logging.Logger) -> None:
    """What was said before it is written before it."""
    stream = Writes()
    to_stderr(stream=stream)
    write_together()
    root_logger.info("one")
    root_logger.warning("two")
    assert [line[-3:] for line in stream.getvalue().splitlines()] == ["one", "two"]
    root_logger.info("three")
    thread = threading.Thread(target=root_logger.info, args=("four",))
    thread.start()
    thread.join()
    assert [line.split()[-1] for line in stream.getvalue().splitlines()] == ["one", "two", "three", "four"]
    await asyncio.sleep(0)
    assert len(stream.all) == 2


def test_nobody_needs_to_read_the_log(root_logger: logging.Logger) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(ENOSPC, "No space left on device")

    for stream in (Gone(), Full()):
        to_stderr(stream=stream)
        write_together()
        root_logger.warning("one")
