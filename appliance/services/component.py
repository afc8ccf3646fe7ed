"""What every long-lived part of a process looks like, so that any set of them can share one."""

from __future__ import annotations

from typing import Protocol


class Component(Protocol):
    async def start(self) -> None: ...

    async def stop(self) -> None:
        """Ends what runs, within a few seconds, and loses nothing that was promised."""
        ...

    def health(self) -> str | None:
        """None when all is well, else one sentence."""
        ...
