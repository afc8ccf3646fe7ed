"""The resolver against a real name server on loopback: each answer is the right value, and none comes late."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from appliance.dns.answers import Found, Mx, NoData, NoSuchName, TryAgain
from appliance.dns.resolver import Resolver
from tests.support.dns_server import DnsServer, Misbehaviour

ZONES = """
example.org.      120 MX  20 mx2.example.org.
example.org.      120 MX  10 MX1.Example.org.
mx1.example.org.      A   192.0.2.1
mx1.example.org.      AAAA 2001:db8::1
mx2.example.org.      A   192.0.2.2
nomail.example.       MX  0 .
text.example.         TXT "v=spf1 " "-all"
text.example.         TXT "second"
alias.example.        CNAME mx2.example.org.
1.2.0.192.in-addr.arpa. PTR mx1.example.org.
"""
BIG = "\n".join(f'big.example. TXT "{n} {"x" * 200}"' for n in range(20))


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer(ZONES + BIG) as server:
        yield server


@pytest.fixture
def resolver(dns: DnsServer) -> Resolver:
    return Resolver([dns.address], timeout_s=0.2, lifetime_s=0.5)


async def test_mx_records_come_with_their_preferences_and_lower_case_hosts(resolver: Resolver) -> None:
    answer = await resolver.mx("example.org")
    assert isinstance(answer, Found)
    assert set(answer.records) == {Mx(10, "mx1.example.org"), Mx(20, "mx2.example.org")}
    assert answer.ttl_s == 120


async def test_addresses_are_ipv6_first(resolver: Resolver) -> None:
    answer = await resolver.addresses("mx1.example.org")
    assert isinstance(answer, Found)
    assert answer.records == ("2001:db8::1", "192.0.2.1")


async def test_a_null_mx_has_an_empty_host(resolver: Resolver) -> None:
    assert await resolver.mx("nomail.example") == Found((Mx(0, ""),), 300)


async def test_the_strings_of_one_txt_record_are_joined(resolver: Resolver) -> None:
    answer = await resolver.txt("text.example")
    assert isinstance(answer, Found)
    assert set(answer.records) == {b"v=spf1 -all", b"second"}


async def test_a_reverse_name_is_found(resolver: Resolver) -> None:
    assert await resolver.ptr("192.0.2.1") == Found(("mx1.example.org",), 300)
    assert await resolver.ptr("not an address") == NoSuchName(900)


async def test_an_alias_is_followed(resolver: Resolver) -> None:
    answer = await resolver.addresses("alias.example")
    assert isinstance(answer, Found)
    assert answer.records == ("192.0.2.2",)


async def test_no_such_name_and_no_such_data_are_told_apart(resolver: Resolver) -> None:
    assert await resolver.mx("nowhere.example") == NoSuchName(60)
    assert await resolver.mx("mx1.example.org") == NoData(60)
    assert await resolver.addresses("text.example") == NoData(60)
    assert await resolver.addresses("nowhere.example") == NoSuchName(60)


@pytest.mark.parametrize("name", ["", ".", "a" * 64 + ".example", ".".join(["abcdefgh"] * 32), "ä.example", "a..b"])
async def test_a_name_that_cannot_exist_is_not_asked_for(dns: DnsServer, resolver: Resolver, name: str) -> None:
    assert isinstance(await resolver.mx(name), NoSuchName)
    assert dns.asked == []


@pytest.mark.parametrize(
    "what",
    [Misbehaviour.SILENT, Misbehaviour.SERVFAIL, Misbehaviour.REFUSED, Misbehaviour.LYING, Misbehaviour.GARBAGE],
)
async def test_a_name_server_that_does_not_answer_sensibly_means_try_again(
    dns: DnsServer, resolver: Resolver, what: Misbehaviour
) -> None:
    dns.misbehave("example.org", what)
    async with asyncio.timeout(5):
        assert isinstance(await resolver.mx("example.org"), TryAgain)
    dns.misbehave("example.org", None)
    assert isinstance(await resolver.mx("example.org"), Found), "a failure must not be remembered"


async def test_a_truncated_answer_is_fetched_over_tcp(dns: DnsServer, resolver: Resolver) -> None:
    dns.misbehave("example.org", Misbehaviour.TRUNCATED)
    assert isinstance(await resolver.mx("example.org"), Found)
    assert [asked.over for asked in dns.asked] == ["udp", "tcp"]


async def test_an_answer_too_large_for_udp_arrives_whole(resolver: Resolver) -> None:
    answer = await resolver.txt("big.example")
    assert isinstance(answer, Found)
    assert len(answer.records) == 20


async def test_answers_are_remembered_until_their_ttl_is_over(dns: DnsServer) -> None:
    now = [1000.0]
    resolver = Resolver([dns.address], clock=lambda: now[0])
    await resolver.mx("example.org")
    now[0] += 100
    again = await resolver.mx("example.org")
    assert isinstance(again, Found)
    assert again.ttl_s == pytest.approx(20)
    assert dns.questions("example.org", "MX") == 1
    now[0] += 21
    await resolver.mx("EXAMPLE.org.")
    assert dns.questions("example.org", "MX") == 2


async def test_negative_answers_are_remembered_for_the_soa_minimum(dns: DnsServer) -> None:
    now = [0.0]
    resolver = Resolver([dns.address], clock=lambda: now[0])
    await resolver.mx("new.example")
    dns.add("new.example. MX 5 mx.new.example.")
    assert isinstance(await resolver.mx("new.example"), NoSuchName)
    now[0] += 61
    assert isinstance(await resolver.mx("new.example"), Found)


async def test_forget_asks_anew(dns: DnsServer, resolver: Resolver) -> None:
    await resolver.mx("example.org")
    dns.set_zones("example.org. MX 1 other.example.")
    resolver.forget()
    assert await resolver.mx("example.org") == Found((Mx(1, "other.example"),), 300)


async def test_the_same_question_at_the_same_time_goes_out_once(dns: DnsServer, resolver: Resolver) -> None:
    answers = await asyncio.gather(*(resolver.mx("example.org") for _ in range(10)))
    assert all(answer == answers[0] for answer in answers)
    assert dns.questions("example.org", "MX") == 1


async def test_who_gives_up_does_not_take_the_answer_from_the_others(dns: DnsServer, resolver: Resolver) -> None:
    first = asyncio.create_task(resolver.mx("example.org"))
    await asyncio.sleep(0)
    second = asyncio.create_task(resolver.mx("example.org"))
    await asyncio.sleep(0)
    first.cancel()
    assert isinstance(await second, Found)


async def test_the_second_name_server_is_asked_when_the_first_fails(dns: DnsServer) -> None:
    with DnsServer("", {"example.org": Misbehaviour.SERVFAIL}) as broken:
        resolver = Resolver([broken.address, dns.address], timeout_s=0.5, lifetime_s=2)
        assert isinstance(await resolver.mx("example.org"), Found)


async def test_localhost_needs_no_name_server(dns: DnsServer, resolver: Resolver) -> None:
    answer = await resolver.addresses("localhost")
    assert isinstance(answer, Found)
    assert "127.0.0.1" in answer.records
    assert dns.asked == []


async def test_without_a_resolver_configuration_the_answer_is_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dns.resolver.BaseResolver.read_resolv_conf", _no_configuration)
    assert await Resolver().mx("example.org") == TryAgain("this machine has no name servers")


def _no_configuration(*_: object) -> None:
    import dns.resolver

    raise dns.resolver.NoResolverConfiguration
