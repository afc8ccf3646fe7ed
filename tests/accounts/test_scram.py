"""Signing in with SCRAM: whose keys there are, what a wrong proof costs, and what a stranger can tell."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.accounts import accounts as room
from appliance.accounts import scram
from appliance.accounts.accounts import Accounts, SignedInAccount
from appliance.accounts.exchange import begin
from appliance.mail.reply import Reply
from appliance.sasl import Challenge, Fault, ScramKeys
from appliance.sasl.scram import ITERATIONS, SALT_OCTETS
from appliance.status.events import AccessEnded, SignedIn
from appliance.store.accounts import find_scram
from appliance.store.interface import Store
from appliance.store.recover import recover
from appliance.store.refusals import StorageFailed
from tests.support.scram_client import ScramClient
from tests.support.stores import open_store, recorded

BOB, PASSWORD, OTHER = "bob@example.org", "correct horse battery", "another long sentence"
HERE, THERE = "203.0.113.7", "198.51.100.9"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "home") as store:
        yield store


@pytest.fixture
async def accounts(store: Store) -> AsyncIterator[Accounts]:
    store.bus.attach(asyncio.get_running_loop())
    accounts = Accounts(store, ("example.org",))
    await asyncio.to_thread(accounts.add, BOB, PASSWORD)
    yield accounts
    accounts.close()


@dataclass
class Clock:
    now: float = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(room.time, "monotonic", lambda: clock.now)
    return clock


async def sign_in(
    accounts: Accounts, name: str = BOB, password: str = PASSWORD, ip: str = HERE
) -> SignedInAccount | Fault | Reply:
    client = ScramClient(name, password)
    exchange = begin("SCRAM-SHA-256", accounts, bindings={}, protocol="imap", ip=ip)
    assert exchange is not None
    found = await exchange.start(client.first())
    if not isinstance(found, Challenge):
        return found
    found = await exchange.answer(client.final(found.data))
    if not isinstance(found, Challenge):
        return found
    client.check(found.data)
    last = await exchange.answer(b"")
    assert not isinstance(last, Challenge)
    return last


def keys(store: Store) -> object:
    return store.read_now(lambda connection: find_scram(connection, 1))


async def forget_keys(store: Store) -> None:
    """As it is after an update from before SCRAM was offered."""
    await store.write(lambda tx: tx.connection.execute("DELETE FROM scram_keys").rowcount)


@pytest.mark.parametrize("name", [BOB, "BOB@Example.ORG", "bob"])
async def test_who_signs_in(accounts: Accounts, store: Store, name: str) -> None:
    events = recorded(store.bus)
    assert await sign_in(accounts, name) == SignedInAccount(1, BOB)
    assert [event.ok for event in events if isinstance(event, SignedIn)] == [True]


@pytest.mark.parametrize(("name", "password"), [(BOB, OTHER), ("eve@example.org", PASSWORD), ("no address@", PASSWORD)])
async def test_who_does_not(accounts: Accounts, store: Store, name: str, password: str) -> None:
    events = recorded(store.bus)
    assert await sign_in(accounts, name, password) == room.WRONG
    assert [event.ok for event in events if isinstance(event, SignedIn)] == [False]


async def test_a_stranger_cannot_tell_who_exists(accounts: Accounts, store: Store) -> None:
    """Salt and iterations look alike, stay the same over a restart, and differ from name to name."""
    real = await accounts.scram_keys(BOB, ip=HERE)
    made_up = await accounts.scram_keys("eve@example.org", ip=HERE)
    another = await accounts.scram_keys("ann@example.org", ip=HERE)
    assert isinstance(real, ScramKeys) and isinstance(made_up, ScramKeys) and isinstance(another, ScramKeys)
    assert {len(each.salt) for each in (real, made_up, another)} == {SALT_OCTETS}
    assert {each.iterations for each in (real, made_up, another)} == {ITERATIONS}
    assert len({real.salt, made_up.salt, another.salt}) == 3
    later = Accounts(store, ("example.org",))
    assert await later.scram_keys("EVE@example.org", ip=HERE) == made_up
    assert await later.scram_keys(BOB, ip=HERE) == real
    later.close()


async def test_the_same_is_asked_of_the_store_for_who_exists_and_who_does_not(store: Store, accounts: Accounts) -> None:
    def asked(key: str) -> list[str]:
        statements: list[str] = []

        def query(connection: sqlite3.Connection) -> None:
            connection.set_trace_callback(lambda sql: statements.append(sql.split(" WHERE ")[0]))
            try:
                scram.keys_of(connection, key)
            finally:
                connection.set_trace_callback(None)

        store.read_now(query)
        return statements

    assert len(asked(BOB)) == 2
    assert asked(BOB) == asked("eve@example.org")


async def test_an_account_from_before_gets_keys_when_it_signs_in_with_its_password(
    accounts: Accounts, store: Store
) -> None:
    await forget_keys(store)
    assert await sign_in(accounts) == room.WRONG, "nobody can know yet"
    assert await accounts.sign_in(BOB, OTHER, protocol="imap", ip=HERE) == room.WRONG
    await asyncio.to_thread(accounts._pool.submit(lambda: None).result)  # what was put there before has run
    assert keys(store) is None, "a wrong password makes none"
    assert isinstance(await accounts.sign_in(BOB, PASSWORD, protocol="imap", ip=HERE), SignedInAccount)
    await asyncio.to_thread(accounts._pool.submit(lambda: None).result)
    assert await sign_in(accounts) == SignedInAccount(1, BOB)


async def test_a_new_password_has_new_keys_and_the_old_ones_are_gone(accounts: Accounts, store: Store) -> None:
    before = keys(store)
    await asyncio.to_thread(accounts.change_password, BOB, OTHER)
    assert keys(store) not in (before, None)
    assert await sign_in(accounts) == room.WRONG
    assert await sign_in(accounts, password=OTHER) == SignedInAccount(1, BOB)


async def test_keys_of_another_password_do_not_count(accounts: Accounts, store: Store) -> None:
    """An older version of ours changes the password and does not know of the keys."""
    await store.write(lambda tx: tx.connection.execute("UPDATE accounts SET password_hash = 'x'").rowcount)
    assert keys(store) is None
    assert await sign_in(accounts) == room.WRONG


async def test_keys_go_with_the_account(accounts: Accounts, store: Store) -> None:
    await asyncio.to_thread(accounts.remove, BOB)
    assert store.read_now(lambda c: c.execute("SELECT count(*) FROM scram_keys").fetchone()) == (0,)
    assert await sign_in(accounts) == room.WRONG


async def test_wrong_proofs_are_slowed_down_like_wrong_passwords(accounts: Accounts, clock: Clock) -> None:
    """In one count with them, and over before the keys are told."""
    for attempt in range(5):
        if attempt % 2:
            assert await accounts.sign_in(BOB, f"wrong {attempt}", protocol="imap", ip=HERE) == room.WRONG
        else:
            assert await sign_in(accounts, password=f"wrong {attempt}") == room.WRONG
    waits = await sign_in(accounts)
    assert isinstance(waits, Reply) and waits.temporary, "also with the right password"
    assert isinstance(await accounts.scram_keys(BOB, ip=HERE), Reply)
    assert isinstance(await accounts.sign_in(BOB, PASSWORD, protocol="imap", ip=HERE), Reply)
    assert await sign_in(accounts, ip=THERE) == SignedInAccount(1, BOB), "other networks are not affected"
    clock.now += 2
    assert await sign_in(accounts) == SignedInAccount(1, BOB)


async def test_many_at_once_get_no_more_tries(accounts: Accounts, clock: Clock) -> None:
    answers = await asyncio.gather(*(sign_in(accounts, password=f"wrong {n}") for n in range(12)))
    assert sum(answer == room.WRONG for answer in answers) == 5


async def test_a_password_that_changes_in_the_middle(accounts: Accounts) -> None:
    """What was proved was the old one."""
    client = ScramClient(BOB, PASSWORD)
    exchange = begin("SCRAM-SHA-256", accounts, bindings={}, protocol="imap", ip=HERE)
    assert exchange is not None
    challenge = await exchange.start(client.first())
    assert isinstance(challenge, Challenge)
    last = await exchange.answer(client.final(challenge.data))
    assert isinstance(last, Challenge)
    await asyncio.to_thread(accounts.change_password, BOB, OTHER)
    assert await exchange.answer(b"") == room.WRONG


async def test_a_password_that_changes_while_it_is_checked(
    accounts: Accounts, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asked before the change and is answered after it would not be among those that are cut off."""
    verify = room.passwords.verify
    changed: list[bool] = []

    def slowly(password_hash: str, password: str) -> bool:
        right = verify(password_hash, password)
        if not changed:
            changed.append(True)
            accounts.change_password(BOB, OTHER)
        return right

    heard = asyncio.Event()
    store.bus.subscribe(lambda event: heard.set() if isinstance(event, AccessEnded) else None)
    monkeypatch.setattr(room.passwords, "verify", slowly)
    assert await accounts.sign_in(BOB, PASSWORD, protocol="imap", ip=HERE) == room.WRONG
    assert heard.is_set()


async def test_without_a_place_for_the_secret_strangers_are_answered_all_the_same(
    accounts: Accounts, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*args: object, **kwargs: object) -> str:
        raise StorageFailed("no space")

    with monkeypatch.context() as patch:
        patch.setattr(store, "write", full)
        first = await accounts.scram_keys("eve@example.org", ip=HERE)
    assert isinstance(first, ScramKeys)
    assert await accounts.scram_keys("eve@example.org", ip=HERE) == first


async def test_keys_outlive_a_repair(tmp_path: Path) -> None:
    home = tmp_path / "repaired"
    with open_store(home) as store:
        accounts = Accounts(store, ("example.org",))
        await asyncio.to_thread(accounts.add, BOB, PASSWORD)
        made_up = await accounts.scram_keys("eve@example.org", ip=HERE)
        before = keys(store)
        accounts.close()
    recover(home, scratch=tmp_path)
    with open_store(home) as store:
        accounts = Accounts(store, ("example.org",))
        assert keys(store) == before
        assert await accounts.scram_keys("eve@example.org", ip=HERE) == made_up
        assert await sign_in(accounts) == SignedInAccount(1, BOB)
        accounts.close()
