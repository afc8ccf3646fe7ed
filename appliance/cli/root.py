"""The root of the commands and the option that all of them share."""

from __future__ import annotations

import sys
from typing import NoReturn

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
    "share": ("share", "share"),
    "config": ("config", "config"),
    "dns": ("dns", "dns"),
    "queue": ("queue", "queue"),
    "trace": ("trace", "trace"),
    "status": ("status", "status"),
    "doctor": ("doctor", "doctor"),
}


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> object:
        """What the disk or the store says no to ends in a sentence too; whatever else goes wrong is a fault of ours."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # who read us has left; click ends quietly
        except Exception as fault:
            sentence = _sentence(fault)
            if sentence is None:
                raise
            fail(sentence)

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


def fail(sentence: str) -> NoReturn:
    """Ends the command with one sentence on standard error and status 1."""
    say(f"merpati: {sentence}", err=True)
    sys.exit(1)


def say(line: str, *, err: bool = False) -> None:
    """One line. What strangers wrote is shown without control characters, which could repaint the terminal."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    click.echo(shown.encode(errors="replace"), err=err)


def password_from_stdin() -> str:
    """The first line."""
    line = sys.stdin.buffer.readline()
    if not line:
        fail("no password came on standard input")
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        fail("the password on standard input is not UTF-8 text")


def _sentence(fault: Exception) -> str | None:
    import sqlite3

    from ..store.migrate import SchemaTooNew

    match fault:
        case OSError(strerror=str(why)):
            return f"{fault.filename}: {why}" if fault.filename else why
        case sqlite3.Error():
            return f"the mail store cannot be used ({fault}); `merpati doctor` says more"
        case SchemaTooNew():
            return str(fault)
        case _:
            return None
