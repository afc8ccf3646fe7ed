"""What is remembered of where recipients live, and for how long."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.intake.destinations import KEEP_S, MOST, Destinations
from appliance.mail.address import Address
from appliance.route.destination import Local, Nowhere, Remote
from appliance.store.changes.accounts import add_account, remove_account, set_alias
from appliance.store.interface import Store
from tests.support.stores import open_store

OURS = ("example.org",)
BOB = Address.parse("bob@example.org")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_an_account_is_looked_up_once(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(tmp_path) as store:
        store.write_now(add_account("bob@example.org", "hash"))
        destinations = Destinations(store, clock)
        (bob,) = destinations.of(OURS, BOB)
        assert isinstance(bob, Local)
        with monkeypatch.context() as away:
            away.setattr(Store, "read_now", None)
            assert destinations.of(OURS, BOB) == (bob,)
            clock.now = KEEP_S
            with pytest.raises(TypeError):
                destinations.of(OURS, BOB)


def test_what_the_owner_changes_holds_at_once(tmp_path: Path, clock: Clock) -> None:
    with open_store(tmp_path) as store:
        destinations = Destinations(store, clock)
        assert isinstance(destinations.of(OURS, BOB)[0], Nowhere)
        store.write_now(add_account("bob@example.org", "hash"))
        assert isinstance(destinations.of(OURS, BOB)[0], Local), "nobody is remembered as missing"
        store.write_now(remove_account("bob@example.org"))
        assert isinstance(destinations.of(OURS, BOB)[0], Nowhere)
        store.write_now(set_alias("bob@example.org", ["bo@far.example"]))
        assert destinations.of(OURS, BOB) == (Remote(Address.parse("bo@far.example")),)


def test_other_domains_of_ours_ask_anew(tmp_path: Path, clock: Clock) -> None:
    with open_store(tmp_path) as store:
        store.write_now(add_account("bob@example.org", "hash"))
        destinations = Destinations(store, clock)
        assert isinstance(destinations.of(OURS, BOB)[0], Local)
        assert destinations.of(("example.net",), BOB) == (Remote(BOB),)


def test_strangers_do_not_choose_how_much_is_remembered(tmp_path: Path, clock: Clock) -> None:
    with open_store(tmp_path) as store:
        store.write_now(set_alias("@example.org", ["bo@far.example"]))
        destinations = Destinations(store, clock)
        for n in range(MOST + 10):
            assert isinstance(destinations.of(OURS, Address(f"u{n}", "example.org"))[0], Remote)
        assert len(destinations._known) <= MOST
