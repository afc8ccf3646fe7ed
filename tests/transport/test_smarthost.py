"""A smarthost gets all mail, over verified TLS, after signing in; a password never goes where it should not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.config.schema import OutboundConfig, SmarthostConfig
from appliance.dns.resolver import Resolver
from appliance.mail.address import Address
from appliance.mail.envelope import Recipient
from appliance.status.events import Outcome
from appliance.transport.connection import Timeouts
from appliance.transport.deliver import Deliverer
from appliance.transport.interpret import RecipientOutcome
from appliance.transport.smarthost import may_send_password
from appliance.transport.tls_policy import Security, TlsPolicy
from appliance.transport.transaction import Job
from tests.support.authority import CertificateAuthority
from tests.support.contents import InMemory
from tests.support.dns_server import DnsServer
from tests.support.remote_mta import RemoteMta

CONTENT = b"From: ana@example.org\r\n\r\nhello\r\n"
BOB = Recipient(Address("bob", "far.away.test"))
JOB = Job("far.away.test", Address("ana", "example.org"), (BOB,), b"", InMemory(CONTENT))
PASSWORDS = {"ana@provider.test": "geheim ü"}

Send = Callable[..., "asyncio.Future[RecipientOutcome]"]


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority(tmp_path)


@pytest.fixture
async def send(tmp_path: Path, authority: CertificateAuthority) -> AsyncIterator[Send]:
    (tmp_path / "password").write_text("geheim ü\n", encoding="utf-8")
    with DnsServer("smtp.provider.test. A 127.0.0.1") as dns:
        made: list[Deliverer] = []

        async def send(port: int, **changes: object) -> RecipientOutcome:
            settings: dict[str, object] = {
                "host": "smtp.provider.test", "port": port, "tls": "implicit", "username": "ana@provider.test",
                "password_file": "password", "cafile": "ca.crt",
            }  # fmt: skip
            outbound = OutboundConfig(mode="smarthost", smarthost=SmarthostConfig(**(settings | changes)))  # type: ignore[arg-type]
            deliverer = Deliverer(
                outbound,
                Resolver([dns.address], lifetime_s=1),
                hostname="mx.us.test",
                home=tmp_path,
                timeouts=replace(Timeouts(), connect_s=3, tls_s=3),
            )
            made.append(deliverer)
            (outcome,) = await deliverer.deliver(JOB)
            return outcome

        yield send  # type: ignore[misc]
        for deliverer in made:
            await deliverer.close()


@pytest.mark.parametrize("words", ["PLAIN LOGIN", "LOGIN", "CRAM-MD5 LOGIN PLAIN"])
@pytest.mark.parametrize("tls", ["implicit", "starttls"])
async def test_mail_goes_through_the_smarthost(
    send: Send, authority: CertificateAuthority, tls: str, words: str
) -> None:
    certificate = authority.issue("smtp.provider.test")
    with RemoteMta(
        certificate=certificate, implicit_tls=tls == "implicit", passwords=PASSWORDS, auth_words=words
    ) as mta:
        outcome = await send(mta.port, tls=tls)
        assert (outcome.outcome, outcome.host) == (Outcome.DELIVERED, "smtp.provider.test")
        assert outcome.tls is not None
        assert mta.signed_in == ["ana@provider.test"]
        assert mta.messages[0].recipients == ["<bob@far.away.test>"]
        assert mta.messages[0].content == CONTENT
        assert not any("geheim" in command for command in mta.commands)


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
@pytest.mark.parametrize(
    ("names", "expired", "changes"),
    [
        pytest.param(("other.test",), False, {}, id="another name"),
        pytest.param(("smtp.provider.test",), True, {}, id="expired"),
        pytest.param(("smtp.provider.test",), False, {"cafile": None}, id="an authority that nobody knows"),
        pytest.param(("smtp.provider.test",), False, {"cafile": "missing.crt"}, id="no file of authorities"),
    ],
)
async def test_a_certificate_that_does_not_verify_keeps_mail_and_password_here(
    send: Send,
    authority: CertificateAuthority,
    tls: str,
    names: tuple[str, ...],
    expired: bool,
    changes: dict[str, str | None],
) -> None:
    certificate = authority.issue(*names, expired=expired)
    with RemoteMta(certificate=certificate, implicit_tls=tls == "implicit", passwords=PASSWORDS) as mta:
        outcome = await send(mta.port, tls=tls, **changes)
        assert (outcome.outcome, outcome.status) == (Outcome.DEFERRED, "4.7.5")
        assert outcome.reason.id == "host-not-safe"
        assert mta.signed_in == []
        assert mta.messages == []


async def test_a_smarthost_that_stops_offering_tls_gets_nothing(send: Send) -> None:
    with RemoteMta(passwords=PASSWORDS) as mta:
        outcome = await send(mta.port, tls="starttls")
        assert (outcome.outcome, outcome.reason.id) == (Outcome.DEFERRED, "host-not-safe")
        assert not any(command.startswith(("AUTH", "MAIL")) for command in mta.commands)


async def test_a_refused_password_makes_mail_wait(send: Send, authority: CertificateAuthority) -> None:
    with RemoteMta(
        certificate=authority.issue("smtp.provider.test"), implicit_tls=True, passwords={"ana@provider.test": "new"}
    ) as mta:
        outcome = await send(mta.port)
        assert (outcome.outcome, outcome.status) == (Outcome.DEFERRED, "4.7.0")
        assert outcome.reply == "535 5.7.8 no"
        assert "user name and password" in outcome.reason.for_owner
        assert mta.messages == []


async def test_a_smarthost_that_offers_no_sign_in(send: Send, authority: CertificateAuthority) -> None:
    with RemoteMta(certificate=authority.issue("smtp.provider.test"), implicit_tls=True) as mta:
        outcome = await send(mta.port)
        assert (outcome.outcome, outcome.reason.id) == (Outcome.DEFERRED, "smarthost-sign-in")


@pytest.mark.parametrize("password_file", ["missing", None])
async def test_a_missing_password_makes_mail_wait(send: Send, password_file: str | None) -> None:
    outcome = await send(9, password_file=password_file)
    assert (outcome.outcome, outcome.reason.id) == (Outcome.DEFERRED, "smarthost-password")


async def test_without_tls_and_password_on_an_own_network(send: Send) -> None:
    with RemoteMta() as mta:
        outcome = await send(mta.port, tls="none", username=None, password_file=None)
        assert (outcome.outcome, outcome.tls) == (Outcome.DELIVERED, None)
        assert mta.signed_in == []


async def test_an_ip_address_as_smarthost(send: Send, authority: CertificateAuthority) -> None:
    with RemoteMta(certificate=authority.issue("127.0.0.1"), implicit_tls=True, passwords=PASSWORDS) as mta:
        assert (await send(mta.port, host="127.0.0.1")).outcome is Outcome.DELIVERED


@pytest.mark.parametrize(
    ("security", "ip", "allowed"),
    [
        (Security.IMPLICIT, "192.0.2.1", True),
        (Security.STARTTLS, "192.0.2.1", True),
        (Security.NONE, "127.0.0.1", True),
        (Security.NONE, "::1", True),
        (Security.NONE, "192.168.1.5", False),
        (Security.NONE, "192.0.2.1", False),
    ],
)
def test_where_a_password_may_go(security: Security, ip: str, allowed: bool) -> None:
    assert may_send_password(TlsPolicy(security), ip) is allowed
