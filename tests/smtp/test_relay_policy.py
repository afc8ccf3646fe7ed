"""Who may do what at which listener: the whole table."""

from __future__ import annotations

import itertools

import pytest

from appliance.smtp.relay_policy import Standing, before_mail, before_sign_in, is_loopback, offers_sign_in, plain_ip
from appliance.smtp.settings import Listener

# (listener, tls, signed in, plaintext allowed) → (offers AUTH, code before AUTH, code before MAIL); None: go on
S, M, T = Listener.SMTP, Listener.SUBMISSION, Listener.SUBMISSIONS
TABLE = {
    (S, False, False, False): (False, 502, None),
    (S, False, False, True): (False, 502, None),
    (S, True, False, False): (False, 502, None),
    (S, True, False, True): (False, 502, None),
    (M, False, False, False): (False, 538, 530),
    (M, False, False, True): (True, None, 530),
    (M, False, True, True): (False, 503, None),
    (M, True, False, False): (True, None, 530),
    (M, True, False, True): (True, None, 530),
    (M, True, True, False): (False, 503, None),
    (M, True, True, True): (False, 503, None),
    (T, True, False, False): (True, None, 530),
    (T, True, False, True): (True, None, 530),
    (T, True, True, False): (False, 503, None),
    (T, True, True, True): (False, 503, None),
}


@pytest.mark.parametrize(("standing", "expected"), TABLE.items())
def test_table(standing: tuple[Listener, bool, bool, bool], expected: tuple[bool, int | None, int | None]) -> None:
    at = Standing(*standing)
    sign_in, mail = before_sign_in(at), before_mail(at)
    assert (offers_sign_in(at), sign_in and sign_in.code, mail and mail.code) == expected


def test_nobody_submits_without_a_sign_in() -> None:
    """Whatever else is true."""
    for listener, tls, plaintext in itertools.product((M, T), (False, True), (False, True)):
        assert before_mail(Standing(listener, tls, False, plaintext)) is not None


@pytest.mark.parametrize(
    ("host", "ip", "loopback"),
    [
        ("192.0.2.1", "192.0.2.1", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.9.9.9", "127.9.9.9", True),
        ("::1", "::1", True),
        ("::ffff:192.0.2.1", "192.0.2.1", False),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
        ("fe80::1%eth0", "fe80::1", False),
        ("2001:DB8::0001", "2001:db8::1", False),
    ],
)
def test_addresses(host: str, ip: str, loopback: bool) -> None:
    assert plain_ip(host) == ip
    assert is_loopback(ip) is loopback
