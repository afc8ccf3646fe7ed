"""The repair of a damaged store, in words: whether it is needed, what it did, what it could not have back.

Only while no server runs on the home: whoever calls this has seen to that. What is repaired, and how, is `store/recover.py`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ..store.check import check
from ..store.interface import Store
from ..store.losses import Lost, Report
from ..store.recover import NoRoom, forget_kept_log, keep_log, log_goes_on, put_log_back, recover
from ..store.set_aside import StoreInUse
from .finding import count

SAID_MOST = 200  # lines on what was lost; --json has them all


class Outcome(StrEnum):
    WHOLE = "whole"
    REPAIRED = "repaired"


class CannotRepair(Exception):
    """str() is one sentence for the owner. Nothing was changed."""


@dataclass(slots=True, frozen=True)
class Repair:
    """left: what the check still finds afterwards; empty when all is well."""

    outcome: Outcome
    report: Report = field(default_factory=Report)
    left: list[str] = field(default_factory=list)


def repair(home: Path, scratch: Path, recovered_to: str | None = None) -> Repair:
    """recovered_to: key of the account that gets mail whose owner is not known.

    Raises CannotRepair, SchemaTooNew, OSError, sqlite3.Error. Durability: durable. Cost: reads the store twice.
    """
    try:
        if not log_goes_on(home):
            keep_log(home)
            if not _wrong(home, scratch):
                forget_kept_log(home)
                return Repair(Outcome.WHOLE)
            put_log_back(home)
        report = recover(home, scratch=scratch, recovered_to=recovered_to)
    except StoreInUse:
        raise CannotRepair(
            "The mail store is in use. Stop the server first: its repair has to be alone with it."
        ) from None
    except NoRoom as fault:
        raise CannotRepair(
            f"The repair makes a new database beside the damaged one and needs {_megabytes(fault.need_octets)} for it;"
            f" {_megabytes(fault.free_octets)} are free. Make room on the card, or move the data folder to a larger one."
        ) from None
    return Repair(Outcome.REPAIRED, report, _wrong(home, scratch))


def _wrong(home: Path, scratch: Path) -> list[str]:
    try:
        store = Store(home, scratch=scratch)
    except (sqlite3.Error, OSError) as fault:
        return [str(fault)]
    try:
        return check(store)
    finally:
        store.close()


def in_words(done: Repair) -> Iterator[str]:
    """Line by line."""
    if done.outcome is Outcome.WHOLE:
        yield "The mail store is whole. Nothing was changed."
        return
    report = done.report
    yield (
        f"Recovered: {count(report.accounts, 'account')}, {report.aliases} aliases, {count(report.messages, 'message')} in"
        f" {len(report.mailboxes)} mailboxes, {report.queued} addresses in the queue."
    )
    for mailbox in report.mailboxes:
        if mailbox.messages or mailbox.lost:
            lost = f", {mailbox.lost} lost" if mailbox.lost else ""
            renumbered = "; mail programs will fetch it anew" if mailbox.renumbered else ""
            yield f"  {mailbox.account}  {mailbox.name}: {count(mailbox.messages, 'message')}{lost}{renumbered}"
    if report.recovered:
        yield f"{count(report.recovered, 'message')} without a place of their own are in mailboxes called Recovered."
    if report.exported:
        folder = Path(report.exported[0]).parent
        yield f"Not known whose: {count(len(report.exported), 'message')}, written to {folder}, one file each."
    yield "Lost:" if report.lost else "Nothing is known to be lost."
    for each in report.lost[:SAID_MOST]:
        yield f"  {sentence(each)}"
    if len(report.lost) > SAID_MOST:
        yield f"  and {len(report.lost) - SAID_MOST} more; --json lists all of them"
    yield from report.notes
    yield f"The damaged files are kept as {' and '.join(report.set_aside)}."
    yield "What to do next:"
    steps = [
        *report.to_do,
        "Start the server again.",
        "Make a backup, and replace the card: one that lost something will lose more.",
        "Once nothing is missed any more, the damaged files can be deleted.",
    ]
    for number, step in enumerate(steps, 1):
        yield f"  {number}. {step}"
    for line in done.left:
        yield f"Still wrong: {line}."


def sentence(lost: Lost) -> str:
    """Where it was, what it was, what became of it."""
    where = [each for each in (lost.account, lost.mailbox, f"UID {lost.uid}" if lost.uid else "") if each]
    named = []
    if lost.subject:
        named.append(f'"{lost.subject}"')
    if lost.header_from:
        named.append(f"from {lost.header_from}")
    parts = [" ".join(where), " ".join(named), lost.what]
    return ": ".join(part for part in parts if part)


def _megabytes(octets: int) -> str:
    return f"{max(1, octets // 1_000_000)} MB"
