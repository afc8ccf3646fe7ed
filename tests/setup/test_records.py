"""The DNS records that a domain needs, as its owner has to publish them."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.config.load import parse
from appliance.setup.records import certificate_files, certificate_fingerprint, records
from appliance.tls.self_signed import ensure_certificate, fingerprint
from appliance.transport import sign

CONFIG = "hostname: mx.example.org\ndomains: [example.org, münster.example]\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("records")
    sign.ensure_keys(home / "keys" / "dkim", "example.org")
    return home


def shown(home: Path, text: str) -> list[tuple[str, str, str]]:
    return [(r.type, r.host, r.value) for r in records(home, parse(text))]


def test_before_the_set_up_there_is_nothing_to_publish(home: Path) -> None:
    assert records(home, parse("")) == []


def test_every_domain_gets_its_records(home: Path) -> None:
    found = shown(home, CONFIG + "outbound: {mode: direct}\n")
    assert found[0] == ("A", "mx.example.org", "your public IPv4 address")
    for domain in ("example.org", "xn--mnster-3ya.example"):
        assert ("MX", domain, "10 mx.example.org.") in found
        assert ("TXT", domain, "v=spf1 mx -all") in found
        assert ("TXT", f"_dmarc.{domain}", f"v=DMARC1; p=quarantine; rua=mailto:postmaster@{domain}") in found
    keys = sign.load_keys(home / "keys" / "dkim", "example.org")
    assert len(keys) == 2
    for key in keys:
        assert ("TXT", f"{key.selector}._domainkey.example.org", sign.txt_record(key)) in found
    assert len(found) == 1 + 2 * 3 + 2


def test_each_record_says_what_it_is_for(home: Path) -> None:
    for record in records(home, parse(CONFIG)):
        assert record.why.endswith(".")
        assert not record.host.endswith(".")


@pytest.mark.parametrize(
    ("host", "mechanism"),
    [("relay.example", "a:relay.example"), ("192.0.2.1", "ip4:192.0.2.1"), ("2001:db8::1", "ip6:2001:db8::1")],
)
def test_with_a_smarthost_its_name_may_send_too(home: Path, host: str, mechanism: str) -> None:
    """RFC 7208 5.3, 5.6."""
    text = f"{CONFIG}outbound:\n  mode: smarthost\n  smarthost:\n    host: '{host}'\n"
    assert ("TXT", "example.org", f"v=spf1 mx {mechanism} ~all") in shown(home, text)


def test_the_certificate_in_use_is_the_owners_or_one_of_our_own(home: Path, tmp_path: Path) -> None:
    own, own_key = ensure_certificate(tmp_path / "own", "mx.example.org")
    absolute = parse(f"{CONFIG}tls: {{certificate: {own}, key: {own_key}}}\n")
    assert certificate_files(home, absolute) == (own, own_key)
    assert certificate_fingerprint(home, absolute) == fingerprint(own)
    relative = parse(CONFIG + "tls: {certificate: my.crt, key: my.key}\n")
    assert certificate_files(home, relative) == (home / "my.crt", home / "my.key")
    made, _ = certificate_files(home, parse(CONFIG))
    assert made == home / "keys" / "tls" / "self-signed.crt"
    assert certificate_fingerprint(home, parse(CONFIG)) == fingerprint(made)
