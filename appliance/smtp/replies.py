"""The replies that need nothing but themselves, and how any reply becomes octets.

Promises: a reply is one line of at most 512 octets in ASCII (RFC 5321 4.5.3.1.5), whatever its reason holds; a reply
of several lines has the hyphen on all but the last (RFC 5321 4.2.1). RFC 2034 wants the enhanced code on every 2xx,
4xx and 5xx but the greeting and the answers to HELO and EHLO; 334 and 354 have none.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..mail.reason import because
from ..mail.reply import Reply

MAX_REPLY_OCTETS = 512

OK = Reply(250, "0.0", because("ok"))
MAIL_OK = Reply(250, "1.0", because("ok"))
RECIPIENT_OK = Reply(250, "1.5", because("ok"))
CHUNK_OK = Reply(250, "0.0", because("chunk-ok"))
GOODBYE = Reply(221, "0.0", because("goodbye"))
VERIFY_BY_SENDING = Reply(252, "0.0", because("verify-by-sending"))

SHUTTING_DOWN = Reply(421, "3.2", because("shutting-down"))
ACCESS_ENDED = Reply(421, "7.0", because("access-ended"))
PEER_QUIET = Reply(421, "4.2", because("peer-quiet"))

COMMAND_TOO_LONG = Reply(500, "5.2", because("command-too-long"))
COMMAND_MALFORMED = Reply(500, "5.2", because("command-malformed"))
COMMAND_UNKNOWN = Reply(500, "5.1", because("command-unknown"))
COMMAND_NOT_DONE = Reply(502, "5.1", because("command-not-done"))
MAIL_TWICE = Reply(503, "5.1", because("mail-twice"))
CHUNK_UNWANTED = Reply(503, "5.1", because("chunk-unwanted"))
SIGNED_IN_ALREADY = Reply(503, "5.1", because("signed-in-already"))
TLS_ALREADY = Reply(503, "5.1", because("tls-already"))
TLS_MISSING = Reply(454, "7.0", because("tls-missing"))
STARTTLS_FIRST = Reply(530, "7.0", because("starttls-first"))
SIGN_IN_FIRST = Reply(530, "7.0", because("sign-in-first"))
ENCRYPT_FIRST = Reply(538, "7.11", because("encrypt-first"))
MECHANISM_UNKNOWN = Reply(504, "5.4", because("mechanism-unknown"))
SIGN_IN_CANCELLED = Reply(501, "7.0", because("sign-in-cancelled"))
SIGN_IN_MALFORMED = Reply(501, "5.2", because("sign-in-malformed"))

SMTPUTF8_NEEDED = Reply(553, "6.7", because("smtputf8-needed"))
LINE_ENDS_BROKEN = Reply(550, "6.11", because("line-ends-broken"))
NUL_IN_MESSAGE = Reply(550, "6.11", because("nul-in-message"))


def syntax(text: str) -> Reply:
    return Reply(501, "5.4", because("command-syntax", syntax=text))


def order(first: str) -> Reply:
    """`first`: the command that should have come before."""
    return Reply(503, "5.1", because("command-order", first=first))


def too_large(limit_octets: int) -> Reply:
    return Reply(552, "3.4", because("too-large", limit=limit_octets))


def too_many_recipients(limit: int) -> Reply:
    return Reply(452, "5.3", because("too-many-recipients", limit=limit))


def our_fault(what: str) -> Reply:
    """`what` is for the owner; the peer does not hear it."""
    return Reply(451, "3.0", because("our-fault", what=what))


def render(reply: Reply) -> bytes:
    line = str(reply).encode("ascii", "replace")
    return line[: MAX_REPLY_OCTETS - 2] + b"\r\n"


def render_lines(code: int, lines: Sequence[str]) -> bytes:
    """A reply without an enhanced code, of one line or several."""
    last = len(lines) - 1
    return b"".join(
        f"{code}{' ' if number == last else '-'}{line}".encode("ascii", "replace")[: MAX_REPLY_OCTETS - 2] + b"\r\n"
        for number, line in enumerate(lines)
    )
