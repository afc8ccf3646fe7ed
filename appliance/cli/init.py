"""`merpati init`: the set-up without a browser."""

from __future__ import annotations

import secrets

import click

from ..setup.records import certificate_fingerprint, records
from ..setup.set_up import Answers, SetupFault, set_up
from .root import fail, password_from_stdin, places, say
from .running import open_store, take_up


@click.command()
@click.option("--hostname", required=True, help="The full name of this server, such as mx.example.org.")
@click.option("--domain", required=True, help="The mail domain that lives here, such as example.org.")
@click.option("--admin-password-stdin", is_flag=True, help="Read the administrator's password from standard input.")
@click.option("--listen", metavar="ADDRESS", help="The IP address to listen on. Default: 127.0.0.1.")
@click.option("--resolver", metavar="IP:PORT", help="The name server for every look-up. Default: the system's.")
@click.pass_context
def init(
    ctx: click.Context,
    hostname: str,
    domain: str,
    admin_password_stdin: bool,
    listen: str | None,
    resolver: str | None,
) -> None:
    """Set up this server without a browser."""
    where = places(ctx)
    password = password_from_stdin() if admin_password_stdin else secrets.token_urlsafe(12)
    answers = Answers(
        hostname=hostname,
        domain=domain,
        outbound="direct",
        admin_password=password,
        listen_address=listen,
        resolver=resolver,
    )
    try:
        with open_store(where, make=True) as store:
            config = set_up(where.home, store, answers)
    except SetupFault as fault:
        fail(fault.reason.for_owner)
    # The password is said first, since a server that refuses ends this; all the rest comes after the server was told,
    # since whoever reads us may leave in the middle of it (`| head`).
    if not admin_password_stdin:
        say(f"The administrator's password is {password} – write it down, it is not shown again.")
    runs = take_up(where)
    say(f"{config.hostname} is set up for {', '.join(config.domains)} in {where.home}.")
    say(f"The certificate's SHA-256 fingerprint is {certificate_fingerprint(where.home, config)}")
    say("Publish these DNS records:")
    for record in records(where.home, config):
        say(f"  {record.host}.  {record.type}  {record.value}")
    say("Next: merpati account add NAME@DOMAIN --password-stdin" + ("" if runs else ", then merpati run"))
