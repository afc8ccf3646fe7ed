"""What stands behind the doors in tests: it keeps everything it is given, and refuses what its tables say."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from hashlib import blake2b

from appliance.mail.address import Address
from appliance.mail.envelope import Envelope, Peer, Recipient
from appliance.mail.reason import because
from appliance.mail.reply import Reply

UNKNOWN = Reply(550, "1.1", because("no-such-address", address="nobody@example.org"))
NO_RELAY = Reply(550, "7.1", because("relay-denied", ip="", address=""))


@dataclass
class FakeContent:
    octets: bytes
    digest: bytes

    @property
    def size(self) -> int:
        return len(self.octets)

    @size.setter
    def size(self, _: int) -> None:
        raise AttributeError


class FakeSpool:
    """Complains about use that the real one would not forgive."""

    def __init__(self, intake: FakeIntake) -> None:
        self.size = 0
        self.largest_piece = 0
        self._intake = intake
        self._octets = bytearray()
        self._discarded = False

    def write(self, piece: bytes) -> None:
        assert not self._discarded, "write after discard"
        if self._intake.spool_fault is not None:
            raise self._intake.spool_fault
        self.largest_piece = max(self.largest_piece, len(piece))
        self.size += len(piece)
        self._octets += piece

    def finish(self) -> FakeContent:
        assert not self._discarded, "finish after discard"
        octets = bytes(self._octets)
        return FakeContent(octets, blake2b(octets, digest_size=16).digest())

    def discard(self) -> None:
        if not self._discarded:
            self._discarded = True
            self._intake.open_spools -= 1


@dataclass(frozen=True)
class Taken:
    peer: Peer
    envelope: Envelope
    octets: bytes


@dataclass
class FakeIntake:
    """taken: what was accepted. go_on: cleared by a test that wants the store step to wait; storing: set when it does."""

    taken: list[Taken] = field(default_factory=list)
    mails: list[tuple[Peer, Address | None, int | None, bool]] = field(default_factory=list)
    recipients: list[Recipient] = field(default_factory=list)
    spools: list[FakeSpool] = field(default_factory=list)
    open_spools: int = 0
    spool_fault: Exception | None = None
    open_fault: Exception | None = None
    fault: Exception | None = None
    answer: Reply | None = None
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    storing: asyncio.Event = field(default_factory=asyncio.Event)
    stored: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.go_on.set()

    async def check_reverse_path(
        self, peer: Peer, reverse_path: Address | None, size_octets: int | None, smtputf8: bool
    ) -> Reply | None:
        self.mails.append((peer, reverse_path, size_octets, smtputf8))
        if reverse_path is not None and reverse_path.local_part == "broken":
            raise OSError(28, "No space left on device")
        if reverse_path is not None and reverse_path.local_part == "late":
            raise TimeoutError("the resolver took too long")
        return None

    async def check_recipient(
        self, peer: Peer, reverse_path: Address | None, recipient: Recipient, size_octets: int | None = None
    ) -> Reply | None:
        if recipient.address.local_part.startswith("nobody"):
            return UNKNOWN
        if recipient.address.domain not in ("example.org", "mx.example.org") and peer.account_id is None:
            return NO_RELAY
        self.recipients.append(recipient)
        return None

    def open_spool(self) -> FakeSpool:
        if self.open_fault is not None:
            raise self.open_fault
        spool = FakeSpool(self)
        self.spools.append(spool)
        self.open_spools += 1
        return spool

    async def accept(self, peer: Peer, envelope: Envelope, content: FakeContent) -> Reply:
        self.storing.set()
        await self.go_on.wait()
        if self.fault is not None:
            raise self.fault
        if self.answer is not None:
            return self.answer
        self.taken.append(Taken(peer, envelope, content.octets))
        self.stored.set()
        return Reply(250, "0.0", because("accepted", id=f"m{len(self.taken)}"))


@dataclass(frozen=True)
class FakeAccount:
    id: int
    address: str


@dataclass
class FakeSignIn:
    """`ana@example.org` with the password `trees and rivers`; anything else is wrong."""

    tries: list[tuple[str, str, str, str]] = field(default_factory=list)
    busy: bool = False
    checking: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.go_on.set()

    async def sign_in(self, username: str, password: str, *, protocol: str, ip: str) -> FakeAccount | Reply:
        self.tries.append((username, password, protocol, ip))
        self.checking.set()
        await self.go_on.wait()
        if self.busy:
            return Reply(454, "7.0", because("sign-in-wait", seconds=30))
        if (username, password) == ("ana@example.org", "trees and rivers"):
            return FakeAccount(7, "ana@example.org")
        return Reply(535, "7.8", because("sign-in-wrong"))
