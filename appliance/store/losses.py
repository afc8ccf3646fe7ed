"""What a repair found and what it did not: values for the report."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, frozen=True)
class Lost:
    """account, mailbox, uid, subject, header_from: as far as they are known ('' or 0: they are not); what: a sentence."""

    what: str
    account: str = ""
    mailbox: str = ""
    uid: int = 0
    subject: str = ""
    header_from: str = ""


@dataclass(slots=True, frozen=True)
class MailboxKept:
    """messages: that are there now; lost: how many are missing, as far as that can be known; renumbered: it has a new
    UIDVALIDITY, so that mail programs fetch it anew."""

    account: str
    name: str
    messages: int
    lost: int
    renumbered: bool


@dataclass(slots=True)
class Report:
    """recovered: messages in mailboxes called Recovered; exported: files with messages whose owner is not known."""

    accounts: int = 0
    aliases: int = 0
    administrators: int = 0
    queued: int = 0
    mailboxes: list[MailboxKept] = field(default_factory=list)
    recovered: int = 0
    exported: list[str] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    to_do: list[str] = field(default_factory=list)
    set_aside: list[str] = field(default_factory=list)

    @property
    def messages(self) -> int:
        return sum(mailbox.messages for mailbox in self.mailboxes)
