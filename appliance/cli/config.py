"""`merpati config get|set`: merpati.yaml, checked before it is written."""

from __future__ import annotations

import click
import msgspec

from ..config import ConfigFault, edit, get, load, parse_value, render_value
from .root import fail, places, say
from .running import configuration, take_up


@click.group()
def config() -> None:
    """The settings of merpati.yaml."""


@config.command("get")
@click.argument("key")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def config_get(ctx: click.Context, key: str, as_json: bool) -> None:
    """Print a setting."""
    try:
        value = get(configuration(places(ctx)), key)
    except ConfigFault as fault:
        fail(str(fault))
    say(msgspec.json.encode(value).decode() if as_json else render_value(value))


@config.command("set")
@click.argument("key")
@click.argument("value", required=False)
@click.pass_context
def config_set(ctx: click.Context, key: str, value: str | None) -> None:
    """Change a setting; without a VALUE it goes back to its default. A running server takes it up."""
    where = places(ctx)
    wanted = None if value is None else parse_value(value)
    try:
        if key in ("hostname", "domains") and not wanted and load(where.config).is_set_up:
            fail(f"{key} cannot be taken away from a server that is set up")
        shown = render_value(get(edit(where.config, {key: wanted}), key))
    except ConfigFault as fault:
        fail(str(fault))
    runs = take_up(where)
    say(f"{key} is now {shown or '(nothing)'}.")
    if not runs:
        say("The server is not running; it takes this up when it starts.")
    elif key in ("listen", "listen.address", "listen.web"):
        say("The web page moves there when Merpati is started again.")
    elif key.partition(".")[0] in ("leds", "locale"):
        say("The LEDs take this up when Merpati is started again.")
