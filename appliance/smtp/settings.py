"""What the three listeners are told, as frozen values; `services/` makes them from the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MIB = 1024 * 1024


class Listener(StrEnum):
    """The three doors. RFC 6409, RFC 8314 3.3."""

    SMTP = "smtp"  # port 25: strangers, no sign-in
    SUBMISSION = "submission"  # port 587: STARTTLS, then sign-in
    SUBMISSIONS = "submissions"  # port 465: TLS from the first octet, then sign-in

    @property
    def is_submission(self) -> bool:
        return self is not Listener.SMTP

    @property
    def implicit_tls(self) -> bool:
        return self is Listener.SUBMISSIONS


@dataclass(slots=True, frozen=True)
class SmtpSettings:
    """hostname: what we call ourselves; postmaster_domain: completes `RCPT TO:<postmaster>` (default: hostname);
    dsn: announce DSN and take its parameters – only when the rooms behind honour them; the time limits are of
    RFC 5321 4.5.3.2.7: five minutes for a command and for each piece of a message."""

    hostname: str
    message_size_octets: int = 50 * MIB
    recipients_most: int = 1000  # RFC 5321 4.5.3.1.8 asks for at least 100; Postfix takes 1000
    postmaster_domain: str | None = None
    allow_plaintext_loopback: bool = True
    dsn: bool = False
    command_timeout_s: float = 300.0
    content_timeout_s: float = 300.0
    handshake_timeout_s: float = 30.0
    stop_grace_s: float = 5.0
    bad_commands_most: int = 20  # as Postfix smtpd_hard_error_limit
    refused_recipients_most: int = 100
    failed_sign_ins_most: int = 3
    failed_sign_in_delay_s: float = 3.0
