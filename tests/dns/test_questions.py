"""Questions and answers: what names may be asked about, and how two answers for one host become one."""

from __future__ import annotations

import pytest

from appliance.dns.answers import Found, NoData, NoSuchName, TryAgain, both
from appliance.dns.questions import Kind, Question, about, reverse

SIX, FOUR = Found(("2001:db8::1",), 60), Found(("192.0.2.1",), 30)
AGAIN, NOTHING, NOBODY = TryAgain("silent"), NoData(5), NoSuchName(5)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Example.ORG", "example.org"), ("example.org.", "example.org"), ("_dmarc.example.org", "_dmarc.example.org")],
)
def test_one_name_is_one_question_however_it_is_spelt(name: str, expected: str) -> None:
    assert about(name, Kind.TXT) == Question(expected, Kind.TXT)


@pytest.mark.parametrize(
    ("ip", "expected"),
    [
        ("192.0.2.1", "1.2.0.192.in-addr.arpa"),
        ("::ffff:192.0.2.1", "1.2.0.192.in-addr.arpa"),
        ("2001:db8::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"),
    ],
)
def test_reverse_names(ip: str, expected: str) -> None:
    assert reverse(ip) == Question(expected, Kind.PTR)


@pytest.mark.parametrize(
    ("ipv6", "ipv4", "expected"),
    [
        pytest.param(SIX, FOUR, Found(("2001:db8::1", "192.0.2.1"), 30), id="both, IPv6 first, the shorter TTL"),
        pytest.param(SIX, AGAIN, SIX, id="IPv6 alone, whatever IPv4 says"),
        pytest.param(AGAIN, FOUR, FOUR, id="IPv4 alone, whatever IPv6 says"),
        pytest.param(NOTHING, AGAIN, AGAIN, id="not certain that there is nothing"),
        pytest.param(AGAIN, NOTHING, AGAIN, id="not certain that there is nothing, other way round"),
        pytest.param(NOTHING, NOBODY, NOTHING, id="the name exists"),
        pytest.param(NOBODY, NOBODY, NOBODY, id="no such name"),
    ],
)
def test_two_answers_become_one(ipv6: object, ipv4: object, expected: object) -> None:
    assert both(ipv6, ipv4) == expected  # type: ignore[arg-type]
