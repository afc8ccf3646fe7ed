"""`merpati run`, and the single processes that it or systemd starts. See also `main` in this room's `__init__.py`."""

from __future__ import annotations

import sys

import click

from ..services.start import start
from .root import places


@click.command()
@click.pass_context
def run(ctx: click.Context) -> None:
    """Run everything in the foreground; Ctrl-C stops it."""
    sys.exit(start("run", places(ctx)))


@click.command()
@click.pass_context
def mail(ctx: click.Context) -> None:
    """Run the mail process alone: SMTP, queue, IMAP, POP3."""
    sys.exit(start("mail", places(ctx)))


@click.command()
@click.pass_context
def web(ctx: click.Context) -> None:
    """Run the web process alone: wizard, dashboard, webmail."""
    sys.exit(start("web", places(ctx)))


@click.command()
@click.pass_context
def leds(ctx: click.Context) -> None:
    """Run the LED process alone."""
    sys.exit(start("leds", places(ctx)))
