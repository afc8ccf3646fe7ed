"""`merpati doctor`: looks at everything and says what is wrong and what to do."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import tempfile
from pathlib import Path

import click
import msgspec

from ..doctor import card, certificate, configuration, mail_queue, mail_store
from ..doctor.finding import Finding, Status
from ..mail.address import Address, AddressFault
from ..services.alone import NotAlone, alone
from ..services.places import Places
from ..store.migrate import SchemaTooNew
from ..store.refusals import StoreDamaged
from .root import fail, places, say
from .running import card_now, has_store, open_store

_MARKS = {Status.GOOD: "good     ", Status.NOTE: "note     ", Status.NEEDS_YOU: "needs you", Status.BROKEN: "BROKEN   "}


@click.command()
@click.option("--json", "as_json", is_flag=True)
@click.option(
    "--repair", "with_repair", is_flag=True, help="Make a new mail store of what can be read of a damaged one."
)
@click.option(
    "--recovered-to",
    metavar="NAME@DOMAIN",
    help="Who gets recovered mail whose owner is not known; else it is exported.",
)
@click.pass_context
def doctor(ctx: click.Context, as_json: bool, with_repair: bool, recovered_to: str | None) -> None:
    """Check the whole appliance. Exit status 1 when something is broken."""
    where = places(ctx)
    if with_repair:
        _repair(where, as_json, recovered_to)
        return
    if recovered_to is not None:
        raise click.UsageError("--recovered-to goes with --repair.")
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


def _repair(where: Places, as_json: bool, recovered_to: str | None) -> None:
    """With the server's own lock, so that none is started meanwhile."""
    from ..doctor.repair import CannotRepair, in_words, repair

    if not where.home.is_dir() or (not has_store(where) and not (where.home / "blobs").exists()):
        fail(f"there is no mail store in {where.home}")
    try:
        key = Address.parse(recovered_to).key if recovered_to is not None else None
    except AddressFault as fault:
        fail(f"{recovered_to} is not a mail address: {fault}")
    try:
        lock = alone(where.mail_lock, where.home)
    except NotAlone as fault:
        fail(f"{fault}. Stop it first: the repair has to be alone with the mail store")
    try:
        done = repair(where.home, Path(tempfile.gettempdir()), key)
    except CannotRepair as fault:
        fail(str(fault))
    finally:
        os.close(lock)
    if as_json:
        click.echo(msgspec.json.encode(done).decode())
    else:
        for line in in_words(done):
            say(line)
    sys.exit(bool(done.left))


def _kept(where: Places, *, expected: bool) -> list[Finding]:
    """What the store holds. It makes none, and one that cannot even be opened is a finding too."""
    if not has_store(where):
        return [mail_store.damaged("store.db is not there")] if expected else []
    try:
        with open_store(where) as store:
            found = mail_store.check(store)
            with contextlib.suppress(StoreDamaged):  # which is among what was found
                found.append(mail_queue.check(store))
            return found
    except (sqlite3.Error, SchemaTooNew) as fault:
        return [mail_store.damaged(fault)]
