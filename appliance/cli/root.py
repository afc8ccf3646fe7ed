"""The root of the commands and the option that all of them share."""

from __future__ import annotations

import sys

import click

from .. import __version__
from ..services.places import Places, find_places

# What each command needs is imported when it runs, so that `merpati leds` does not carry a web server in its memory.
_COMMANDS = {
    "init": ("init", "init"),
    "run": ("processes", "run"),
    "mail": ("processes", "mail"),
    "web": ("processes", "web"),
    "leds": ("processes", "leds"),
    "account": ("accounts", "account"),
    "alias": ("accounts", "alias"),
    "config": ("config", "config"),
    "dns": ("dns", "dns"),
    "queue": ("queue", "queue"),
    "trace": ("trace", "trace"),
    "status": ("status", "status"),
    "doctor": ("doctor", "doctor"),
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        from importlib import import_module

        module, name = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f".{module}", __package__), name)
        return command


@click.command(cls=_Commands)
@click.option("--home", metavar="DIR", help="The data folder. Default: $MERPATI_HOME, the appliance's, or ./var.")
@click.version_option(__version__, message="merpati %(version)s")
@click.pass_context
def merpati(ctx: click.Context, home: str | None) -> None:
    """Merpati, a mail server that its owner understands."""
    ctx.obj = find_places(home)


def places(ctx: click.Context) -> Places:
    found: Places = ctx.obj
    return found


def fail(sentence: str) -> None:
    """Ends the command with one sentence on standard error and status 1."""
    click.echo(f"merpati: {sentence}", err=True)
    sys.exit(1)
