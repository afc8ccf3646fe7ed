"""`merpati account …` and `merpati alias …`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
import msgspec

from ..accounts.accounts import AccountFault, Accounts
from ..accounts.quotas import Allowance, allow, allowance, parse_amount
from ..status.problems import in_words
from ..store.interface import Store
from ..store.quota import Limits
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
    with _opened(ctx) as (store, accounts):
        found = [(each, allowance(store, each.address)) for each in accounts.all()]
        if as_json:
            rows = [
                {"address": a.address, "name": a.display_name, "created_at": a.created_at, **_as_json(allowed)}
                for a, allowed in found
            ]
            say(msgspec.json.encode(rows).decode())
        else:
            for each, allowed in found:
                say("  ".join(filter(None, (each.address, each.display_name, _told(allowed)))))


@account.command("quota")
@click.argument("address", metavar="NAME@DOMAIN")
@click.argument("size", required=False)
@click.option("--messages", metavar="N", help="How many messages it may keep: a number, none, or default.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def account_quota(ctx: click.Context, address: str, size: str | None, messages: str | None, as_json: bool) -> None:
    """Tell or change how much an account may keep.

    SIZE: a number of octets, also 500M or 2G; none: no limit; default: as limits.account_size says.
    """
    with _opened(ctx) as (store, _):
        allowed = allowance(store, address)
        if size is not None or messages is not None:
            octets, count = allowed.own
            octets = octets if size is None else parse_amount(size, units=True)
            count = count if messages is None else parse_amount(messages, units=False)
            allow(store, address, octets, count)
            allowed = allowance(store, address)
        if as_json:
            say(msgspec.json.encode({"address": allowed.address, **_as_json(allowed)}).decode())
        else:
            say(f"{allowed.address}  {_told(allowed)}")


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


def _as_json(allowed: Allowance) -> dict[str, int | None]:
    """A limit that there is not is null."""
    return {
        "used_octets": allowed.use.octets,
        "used_messages": allowed.use.messages,
        "limit_octets": allowed.limits.octets,
        "limit_messages": allowed.limits.messages,
    }


def _told(allowed: Allowance) -> str:
    use, limits = allowed.use, allowed.limits
    of_octets = "" if limits.octets is None else f" of {in_words(limits.octets)}"
    of_messages = "" if limits.messages is None else f" of {limits.messages}"
    full = ", full" if use.is_full(limits) else ""
    return f"{in_words(use.octets)}{of_octets}, {use.messages}{of_messages} messages{full}"


@contextmanager
def _accounts(ctx: click.Context) -> Iterator[Accounts]:
    with _opened(ctx) as (_, accounts):
        yield accounts


@contextmanager
def _opened(ctx: click.Context) -> Iterator[tuple[Store, Accounts]]:
    where = places(ctx)
    config = configuration(where, set_up=True)
    with open_store(where) as store:
        store.set_default_limits(Limits(config.limits.account_size, config.limits.account_messages))
        accounts = Accounts(store, config.domains)
        try:
            yield store, accounts
        except AccountFault as fault:
            fail(fault.reason.for_owner)
        finally:
            accounts.close()


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return password_from_stdin()
    asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return asked
