"""`merpati trace`: one message's story."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click
import msgspec

from ..status.story import tell
from ..status.trace import TraceReader
from .root import fail, places, say
from .running import ask


@click.command()
@click.argument("what", metavar="ADDRESS|MESSAGE-ID|QUEUE-ID")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def trace(ctx: click.Context, what: str, as_json: bool) -> None:
    """Tell what became of a message. Exit status 1 when there is none like that."""
    where = places(ctx)
    ask(where, {"verb": "trace-sync"})
    stories = TraceReader(where.trace).find(what)
    if as_json:
        say(
            msgspec.json.encode(
                [
                    {"trace_id": s.trace_id, "subject": s.subject, "message_id": s.message_id, "steps": tell(s)}
                    for s in stories
                ]
            ).decode()
        )
    elif not stories:
        fail(f"nothing is known of {what}")
    for story in () if as_json else stories:
        say(f"{story.trace_id}  {story.subject}")
        for step in tell(story):
            say(f"  {datetime.fromtimestamp(step.at, UTC):%Y-%m-%d %H:%M:%S}  {step.sentence}")
            if step.technical:
                say(f"                       {step.technical}")
    sys.exit(0 if stories else 1)
