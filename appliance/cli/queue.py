"""`merpati queue …`: what waits to go out, and why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from ..queue.verbs import Verb, apply_now, find
from ..store import queue_rows
from .root import fail, places, say
from .running import open_store


@click.group()
def queue() -> None:
    """The mail that waits to go out."""


@queue.command("list")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def queue_list(ctx: click.Context, as_json: bool) -> None:
    """List what waits, with the reason."""
    with open_store(places(ctx)) as store:
        rows = store.read_now(lambda c: [(m, queue_rows.recipients_of(c, m.id)) for m in queue_rows.all_messages(c)])
    if as_json:
        say(msgspec.json.encode([_as_json(message, to) for message, to in rows]).decode())
        return
    if not rows:
        say("Nothing waits.")
    for message, recipients in rows:
        say(f"{message.id}  {message.trace_id}  from <{message.reverse_path}>  {message.subject}")
        for each in recipients:
            when = "held" if each.state is queue_rows.State.HELD else f"next try {_utc(each.next_attempt_at)}"
            say(f"    to {each.address}: {each.attempts} tries, {when}  {each.last_host} {each.last_reply}".rstrip())


@queue.command("flush")
@click.argument("id", required=False)
@click.pass_context
def queue_flush(ctx: click.Context, id: str | None) -> None:
    """Send everything that waits now, or one message."""
    _apply(ctx, Verb.FLUSH, id, "due now")


@queue.command("hold")
@click.argument("id")
@click.pass_context
def queue_hold(ctx: click.Context, id: str) -> None:
    """Keep a message from being sent."""
    _apply(ctx, Verb.HOLD, id, "held")


@queue.command("release")
@click.argument("id")
@click.pass_context
def queue_release(ctx: click.Context, id: str) -> None:
    """Let a held message go."""
    _apply(ctx, Verb.RELEASE, id, "released")


@queue.command("remove")
@click.argument("id")
@click.pass_context
def queue_remove(ctx: click.Context, id: str) -> None:
    """Delete a message from the queue, unsent."""
    _apply(ctx, Verb.REMOVE, id, "removed")


def _apply(ctx: click.Context, verb: Verb, id: str | None, done: str) -> None:
    """id: the number that `queue list` shows, or the trace id."""
    with open_store(places(ctx)) as store:
        message = find(store, id) if id is not None else None
        if id is not None and message is None:
            fail(f"there is no message {id} in the queue; see `merpati queue list`")
        count = apply_now(store, verb, message.id if message else None)
    say(f"{count} recipient{'' if count == 1 else 's'} {done}.")


def _as_json(message: queue_rows.QueuedMessage, recipients: list[queue_rows.QueuedRecipient]) -> dict[str, Any]:
    return {
        "id": message.id,
        "trace_id": message.trace_id,
        "reverse_path": message.reverse_path,
        "subject": message.subject,
        "message_id": message.message_id_header,
        "size_octets": message.size_octets,
        "accepted_at": message.accepted_at,
        "recipients": [
            {
                "id": each.id,
                "address": each.address,
                "state": each.state,
                "attempts": each.attempts,
                "next_attempt_at": each.next_attempt_at,
                "last_attempt_at": each.last_attempt_at,
                "last_host": each.last_host,
                "last_reply": each.last_reply,
            }
            for each in recipients
        ],
    }


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else "now"
