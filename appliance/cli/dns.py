"""`merpati dns`: the records to publish."""

from __future__ import annotations

import click
import msgspec

from ..setup.records import records
from .root import places, say
from .running import configuration


@click.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def dns(ctx: click.Context, as_json: bool) -> None:
    """Print the DNS records that this server's domains need."""
    where = places(ctx)
    found = records(where.home, configuration(where, set_up=True))
    if as_json:
        say(msgspec.json.encode(found).decode())
        return
    for record in found:
        say(f"{record.host}.  {record.type}  {record.value}\n    {record.why}")
