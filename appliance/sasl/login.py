"""LOGIN: name, then password, each asked for. Never a standard (draft-murchison-sasl-login), still what some send.

The two challenges are the words that clients look for. A name in the initial response is taken as the first answer.
"""

from __future__ import annotations

from .mechanism import OUT_OF_TURN, Challenge, Step, credentials

ASK_NAME = Challenge(b"Username:")
ASK_PASSWORD = Challenge(b"Password:")


class Login:
    """Only to be offered under TLS; that is for the protocol to see to."""

    def __init__(self) -> None:
        self._authcid: bytes | None = None
        self._over = False

    def start(self, initial: bytes | None) -> Step:
        return ASK_NAME if initial is None else self.step(initial)

    def step(self, response: bytes) -> Step:
        if self._over:
            return OUT_OF_TURN
        if self._authcid is None:
            self._authcid = response
            return ASK_PASSWORD
        self._over = True
        return credentials(b"", self._authcid, response)
