"""`merpati doctor`: looks at everything and says what is wrong and what to do."""

from __future__ import annotations

import sqlite3
import sys

import click
import msgspec

from ..doctor import card, certificate, configuration, mail_queue, mail_store
from ..doctor.finding import Finding, Status
from ..services.places import Places
from ..store.migrate import SchemaTooNew
from .root import places, say
from .running import card_now, has_store, open_store

_MARKS = {Status.GOOD: "good     ", Status.NOTE: "note     ", Status.NEEDS_YOU: "needs you", Status.BROKEN: "BROKEN   "}


@click.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check the whole appliance. Exit status 1 when something is broken."""
    where = places(ctx)
    finding, config = configuration.check(where.config)
    findings = [finding]
    if config is not None:
        findings.append(certificate.check(where.home, config))
    findings += _kept(where, expected=config is not None)
    findings.append(card.check(where.home))
    findings += card.judge_wear(card_now(where, ask_smart=True))
    if as_json:
        click.echo(msgspec.json.encode(findings).decode())
    else:
        for each in findings:
            say(f"{_MARKS[each.status]}  {each.what}" + (f" {each.do}" if each.do else ""))
    sys.exit(any(each.status is Status.BROKEN for each in findings))


def _kept(where: Places, *, expected: bool) -> list[Finding]:
    """What the store holds. It makes none, and one that cannot even be opened is a finding too."""
    if not has_store(where):
        return [mail_store.damaged("store.db is not there")] if expected else []
    try:
        with open_store(where) as store:
            return [*mail_store.check(store), mail_queue.check(store)]
    except (sqlite3.Error, SchemaTooNew) as fault:
        return [mail_store.damaged(fault)]
