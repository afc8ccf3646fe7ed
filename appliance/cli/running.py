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
from ..status.card import Card
from ..status.card_reader import CardReader
from ..status.card_tell import WriteTeller
from ..status.card_watch import glance
from ..status.client import StatusClient
from ..status.events import (
    AccessEnded,
    AccountsChanged,
    Event,
    MailboxChanged,
    MailboxListChanged,
    QueueChanged,
    QueueVerb,
)
from ..status.snapshot import Snapshot
from ..store.database import FILE_NAME
from ..store.interface import Store
from ..store.refusals import StoreRefusal
from .root import fail

_NOT_SET_UP = "{home} is not set up yet: run `merpati init`, or start it and open the wizard"
_FOR_THE_SERVER = (AccessEnded, AccountsChanged, MailboxChanged, MailboxListChanged, QueueChanged, QueueVerb)


@contextlib.contextmanager
def open_store(places: Places, *, make: bool = False) -> Iterator[Store]:
    """The store; what is changed in it is told to the running server at the end. Refusals end the command, and so does
    the lack of a store, unless it is to be made: a mistyped --home is no wish for a new one."""
    if not make and not has_store(places):
        fail(_NOT_SET_UP.format(home=places.home))
    events: list[Event] = []
    try:
        store = Store(places.home, scratch=Path(tempfile.gettempdir()))
        try:
            store.bus.subscribe(lambda event: events.append(event) if isinstance(event, _FOR_THE_SERVER) else None)
            yield store
        finally:
            store.close()
            client = StatusClient(places.status_socket)
            for event in events:
                client.ask({"verb": "event", "event": msgspec.to_builtins(event)})
            if events:  # something was changed
                WriteTeller(client, "command").tell()
    except StoreRefusal as refusal:
        fail(refusal.reason.for_owner)


def has_store(places: Places) -> bool:
    return (places.home / FILE_NAME).exists()


def configuration(places: Places, *, set_up: bool = False) -> Config:
    """The checked configuration, or the end of the command."""
    try:
        config = load(places.config)
    except ConfigFault as fault:
        fail(str(fault))
    if set_up and not config.is_set_up:
        fail(_NOT_SET_UP.format(home=places.home))
    return config


def take_up(places: Places) -> bool:
    """Has a running server take up merpati.yaml as it is now; whether one runs. Its refusal ends the command."""
    client = StatusClient(places.status_socket)
    answer = client.ask("reload")
    if answer is None:
        return client.snapshot() is not None  # it may be at it longer than we wait
    if not answer["ok"]:
        fail(f"it is written down, but the running server does not take it up: {answer['error']}")
    return True


def card_now(places: Places, snapshot: Snapshot | None = None, *, ask_smart: bool = False) -> Card:
    """What the running server counted, else what can be told without one.

    Args: snapshot: if one was asked for already; ask_smart: the server may not ask a disk itself, but root may.
    """
    card = _card_counted(places, snapshot or StatusClient(places.status_socket).snapshot())
    if ask_smart:
        told = CardReader(places.home).health(ask_smart=True)
        if told.life_used_percent is not None or told.failing:
            return msgspec.structs.replace(
                card, health=told, life=card.life if told.life_used_percent is None else None
            )
    return card


def _card_counted(places: Places, snapshot: Snapshot | None) -> Card:
    if snapshot is not None and snapshot.card is not None:
        return snapshot.card
    try:
        config = load(places.config)
    except ConfigFault:
        config = Config()
    endurance_tb, timezone = config.limits.card_endurance, config.locale.timezone
    return glance(places.card, CardReader(places.home), endurance_tb=endurance_tb, timezone=timezone)


def ask(places: Places, verb: dict[str, Any]) -> dict[str, Any] | None:
    """What the running server answers; None when none runs."""
    return StatusClient(places.status_socket).ask(verb)
