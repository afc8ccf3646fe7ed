"""`merpati run`, and the single processes that it or systemd starts."""

from __future__ import annotations

import sys

import click

from ..status.log_stream import to_stderr
from .root import fail, places


@click.command()
@click.pass_context
def run(ctx: click.Context) -> None:
    """Run everything in the foreground; Ctrl-C stops it."""
    from ..services.supervisor import Supervisor

    to_stderr()
    where = places(ctx)
    _refuse_a_broken_configuration(ctx)
    sys.exit(Supervisor(where).run())


@click.command()
@click.pass_context
def mail(ctx: click.Context) -> None:
    """Run the mail process alone: SMTP, queue, IMAP, POP3."""
    from ..services.mail import main

    to_stderr()
    _refuse_a_broken_configuration(ctx)
    main(places(ctx))


@click.command()
@click.pass_context
def web(ctx: click.Context) -> None:
    """Run the web process alone: wizard, dashboard, webmail."""
    from ..services.web import main

    to_stderr()
    _refuse_a_broken_configuration(ctx)
    main(places(ctx))


@click.command()
@click.pass_context
def leds(ctx: click.Context) -> None:
    """Run the LED process alone."""
    from ..services.leds import main

    to_stderr()
    _refuse_a_broken_configuration(ctx)
    main(places(ctx))


def _refuse_a_broken_configuration(ctx: click.Context) -> None:
    """The server does not start half-configured."""
    from ..config import ConfigFault, load

    try:
        load(places(ctx).config)
    except ConfigFault as fault:
        fail(str(fault))
