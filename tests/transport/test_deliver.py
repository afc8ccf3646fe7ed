"""One attempt against real servers: who gets the message, what becomes of the others, and over what connection."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from appliance.config.schema import OutboundConfig
from appliance.dns.resolver import Resolver
from appliance.mail.address import Address
from appliance.mail.content import Content
from appliance.mail.envelope import Notify, Recipient
from appliance.status.events import Outcome
from appliance.transport.connection import Timeouts
from appliance.transport.deliver import Deliverer
from appliance.transport.interpret import RecipientOutcome
from appliance.transport.pool import Pool
from appliance.transport.transaction import Job
from tests.support.authority import CertificateAuthority
from tests.support.contents import InMemory, Repeated
from tests.support.dns_server import DnsServer, Misbehaviour
from tests.support.remote_mta import HANG_UP, RESET, STALL, RemoteMta

ANA = Address("ana", "example.org")
CONTENT = b"From: ana@example.org\r\nSubject: hello\r\n\r\nhello\r\n.dot\r\n..\r\n\r\n"
PREFIX = b"Received: from us\r\n"
ZONES = """
them.test.        MX 10 mx1.them.test.
them.test.        MX 20 mx2.them.test.
mx1.them.test.    A  127.0.0.1
mx2.them.test.    A  127.0.0.2
one.test.         MX 10 mx1.them.test.
implicit.test.    A  127.0.0.1
nomail.test.      MX 0 .
ours.test.        MX 5 mx.us.test.
gone.test.        MX 10 nobody.them.test.
silent.test.      MX 10 silent-host.test.
sixfirst.test.    AAAA ::1
sixfirst.test.    A  127.0.0.1
"""
QUICK = Timeouts(
    connect_s=2,
    greeting_s=0.3,
    ehlo_s=0.3,
    tls_s=2,
    auth_s=2,
    mail_s=0.3,
    rcpt_s=0.3,
    data_s=0.3,
    piece_s=0.5,
    dot_s=0.3,
)

MakeDeliverer = Callable[..., Deliverer]


def job(*recipients: str, domain: str = "them.test", content: bytes | Content = CONTENT, **changes: object) -> Job:
    to = tuple(Recipient(Address.parse(each)) for each in recipients or (f"bob@{domain}",))
    fields: dict[str, object] = {
        "domain": domain, "reverse_path": ANA, "recipients": to, "prefix": PREFIX,
        "content": InMemory(content) if isinstance(content, bytes) else content,
    }  # fmt: skip
    return Job(**(fields | changes))  # type: ignore[arg-type]


def only(outcomes: list[RecipientOutcome]) -> RecipientOutcome:
    assert len(outcomes) == 1
    return outcomes[0]


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer(ZONES, {"silent-host.test": Misbehaviour.SERVFAIL}) as server:
        yield server


@pytest.fixture
async def make(dns: DnsServer, tmp_path: Path) -> AsyncIterator[MakeDeliverer]:
    made: list[Deliverer] = []

    def make(mx_port: int = 25, timeouts: Timeouts = QUICK, pool: Pool | None = None, **outbound: object) -> Deliverer:
        config = OutboundConfig(mode="direct", mx_port=mx_port) if not outbound else OutboundConfig(**outbound)  # type: ignore[arg-type]
        deliverer = Deliverer(
            config,
            Resolver([dns.address], timeout_s=0.5, lifetime_s=1),
            hostname="mx.us.test",
            home=tmp_path,
            timeouts=timeouts,
            pool=pool,
        )
        made.append(deliverer)
        return deliverer

    yield make
    for deliverer in made:
        await deliverer.close()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    return CertificateAuthority(tmp_path).issue("somebody.else.test")


async def test_the_message_arrives_octet_for_octet_with_its_envelope(make: MakeDeliverer) -> None:
    with RemoteMta() as mta:
        outcome = only(await make(mta.port).deliver(job(eight_bit=True, ret="HDRS", envid="E 1")))
        assert (outcome.outcome, outcome.status) == (Outcome.DELIVERED, "2.0.0")
        assert (outcome.host, outcome.ip, outcome.reply) == ("mx1.them.test", "127.0.0.1", "250 2.0.0 taken as 42")
        assert outcome.tls is None
        assert outcome.reports_passed_on
        (message,) = mta.messages
        assert message.content == PREFIX + CONTENT
        assert message.helo == "mx.us.test"
        size = len(PREFIX + CONTENT)
        assert message.reverse_path == f"<ana@example.org> SIZE={size} BODY=8BITMIME RET=HDRS ENVID=E+201"
        assert message.recipients == ["<bob@them.test>"]


@pytest.mark.parametrize(
    ("content", "arrives"),
    [
        pytest.param(b"Subject: x\r\n\r\nno end", b"Subject: x\r\n\r\nno end\r\n", id="no final line end"),
        pytest.param(b"", b"", id="empty"),
        pytest.param(b".\r\n", b".\r\n", id="a dot"),
        pytest.param(b"\r\n.\r\n.\r\n", b"\r\n.\r\n.\r\n", id="dots"),
        pytest.param(b"X: \xff\xfe\r\n\r\n\x80\r\n", b"X: \xff\xfe\r\n\r\n\x80\r\n", id="octets that are no text"),
    ],
)
async def test_odd_contents(make: MakeDeliverer, content: bytes, arrives: bytes) -> None:
    with RemoteMta() as mta:
        outcome = only(await make(mta.port).deliver(job(content=content, prefix=b"")))
        assert outcome.outcome is Outcome.DELIVERED
        assert mta.messages[0].content == arrives


async def test_each_recipient_has_an_outcome_of_its_own(make: MakeDeliverer) -> None:
    def say(argument: str) -> str:
        if "nobody" in argument:
            return "550 5.1.1 no such user"
        return "451 4.7.1 greylisted" if "later" in argument else "250 2.1.5 ok"

    with RemoteMta({"RCPT": say}) as mta:
        outcomes = await make(mta.port).deliver(job("bob@them.test", "nobody@them.test", "later@them.test"))
        assert [o.outcome for o in outcomes] == [Outcome.DELIVERED, Outcome.FAILED, Outcome.DEFERRED]
        assert [o.status for o in outcomes] == ["2.0.0", "5.1.1", "4.7.1"]
        assert outcomes[1].reply == "550 5.1.1 no such user"
        assert mta.messages[0].recipients == ["<bob@them.test>"]


async def test_nothing_is_sent_when_no_recipient_is_wanted(make: MakeDeliverer) -> None:
    with RemoteMta({"RCPT": "550 5.1.1 no"}) as mta:
        deliverer = make(mta.port)
        outcomes = await deliverer.deliver(job("a@them.test", "b@them.test"))
        assert {o.outcome for o in outcomes} == {Outcome.FAILED}
        assert "DATA" not in mta.commands
        mta.say("RCPT", None)
        assert only(await deliverer.deliver(job())).outcome is Outcome.DELIVERED
        assert mta.connections == 1, "after RSET the connection is as good as new"


async def test_the_second_host_is_tried_when_the_first_cannot_be_reached(make: MakeDeliverer) -> None:
    with RemoteMta(host="127.0.0.2") as mta:
        outcome = only(await make(mta.port).deliver(job()))
        assert outcome.outcome is Outcome.DELIVERED
        assert outcome.host == "mx2.them.test"


@pytest.mark.parametrize(
    "script",
    [
        pytest.param({"GREETING": "554 5.7.1 no mail here"}, id="554 at the greeting"),
        pytest.param({"GREETING": "421 4.3.2 busy"}, id="421 at the greeting"),
        pytest.param({"GREETING": HANG_UP}, id="no greeting"),
        pytest.param({"GREETING": STALL}, id="silence"),
        pytest.param({"GREETING": "this is not SMTP"}, id="another protocol"),
        pytest.param({"EHLO": "421 4.3.2 busy"}, id="421 at EHLO"),
        pytest.param({"EHLO": STALL}, id="silence at EHLO"),
        pytest.param({"EHLO": "550 no", "HELO": "550 no"}, id="EHLO and HELO refused"),
        pytest.param({"MAIL": "451 4.3.0 trouble"}, id="4xx at MAIL"),
        pytest.param({"MAIL": "421 4.3.2 closing"}, id="421 at MAIL"),
        pytest.param({"RCPT": "421 4.3.2 closing"}, id="421 at RCPT"),
        pytest.param({"RCPT": RESET}, id="reset at RCPT"),
        pytest.param({"DATA": STALL}, id="silence at DATA"),
        pytest.param({"DATA": HANG_UP}, id="hang-up at DATA"),
    ],
)
async def test_the_second_host_is_tried_when_the_first_cannot_take_it(
    make: MakeDeliverer, script: dict[str, str]
) -> None:
    with RemoteMta(script) as first, RemoteMta(host="127.0.0.2", port=first.port) as second:
        outcome = only(await make(first.port).deliver(job()))
        assert outcome.outcome is Outcome.DELIVERED
        assert len(second.messages) == 1
        assert first.messages == []


@pytest.mark.parametrize(
    ("script", "outcome", "status"),
    [
        pytest.param({"MAIL": "550 5.7.1 blocked"}, Outcome.FAILED, "5.7.1", id="5xx at MAIL"),
        pytest.param({"RCPT": "451 4.7.1 greylisted"}, Outcome.DEFERRED, "4.7.1", id="greylisted"),
        pytest.param({"DATA": "554 5.5.1 no"}, Outcome.FAILED, "5.5.1", id="5xx at DATA"),
        pytest.param({"DOT": "554 5.7.1 spam"}, Outcome.FAILED, "5.7.1", id="5xx after the dot"),
        pytest.param({"DOT": "451 4.3.0 full"}, Outcome.DEFERRED, "4.3.0", id="4xx after the dot"),
        pytest.param({"DOT": HANG_UP}, Outcome.DEFERRED, "4.4.2", id="hang-up after the dot"),
        pytest.param({"DOT": STALL}, Outcome.DEFERRED, "4.4.2", id="silence after the dot"),
        pytest.param({"DOT": "421 4.3.2 closing"}, Outcome.DEFERRED, "4.3.2", id="421 after the dot"),
    ],
)
async def test_the_answer_of_the_first_host_counts_when_it_answered(
    make: MakeDeliverer, script: dict[str, str], outcome: Outcome, status: str
) -> None:
    with RemoteMta(script) as first, RemoteMta(host="127.0.0.2", port=first.port) as second:
        got = only(await make(first.port).deliver(job()))
        assert (got.outcome, got.status) == (outcome, status)
        assert second.connections == 0


async def test_only_the_recipients_without_an_answer_go_on_to_the_second_host(make: MakeDeliverer) -> None:
    script = {"RCPT": ["250 ok", "550 5.1.1 no", "421 4.3.2 closing"]}
    with RemoteMta(script) as first, RemoteMta(host="127.0.0.2", port=first.port) as second:  # type: ignore[arg-type]
        outcomes = await make(first.port).deliver(job("a@them.test", "b@them.test", "c@them.test", "d@them.test"))
        assert [o.outcome for o in outcomes] == [
            Outcome.DELIVERED,
            Outcome.FAILED,
            Outcome.DELIVERED,
            Outcome.DELIVERED,
        ]
        assert second.messages[0].recipients == ["<a@them.test>", "<c@them.test>", "<d@them.test>"]


async def test_nobody_listens(make: MakeDeliverer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refused
        outcome = only(await make(taken.getsockname()[1]).deliver(job(domain="one.test")))
    assert (outcome.outcome, outcome.status, outcome.unreachable) == (Outcome.DEFERRED, "4.4.1", True)
    assert outcome.reason.id == "host-unreachable"
    assert "refused" in outcome.reason.for_owner


@pytest.mark.parametrize(
    ("domain", "outcome", "status"),
    [
        ("nomail.test", Outcome.FAILED, "5.1.10"),
        ("no-such-domain.test", Outcome.FAILED, "5.1.2"),
        ("ours.test", Outcome.FAILED, "5.4.6"),
        ("gone.test", Outcome.FAILED, "5.4.4"),
        ("silent.test", Outcome.DEFERRED, "4.4.3"),
    ],
)
async def test_no_host_at_all(make: MakeDeliverer, domain: str, outcome: Outcome, status: str) -> None:
    got = only(await make().deliver(job(domain=domain)))
    assert (got.outcome, got.status, got.host, got.reply) == (outcome, status, "", "")


async def test_a_domain_without_mx_is_its_own_host(make: MakeDeliverer) -> None:
    with RemoteMta() as mta:
        outcome = only(await make(mta.port).deliver(job(domain="implicit.test")))
        assert (outcome.outcome, outcome.host) == (Outcome.DELIVERED, "implicit.test")


async def test_an_address_literal_needs_no_name_server(make: MakeDeliverer, dns: DnsServer) -> None:
    with RemoteMta() as mta:
        outcome = only(await make(mta.port).deliver(job("bob@[127.0.0.1]", domain="[127.0.0.1]")))
        assert outcome.outcome is Outcome.DELIVERED
        assert mta.messages[0].recipients == ["<bob@[127.0.0.1]>"]
        assert dns.asked == []


async def test_ipv6_is_tried_first_and_ipv4_when_it_fails(make: MakeDeliverer) -> None:
    with RemoteMta(host="::1") as six, RemoteMta(port=six.port) as four:
        deliverer = make(six.port, pool=Pool(uses_most=1))
        assert only(await deliverer.deliver(job(domain="sixfirst.test"))).ip == "::1"
        six.stop()
        assert only(await deliverer.deliver(job(domain="sixfirst.test"))).ip == "127.0.0.1"
        assert len(four.messages) == 1


async def test_tls_is_used_where_it_is_offered_whoever_signed_it(
    make: MakeDeliverer, certificate: tuple[str, str]
) -> None:
    with RemoteMta(certificate=certificate) as mta:
        outcome = only(await make(mta.port).deliver(job()))
        assert outcome.outcome is Outcome.DELIVERED
        assert outcome.tls is not None
        assert outcome.tls.startswith("TLSv1.3 TLS_")
        assert mta.messages[0].tls == "TLSv1.3"
        assert [c.split()[0] for c in mta.commands[:3]] == ["EHLO", "STARTTLS", "EHLO"]


@pytest.mark.parametrize("saying", ["220 go ahead, but I cannot", "454 4.7.0 not now", HANG_UP])
async def test_where_tls_fails_mail_still_arrives(make: MakeDeliverer, saying: str) -> None:
    with RemoteMta({"STARTTLS": saying}, extensions=("STARTTLS", "SIZE")) as mta:
        outcome = only(await make(mta.port).deliver(job(domain="one.test")))
        assert outcome.outcome is Outcome.DELIVERED
        assert outcome.tls is None
        assert mta.connections == 2


async def test_an_old_server_that_only_knows_helo(make: MakeDeliverer) -> None:
    with RemoteMta({"EHLO": "502 what?"}) as mta:
        outcome = only(await make(mta.port).deliver(job(eight_bit=True, ret="FULL")))
        assert outcome.outcome is Outcome.DELIVERED
        assert not outcome.reports_passed_on
        assert mta.messages[0].reverse_path == "<ana@example.org>"


async def test_what_is_too_large_for_the_host_is_not_begun(make: MakeDeliverer) -> None:
    with RemoteMta(extensions=("SIZE 20",)) as mta:
        outcome = only(await make(mta.port).deliver(job()))
        assert (outcome.outcome, outcome.status) == (Outcome.FAILED, "5.3.4")
        assert not any(command.startswith("MAIL") for command in mta.commands)


async def test_international_mail_needs_a_host_that_takes_it(make: MakeDeliverer) -> None:
    hans = Recipient(Address("grüß", "them.test"))
    with RemoteMta(extensions=("8BITMIME",)) as mta:
        outcome = only(await make(mta.port).deliver(job(recipients=(hans,), smtputf8=True)))
        assert (outcome.outcome, outcome.status) == (Outcome.FAILED, "5.6.7")
        utf8_header = job(content="Subject: grüß\r\n\r\n".encode(), smtputf8=True)
        assert only(await make(mta.port).deliver(utf8_header)).status == "5.6.7"
        assert mta.messages == []
        needless = job(smtputf8=True)
        assert only(await make(mta.port).deliver(needless)).outcome is Outcome.DELIVERED
    with RemoteMta() as mta:
        assert only(await make(mta.port).deliver(job(recipients=(hans,), smtputf8=True))).outcome is Outcome.DELIVERED
        assert mta.messages[0].recipients == ["<grüß@them.test>"]
        assert mta.messages[0].reverse_path.endswith(" SMTPUTF8")


async def test_what_the_reverse_path_wants_to_hear_is_passed_on(make: MakeDeliverer) -> None:
    bob = Recipient(Address("bob", "them.test"), frozenset({Notify.NEVER}), "rfc822;bob+x@them.test")
    with RemoteMta() as mta:
        await make(mta.port).deliver(job(recipients=(bob,)))
        assert mta.messages[0].recipients == ["<bob@them.test> NOTIFY=NEVER ORCPT=rfc822;bob+2Bx@them.test"]


async def test_one_connection_serves_several_messages(make: MakeDeliverer) -> None:
    with RemoteMta() as mta:
        deliverer = make(mta.port)
        for _ in range(4):
            await deliverer.deliver(job())
        await deliverer.deliver(job(domain="one.test"))  # another domain with the same host
        assert len(mta.messages) == 5
        assert mta.connections == 1
        await deliverer.close()
        assert mta.commands[-1] == "QUIT"


async def test_a_connection_that_died_meanwhile_is_replaced(make: MakeDeliverer) -> None:
    with RemoteMta({"MAIL": ["250 ok", HANG_UP]}) as mta:
        deliverer = make(mta.port)
        await deliverer.deliver(job())
        assert only(await deliverer.deliver(job())).outcome is Outcome.DELIVERED
        assert mta.connections == 2


async def test_an_idle_connection_is_closed_with_quit(make: MakeDeliverer) -> None:
    with RemoteMta() as mta:
        deliverer = make(mta.port, pool=Pool(idle_s=0.05))
        await deliverer.deliver(job())
        await _off_loop(lambda: mta.wait_for(lambda m: m.open_connections == 0))
        assert mta.commands[-1] == "QUIT"


async def test_a_bare_line_end_never_leaves(make: MakeDeliverer) -> None:
    evil = b"Subject: x\r\n\r\na\n.\r\nMAIL FROM:<evil@x.test>\r\n"
    with RemoteMta() as mta:
        outcome = only(await make(mta.port).deliver(job(content=evil)))
        assert (outcome.outcome, outcome.status) == (Outcome.FAILED, "5.6.0")
        await _off_loop(lambda: mta.wait_for(lambda m: m.open_connections == 0))
        assert mta.messages == []


async def test_a_host_that_refuses_in_the_middle_is_heard(make: MakeDeliverer) -> None:
    big = Repeated(b"Subject: x\r\n\r\n", b"x" * 70 + b"\r\n", 400_000)
    with RemoteMta({"CONTENT": "552 5.3.4 far too much"}) as mta:
        outcome = only(await make(mta.port, Timeouts()).deliver(job(content=big)))
        assert (outcome.outcome, outcome.reply) == (Outcome.FAILED, "552 5.3.4 far too much")
        await _off_loop(lambda: mta.wait_for(lambda m: m.open_connections == 0))
        assert mta.messages == []


async def test_sending_is_off(make: MakeDeliverer) -> None:
    outcome = only(await make(mode="off").deliver(job()))
    assert (outcome.outcome, outcome.reason.id) == (Outcome.DEFERRED, "outbound-off")


async def _off_loop(wait: Callable[[], None]) -> None:
    import asyncio

    await asyncio.to_thread(wait)
