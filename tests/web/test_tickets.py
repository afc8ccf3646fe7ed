"""Who has signed in, and for how long."""

from __future__ import annotations

import pytest

from web.sign_in.tickets import LIFETIMES, MOST, Role, Ticket, Tickets

ADMIN = Ticket(Role.ADMINISTRATOR, "proof")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tickets(clock: Clock) -> Tickets:
    return Tickets(clock=clock)


def test_a_token_stands_for_its_ticket(tickets: Tickets) -> None:
    token = tickets.issue(ADMIN)
    assert tickets.find(token) == ADMIN
    assert tickets.issue(ADMIN) != token
    for wrong in (None, "", "x", token + "x", "\ud800"):
        assert tickets.find(wrong) is None


def test_idle_sessions_end_and_used_ones_go_on(tickets: Tickets, clock: Clock) -> None:
    idle_s = LIFETIMES[Role.ADMINISTRATOR].idle_s
    used, unused = tickets.issue(ADMIN), tickets.issue(ADMIN)
    clock.now += idle_s
    assert tickets.find(used) == ADMIN
    clock.now += 1
    assert tickets.find(used) == ADMIN
    assert tickets.find(unused) is None


def test_a_page_that_refreshes_itself_keeps_nobody_signed_in(tickets: Tickets, clock: Clock) -> None:
    token = tickets.issue(ADMIN)
    for _ in range(int(LIFETIMES[Role.ADMINISTRATOR].idle_s / 10)):
        clock.now += 10
        assert tickets.find(token, seen=False) == ADMIN
    clock.now += 10
    assert tickets.find(token, seen=False) is None


def test_every_session_ends_some_day(tickets: Tickets, clock: Clock) -> None:
    token = tickets.issue(ADMIN)
    lifetime = LIFETIMES[Role.ADMINISTRATOR]
    while clock.now + lifetime.idle_s <= lifetime.most_s:
        clock.now += lifetime.idle_s
        assert tickets.find(token) == ADMIN
    clock.now += lifetime.idle_s
    assert tickets.find(token) is None


def test_revoked_is_gone(tickets: Tickets) -> None:
    token = tickets.issue(ADMIN)
    tickets.revoke(token)
    tickets.revoke(token)
    tickets.revoke(None)
    assert tickets.find(token) is None


def test_there_is_a_most_and_the_one_longest_unused_goes(tickets: Tickets) -> None:
    first, second = tickets.issue(ADMIN), tickets.issue(ADMIN)
    for _ in range(MOST - 2):
        tickets.issue(ADMIN)
    assert tickets.find(first) == ADMIN
    tickets.issue(ADMIN)
    assert tickets.find(first) == ADMIN and tickets.find(second) is None
