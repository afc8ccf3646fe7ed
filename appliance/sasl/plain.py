"""PLAIN: authorization identity, name and password in one response, parted by NULs. RFC 4616."""

from __future__ import annotations

from .mechanism import OUT_OF_TURN, Challenge, Fault, Step, credentials


class Plain:
    """Only to be offered under TLS; that is for the protocol to see to."""

    def __init__(self) -> None:
        self._over = False

    def start(self, initial: bytes | None) -> Step:
        return Challenge(b"") if initial is None else self.step(initial)

    def step(self, response: bytes) -> Step:
        if self._over:
            return OUT_OF_TURN
        self._over = True
        # message = [authzid] UTF8NUL authcid UTF8NUL passwd
        texts = response.split(b"\0")
        if len(texts) != 3:
            return Fault("a PLAIN response has three parts")
        return credentials(*texts)
