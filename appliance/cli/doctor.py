"""`merpati doctor`: looks at everything and says what is wrong and what to do."""

from __future__ import annotations

import sys

import click
import msgspec

from ..config import ConfigFault, load
from ..doctor import card, certificate, mail_queue, mail_store
from ..doctor.finding import Finding, Status
from .root import places
from .running import open_store

_MARKS = {Status.GOOD: "good     ", Status.NOTE: "note     ", Status.NEEDS_YOU: "needs you", Status.BROKEN: "BROKEN   "}


@click.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check the whole appliance. Exit status 1 when something is broken."""
    where = places(ctx)
    findings: list[Finding] = []
    try:
        config = load(where.config)
    except ConfigFault as fault:
        findings.append(Finding("configuration", Status.BROKEN, str(fault), "Mend that line."))
    else:
        if config.is_set_up:
            findings.append(Finding("configuration", Status.GOOD, "The configuration is valid."))
            findings.append(certificate.check(where.home, config))
        else:
            findings.append(
                Finding(
                    "configuration",
                    Status.NEEDS_YOU,
                    "The server is not set up.",
                    "Open the wizard, or run merpati init.",
                )
            )
    with open_store(where) as store:
        findings += [*mail_store.check(store), mail_queue.check(store)]
    findings.append(card.check(where.home))
    if as_json:
        click.echo(msgspec.json.encode(findings).decode())
    else:
        for each in findings:
            click.echo(f"{_MARKS[each.status]}  {each.what}" + (f" {each.do}" if each.do else ""))
    sys.exit(any(each.status is Status.BROKEN for each in findings))
