"""One sign-in over SASL: a machine of `sasl/` between the client's responses and the accounts. For IMAP and SMTP alike.

Promises: always ends with an account, a Reply, or a Fault of the machine; nobody is signed in before the machine is
content and the accounts have said yes. Leaves to the protocol: its lines, `*` as a cancelled exchange, time-outs.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar, assert_never

from ..mail.reply import Reply
from ..sasl import (
    Accepted,
    Challenge,
    Credentials,
    Fault,
    KeysWanted,
    Mechanism,
    Proof,
    Scram,
    ScramKeys,
    Step,
    mechanism,
)

Who_co = TypeVar("Who_co", covariant=True)
Who = TypeVar("Who")


class Door(Protocol[Who_co]):
    """`Accounts`, as far as signing in goes."""

    async def sign_in(self, username: str, password: str, *, protocol: str, ip: str) -> Who_co | Reply: ...

    async def scram_keys(self, username: str, *, ip: str) -> ScramKeys | Reply: ...

    async def scram_proof(self, username: str, *, right: bool, protocol: str, ip: str) -> Reply | None: ...

    async def scram_sign_in(self, username: str, keys: ScramKeys, *, protocol: str, ip: str) -> Who_co | Reply: ...


class Exchange(Generic[Who]):
    def __init__(self, machine: Mechanism, door: Door[Who], *, protocol: str, ip: str) -> None:
        self._machine = machine
        self._door = door
        self._protocol = protocol
        self._ip = ip
        self._keys: ScramKeys | None = None
        self._username = ""

    async def start(self, initial: bytes | None) -> Challenge | Fault | Who | Reply:
        """initial: the initial response, decoded; None if the client sent none."""
        return await self._go_on(self._machine.start(initial))

    async def answer(self, response: bytes) -> Challenge | Fault | Who | Reply:
        """After a Challenge."""
        return await self._go_on(self._machine.step(response))

    async def _go_on(self, step: Step) -> Challenge | Fault | Who | Reply:
        while True:
            match step:
                case Challenge() | Fault():
                    return step
                case Credentials(username=username, password=password):
                    return await self._door.sign_in(username, password, protocol=self._protocol, ip=self._ip)
                case KeysWanted(authcid):
                    keys = await self._door.scram_keys(authcid, ip=self._ip)
                    if isinstance(keys, Reply):
                        return keys
                    self._username, self._keys = authcid, keys
                    step = self._scram.given(keys)
                case Proof(authcid, right):
                    refused = await self._door.scram_proof(authcid, right=right, protocol=self._protocol, ip=self._ip)
                    if refused is not None:
                        return refused
                    step = self._scram.accepted()
                case Accepted():
                    assert self._keys is not None
                    return await self._door.scram_sign_in(
                        self._username, self._keys, protocol=self._protocol, ip=self._ip
                    )
                case _:
                    assert_never(step)

    @property
    def _scram(self) -> Scram:
        """Who asks for keys is one."""
        assert isinstance(self._machine, Scram)
        return self._machine


def begin(name: str, door: Door[Who], *, bindings: Mapping[str, bytes], protocol: str, ip: str) -> Exchange[Who] | None:
    """None when there is no mechanism of that name. bindings: of this connection, empty where it is not encrypted."""
    machine = mechanism(name, bindings, new_nonce())
    return None if machine is None else Exchange(machine, door, protocol=protocol, ip=ip)


def new_nonce() -> str:
    """144 bits, in characters that RFC 5802 7 allows."""
    return secrets.token_urlsafe(18)
