"""From what became of recipients to the delivery reports that their reverse-path is owed.

Promises: never a report about a report (a null reverse-path gets none); never one that was not wanted; all recipients
with the same news in one report. Reads the message's header for it, and nothing else of it unless the whole is to be
returned. RFC 3461 5.2, 6.2; RFC 5321 6.1.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..dsn.compose import FULL_OCTETS_MOST, HEADER_OCTETS_MOST, Action, Original, Reported, compose_report
from ..dsn.wanted import parse_notify, wants
from ..mail.address import Address, AddressFault
from ..mail.content import Content
from ..mail.envelope import Notify
from ..mime.headers import header_end
from ..store.queue_rows import QueuedMessage, QueuedRecipient
from ..transport.interpret import RecipientOutcome

log = logging.getLogger("merpati.queue")

_ASKED_BY = {Action.FAILED: Notify.FAILURE, Action.DELAYED: Notify.DELAY, Action.RELAYED: Notify.SUCCESS}


@dataclass(slots=True, frozen=True)
class News:
    """What there is to tell of one recipient. sentence: for the reverse-path."""

    action: Action
    recipient: QueuedRecipient
    outcome: RecipientOutcome
    sentence: str


@dataclass(slots=True, frozen=True)
class Report:
    """A message of ours for `to`; about: the addresses of the recipients it tells of."""

    action: Action
    to: Address
    octets: bytes
    about: tuple[str, ...]


def wanted(message: QueuedMessage, recipient: QueuedRecipient, action: Action) -> bool:
    if not message.reverse_path:
        return False
    return wants(parse_notify(recipient.notify), _ASKED_BY[action])


def write_reports(
    message: QueuedMessage,
    content: Content | None,
    news: Sequence[News],
    *,
    hostname: str,
    ids: Mapping[Action, str],
    now: datetime,
    retry_until: float,
) -> list[Report]:
    """content: None when it cannot be read; ids: the Message-ID of each possible report. Blocks on the disk."""
    due = [each for each in news if wanted(message, each.recipient, each.action)]
    if not due:
        return []
    try:
        to = Address.parse(message.reverse_path)
    except AddressFault as fault:
        log.error("nobody can be told about %s: %r is no address: %s", message.trace_id, message.reverse_path, fault)
        return []
    reports = []
    for action in _ASKED_BY:
        about = [each for each in due if each.action is action]
        if about:
            octets = compose_report(
                action,
                [_reported(each, now) for each in about],
                _original(message, content, whole=action is Action.FAILED and message.ret == "FULL"),
                to=to,
                hostname=hostname,
                message_id=ids[action],
                now=now,
                retry_until=retry_until if action is Action.DELAYED else None,
            )
            reports.append(Report(action, to, octets, tuple(each.recipient.address for each in about)))
    return reports


def _reported(news: News, now: datetime) -> Reported:
    outcome = news.outcome
    return Reported(
        address=news.recipient.address,
        status=outcome.status,
        sentence=news.sentence,
        host=outcome.host,
        reply=outcome.reply,
        orcpt=news.recipient.orcpt,
        last_attempt_at=now.timestamp(),
    )


def _original(message: QueuedMessage, content: Content | None, whole: bool) -> Original:
    whole = whole and content is not None and len(message.prefix) + content.size <= FULL_OCTETS_MOST
    if content is None:
        returned = message.prefix
    elif whole:
        returned = message.prefix + b"".join(content.pieces())
    else:
        start = message.prefix + b"".join(content.pieces(0, HEADER_OCTETS_MOST))
        end = header_end(start)
        returned = start[:end] if 0 <= end <= HEADER_OCTETS_MOST else start[:HEADER_OCTETS_MOST]
    return Original(
        accepted_at=message.accepted_at,
        subject=message.subject,
        message_id=message.message_id_header.strip(),
        returned=returned,
        whole=whole,
        envid=message.envid,
        international=message.smtputf8,
    )
