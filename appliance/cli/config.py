"""`merpati config get|set`: merpati.yaml, checked before it is written."""

from __future__ import annotations

import click
import msgspec

from ..config import ConfigFault, edit, get, parse_value, render_value
from .root import fail, places
from .running import ask, configuration


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
        return
    click.echo(msgspec.json.encode(value).decode() if as_json else render_value(value))


@config.command("set")
@click.argument("key")
@click.argument("value", required=False)
@click.pass_context
def config_set(ctx: click.Context, key: str, value: str | None) -> None:
    """Change a setting; without a VALUE it goes back to its default. A running server takes it up."""
    where = places(ctx)
    try:
        changed = edit(where.config, {key: None if value is None else parse_value(value)})
        shown = render_value(get(changed, key))
    except ConfigFault as fault:
        fail(str(fault))
        return
    answer = ask(where, {"verb": "reload"})
    click.echo(f"{key} is now {shown or '(nothing)'}.")
    if answer is None:
        click.echo("The server is not running; it takes this up when it starts.")
