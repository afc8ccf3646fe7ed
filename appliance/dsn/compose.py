"""A delivery report: what became of a message, once for people and once for programs.

Promises: the first part says in plain words what happened and what can be done; the second says it in the fields of
RFC 3464; the third is the message's header or the whole of it. Any text may be given: nothing in a reply, a subject or
an address can add a field. A report about international mail is one itself (RFC 6533). Leaves to queue/ whether a
report is wanted and to whom it goes, to intake/ how it gets there. Pure. RFC 3464, RFC 6522, RFC 3834 (Auto-Submitted).
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from ..mail.address import Address
from ..mime.compose import Body, MessagePart, Multipart, TextPart, compose, field, mailbox
from ..mime.dates import format_date

FULL_OCTETS_MOST = 512 * 1024  # of a returned message; for a larger one its header has to do, whatever RET said
HEADER_OCTETS_MOST = 64 * 1024
_WIDTH = 76


class Action(StrEnum):
    """RFC 3464 2.3.3, those that an MTA without mailing lists needs."""

    FAILED = "failed"
    DELAYED = "delayed"
    RELAYED = "relayed"
    DELIVERED = "delivered"


@dataclass(slots=True, frozen=True)
class Reported:
    """One recipient. sentence: what happened, for a person; host: the other server, `` if none was reached; reply: its
    own words, `` if it said none; orcpt: `type;address`; times: seconds since the epoch."""

    address: str
    status: str
    sentence: str
    host: str = ""
    reply: str = ""
    orcpt: str | None = None
    last_attempt_at: float | None = None


@dataclass(slots=True, frozen=True)
class Original:
    """The message reported on. returned: its header, or the whole of it when `whole`; international: it was sent with
    SMTPUTF8, or has addresses that need it."""

    accepted_at: float
    subject: str
    message_id: str
    returned: bytes
    whole: bool = False
    envid: str | None = None
    international: bool = False


def compose_report(
    action: Action,
    recipients: Sequence[Reported],
    original: Original,
    *,
    to: Address,
    hostname: str,
    message_id: str,
    now: datetime,
    retry_until: float | None = None,
) -> bytes:
    """Args: to: the reverse-path; message_id: for the report, without angle brackets; retry_until: for a delay."""
    headers = [
        ("From", mailbox("Mail delivery", f"mailer-daemon@{hostname}")),
        ("To", f"<{to}>"),
        ("Subject", _subject(action, original.subject)),
        ("Date", format_date(now)),
        ("Message-ID", f"<{message_id}>"),
        ("Auto-Submitted", "auto-replied"),
    ]
    if _is_message_id(original.message_id):
        headers.insert(5, ("References", original.message_id))
    international = original.international or to.needs_smtputf8
    kind = "global-" if international else ""
    parts: tuple[Body, ...] = (
        TextPart(_for_people(action, recipients, original, hostname, retry_until)),
        MessagePart(
            _for_programs(action, recipients, original, hostname, retry_until, international),
            f"message/{kind}delivery-status",
        ),
        MessagePart(original.returned, _returned_type(original.whole, international)),
    )
    return compose(headers, Multipart(parts, "report", (("report-type", f"{kind}delivery-status"),)))


def _returned_type(whole: bool, international: bool) -> str:
    if international:
        return "message/global" if whole else "message/global-headers"
    return "message/rfc822" if whole else "text/rfc822-headers"


def _subject(action: Action, subject: str) -> str:
    first = {
        Action.FAILED: "Not delivered",
        Action.DELAYED: "Not delivered yet",
        Action.RELAYED: "Handed on",
        Action.DELIVERED: "Delivered",
    }[action]
    return f"{first}: {subject[:200]}" if subject else first


# The words for people.

_BEGINNING = {
    Action.FAILED: "Your message could not be delivered to",
    Action.DELAYED: "Your message could not be delivered yet to",
    Action.RELAYED: "Your message was handed on for the following recipients, to a server that does not tell what becomes"
    " of it afterwards:",
    Action.DELIVERED: "Your message was put into the mailbox of",
}


def _for_people(
    action: Action, recipients: Sequence[Reported], original: Original, hostname: str, retry_until: float | None
) -> str:
    blocks = [_fill(_BEGINNING[action] + ("" if action is Action.RELAYED else ":"))]
    blocks += [f"    {_one_line(each.address)}\n{_fill(_one_line(each.sentence), ' ' * 8)}" for each in recipients]
    blocks.append(_fill(_ending(action, recipients, retry_until)))
    about = [f"    Subject: {_one_line(original.subject)[:200]}"] if original.subject else []
    about.append(f"    Accepted: {_when(original.accepted_at)}")
    blocks.append("It is about this message:\n\n" + "\n".join(about))
    what = "The message" if original.whole else "Its header"
    blocks.append(_fill(f"{what} is attached. This report was written by the mail server {hostname}."))
    return "\n\n".join(blocks) + "\n"


def _ending(action: Action, recipients: Sequence[Reported], retry_until: float | None) -> str:
    match action:
        case Action.DELAYED:
            until = f" until {_when(retry_until)}" if retry_until is not None else ""
            return f"You need not do anything: it will be tried again{until}. If it fails for good, you will be told."
        case Action.RELAYED | Action.DELIVERED:
            return "You need not do anything."
    advice = list(dict.fromkeys(_advice(each.status) for each in recipients))
    return "It will not be tried again. " + " ".join(advice)


def _advice(status: str) -> str:
    if status in ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.4.4"):
        return "Please check whether the address is spelt right."
    if status == "5.2.2":
        return "The mailbox is full: please reach the recipient in another way."
    if status == "5.3.4":
        return "Please send something smaller, or share a large file in another way."
    if status == "5.6.7":
        return "Please use an address in plain letters, if the recipient has one."
    if status.startswith("5.7."):
        return "The other server did not want the message; the words above may say why."
    if status.startswith("4."):
        return "You may send it again later, or reach the recipient in another way."
    return "Please reach the recipient in another way."


def _fill(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _when(at: float) -> str:
    return format_date(datetime.fromtimestamp(at, UTC))


# The fields for programs.


def _for_programs(
    action: Action,
    recipients: Sequence[Reported],
    original: Original,
    hostname: str,
    retry_until: float | None,
    international: bool,
) -> bytes:
    lines = []
    if original.envid is not None:
        lines.append(("Original-Envelope-Id", original.envid))
    lines += [("Reporting-MTA", f"dns; {hostname}"), ("Arrival-Date", _when(original.accepted_at))]
    groups = [lines]
    for each in recipients:
        fields = []
        kind, semicolon, address = (each.orcpt or "").partition(";")
        if semicolon:
            fields.append(("Original-Recipient", f"{kind}; {address}"))
        fields.append(("Final-Recipient", f"{'rfc822' if each.address.isascii() else 'utf-8'}; {each.address}"))
        fields += [("Action", action), ("Status", each.status)]
        if each.host:
            fields.append(("Remote-MTA", f"dns; {each.host}"))
        if each.reply:
            fields.append(("Diagnostic-Code", f"smtp; {each.reply}"))
        if each.last_attempt_at is not None:
            fields.append(("Last-Attempt-Date", _when(each.last_attempt_at)))
        if action is Action.DELAYED and retry_until is not None:
            fields.append(("Will-Retry-Until", _when(retry_until)))
        groups.append(fields)
    return b"\r\n".join(
        b"".join(field(name, value if international else _ascii(value)) for name, value in group) for group in groups
    )


def _ascii(value: str) -> str:
    """message/delivery-status is ASCII (RFC 3464 2.1)."""
    return value.encode("ascii", "replace").decode("ascii")


def _is_message_id(text: str) -> bool:
    return len(text) < 400 and text.isascii() and text.startswith("<") and text.endswith(">") and " " not in text
