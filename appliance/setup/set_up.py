"""From a person's answers to a working server."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..accounts import passwords
from ..accounts.accounts import AccountFault, Accounts
from ..config import Config, ConfigFault, edit, load
from ..config.load import FILE_NAME
from ..mail.address import Address, AddressFault, parse_domain
from ..mail.reason import Reason, because
from ..route.destination import POSTMASTER
from ..store.changes.accounts import set_administrator
from ..store.interface import Store
from ..store.refusals import AddressTaken, NoSuchAccount, StoreRefusal
from ..tls.self_signed import ensure_certificate
from ..transport.sign import ensure_keys

SMARTHOST_PASSWORD_FILE = "keys/smarthost-password"
ROLES = (POSTMASTER, "abuse")  # addresses that every domain has to answer (RFC 5321 4.5.1, RFC 2142)


class SetupFault(Exception):
    """Nothing that counts was changed; `reason` says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.for_owner)
        self.reason = reason


@dataclass(slots=True, frozen=True)
class Smarthost:
    host: str
    port: int = 465
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(slots=True, frozen=True)
class Answers:
    """admin_password_hash takes the place of admin_password where the password itself is not kept."""

    hostname: str
    domain: str
    outbound: Literal["direct", "smarthost", "off"] = "off"
    smarthost: Smarthost | None = None
    admin_password: str | None = field(default=None, repr=False)
    admin_password_hash: str | None = field(default=None, repr=False)
    first_address: str | None = None
    first_password: str | None = field(default=None, repr=False)
    first_name: str = ""
    listen_address: str | None = None
    resolver: str | None = None


def set_up(home: Path, store: Store, answers: Answers) -> Config:
    """Returns the configuration as written. Two at once have one winner. Raises SetupFault. Durability: durable."""
    path = home / FILE_NAME
    try:
        with _alone(home / "keys"):
            if load(path).is_set_up:
                raise SetupFault(because("set-up-already"))
            domain, hostname = _domain(answers.domain), _domain(answers.hostname)
            accounts = Accounts(store, (domain,))
            ensure_certificate(home / "keys" / "tls", hostname)
            ensure_keys(home / "keys" / "dkim", domain)
            _administrator(accounts, store, answers)
            _first_account(accounts, domain, answers)
            return edit(path, _values(home, hostname, domain, answers))
    except (AccountFault, StoreRefusal) as fault:
        raise SetupFault(fault.reason) from fault
    except ConfigFault as fault:
        raise SetupFault(because("configuration", what=fault)) from fault


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[int]:
    """Whoever comes second waits, and then finds it done."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield fd
    finally:
        os.close(fd)


def _administrator(accounts: Accounts, store: Store, answers: Answers) -> None:
    if answers.admin_password is not None:
        accounts.set_administrator_password(answers.admin_password)
    elif answers.admin_password_hash is not None:
        store.write_now(set_administrator(answers.admin_password_hash))


def _first_account(accounts: Accounts, domain: str, answers: Answers) -> None:
    """Done over again after an interrupted set-up: an account that is there already gets the password given now, and
    the aliases of that time lead to the account named now."""
    if answers.first_address is None or answers.first_password is None:
        return
    try:
        address = Address.parse(answers.first_address)
    except AddressFault as fault:
        raise SetupFault(because("not-an-address", address=answers.first_address, why=fault)) from None
    with contextlib.suppress(NoSuchAccount, AccountFault):
        accounts.remove_alias(str(address))
    try:
        accounts.add(str(address), answers.first_password, answers.first_name)
    except AddressTaken:
        accounts.change_password(str(address), answers.first_password)
    for role in ROLES:
        with contextlib.suppress(AddressTaken):  # an account of that name answers it itself
            accounts.set_alias(f"{role}@{domain}", [str(address)])


def _values(home: Path, hostname: str, domain: str, answers: Answers) -> dict[str, Any]:
    values: dict[str, Any] = {"hostname": hostname, "domains": [domain], "outbound.mode": answers.outbound}
    if answers.listen_address is not None:
        values["listen.address"] = answers.listen_address
    if answers.resolver is not None:
        values["resolver"] = answers.resolver
    if answers.outbound == "smarthost" and answers.smarthost is not None:
        relay = answers.smarthost
        values |= {
            "outbound.smarthost.host": relay.host,
            "outbound.smarthost.port": relay.port,
            "outbound.smarthost.tls": relay.tls,
        }
        if relay.username:
            values["outbound.smarthost.username"] = relay.username
        if relay.password:
            values["outbound.smarthost.password_file"] = SMARTHOST_PASSWORD_FILE
            write_secret(home / SMARTHOST_PASSWORD_FILE, relay.password)
    return values


def write_secret(path: Path, text: str) -> None:
    """For our user's eyes only. Durability: durable."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _domain(text: str) -> str:
    try:
        domain = parse_domain(text.strip().rstrip("."))
    except AddressFault as fault:
        raise SetupFault(because("not-a-domain", domain=text, why=fault)) from None
    if "." not in domain or domain.startswith("["):
        raise SetupFault(because("not-a-domain", domain=text, why="it needs a dot, as in example.org"))
    return domain


def hash_for_later(password: str) -> str:
    """For a wizard that must not keep a password: its hash, once it is good enough. Raises SetupFault."""
    weak = passwords.weakness(password)
    if weak is not None:
        raise SetupFault(weak)
    return passwords.hash_password(password)
