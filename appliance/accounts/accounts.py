"""Signing in, and the owner's verbs on accounts, aliases and the administrator.

`Accounts.sign_in` is for the event loop, `sign_in_now` and the verbs for ordinary threads and the command line.
Durability: every verb is on the card when it returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import secrets
import sqlite3
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import blake2b

from ..mail.address import Address, AddressFault, parse_domain
from ..mail.reason import Reason, because
from ..mail.reply import Reply
from ..sasl import ScramKeys
from ..status.events import AccessEnded, Event, SignedIn
from ..store import accounts as rows
from ..store.changes import accounts as changes
from ..store.interface import Store
from ..store.refusals import StoreRefusal
from . import passwords, scram
from .sign_in_limits import SignInLimits

log = logging.getLogger("merpati.accounts")

REMEMBER_S = 600.0  # a password that was right needs no argon2 again for so long


class AccountFault(Exception):
    """A verb was refused; `reason` says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.for_owner)
        self.reason = reason


@dataclass(slots=True, frozen=True)
class SignedInAccount:
    id: int
    address: str


@dataclass(slots=True, frozen=True)
class _Attempt:
    """key: the account's, or '' for what is no address; username: as it was typed."""

    key: str
    username: str
    password: str = field(repr=False)
    protocol: str
    ip: str


class Accounts:
    """domains: ours, in A-labels; the first one completes a user name without an @."""

    def __init__(self, store: Store, domains: Sequence[str]) -> None:
        self._store = store
        self.domains = tuple(parse_domain(domain) for domain in domains)
        self._limits = SignInLimits()
        # One thread: two hashes at once are 38 MiB, and a Zero has better uses for its cores.
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="argon2")
        self._secret = secrets.token_bytes(32)
        self._remembered: dict[int, tuple[str, bytes, float]] = {}
        self._made_up: scram.MadeUp | None = None
        self._ended: dict[int, int] = {}  # how often the access to an account has ended, as far as it was heard
        self._unsubscribe = store.bus.subscribe(self._hear)

    async def sign_in(self, username: str, password: str, *, protocol: str, ip: str) -> SignedInAccount | Reply:
        """Reply: 535 5.7.8 for wrong words, 454 4.7.0 where the caller has to wait."""
        attempt = _Attempt(self._key(username), username, password, protocol, ip)
        while True:
            ended = dict(self._ended)
            account, has_scram = await self._store.read(lambda c: _look(c, attempt.key))
            found = self._before_hashing(account, attempt)
            if found is None:
                found = await asyncio.get_running_loop().run_in_executor(
                    self._pool, self._judge, account, attempt, has_scram
                )
            if not self._ended_since(ended, account):
                return found

    async def scram_keys(self, username: str, *, ip: str) -> ScramKeys | Reply:
        """What SCRAM is to go by; made-up ones, always the same and never to be proved, for a name that has none.
        Reply: 454 4.7.0 where the caller has to wait."""
        key = self._key(username)
        wait_s = self._limits.wait_s(key, ip, time.monotonic())
        if wait_s:
            return _wait(wait_s)
        if self._made_up is None:
            self._made_up = scram.MadeUp(await self._read_or_keep_secret())
        # Both are always looked for, so that the time tells nothing.
        made_up = self._made_up.keys(key)
        return await self._store.read(lambda c: scram.keys_of(c, key)) or made_up

    async def scram_proof(self, username: str, *, right: bool, protocol: str, ip: str) -> Reply | None:
        """Counts a wrong proof as `sign_in` counts a wrong password – but for one thing: two wrong proofs do not tell
        whether they were made of the same password. None: the machine may go on."""
        attempt = _Attempt(self._key(username), username, "", protocol, ip)
        # No await from here on: of many proofs at once each waits for what the one before came to.
        wait_s = self._limits.wait_s(attempt.key, ip, time.monotonic())
        if wait_s:
            return _wait(wait_s)
        if right:
            return None
        self._limits.failed(attempt.key, ip, time.monotonic())
        self._tell(attempt.key or username, attempt, ok=False)
        return WRONG

    async def scram_sign_in(self, username: str, keys: ScramKeys, *, protocol: str, ip: str) -> SignedInAccount | Reply:
        """At the end, when both sides have proved themselves with `keys`. 535 5.7.8 when they are not the account's any
        more."""
        attempt = _Attempt(self._key(username), username, "", protocol, ip)
        while True:
            ended = dict(self._ended)
            account, now = await self._store.read(
                lambda c: (rows.find_account(c, attempt.key), scram.keys_of(c, attempt.key))
            )
            if self._ended_since(ended, account):
                continue
            if account is None or now != keys:
                return WRONG
            return self._welcome(account, attempt)

    def sign_in_now(self, username: str, password: str, *, protocol: str, ip: str) -> SignedInAccount | Reply:
        attempt = _Attempt(self._key(username), username, password, protocol, ip)
        account, has_scram = self._store.read_now(lambda c: _look(c, attempt.key))
        early = self._before_hashing(account, attempt)
        return early or self._pool.submit(self._judge, account, attempt, has_scram).result()

    def administrator_sign_in_now(self, password: str, *, ip: str) -> Reply | None:
        """None when the password is the administrator's."""
        wait_s = self._limits.wait_s("administrator", ip, time.monotonic())
        if wait_s:
            return _wait(wait_s)
        stored = self._store.read_now(rows.administrator_hash)
        right = (
            self._pool.submit(passwords.verify, stored or passwords.NOBODY, password).result() and stored is not None
        )
        self._store.bus.publish(SignedIn(at=time.time(), account="administrator", protocol="web", ip=ip, ok=right))
        if right:
            self._limits.succeeded("administrator", ip)
            return None
        self._limits.failed("administrator", ip, time.monotonic(), self._fingerprint(password))
        return WRONG

    def all(self) -> list[rows.Account]:
        return self._store.read_now(rows.list_accounts)

    def list_aliases(self) -> list[rows.Alias]:
        return self._store.read_now(rows.list_aliases)

    def add(self, address: str, password: str, display_name: str = "") -> rows.Account:
        """Raises AccountFault (not an address, not our domain, weak password) and store.refusals.AddressTaken."""
        key = self.own_key(address)
        self._strong(password)
        return self._store.write_now(
            changes.add_account(key, passwords.hash_password(password), display_name, scram.row(password))
        )

    def change_password(self, address: str, password: str) -> None:
        """Who is signed in with the old one is cut off. Raises AccountFault and store.refusals.NoSuchAccount."""
        key = key_of(address)
        self._strong(password)
        self._store.write_now(changes.set_password(key, passwords.hash_password(password), scram.row(password)))

    def remove(self, address: str) -> None:
        """With all its mail. Raises store.refusals.NoSuchAccount."""
        self._store.write_now(changes.remove_account(key_of(address)))

    def set_alias(self, address: str, targets: Sequence[str]) -> None:
        """`@domain` as the address makes a catch-all. Raises AccountFault and store.refusals.AddressTaken."""
        if not targets:
            raise AccountFault(because("alias-empty", address=address))
        key = self.own_key(address, catch_all=True)
        self._store.write_now(changes.set_alias(key, list(dict.fromkeys(str(_address(target)) for target in targets))))

    def remove_alias(self, address: str) -> None:
        self._store.write_now(changes.remove_alias(key_of(address, catch_all=True)))

    def set_administrator_password(self, password: str) -> None:
        self._strong(password)
        self._store.write_now(changes.set_administrator(passwords.hash_password(password)))

    def close(self) -> None:
        self._unsubscribe()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def own_key(self, address: str, *, catch_all: bool = False) -> str:
        """The key of an address in a domain of ours. Raises AccountFault."""
        key = key_of(address, catch_all=catch_all)
        if key.rpartition("@")[2] not in self.domains:
            raise AccountFault(because("not-our-domain", address=address, domains=", ".join(self.domains)))
        return key

    def _key(self, username: str) -> str:
        """A user name as typed into a mail program; what is no address finds no account."""
        if "@" not in username and self.domains:
            username = f"{username}@{self.domains[0]}"
        try:
            return Address.parse(username).key
        except AddressFault:
            return ""

    def _before_hashing(self, account: rows.Account | None, attempt: _Attempt) -> SignedInAccount | Reply | None:
        wait_s = self._limits.wait_s(attempt.key, attempt.ip, time.monotonic())
        if wait_s:
            return _wait(wait_s)
        if account is not None:
            remembered = self._remembered.get(account.id)
            if (
                remembered is not None
                and remembered[0] == account.password_hash
                and remembered[2] > time.monotonic()
                and hmac.compare_digest(remembered[1], self._fingerprint(attempt.password))
            ):
                return self._welcome(account, attempt)
        return None

    def _judge(self, account: rows.Account | None, attempt: _Attempt, has_scram: bool) -> SignedInAccount | Reply:
        """On the pool's one thread, so that of many tries at once each waits for what the one before came to."""
        wait_s = self._limits.wait_s(attempt.key, attempt.ip, time.monotonic())
        if wait_s:
            return _wait(wait_s)
        right = passwords.verify(account.password_hash if account else passwords.NOBODY, attempt.password)
        if account is None or not right:
            self._limits.failed(attempt.key, attempt.ip, time.monotonic(), self._fingerprint(attempt.password))
            self._tell(account.address if account else attempt.username, attempt, ok=False)
            return WRONG
        self._remembered[account.id] = (
            account.password_hash,
            self._fingerprint(attempt.password),
            time.monotonic() + REMEMBER_S,
        )
        if not has_scram:
            # Of an account from before SCRAM was offered. After the answer, which shall not wait for it.
            with contextlib.suppress(RuntimeError):  # the pool was closed meanwhile
                self._pool.submit(self._make_scram, account, attempt.password)
        return self._welcome(account, attempt)

    def _make_scram(self, account: rows.Account, password: str) -> None:
        """Cost: CPU. Durability: lazy. Reads nothing: the store may be closed meanwhile, which a reader would not survive."""
        try:
            keys = scram.row(password)
            self._store.write_now(changes.add_scram(account.id, account.password_hash, keys), durable=False)
        except StoreRefusal as refusal:
            log.info("keys for SCRAM could not be kept: %s", refusal)
        except Exception:
            log.exception("keys for SCRAM could not be made")

    def _welcome(self, account: rows.Account, attempt: _Attempt) -> SignedInAccount:
        self._limits.succeeded(account.address, attempt.ip)
        self._tell(account.address, attempt, ok=True)
        return SignedInAccount(account.id, account.address)

    async def _read_or_keep_secret(self) -> bytes:
        """The same for as long as the store lives, or else the answers for unknown names would change at each start."""
        kept = await self._store.read(lambda c: rows.setting(c, scram.SECRET))
        if kept is None:
            fresh = secrets.token_hex(32)
            try:
                kept = await self._store.write(changes.keep_setting(scram.SECRET, fresh))
            except StoreRefusal as refusal:
                log.info("the secret for unknown names could not be kept: %s", refusal)
                kept = fresh
        return kept.encode()

    def _hear(self, event: Event) -> None:
        if isinstance(event, AccessEnded):
            self._ended[event.account_id] = self._ended.get(event.account_id, 0) + 1

    def _ended_since(self, before: dict[int, int], account: rows.Account | None) -> bool:
        """What was judged may be of an old password. Asked on the event loop and right before an answer is given: who
        gets one registers with the bus before anything else can be heard."""
        return account is not None and self._ended.get(account.id) != before.get(account.id)

    def _tell(self, account: str, attempt: _Attempt, *, ok: bool) -> None:
        event = SignedIn(at=time.time(), account=account, protocol=attempt.protocol, ip=attempt.ip, ok=ok)
        self._store.bus.publish(event)

    def _fingerprint(self, password: str) -> bytes:
        """Under a key that dies with the process, so that memory holds no password."""
        return blake2b(passwords.octets(password), key=self._secret).digest()

    @staticmethod
    def _strong(password: str) -> None:
        weak = passwords.weakness(password)
        if weak is not None:
            raise AccountFault(weak)


def _look(connection: sqlite3.Connection, key: str) -> tuple[rows.Account | None, bool]:
    """The account of that key, and whether SCRAM has keys for it."""
    account = rows.find_account(connection, key)
    return account, account is not None and rows.find_scram(connection, account.id) is not None


WRONG = Reply(535, "7.8", because("sign-in-wrong"))


def _wait(wait_s: float) -> Reply:
    return Reply(454, "7.0", because("sign-in-wait", seconds=round(wait_s + 0.5)))


def key_of(address: str, *, catch_all: bool = False) -> str:
    """Under which an account or alias is kept. Raises AccountFault for what is no address, and for one that needs
    quotes: whatever goes by its key would have to know about them."""
    try:
        if catch_all and address.strip().startswith("@"):
            return "@" + parse_domain(address.strip()[1:])
        key = _address(address).key
        Address.parse(key)
    except AddressFault as fault:
        raise AccountFault(because("not-an-address", address=address, why=fault)) from None
    return key


def _address(text: str) -> Address:
    try:
        return Address.parse(text.strip())
    except AddressFault as fault:
        raise AccountFault(because("not-an-address", address=text, why=fault)) from None
