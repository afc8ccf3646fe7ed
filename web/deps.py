"""What the web is given when it is made, and the door it knocks at. Values and a protocol only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from appliance.config import Config
from appliance.status.lines import Told
from appliance.status.snapshot import Snapshot
from appliance.store.interface import Store


class StatusDoor(Protocol):
    """The mail process as seen from here: `appliance.status.client.StatusClient`, or a test's fake."""

    def snapshot(self) -> Snapshot | None:
        """The state right now, or None when no mail process answers."""
        ...

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer to one verb, or None when no mail process answers."""
        ...

    def events(self, timeout_s: float | None = None, types: tuple[str, ...] = ()) -> Iterator[Told]:
        """What happens, as it happens; ends when the line breaks."""
        ...


@dataclass(slots=True, frozen=True)
class WebDeps:
    """home: the data folder; runtime: for what need not survive; load_config: a fresh read of merpati.yaml."""

    home: Path
    runtime: Path
    store: Store
    load_config: Callable[[], Config]
    status: StatusDoor
    secret_key: bytes = field(repr=False)
