"""The doors of this room: what it asks of `intake/`, of the spool and of `accounts/`, as protocols.

Tests stand behind them with fakes; `services/` puts the real rooms there.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from ..mail.address import Address
from ..mail.envelope import Envelope, Peer, Recipient
from ..mail.reply import Reply
from ..sasl import ScramKeys

TlsContext = Callable[[], ssl.SSLContext | None]
"""The context to use for the next handshake (asked anew each time, so that a renewed certificate is used at once);
None when there is no certificate."""

Sleep = Callable[[float], Awaitable[object]]

Finished = TypeVar("Finished", bound="SpooledContent")
FinishedOut = TypeVar("FinishedOut", bound="SpooledContent", covariant=True)
FinishedIn = TypeVar("FinishedIn", bound="SpooledContent", contravariant=True)


class SpooledContent(Protocol):
    """A whole message that has arrived but is not stored. digest: the same for the same octets, else different."""

    size: int
    digest: bytes


class Spool(Protocol[FinishedOut]):
    """Where content goes as it arrives. `write` takes pieces of at most 256 KiB; `discard` may be called at any time,
    more than once, after `finish` too."""

    size: int

    def write(self, piece: bytes) -> None: ...

    def finish(self) -> FinishedOut: ...

    def discard(self) -> None: ...


class Intake(Protocol[Finished]):
    """What may come in. None from a check means: go on. `accept` answers 250 only when the message is durable."""

    async def check_reverse_path(
        self, peer: Peer, reverse_path: Address | None, size_octets: int | None, smtputf8: bool
    ) -> Reply | None: ...

    async def check_recipient(
        self, peer: Peer, reverse_path: Address | None, recipient: Recipient, size_octets: int | None = None
    ) -> Reply | None: ...

    def open_spool(self) -> Spool[Finished]: ...

    async def accept(self, peer: Peer, envelope: Envelope, content: Finished) -> Reply: ...


class SignedIn(Protocol):
    """Who has signed in; `address` is the account's name."""

    @property
    def id(self) -> int: ...

    @property
    def address(self) -> str: ...


class SignIn(Protocol):
    """Must not block the loop: the password hash takes its time elsewhere."""

    async def sign_in(self, username: str, password: str, *, protocol: str, ip: str) -> SignedIn | Reply: ...

    async def scram_keys(self, username: str, *, ip: str) -> ScramKeys | Reply: ...

    async def scram_proof(self, username: str, *, right: bool, protocol: str, ip: str) -> Reply | None: ...

    async def scram_sign_in(self, username: str, keys: ScramKeys, *, protocol: str, ip: str) -> SignedIn | Reply: ...
