"""`merpati share …`: mailboxes that others may use too."""

from __future__ import annotations

import click
import msgspec

from ..accounts.accounts import AccountFault
from ..accounts.sharing import share as share_mailbox
from ..accounts.sharing import shares
from ..imap.rights import ALL, RightsFault, parse
from .root import fail, places, say
from .running import open_store

# What people mean; letters of RFC 4314 say it more finely.
WORDS = {"read": "lr", "write": "lrswipte", "all": ALL}


@click.group()
def share() -> None:
    """Mailboxes that others may use too."""


@share.command("add")
@click.argument("owner", metavar="NAME@DOMAIN")
@click.argument("mailbox")
@click.argument("who", metavar="WHO")
@click.argument("rights", default="read")
@click.pass_context
def share_add(ctx: click.Context, owner: str, mailbox: str, who: str, rights: str) -> None:
    """Share a mailbox of NAME@DOMAIN with WHO: an address here, or anyone for everybody who has an account.

    RIGHTS: read (look into it), write (change, add and delete messages too), all (also make, rename, delete and share
    mailboxes), or letters as in RFC 4314.
    """
    try:
        mode, letters = parse(WORDS.get(rights, rights))
    except RightsFault as fault:
        fail(f"{rights}: {fault}; say read, write, all, or letters of {ALL}")
    if mode != "=" or not letters:
        fail(f"say what {who} may do: read, write, all, or letters of {ALL}")
    with open_store(places(ctx)) as store:
        try:
            now = share_mailbox(store, owner, mailbox, who, letters)
        except AccountFault as fault:
            fail(fault.reason.for_owner)
    say(f"{who} may use {mailbox} of {owner} now: {told(now)}.")


@share.command("remove")
@click.argument("owner", metavar="NAME@DOMAIN")
@click.argument("mailbox")
@click.argument("who", metavar="WHO")
@click.pass_context
def share_remove(ctx: click.Context, owner: str, mailbox: str, who: str) -> None:
    """Share it no longer."""
    with open_store(places(ctx)) as store:
        try:
            share_mailbox(store, owner, mailbox, who, "")
        except AccountFault as fault:
            fail(fault.reason.for_owner)
    say(f"{who} may not use {mailbox} of {owner} any more.")


@share.command("list")
@click.argument("owner", required=False, metavar="[NAME@DOMAIN]")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def share_list(ctx: click.Context, owner: str | None, as_json: bool) -> None:
    """List what is shared with whom."""
    with open_store(places(ctx)) as store:
        try:
            found = shares(store, owner)
        except AccountFault as fault:
            fail(fault.reason.for_owner)
    if as_json:
        rows = [{"owner": s.owner, "mailbox": s.mailbox, "with": s.who, "rights": s.rights} for s in found]
        say(msgspec.json.encode(rows).decode())
        return
    if not found:
        say("Nothing is shared.")
    for each in found:
        say(f"{each.mailbox} of {each.owner} with {each.who}: {told(each.rights)}")


def told(rights: str) -> str:
    word = next((word for word, letters in WORDS.items() if letters == rights), None)
    return rights if word is None else f"{word} ({rights})"
