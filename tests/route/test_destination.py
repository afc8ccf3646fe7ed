"""Where a recipient lives: accounts, aliases and their chains, details, the catch-all, elsewhere or nowhere."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.mail.address import Address
from appliance.route.destination import (
    DEEPEST,
    Local,
    Nowhere,
    Remote,
    belongs_to,
    resolve,
    without_detail,
)
from appliance.store.changes.accounts import add_account, set_alias
from appliance.store.interface import Store
from appliance.store.migrate import migrate
from tests.support.stores import open_store

DOMAINS = ("example.org", "xn--mnster-3ya.example")
ACCOUNTS = ("bob", "eve", "zoë", "a+b")
ALIASES = {
    "info": ["bob@example.org"],
    "both": ["bob@example.org", "eve@example.org"],
    "chain": ["chain2@example.org"],
    "chain2": ["info@example.org"],
    "out": ["far@elsewhere.example"],
    "mixed": ["bob@example.org", "Far.Away@elsewhere.example"],
    "self": ["self@example.org"],
    "ping": ["pong@example.org"],
    "pong": ["ping@example.org"],
    "half": ["bob@example.org", "half@example.org"],
    "dead": ["nobody@example.org"],
    "halfdead": ["nobody@example.org", "eve@example.org"],
    "tagged": ["bob+tag@example.org"],
    "twice": ["bob@example.org", "info@example.org", "BOB+x@example.org"],
    "broken": ["no address"],
    "quoted": ['"a b"@elsewhere.example'],
    "postmaster": ["bob@example.org"],
    "list+owner": ["eve@example.org"],
    "list": ["bob@example.org"],
    "loopdetail": ["loopdetail+x@example.org"],
    **{f"deep{n}": [f"deep{n + 1}@example.org"] for n in range(30)},
    "deep30": ["bob@example.org"],
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with open_store(tmp_path_factory.mktemp("route") / "home") as store:
        for name in ACCOUNTS:
            store.write_now(add_account(f"{name}@example.org", "hash"))
        for name, targets in ALIASES.items():
            store.write_now(set_alias(f"{name}@example.org", targets))
        store.write_now(set_alias("@xn--mnster-3ya.example", ["eve@example.org"]))
        store.write_now(set_alias("lost@xn--mnster-3ya.example", ["nobody@xn--mnster-3ya.example"]))
        yield store


def described(store: Store, recipient: str) -> list[str]:
    names = []
    for destination in store.read_now(lambda c: resolve(c, DOMAINS, Address.parse(recipient))):
        match destination:
            case Local(_, account):
                names.append(account)
            case Remote(address):
                names.append(f"-> {address}")
            case Nowhere(reason):
                names.append(f"{reason.id}: {reason.params['address']}")
    return names


BOB, EVE = "bob@example.org", "eve@example.org"
TABLE = [
    # (recipient, destinations)
    ("bob@example.org", [BOB]),
    ("BOB@EXAMPLE.ORG", [BOB]),
    ("bob+tag@example.org", [BOB]),
    ("bob+a+b@example.org", [BOB]),
    ("bob+@example.org", [BOB]),
    ("+bob@example.org", ["no-such-address: +bob@example.org"]),
    ("a+b@example.org", ["a+b@example.org"]),
    ("a@example.org", ["no-such-address: a@example.org"]),
    ("zoë@example.org", ["zoë@example.org"]),
    ("ZOE\u0308@example.org", ["zoë@example.org"]),
    ("zoë+tag@example.org", ["zoë@example.org"]),
    ('"bob"@example.org', [BOB]),
    ('"bo b"@example.org', ['no-such-address: "bo b"@example.org']),
    ("nobody@example.org", ["no-such-address: nobody@example.org"]),
    ("nobody+tag@example.org", ["no-such-address: nobody+tag@example.org"]),
    ("far@elsewhere.example", ["-> far@elsewhere.example"]),
    ("Far.Away+tag@elsewhere.example", ["-> Far.Away+tag@elsewhere.example"]),
    ("bob@sub.example.org", ["-> bob@sub.example.org"]),
    ("bob@[192.0.2.1]", ["-> bob@[192.0.2.1]"]),
    ("info@example.org", [BOB]),
    ("info+tag@example.org", [BOB]),
    ("both@example.org", [BOB, EVE]),
    ("chain@example.org", [BOB]),
    ("out@example.org", ["-> far@elsewhere.example"]),
    ("mixed@example.org", [BOB, "-> Far.Away@elsewhere.example"]),
    ("twice@example.org", [BOB]),
    ("tagged@example.org", [BOB]),
    ("quoted@example.org", ['-> "a b"@elsewhere.example']),
    ("postmaster@example.org", [BOB]),
    ("list@example.org", [BOB]),
    ("list+owner@example.org", [EVE]),
    ("list+other@example.org", [BOB]),
    # loops, dead ends, and what is left of an alias that leads partly nowhere
    ("self@example.org", ["alias-loop: self@example.org"]),
    ("ping@example.org", ["alias-loop: ping@example.org"]),
    ("loopdetail@example.org", ["alias-loop: loopdetail@example.org"]),
    ("half@example.org", [BOB]),
    ("dead@example.org", ["no-such-address: dead@example.org"]),
    ("halfdead@example.org", [EVE]),
    ("broken@example.org", ["no-such-address: broken@example.org"]),
    (f"deep{30 - DEEPEST + 1}@example.org", [BOB]),
    (f"deep{30 - DEEPEST}@example.org", [f"alias-loop: deep{30 - DEEPEST}@example.org"]),
    # the catch-all comes last, and takes what an alias leads to as well
    ("anybody@münster.example", [EVE]),
    ("anybody+tag@MÜNSTER.example", [EVE]),
    ("lost@münster.example", [EVE]),
]


@pytest.mark.parametrize(("recipient", "destinations"), TABLE, ids=[t[0] for t in TABLE])
def test_where_a_recipient_lives(store: Store, recipient: str, destinations: list[str]) -> None:
    assert described(store, recipient) == destinations


@pytest.mark.parametrize(
    ("local_part", "user"), [("a+b", "a"), ("a+b+c", "a"), ("a", None), ("+a", None), ("a+", "a"), ("", None)]
)
def test_the_detail_is_what_follows_the_first_plus(local_part: str, user: str | None) -> None:
    """RFC 5233 4."""
    found = without_detail(Address(local_part, "example.org"))
    assert (found.local_part if found else None) == user


MAY_SEND_AS = [
    ("bob@example.org", True),
    ("Bob+shop@example.org", True),
    ("info@example.org", True),
    ("chain@example.org", True),
    ("both@example.org", True),
    ("mixed@example.org", True),
    ("eve@example.org", False),
    ("list+owner@example.org", False),
    ("out@example.org", False),
    ("nobody@example.org", False),
    ("self@example.org", False),
    ("bob@elsewhere.example", False),
    ("bob@sub.example.org", False),
    ("anything@xn--mnster-3ya.example", False),
]


@pytest.mark.parametrize(("address", "allowed"), MAY_SEND_AS, ids=[m[0] for m in MAY_SEND_AS])
def test_an_account_may_send_as_whatever_reaches_it(store: Store, address: str, allowed: bool) -> None:
    assert store.read_now(lambda c: belongs_to(c, DOMAINS, Address.parse(address), 1)) is allowed


def test_the_owner_of_a_catch_all_may_send_as_anything_in_its_domain(store: Store) -> None:
    assert store.read_now(lambda c: belongs_to(c, DOMAINS, Address.parse("anything@münster.example"), 2))


def test_aliases_that_fan_out_and_meet_again_cost_no_more_than_there_are_of_them(tmp_path: Path) -> None:
    """Two targets each, eighteen levels deep, would be a quarter of a million look-ups."""
    connection = _database(
        {f"l{n}{side}": [f"l{n + 1}a@example.org", f"l{n + 1}b@example.org"] for n in range(18) for side in "ab"}
    )
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    assert [type(d) for d in resolve(connection, DOMAINS, Address.parse("l0a@example.org"))] == [Nowhere]
    assert len(asked) < 200
    connection.close()


def _database(aliases: dict[str, list[str]]) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    for name, targets in aliases.items():
        connection.execute("INSERT INTO aliases VALUES (?, ?)", (f"{name}@example.org", json.dumps(targets)))
    connection.execute("INSERT INTO accounts (address, password_hash, created_at) VALUES ('a@example.org', '', 0)")
    return connection


_names = st.sampled_from([*"abcdefg", "a+x", "", "out"])


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(_names, st.lists(_names, max_size=4), max_size=7), st.sampled_from([*"abcdefg", "a+x"]))
def test_whatever_the_aliases_are_there_is_an_answer(aliases: dict[str, list[str]], asked: str) -> None:
    """It ends, it is never empty, nothing stands in it twice, and Nowhere only stands alone."""
    domain = {"out": "elsewhere.example"}
    connection = _database(
        {name: [f"{t}@{domain.get(t, 'example.org')}" for t in targets] for name, targets in aliases.items()}
    )
    try:
        found = resolve(connection, DOMAINS, Address.parse(f"{asked}@example.org"))
    finally:
        connection.close()
    assert found
    assert all(a != b for n, a in enumerate(found) for b in found[n + 1 :])
    if any(isinstance(d, Nowhere) for d in found):
        assert all(isinstance(d, Nowhere) for d in found)
