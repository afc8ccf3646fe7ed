"""A command's way to what is kept, and to the running server if there is one."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from ..config import Config, ConfigFault, load
from ..services.places import Places
from ..status.events import AccountsChanged, Event, MailboxChanged, MailboxListChanged, QueueChanged, QueueVerb
from ..status.socket import StatusClient
from ..store.interface import Store
from ..store.refusals import StoreRefusal
from .root import fail

_FOR_THE_SERVER = (AccountsChanged, MailboxChanged, MailboxListChanged, QueueChanged, QueueVerb)


@contextlib.contextmanager
def open_store(places: Places) -> Iterator[Store]:
    """The store; what is changed in it is told to the running server at the end. Refusals end the command."""
    places.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = Store(places.home, scratch=Path(tempfile.gettempdir()))
    events: list[Event] = []
    store.bus.subscribe(lambda event: events.append(event) if isinstance(event, _FOR_THE_SERVER) else None)
    try:
        yield store
    except StoreRefusal as refusal:
        fail(refusal.reason.for_owner)
    finally:
        store.close()
        client = StatusClient(places.status_socket)
        for event in events:
            client.ask({"verb": "event", "event": msgspec.to_builtins(event)})


def configuration(places: Places, *, set_up: bool = False) -> Config:
    """The checked configuration, or the end of the command."""
    try:
        config = load(places.config)
    except ConfigFault as fault:
        fail(str(fault))
        raise
    if set_up and not config.is_set_up:
        fail(f"{places.home} is not set up yet: run `merpati init`, or start it and open the wizard")
    return config


def ask(places: Places, verb: dict[str, Any]) -> dict[str, Any] | None:
    """What the running server answers; None when none runs."""
    return StatusClient(places.status_socket).ask(verb)
