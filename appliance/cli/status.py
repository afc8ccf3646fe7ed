"""`merpati status`: the lights, the queue and what needs the owner, at a glance."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from ..leds.signals import signals
from ..services.places import Places
from ..status.client import StatusClient
from ..store import queue_rows
from .root import places, say
from .running import has_store, open_store

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
    if as_json:
        say(msgspec.json.encode(told).decode())
        return
    say(_PHASES[told["phase"]])
    say("Lights: " + ", ".join(f"{name} {signal}" for name, signal in told["leds"].items()))
    say(f"Queue: {told['queue']['waiting']} waiting, {told['queue']['deferred']} of them put off")
    for problem in told["problems"]:
        say(f"! {problem['what']} {problem['do']}")


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
