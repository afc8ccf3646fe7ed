"""`merpati account …` and `merpati alias …`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
import msgspec

from ..accounts.accounts import AccountFault, Accounts
from .root import fail, password_from_stdin, places, say
from .running import configuration, open_store


@click.group()
def account() -> None:
    """The people who have mail here."""


@click.group()
def alias() -> None:
    """Addresses that lead to other addresses."""


@account.command("add")
@click.argument("address", metavar="NAME@DOMAIN")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
@click.option("--name", default="", help="The person's name.")
@click.pass_context
def account_add(ctx: click.Context, address: str, password_stdin: bool, name: str) -> None:
    """Add an account."""
    with _accounts(ctx) as accounts:
        added = accounts.add(address, _password(password_stdin), name)
        say(f"{added.address} can receive and send mail now.")


@account.command("list")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def account_list(ctx: click.Context, as_json: bool) -> None:
    """List the accounts."""
    with _accounts(ctx) as accounts:
        found = accounts.all()
        if as_json:
            rows = [{"address": a.address, "name": a.display_name, "created_at": a.created_at} for a in found]
            say(msgspec.json.encode(rows).decode())
        else:
            for each in found:
                say(f"{each.address}  {each.display_name}".rstrip())


@account.command("passwd")
@click.argument("address", metavar="NAME@DOMAIN")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
@click.pass_context
def account_passwd(ctx: click.Context, address: str, password_stdin: bool) -> None:
    """Change an account's password."""
    with _accounts(ctx) as accounts:
        accounts.change_password(address, _password(password_stdin))
        say(f"The password of {address} is changed.")


@account.command("remove")
@click.argument("address", metavar="NAME@DOMAIN")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def account_remove(ctx: click.Context, address: str, yes: bool) -> None:
    """Remove an account with all its mail."""
    if not yes:
        click.confirm(f"Remove {address} and all its mail?", abort=True)
    with _accounts(ctx) as accounts:
        accounts.remove(address)
        say(f"{address} is gone.")


@alias.command("add")
@click.argument("address", metavar="NAME@DOMAIN")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.pass_context
def alias_add(ctx: click.Context, address: str, targets: tuple[str, ...]) -> None:
    """Let an address lead to others; @DOMAIN stands for everything else in the domain."""
    with _accounts(ctx) as accounts:
        accounts.set_alias(address, targets)
        say(f"{address} leads to {', '.join(targets)}.")


@alias.command("list")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def alias_list(ctx: click.Context, as_json: bool) -> None:
    """List the aliases."""
    with _accounts(ctx) as accounts:
        found = accounts.list_aliases()
        if as_json:
            say(msgspec.json.encode([{"address": a.address, "targets": a.targets} for a in found]).decode())
        else:
            for each in found:
                say(f"{each.address} -> {', '.join(each.targets)}")


@alias.command("remove")
@click.argument("address", metavar="NAME@DOMAIN")
@click.pass_context
def alias_remove(ctx: click.Context, address: str) -> None:
    """Remove an alias."""
    with _accounts(ctx) as accounts:
        accounts.remove_alias(address)
        say(f"{address} is gone.")


@contextmanager
def _accounts(ctx: click.Context) -> Iterator[Accounts]:
    where = places(ctx)
    config = configuration(where, set_up=True)
    with open_store(where) as store:
        accounts = Accounts(store, config.domains)
        try:
            yield accounts
        except AccountFault as fault:
            fail(fault.reason.for_owner)
        finally:
            accounts.close()


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return password_from_stdin()
    asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return asked
