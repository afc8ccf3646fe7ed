"""Every mechanism turns responses into credentials, refuses what is malformed, and never raises."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.sasl import CANCEL, Challenge, Credentials, Fault, Step, decode_response, mechanism, offered
from appliance.sasl.mechanism import RESPONSE_OCTETS, TEXT_OCTETS


def exchange(name: str, initial: bytes | None, *responses: bytes) -> list[Step]:
    machine = mechanism(name, {}, "nonce")
    assert machine is not None
    return [machine.start(initial), *(machine.step(response) for response in responses)]


TIM = Credentials("", "tim", "tanstaaftanstaaf")


@pytest.mark.parametrize(
    ("initial", "responses", "steps"),
    [
        pytest.param(b"\0tim\0tanstaaftanstaaf", (), [TIM], id="RFC 4616 4, initial response"),
        pytest.param(None, (b"\0tim\0tanstaaftanstaaf",), [Challenge(b""), TIM], id="asked for"),
        pytest.param(b"tim\0tim\0x", (), [Credentials("tim", "tim", "x")], id="acts for itself"),
        pytest.param(b"Tim\0tim\0x", (), [Credentials("Tim", "tim", "x")], id="acts for itself, in another case"),
        pytest.param("\0jürgen\0pässwörd €".encode(), (), [Credentials("", "jürgen", "pässwörd €")], id="UTF-8"),
        pytest.param(b"\0a\0 b ", (), [Credentials("", "a", " b ")], id="spaces belong to the password"),
    ],
)
def test_plain_yields_credentials(initial: bytes | None, responses: tuple[bytes, ...], steps: list[Step]) -> None:
    assert exchange("PLAIN", initial, *responses) == steps


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"tim\0secret", id="two parts"),
        pytest.param(b"\0tim\0sec\0ret", id="NUL in the password"),
        pytest.param(b"\0\0secret", id="no name"),
        pytest.param(b"\0tim\0", id="no password"),
        pytest.param(b"\0tim\0\xff", id="not UTF-8"),
        pytest.param(b"\0tim\0\xed\xa0\x80", id="a surrogate is not UTF-8"),
        pytest.param(b"ann\0tim\0secret", id="acts for another"),
        pytest.param(b"\0tim\0" + b"x" * (TEXT_OCTETS + 1), id="too long"),
    ],
)
def test_plain_refuses(response: bytes) -> None:
    [step] = exchange("PLAIN", response)
    assert isinstance(step, Fault)
    assert step.reason


def test_login_asks_for_name_and_password() -> None:
    assert exchange("LOGIN", None, b"tim", b"secret") == [
        Challenge(b"Username:"),
        Challenge(b"Password:"),
        Credentials("", "tim", "secret"),
    ]


def test_login_takes_the_name_from_the_initial_response() -> None:
    assert exchange("LOGIN", b"tim", b"secret") == [Challenge(b"Password:"), Credentials("", "tim", "secret")]


@pytest.mark.parametrize(
    ("name", "password"), [(b"", b"x"), (b"x", b""), (b"a\0b", b"x"), (b"a", b"x\0y"), (b"\xff", b"x"), (b"a", b"\xff")]
)
def test_login_refuses(name: bytes, password: bytes) -> None:
    assert isinstance(exchange("LOGIN", None, name, password)[-1], Fault)


@pytest.mark.parametrize("name", ["PLAIN", "LOGIN"])
def test_an_exchange_that_is_over_yields_no_second_credentials(name: str) -> None:
    steps = exchange(name, None, b"\0tim\0secret", b"x", b"\0ann\0secret", b"\0ann\0secret")
    assert steps[-1] == Fault("the exchange is over")
    assert sum(isinstance(step, Credentials) for step in steps) <= 1


@pytest.mark.parametrize("name", ["PLAIN", "LOGIN"])
@given(initial=st.none() | st.binary(max_size=40), responses=st.lists(st.binary(max_size=40), max_size=4))
@settings(max_examples=100, deadline=None)
def test_any_responses_end_in_a_step(name: str, initial: bytes | None, responses: list[bytes]) -> None:
    for step in exchange(name, initial, *responses):
        assert isinstance(step, Challenge | Credentials | Fault)
        if isinstance(step, Credentials):
            assert step.username
            assert "\0" not in step.username + step.password


@pytest.mark.parametrize(
    ("bindings", "names"),
    [
        pytest.param({}, "SCRAM-SHA-256 PLAIN LOGIN", id="no TLS"),
        pytest.param({"tls-unique": b"x"}, "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN", id="TLS 1.2"),
        pytest.param({"tls-exporter": b"x"}, "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN", id="TLS 1.3"),
        pytest.param(
            {"tls-server-end-point": b"x"}, "SCRAM-SHA-256 PLAIN LOGIN", id="not the type that is taken untold"
        ),
    ],
)
def test_what_is_offered(bindings: dict[str, bytes], names: str) -> None:
    """The strongest first; -PLUS only where a client that chooses it will get through."""
    assert " ".join(offered(bindings)) == names


def test_names_are_known_in_any_case_and_others_not() -> None:
    for name in ("plain", "Login", "scram-sha-256", "SCRAM-SHA-256-PLUS"):
        assert mechanism(name, {}, "nonce") is not None
    for name in ("", "CRAM-MD5", "SCRAM-SHA-1", "__class__"):
        assert mechanism(name, {}, "nonce") is None


def test_a_password_does_not_show() -> None:
    assert "tanstaaf" not in repr(TIM)
    assert "tanstaaf" not in str(TIM)
    assert TIM.username == "tim"


@pytest.mark.parametrize(
    ("line", "octets"),
    [
        pytest.param(b"AHRpbQB0YW5zdGFhZnRhbnN0YWFm", b"\0tim\0tanstaaftanstaaf", id="base64"),
        pytest.param(b"=", b"", id="empty initial response"),
        pytest.param(b"", b"", id="empty response"),
        pytest.param(b"dGlt\r\n", None, id="line end"),
        pytest.param(b"dGl", None, id="no padding"),
        pytest.param(b"dG lt", None, id="space"),
        pytest.param(b"dGlt====", None, id="padding too long"),
        pytest.param(b"d===", None, id="no whole octet"),
        pytest.param(b"\xffGlt", None, id="8-bit"),
        pytest.param(CANCEL, None, id="cancel is no response"),
        pytest.param(b"A" * RESPONSE_OCTETS, b"\0" * (RESPONSE_OCTETS // 4 * 3), id="longest"),
        pytest.param(b"A" * (RESPONSE_OCTETS + 4), None, id="too long"),
    ],
)
def test_decode_response(line: bytes, octets: bytes | None) -> None:
    assert decode_response(line) == octets


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_decode_response_undoes_base64_and_never_raises(octets: bytes) -> None:
    assert decode_response(base64.b64encode(octets)) == octets
    decode_response(octets)
