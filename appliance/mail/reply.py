"""An SMTP reply as a value: its code, its enhanced status code and its reason. RFC 5321 4.2, RFC 3463."""

from __future__ import annotations

from dataclasses import dataclass

from .reason import Reason


@dataclass(slots=True, frozen=True)
class Reply:
    """code: three digits; detail: subject and detail of the enhanced code, such as `1.1` – its class is the code's."""

    code: int
    detail: str
    reason: Reason

    @property
    def enhanced(self) -> str:
        return f"{self.code // 100}.{self.detail}"

    @property
    def ok(self) -> bool:
        return self.code < 400

    @property
    def temporary(self) -> bool:
        return 400 <= self.code < 500

    def __str__(self) -> str:
        """One line for the peer: `550 5.1.1 There is no such address here`."""
        return f"{self.code} {self.enhanced} {self.reason.for_peer}"
