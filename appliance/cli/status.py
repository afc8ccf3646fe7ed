"""`merpati status`: the lights, the queue and what needs the owner, at a glance."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from ..leds.signals import signals
from ..services.places import Places
from ..status.card import Card
from ..status.card_words import lifetime
from ..status.client import StatusClient
from ..status.problems import in_words
from ..store import queue_rows
from .root import places, say
from .running import card_now, has_store, open_store

_PHASES = {
    "off": "The server is not running.",
    "starting": "The server is starting.",
    "unclaimed": "The server waits to be set up.",
    "running": "The server is running.",
    "updating": "The server is being updated.",
    "stopping": "The server is shutting down.",
}


@click.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Say how the appliance is."""
    where = places(ctx)
    snapshot = StatusClient(where.status_socket).snapshot()
    if snapshot is None:
        told = _without_server(where)
    else:
        lit = signals(snapshot, snapshot.at)
        told = {
            "leds": {name: str(getattr(lit, name)) for name in ("power", "queue", "mail", "alert")},
            "queue": {"waiting": snapshot.queue.waiting, "deferred": snapshot.queue.deferred},
            "problems": [{"what": p.what, "do": p.do} for p in snapshot.problems],
            "phase": str(snapshot.phase),
        }
    card = card_now(where, snapshot)
    told["card"] = card_as_json(card)
    if as_json:
        say(msgspec.json.encode(told).decode())
        return
    say(_PHASES[told["phase"]])
    say("Lights: " + ", ".join(f"{name} {signal}" for name, signal in told["leds"].items()))
    say(f"Queue: {told['queue']['waiting']} waiting, {told['queue']['deferred']} of them put off")
    say(_card_in_words(card))
    for problem in told["problems"]:
        say(f"! {problem['what']} {problem['do']}")


def card_as_json(card: Card) -> dict[str, Any]:
    """As the wire has it, and besides the share of the rest of the system for each day, and the sentence."""
    told: dict[str, Any] = msgspec.to_builtins(card)
    for day, built in zip((card.per_day, *card.days), (told["per_day"], *told["days"]), strict=True):
        if day is not None:
            built["rest_octets"] = day.rest_octets
    sentence, named = lifetime(card)
    return {**told, "lasts": sentence % named}


def _card_in_words(card: Card) -> str:
    """`Card: 12 MB written today (3 MB mail, 0 MB search index, 1 MB logs, 8 MB the rest), 17 flushes. …`"""
    pieces = []
    if card.days:
        day = card.days[0]
        rooms = [("mail", day.mail_octets), ("search index", day.index_octets), ("logs", day.logs_octets)]
        if day.rest_octets is not None:
            rooms.append(("the rest of the system", day.rest_octets))
        by_room = ", ".join(f"{in_words(octets)} {room}" for room, octets in rooms)
        written = "" if day.written_octets is None else in_words(day.written_octets) + " "
        flushes = "" if day.flushes is None else f", {day.flushes} flushes"
        pieces.append(f"{written}written today ({by_room}){flushes}.")
    if card.per_day is not None and card.per_day.written_octets is not None:
        pieces.append(f"{in_words(card.per_day.written_octets)} a day on average.")
    sentence, named = lifetime(card)
    return "Card: " + " ".join([*pieces, sentence % named])


def _without_server(where: Places) -> dict[str, Any]:
    """No lamp is lit, and mail may be waiting all the same."""
    waiting = deferred = 0
    if has_store(where):
        with open_store(where) as store:
            waiting, deferred, _ = store.read_now(queue_rows.counts)
    return {
        "leds": dict.fromkeys(("power", "queue", "mail", "alert"), "off"),
        "queue": {"waiting": waiting, "deferred": deferred},
        "problems": [{"what": "The mail server is not running.", "do": "Start it with `merpati run`."}],
        "phase": "off",
    }
