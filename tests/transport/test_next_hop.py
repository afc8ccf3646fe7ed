"""Where mail goes: the order of MX hosts, no mail at all, back to us, literals."""

from __future__ import annotations

import random

import pytest

from appliance.dns.answers import Answer, Found, Mx, NoData, NoSuchName, TryAgain
from appliance.status.events import Outcome
from appliance.transport.next_hop import HOSTS_MOST, NoRoute, Route, literal, next_hop, no_address

US = frozenset({"mx.us.test"})


def mx(*records: tuple[int, str]) -> Found[Mx]:
    return Found(tuple(Mx(preference, host) for preference, host in records), 60)


@pytest.mark.parametrize(
    ("answer", "hosts"),
    [
        pytest.param(mx((20, "b.test"), (10, "a.test")), ("a.test", "b.test"), id="by preference"),
        pytest.param(mx((0, ""), (10, "a.test")), ("a.test",), id="a root beside others is passed over"),
        pytest.param(
            mx((10, "a.test"), (20, "mx.us.test"), (20, "b.test"), (30, "c.test")), ("a.test",), id="cut at ourselves"
        ),
        pytest.param(mx((10, "a.test"), (20, "a.test")), ("a.test",), id="twice the same"),
        pytest.param(NoData(60), ("them.test",), id="the domain itself"),
    ],
)
def test_hosts_in_order(answer: Answer[Mx], hosts: tuple[str, ...]) -> None:
    route = next_hop("them.test", answer, US, lambda: 0.5)
    assert isinstance(route, Route)
    assert route.hosts == hosts


@pytest.mark.parametrize(
    ("answer", "outcome", "status", "reason"),
    [
        pytest.param(mx((0, "")), Outcome.FAILED, "5.1.10", "null-mx", id="null MX"),
        pytest.param(NoSuchName(), Outcome.FAILED, "5.1.2", "no-such-domain", id="no such domain"),
        pytest.param(TryAgain("silence"), Outcome.DEFERRED, "4.4.3", "names-unanswered", id="no answer"),
        pytest.param(mx((10, "mx.us.test"), (20, "b.test")), Outcome.FAILED, "5.4.6", "leads-back", id="we are best"),
    ],
)
def test_nowhere_to_go(answer: Answer[Mx], outcome: Outcome, status: str, reason: str) -> None:
    route = next_hop("them.test", answer, US, lambda: 0.5)
    assert isinstance(route, NoRoute)
    assert (route.outcome, route.status, route.reason.id) == (outcome, status, reason)


def test_our_own_name_without_mx_leads_back() -> None:
    route = next_hop("mx.us.test", NoData(), US, lambda: 0.5)
    assert isinstance(route, NoRoute)
    assert route.reason.id == "leads-back"


def test_equal_preferences_share_the_load() -> None:
    source = random.Random(7)
    first = [
        route.hosts[0]
        for _ in range(200)
        if isinstance(
            route := next_hop("t.test", mx((5, "a.test"), (5, "b.test"), (9, "c.test")), US, source.random), Route
        )
    ]
    assert len(first) == 200
    assert 60 < first.count("a.test") < 140
    assert "c.test" not in first


def test_a_domain_with_very_many_hosts_is_not_tried_for_ever() -> None:
    route = next_hop("t.test", mx(*((n, f"h{n}.test") for n in range(100))), US, lambda: 0.5)
    assert isinstance(route, Route)
    assert len(route.hosts) == HOSTS_MOST


@pytest.mark.parametrize(
    ("domain", "route"),
    [
        ("[192.0.2.1]", Route(("192.0.2.1",), literal=True)),
        ("[IPv6:2001:db8::1]", Route(("2001:db8::1",), literal=True)),
        ("them.test", None),
    ],
)
def test_address_literals(domain: str, route: Route | None) -> None:
    assert literal(domain) == route


def test_hosts_without_addresses() -> None:
    assert no_address("t.test", ("a.test",), None).outcome is Outcome.FAILED
    assert no_address("t.test", ("a.test",), "silence").outcome is Outcome.DEFERRED
