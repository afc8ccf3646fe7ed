"""`merpati status`: the lights, the queue and what needs the owner, at a glance."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from ..leds.signals import signals
from ..status.socket import StatusClient
from .root import places


@click.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Say how the appliance is."""
    snapshot = StatusClient(places(ctx).status_socket).snapshot()
    if snapshot is None:
        told: dict[str, Any] = {
            "leds": {"power": "off", "queue": "off", "mail": "off", "alert": "off"},
            "queue": {"waiting": 0, "deferred": 0},
            "problems": [{"what": "The mail server is not running.", "do": "Start it with `merpati run`."}],
            "phase": "off",
        }
    else:
        lit = signals(snapshot, snapshot.at)
        told = {
            "leds": {name: str(getattr(lit, name)) for name in ("power", "queue", "mail", "alert")},
            "queue": {"waiting": snapshot.queue.waiting, "deferred": snapshot.queue.deferred},
            "problems": [{"what": p.what, "do": p.do} for p in snapshot.problems],
            "phase": str(snapshot.phase),
        }
    if as_json:
        click.echo(msgspec.json.encode(told).decode())
        return
    click.echo(f"The server is {told['phase']}.")
    click.echo("Lights: " + ", ".join(f"{name} {signal}" for name, signal in told["leds"].items()))
    click.echo(f"Queue: {told['queue']['waiting']} waiting, {told['queue']['deferred']} of them put off")
    for problem in told["problems"]:
        click.echo(f"! {problem['what']} {problem['do']}")
