"""AUTH: base64 lines on the wire, a machine of `sasl/` between them, `accounts/` at the end.

Promises: always one outcome, an account or a reply (aiosmtpd's `AuthResult(success=False)` may leave the peer without
any); mechanism names in any case; the password is checked off the loop, by `accounts/`; a NUL or bad UTF-8 is a
malformed answer, never an exception. Leaves delays and the number of tries to `session.py`. RFC 4954 4, RFC 4422.
"""

from __future__ import annotations

import base64
from typing import Protocol

from ..accounts.exchange import begin
from ..mail.reply import Reply
from ..sasl import CANCEL, Challenge, Fault, decode_response
from .doors import SignedIn, SignIn
from .line_rules import MAX_SIGN_IN_OCTETS, LineFault
from .replies import COMMAND_TOO_LONG, MECHANISM_UNKNOWN, SIGN_IN_CANCELLED, SIGN_IN_MALFORMED, syntax


class Line(Protocol):
    """The connection, as far as a sign-in needs it."""

    @property
    def bindings(self) -> dict[str, bytes]: ...

    def say_lines(self, code: int, lines: list[str]) -> None: ...

    async def receive_line(self, limit: int) -> bytes | LineFault: ...


async def exchange(argument: str, line: Line, sign_in: SignIn, ip: str) -> SignedIn | Reply:
    """argument: what follows `AUTH `. Returns the account, or why not."""
    words = argument.split()
    if len(words) > 2:
        return syntax("AUTH mechanism [initial-response]")
    under_way = begin(words[0], sign_in, bindings=line.bindings, protocol="smtp", ip=ip)
    if under_way is None:
        return MECHANISM_UNKNOWN
    initial: bytes | None = None
    if len(words) == 2:
        initial = decode_response(words[1].encode("utf-8", "surrogateescape"))
        if initial is None:
            return SIGN_IN_MALFORMED
    found = await under_way.start(initial)
    while isinstance(found, Challenge):
        line.say_lines(334, [base64.b64encode(found.data).decode()])
        answer = await line.receive_line(MAX_SIGN_IN_OCTETS)
        if isinstance(answer, LineFault):
            return COMMAND_TOO_LONG if answer is LineFault.TOO_LONG else SIGN_IN_MALFORMED
        if answer == CANCEL:
            return SIGN_IN_CANCELLED
        response = decode_response(answer)
        if response is None:
            return SIGN_IN_MALFORMED
        found = await under_way.answer(response)
    return SIGN_IN_MALFORMED if isinstance(found, Fault) else found
