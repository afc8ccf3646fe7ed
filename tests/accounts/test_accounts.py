"""Signing in over all protocols, and the owner's verbs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.accounts import accounts as room
from appliance.accounts import passwords
from appliance.accounts.accounts import AccountFault, Accounts, SignedInAccount
from appliance.mail.reply import Reply
from appliance.status.bus import Bus
from appliance.status.events import AccessEnded, AccountsChanged, SignedIn
from appliance.store.interface import Store
from appliance.store.refusals import AddressTaken, NoSuchAccount
from tests.support.stores import open_store, recorded

DOMAINS = ("example.org", "münster.example")
PASSWORD, OTHER = "correct horse battery", "another long sentence"
HERE, THERE = "203.0.113.7", "198.51.100.9"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "home", bus=Bus()) as store:
        yield store


@pytest.fixture
def accounts(store: Store) -> Iterator[Accounts]:
    accounts = Accounts(store, DOMAINS)
    accounts.add("bob@example.org", PASSWORD, "Bob")
    yield accounts
    accounts.close()


class Hashes:
    """Counts the argon2 runs, and says for which hash."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.verified: list[str] = []
        verify = passwords.verify

        def counted(password_hash: str, password: str) -> bool:
            self.verified.append(password_hash)
            return verify(password_hash, password)

        monkeypatch.setattr(passwords, "verify", counted)


class Clock:
    """Stands in for time.monotonic in the room."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(room.time, "monotonic", lambda: self.now)


def sign_in(accounts: Accounts, username: str, password: str, ip: str = HERE) -> SignedInAccount | Reply:
    return accounts.sign_in_now(username, password, protocol="imap", ip=ip)


WHO = [
    # (name, user name, password, signed in as, or the reply)
    ("right", "bob@example.org", PASSWORD, "bob@example.org"),
    ("in capitals", "BOB@Example.ORG", PASSWORD, "bob@example.org"),
    ("without a domain", "bob", PASSWORD, "bob@example.org"),
    ("wrong password", "bob@example.org", OTHER, None),
    ("empty password", "bob@example.org", "", None),
    ("unknown", "eve@example.org", PASSWORD, None),
    ("other domain", "bob@xn--mnster-3ya.example", PASSWORD, None),
    ("with a detail", "bob+tag@example.org", PASSWORD, None),
    ("no address at all", "<script>@", PASSWORD, None),
    ("nothing", "", PASSWORD, None),
]


@pytest.mark.parametrize(("username", "password", "signed_in"), [w[1:] for w in WHO], ids=[w[0] for w in WHO])
async def test_who_signs_in(
    accounts: Accounts,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    username: str,
    password: str,
    signed_in: str | None,
) -> None:
    """The same from the event loop and from a thread; what is wrong is never told apart, and always costs a hash."""
    hashes, events = Hashes(monkeypatch), recorded(store.bus)
    loop_result = await accounts.sign_in(username, password, protocol="imap", ip=HERE)
    assert len(hashes.verified) == 1
    thread_result = await asyncio.to_thread(sign_in, accounts, username, password)
    if signed_in is None:
        assert loop_result == thread_result == room.WRONG
        assert str(loop_result) == "535 5.7.8 The name or the password is wrong"
        assert len(hashes.verified) == 2
    else:
        assert loop_result == thread_result
        assert isinstance(loop_result, SignedInAccount)
        assert loop_result.address == signed_in
        assert len(hashes.verified) == 1, "the second time it is remembered"
    assert [type(event) for event in events] == [SignedIn, SignedIn]
    assert {event.ok for event in events if isinstance(event, SignedIn)} == {signed_in is not None}


def test_an_unknown_name_is_hashed_against_nobody(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = Hashes(monkeypatch)
    sign_in(accounts, "eve@example.org", "nobody")
    assert hashes.verified == [passwords.NOBODY]


def test_a_password_is_remembered_for_a_while_and_not_after_it_changed(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes, clock = Hashes(monkeypatch), Clock(monkeypatch)
    for _ in range(3):
        assert isinstance(sign_in(accounts, "bob", PASSWORD), SignedInAccount)
    assert len(hashes.verified) == 1
    clock.now += room.REMEMBER_S + 1
    assert isinstance(sign_in(accounts, "bob", PASSWORD), SignedInAccount)
    assert len(hashes.verified) == 2
    accounts.change_password("bob@example.org", OTHER)
    assert sign_in(accounts, "bob", PASSWORD) == room.WRONG
    assert isinstance(sign_in(accounts, "bob", OTHER), SignedInAccount)
    assert len(hashes.verified) == 4


def test_a_password_changed_by_another_process_is_not_remembered_either(accounts: Accounts, store: Store) -> None:
    assert isinstance(sign_in(accounts, "bob", PASSWORD), SignedInAccount)
    elsewhere = Accounts(store, DOMAINS)
    elsewhere.change_password("bob@example.org", OTHER)
    assert sign_in(accounts, "bob", PASSWORD) == room.WRONG


def test_a_removed_account_is_not_remembered(accounts: Accounts) -> None:
    assert isinstance(sign_in(accounts, "bob", PASSWORD), SignedInAccount)
    accounts.remove("bob@example.org")
    assert sign_in(accounts, "bob", PASSWORD) == room.WRONG


def test_guessing_has_to_wait_and_other_networks_need_not(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    for n in range(6):
        clock.now += 2.0
        assert sign_in(accounts, "bob", f"wrong guess {n}") == room.WRONG
    reply = sign_in(accounts, "bob", PASSWORD)
    assert isinstance(reply, Reply)
    assert str(reply) == "454 4.7.0 Too many wrong passwords, try again in 2 seconds"
    assert isinstance(sign_in(accounts, "bob", PASSWORD, ip=THERE), SignedInAccount)
    clock.now += 2.0
    assert isinstance(sign_in(accounts, "bob", PASSWORD), SignedInAccount)


async def test_many_guesses_at_once_gain_nothing(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waits for what the one before came to: a hundred connections do not make a hundred guesses."""
    hashes = Hashes(monkeypatch)
    clock = Clock(monkeypatch)
    tries = [accounts.sign_in("bob", f"wrong guess {n}", protocol="smtp", ip=HERE) for n in range(40)]
    results = await asyncio.gather(*tries)
    assert clock.now == 1000.0
    assert len(hashes.verified) == 5
    assert results.count(room.WRONG) == 5
    assert all(isinstance(r, Reply) and r.code == 454 for r in results if r != room.WRONG)


def test_names_in_other_alphabets_are_one_name_however_they_are_spelt(accounts: Accounts) -> None:
    """NFC, case folded, and the domain in A-labels (RFC 6531, RFC 5891)."""
    accounts.add("Jürgen@MÜNSTER.example", OTHER)
    for username in ("jürgen@münster.example", "JU\u0308RGEN@xn--mnster-3ya.example", "jürgen@XN--MNSTER-3YA.EXAMPLE"):
        signed_in = sign_in(accounts, username, OTHER)
        assert isinstance(signed_in, SignedInAccount), username
        assert signed_in.address == "jürgen@xn--mnster-3ya.example"


def test_before_set_up_nobody_signs_in(store: Store) -> None:
    accounts = Accounts(store, ())
    assert sign_in(accounts, "bob", PASSWORD) == room.WRONG
    accounts.close()


# ---- the administrator


def test_the_administrator_signs_in_with_the_password_alone(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes, clock = Hashes(monkeypatch), Clock(monkeypatch)
    assert accounts.administrator_sign_in_now(PASSWORD, ip=HERE) == room.WRONG
    assert hashes.verified == [passwords.NOBODY]
    accounts.set_administrator_password(OTHER)
    assert accounts.administrator_sign_in_now(OTHER, ip=HERE) is None
    for n in range(5):
        assert accounts.administrator_sign_in_now(f"wrong guess {n}", ip=HERE) == room.WRONG
    refused = accounts.administrator_sign_in_now(OTHER, ip=HERE)
    assert refused is not None and refused.code == 454
    assert accounts.administrator_sign_in_now(OTHER, ip=THERE) is None
    clock.now += 1.0
    assert accounts.administrator_sign_in_now(OTHER, ip=HERE) is None


def test_there_is_no_administrator_without_a_password(store: Store) -> None:
    accounts = Accounts(store, DOMAINS)
    assert accounts.administrator_sign_in_now("nobody", ip=HERE) == room.WRONG
    accounts.close()


# ---- verbs


def test_an_account_starts_with_the_mailboxes_that_programs_look_for(accounts: Accounts, store: Store) -> None:
    (account,) = accounts.all()
    assert (account.address, account.display_name) == ("bob@example.org", "Bob")
    assert abs(account.created_at - time.time()) < 60
    names = store.read_now(
        lambda c: c.execute(
            "SELECT m.name, m.special_use FROM mailboxes m JOIN subscriptions USING (account_id, name)"
        ).fetchall()
    )
    assert sorted(names, key=str) == [
        ("Archive", "\\Archive"),
        ("Drafts", "\\Drafts"),
        ("INBOX", None),
        ("Junk", "\\Junk"),
        ("Sent", "\\Sent"),
        ("Trash", "\\Trash"),
    ]


REFUSED = [
    ("no address", "bob", PASSWORD, "not-an-address"),
    ("quotes", '"bob smith"@example.org', PASSWORD, "not-an-address"),
    ("too long once folded", "ΐ" * 20 + "@example.org", PASSWORD, "not-an-address"),
    ("other domain", "bob@elsewhere.example", PASSWORD, "not-our-domain"),
    ("catch-all", "@example.org", PASSWORD, "not-an-address"),
    ("short password", "eve@example.org", "short", "password-short"),
    ("plain password", "eve@example.org", "a" * 30, "password-plain"),
]


@pytest.mark.parametrize(("address", "password", "reason"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_which_accounts_can_be_added(accounts: Accounts, address: str, password: str, reason: str | None) -> None:
    if reason is None:
        accounts.add(address, password)
        return
    with pytest.raises(AccountFault) as fault:
        accounts.add(address, password)
    assert fault.value.reason.id == reason
    assert str(fault.value) == fault.value.reason.for_owner
    assert [account.address for account in accounts.all()] == ["bob@example.org"]


def test_one_address_is_one_thing(accounts: Accounts) -> None:
    accounts.set_alias("info@example.org", ["bob@example.org"])
    for taken in ("bob@example.org", "BOB@example.org", "info@example.org"):
        with pytest.raises(AddressTaken):
            accounts.add(taken, PASSWORD)
    with pytest.raises(AddressTaken):
        accounts.set_alias("bob@example.org", ["info@example.org"])


def test_verbs_on_what_is_not_there_say_so(accounts: Accounts) -> None:
    for verb in (
        lambda: accounts.change_password("eve@example.org", PASSWORD),
        lambda: accounts.remove("eve@example.org"),
        lambda: accounts.remove_alias("eve@example.org"),
        lambda: accounts.remove_alias("@example.org"),
    ):
        with pytest.raises(NoSuchAccount):
            verb()
    with pytest.raises(AccountFault):
        accounts.change_password("bob@example.org", "short")


def test_what_lies_in_a_domain_that_is_ours_no_more_can_still_be_changed_and_removed(store: Store) -> None:
    then = Accounts(store, ("old.example",))
    then.add("bob@old.example", PASSWORD)
    then.set_alias("@old.example", ["bob@old.example"])
    now = Accounts(store, ("example.org",))
    now.change_password("bob@old.example", OTHER)
    now.remove_alias("@old.example")
    now.remove("bob@old.example")
    assert (now.all(), now.list_aliases()) == ([], [])


def test_an_alias_leads_to_addresses_as_they_were_written(accounts: Accounts) -> None:
    """Only here are local-parts of any case the same; another server's are its own business (RFC 5321 2.4)."""
    accounts.set_alias(
        "Team@example.org",
        ["Bob@example.org", " Eve.Smith@Elsewhere.EXAMPLE ", '"a b"@elsewhere.example', "Bob@example.org"],
    )
    (alias,) = accounts.list_aliases()
    assert alias.address == "team@example.org"
    assert alias.targets == ("Bob@example.org", "Eve.Smith@elsewhere.example", '"a b"@elsewhere.example')


def test_an_alias_can_be_changed_and_removed(accounts: Accounts) -> None:
    accounts.set_alias("@example.org", ["bob@example.org"])
    accounts.set_alias("@EXAMPLE.org", ["eve@elsewhere.example"])
    assert [(a.address, a.targets) for a in accounts.list_aliases()] == [("@example.org", ("eve@elsewhere.example",))]
    accounts.remove_alias("@example.org")
    assert accounts.list_aliases() == []


@pytest.mark.parametrize(
    ("address", "targets", "reason"),
    [
        ("info@example.org", [], "alias-empty"),
        ("info@example.org", ["bob"], "not-an-address"),
        ("info@example.org", ["bob@example.org, eve@example.org"], "not-an-address"),
        ("info@elsewhere.example", ["bob@example.org"], "not-our-domain"),
        ("@elsewhere.example", ["bob@example.org"], "not-our-domain"),
        ("@not a domain", ["bob@example.org"], "not-an-address"),
        ("@", ["bob@example.org"], "not-an-address"),
    ],
)
def test_which_aliases_are_refused(accounts: Accounts, address: str, targets: list[str], reason: str) -> None:
    with pytest.raises(AccountFault) as fault:
        accounts.set_alias(address, targets)
    assert fault.value.reason.id == reason
    assert accounts.list_aliases() == []


def test_every_change_is_told(accounts: Accounts, store: Store) -> None:
    events = recorded(store.bus)
    accounts.add("eve@example.org", PASSWORD)
    accounts.change_password("eve@example.org", OTHER)
    accounts.set_alias("info@example.org", ["eve@example.org"])
    accounts.remove_alias("info@example.org")
    accounts.remove("eve@example.org")
    store.close()  # the writer tells after it has answered
    assert [type(event) for event in events if not isinstance(event, AccessEnded)] == [AccountsChanged] * 5
    assert [type(event) for event in events if isinstance(event, AccessEnded)] == [AccessEnded] * 2, "changed, removed"


def test_no_password_and_no_fingerprint_shows_in_a_repr(accounts: Accounts) -> None:
    assert PASSWORD not in repr(room._Attempt("k", "u", PASSWORD, "imap", HERE))
