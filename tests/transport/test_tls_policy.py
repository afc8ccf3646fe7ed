"""What TLS a connection gets, for each policy and each behaviour of the other side."""

from __future__ import annotations

import pytest

from appliance.transport.tls_policy import Move, Security, TlsPolicy, after_ehlo, may_try_without

START, ON, UP = Move.START_TLS, Move.GO_ON, Move.GIVE_UP


@pytest.mark.parametrize(
    ("security", "offered", "encrypted", "failed_before", "move"),
    [
        (Security.OPPORTUNISTIC, True, False, False, START),
        (Security.OPPORTUNISTIC, False, False, False, ON),
        (Security.OPPORTUNISTIC, True, False, True, ON),
        (Security.OPPORTUNISTIC, True, True, False, ON),
        (Security.STARTTLS, True, False, False, START),
        (Security.STARTTLS, False, False, False, UP),
        (Security.STARTTLS, False, True, False, ON),
        (Security.IMPLICIT, False, True, False, ON),
        (Security.IMPLICIT, True, False, False, UP),
        (Security.NONE, True, False, False, ON),
    ],
)
def test_after_ehlo(security: Security, offered: bool, encrypted: bool, failed_before: bool, move: Move) -> None:
    policy = TlsPolicy(security)
    assert after_ehlo(policy, offered=offered, encrypted=encrypted, failed_before=failed_before) is move


def test_only_opportunistic_tls_may_be_given_up() -> None:
    assert [security for security in Security if may_try_without(TlsPolicy(security))] == [Security.OPPORTUNISTIC]
