"""What the other server's words mean for a recipient: delivered, deferred or failed, with which status and which words.

Promises: every reply at every step has a meaning, also one that no RFC knows. Leaves it to `deliver.py` whether another
host is tried and to queue/ when. Pure. RFC 5321 4.2 (replies), 4.2.1 (by their first digit), RFC 3463 and RFC 2034
(enhanced codes), RFC 5321 4.5.3.1.10 (552 after RCPT).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from ..mail.envelope import Recipient
from ..mail.reason import Reason, because
from ..status.events import Outcome

REPLY_OCTETS = 1000  # of a reply, what is kept: it goes to the log, the trace, the report and the card


class Step(StrEnum):
    """Where in the dialogue it was said."""

    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "EHLO"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    DOT = "end of DATA"
    RSET = "RSET"


_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?:\s|\Z)")

# What RFC 3463 calls it when the peer gives only the old three digits.
_STATUS_OF_CODE = {
    421: "4.3.2",
    450: "4.2.0",
    451: "4.3.0",
    452: "4.3.1",
    530: "5.7.0",
    535: "5.7.8",
    550: "5.1.1",
    551: "5.1.6",
    552: "5.2.2",
    553: "5.1.3",
    556: "5.1.10",
}


@dataclass(slots=True, frozen=True)
class RemoteReply:
    """text: its lines joined by one space, without the code, with nothing that is not printable."""

    code: int
    text: str

    @classmethod
    def of(cls, code: int, text: str) -> RemoteReply:
        words = " ".join(text.split())
        return cls(code, "".join(c if c.isprintable() else "?" for c in words)[:REPLY_OCTETS])

    @property
    def enhanced(self) -> str | None:
        """The enhanced status code, if there is one and its class is the code's."""
        match = _ENHANCED.match(self.text)
        return match.group(0).strip() if match and int(match.group(1)) == self.code // 100 else None

    @property
    def ok(self) -> bool:
        return 200 <= self.code < 300

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()


@dataclass(slots=True, frozen=True)
class RecipientOutcome:
    """What one attempt came to for one recipient.

    status: enhanced code; reply: the peer's own words, `` where it said none; reason: for owner and reverse-path;
    host, ip: where it was tried last, `` where nowhere; tls: e.g. `TLSv1.3 TLS_AES_256_GCM_SHA384`;
    reports_passed_on: the peer knows DSN, so what the reverse-path asked for is now its duty (RFC 3461 5.2.2);
    unreachable: not even a connection: other mail for the same destination need not be tried at once.
    """

    recipient: Recipient
    outcome: Outcome
    status: str
    reply: str
    reason: Reason
    host: str = ""
    ip: str = ""
    tls: str | None = None
    reports_passed_on: bool = False
    unreachable: bool = False


def outcome_of(step: Step, reply: RemoteReply) -> Outcome:
    """What a reply means for the recipients it is about. DELIVERED at RCPT only means: accepted so far."""
    if reply.ok and step in (Step.RCPT, Step.DOT):
        return Outcome.DELIVERED
    if not 500 <= reply.code < 600:
        return Outcome.DEFERRED  # 4yz, or a reply that has no meaning here: nothing was promised, nothing refused
    if step in (Step.CONNECT, Step.GREETING, Step.EHLO, Step.STARTTLS, Step.AUTH, Step.RSET):
        return Outcome.DEFERRED  # about the host or about us, not about this message; another host may take it
    if step is Step.RCPT and reply.code == 552 and (reply.enhanced or "").split(".")[1:2] not in (["2"], ["3"]):
        return Outcome.DEFERRED  # too many recipients, in the words of old servers; a full mailbox says 5.2.2
    return Outcome.FAILED


def status_of(step: Step, reply: RemoteReply, outcome: Outcome) -> str:
    """The enhanced code that fits the outcome: the peer's own where it does."""
    digit = {Outcome.DELIVERED: "2", Outcome.DEFERRED: "4", Outcome.FAILED: "5"}[outcome]
    if reply.enhanced is not None:
        return digit + reply.enhanced[1:]
    usual = _STATUS_OF_CODE.get(reply.code, "")
    if step is Step.DOT and reply.code == 550:
        usual = "5.7.1"  # the recipient was fine: it is the message that is not wanted
    if step is Step.DOT and reply.code == 552:
        usual = "5.3.4"
    return usual if usual.startswith(digit) else f"{digit}.0.0"


def reason_of(host: str, reply: RemoteReply, outcome: Outcome) -> Reason:
    match outcome:
        case Outcome.DELIVERED:
            return because("host-accepted", host=host, reply=reply)
        case Outcome.DEFERRED:
            return because("host-put-off", host=host, reply=reply)
        case Outcome.FAILED:
            return because("host-refused", host=host, reply=reply)
