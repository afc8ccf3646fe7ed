"""What a message holds, as a value that can be read more than once without being held in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Content(Protocol):
    """The octets of one message, as received: `size` of them, given in pieces of at most some 256 KiB."""

    @property
    def size(self) -> int: ...

    def pieces(self, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The octets from `start` on, `length` of them or all. Blocks on the disk: not for the event loop."""
        ...
