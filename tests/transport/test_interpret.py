"""Each reply at each step means one thing for a recipient, and carries a status of the same class."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.status.events import Outcome
from appliance.transport.interpret import REPLY_OCTETS, RemoteReply, Step, outcome_of, reason_of, status_of

DELIVERED, DEFERRED, FAILED = Outcome.DELIVERED, Outcome.DEFERRED, Outcome.FAILED


@pytest.mark.parametrize(
    ("step", "code", "text", "outcome", "status"),
    [
        pytest.param(Step.DOT, 250, "2.0.0 ok", DELIVERED, "2.0.0", id="taken"),
        pytest.param(Step.DOT, 250, "ok", DELIVERED, "2.0.0", id="taken without enhanced code"),
        pytest.param(Step.RCPT, 251, "will forward", DELIVERED, "2.0.0", id="will forward"),
        pytest.param(Step.RCPT, 550, "5.1.1 no such user", FAILED, "5.1.1", id="no such user"),
        pytest.param(Step.RCPT, 550, "no such user", FAILED, "5.1.1", id="no such user, old server"),
        pytest.param(Step.RCPT, 450, "4.2.1 greylisted", DEFERRED, "4.2.1", id="greylisted"),
        pytest.param(Step.RCPT, 452, "too many", DEFERRED, "4.3.1", id="too many recipients"),
        pytest.param(Step.RCPT, 552, "too many", DEFERRED, "4.0.0", id="too many recipients, RFC 821"),
        pytest.param(Step.RCPT, 552, "5.5.3 too many", DEFERRED, "4.5.3", id="too many recipients, wrong class"),
        pytest.param(Step.RCPT, 552, "5.2.2 mailbox full", FAILED, "5.2.2", id="mailbox full"),
        pytest.param(Step.RCPT, 354, "what", DEFERRED, "4.0.0", id="a reply that has no meaning there"),
        pytest.param(Step.MAIL, 250, "ok", DEFERRED, "4.0.0", id="MAIL accepted is no delivery"),
        pytest.param(Step.MAIL, 553, "5.1.8 who", FAILED, "5.1.8", id="reverse-path refused"),
        pytest.param(Step.GREETING, 554, "5.7.1 go away", DEFERRED, "4.7.1", id="not wanted at the greeting"),
        pytest.param(Step.GREETING, 421, "busy", DEFERRED, "4.3.2", id="busy"),
        pytest.param(Step.AUTH, 535, "5.7.8 no", DEFERRED, "4.7.8", id="a wrong password is no bounce"),
        pytest.param(Step.DATA, 554, "no valid recipients", FAILED, "5.0.0", id="DATA refused"),
        pytest.param(Step.DATA, 250, "hm", DEFERRED, "4.0.0", id="250 instead of 354 is no promise"),
        pytest.param(Step.DOT, 550, "spam", FAILED, "5.7.1", id="content refused"),
        pytest.param(Step.DOT, 552, "too big", FAILED, "5.3.4", id="content too large"),
        pytest.param(Step.DOT, 550, "4.7.1 classes differ", FAILED, "5.7.1", id="enhanced code of another class"),
        pytest.param(Step.DOT, 451, "", DEFERRED, "4.3.0", id="no words"),
        pytest.param(Step.DOT, -1, "???", DEFERRED, "4.0.0", id="no code"),
    ],
)
def test_what_a_reply_means(step: Step, code: int, text: str, outcome: Outcome, status: str) -> None:
    reply = RemoteReply.of(code, text)
    assert outcome_of(step, reply) is outcome
    assert status_of(step, reply, outcome) == status


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(Step)), st.integers(-1, 1200), st.text(max_size=60))
def test_every_reply_has_a_meaning(step: Step, code: int, text: str) -> None:
    reply = RemoteReply.of(code, text)
    outcome = outcome_of(step, reply)
    digit = {"delivered": "2", "deferred": "4", "failed": "5"}[outcome]
    assert status_of(step, reply, outcome).startswith(digit + ".")
    assert reason_of("mx.test", reply, outcome).for_owner
    assert str(reply).isprintable()
    assert (outcome is DELIVERED) <= (200 <= code < 300)


def test_a_reply_of_many_lines_is_one_line_of_bounded_length() -> None:
    reply = RemoteReply.of(550, "5.7.1 first\nsecond\x1b[31m\n" + "x" * 5000)
    assert str(reply).startswith("550 5.7.1 first second?[31m x")
    assert len(reply.text) == REPLY_OCTETS
