"""The wizard's questions: which is next, and what an answer has to be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from web.wizard.steps import (
    STEPS,
    Draft,
    Step,
    answered,
    check,
    may_visit,
    next_step,
    step_before,
    suggested_hostname,
    take,
)

GOOD = {
    Step.PASSWORD: {"password": "a quiet white pigeon", "password_again": "a quiet white pigeon"},
    Step.NAME: {"domain": "example.org", "hostname": "mail.example.org"},
    Step.OUTBOUND: {"outbound": "direct"},
    Step.MAILBOX: {"mailbox": "ann", "password": "letters come home", "password_again": "letters come home"},
}
SMARTHOST = {
    "outbound": "smarthost",
    "smarthost_host": "smtp.provider.example",
    "smarthost_port": "587",
    "smarthost_tls": "starttls",
    "smarthost_username": "me",
    "smarthost_password": "theirs",
}


def hashed(password: str) -> str:
    return f"hash of {password}"


def drafted(*steps: Step) -> Draft:
    draft = Draft()
    for step in steps:
        draft, faults = take(step, GOOD[step], draft, hashed)
        assert not faults
    return draft


ALL_BUT_LAST = drafted(Step.PASSWORD, Step.NAME, Step.OUTBOUND)


def test_questions_come_one_after_the_other_and_back_is_always_possible() -> None:
    draft = Draft()
    for i, step in enumerate(STEPS):
        assert next_step(draft) is step
        assert [may_visit(s, draft) for s in STEPS] == [j <= i for j in range(len(STEPS))]
        assert step_before(step) is (STEPS[i - 1] if i else None)
        draft, faults = take(step, GOOD[step], draft, hashed)
        assert not faults
    assert (draft.domain, draft.hostname, draft.outbound, draft.mailbox) == (
        "example.org",
        "mail.example.org",
        "direct",
        "ann",
    )


@pytest.mark.parametrize(
    ("step", "form", "fault"),
    [
        (Step.PASSWORD, {}, {"password": "answer-missing"}),
        (Step.PASSWORD, {"password": "short", "password_again": "short"}, {"password": "password-short"}),
        (Step.PASSWORD, {"password": "a" * 20, "password_again": "a" * 20}, {"password": "password-plain"}),
        (
            Step.PASSWORD,
            {"password": "short", "password_again": "shirt"},
            {"password": "password-short", "password_again": "passwords-differ"},
        ),
        (Step.PASSWORD, {"password": "a quiet white pigeon"}, {"password_again": "passwords-differ"}),
        (Step.NAME, {}, {"domain": "answer-missing"}),
        (Step.NAME, {"domain": "localhost"}, {"domain": "not-a-domain"}),
        (Step.NAME, {"domain": "exa mple.org"}, {"domain": "not-a-domain"}),
        (Step.NAME, {"domain": "[192.0.2.1]"}, {"domain": "not-a-domain"}),
        (Step.NAME, {"domain": "example.org", "hostname": "nope"}, {"hostname": "not-a-domain"}),
        (Step.NAME, {"domain": "example.org", "hostname": "example.org"}, {"hostname": "hostname-is-domain"}),
        (Step.OUTBOUND, {}, {"outbound": "choose-one"}),
        (Step.OUTBOUND, {"outbound": "pigeon"}, {"outbound": "choose-one"}),
        (Step.OUTBOUND, {"outbound": "smarthost"}, {"smarthost_host": "answer-missing"}),
        (Step.OUTBOUND, SMARTHOST | {"smarthost_port": "0"}, {"smarthost_port": "port-number"}),
        (Step.OUTBOUND, SMARTHOST | {"smarthost_port": "65536"}, {"smarthost_port": "port-number"}),
        (Step.OUTBOUND, SMARTHOST | {"smarthost_port": "²"}, {"smarthost_port": "port-number"}),
        (Step.OUTBOUND, SMARTHOST | {"smarthost_port": "1" * 5000}, {"smarthost_port": "port-number"}),
        (Step.OUTBOUND, SMARTHOST | {"smarthost_tls": "maybe"}, {"smarthost_tls": "choose-one"}),
        (Step.OUTBOUND, SMARTHOST | {"smarthost_password": ""}, {"smarthost_password": "answer-missing"}),
        (Step.OUTBOUND, SMARTHOST | {"smarthost_username": "a\nb"}, {"smarthost_username": "name-too-long"}),
        (Step.MAILBOX, {"mailbox": ""}, {"mailbox": "answer-missing", "password": "answer-missing"}),
        (Step.MAILBOX, GOOD[Step.MAILBOX] | {"mailbox": "a b"}, {"mailbox": "not-an-address"}),
        (Step.MAILBOX, GOOD[Step.MAILBOX] | {"mailbox": "ann@elsewhere.example"}, {"mailbox": "mailbox-in-domain"}),
        (Step.MAILBOX, GOOD[Step.MAILBOX] | {"person": "x" * 101}, {"person": "name-too-long"}),
    ],
)
def test_wrong_answers_are_told_by_field(step: Step, form: dict[str, str], fault: dict[str, str]) -> None:
    assert {
        name: reason.id for name, reason in check(step, form, ALL_BUT_LAST.__class__(domain="example.org")).items()
    } == fault


@pytest.mark.parametrize(
    ("form", "domain", "hostname"),
    [
        ({"domain": " Example.ORG. ", "hostname": ""}, "example.org", "mail.example.org"),
        ({"domain": "bücher.example", "hostname": ""}, "xn--bcher-kva.example", "mail.xn--bcher-kva.example"),
        ({"domain": "example.org", "hostname": "MX.other.example"}, "example.org", "mx.other.example"),
    ],
)
def test_names_are_brought_into_one_form(form: dict[str, str], domain: str, hostname: str) -> None:
    draft, faults = take(Step.NAME, form, Draft(), hashed)
    assert not faults and (draft.domain, draft.hostname) == (domain, hostname)


def test_a_suggestion_needs_a_domain() -> None:
    assert suggested_hostname("example.org") == "mail.example.org"
    assert suggested_hostname("exam") == suggested_hostname("") == ""


def test_a_smarthost_is_kept_whole_and_its_port_follows_the_encryption() -> None:
    draft, faults = take(Step.OUTBOUND, SMARTHOST, Draft(), hashed)
    assert not faults and answered(Step.OUTBOUND, draft)
    assert (draft.smarthost_host, draft.smarthost_port, draft.smarthost_tls) == (
        "smtp.provider.example",
        587,
        "starttls",
    )
    draft, faults = take(
        Step.OUTBOUND, SMARTHOST | {"smarthost_port": "", "smarthost_tls": "implicit"}, Draft(), hashed
    )
    assert not faults and draft.smarthost_port == 465


def test_another_choice_does_not_forget_the_smarthost() -> None:
    draft, _ = take(Step.OUTBOUND, SMARTHOST, Draft(), hashed)
    draft, _ = take(Step.OUTBOUND, {"outbound": "off"}, draft, hashed)
    assert draft.outbound == "off" and draft.smarthost_host == "smtp.provider.example"


def test_passwords_given_once_are_not_asked_for_again_when_passing_by() -> None:
    draft, _ = take(Step.OUTBOUND, SMARTHOST, drafted(Step.PASSWORD, Step.NAME), hashed)
    passed, faults = take(Step.PASSWORD, {}, draft, hashed)
    assert not faults and passed == draft
    passed, faults = take(Step.OUTBOUND, SMARTHOST | {"smarthost_password": ""}, draft, hashed)
    assert not faults and passed.smarthost_password == "theirs"
    # Another user name has another password.
    _, faults = take(Step.OUTBOUND, SMARTHOST | {"smarthost_password": "", "smarthost_username": "you"}, draft, hashed)
    assert faults["smarthost_password"].id == "password-again"


def test_no_password_is_ever_written_down() -> None:
    draft, _ = take(Step.OUTBOUND, SMARTHOST, drafted(Step.PASSWORD, Step.NAME), hashed)
    draft, _ = take(Step.MAILBOX, GOOD[Step.MAILBOX], draft, hashed)
    assert "theirs" not in draft.to_json() and "letters" not in draft.to_json()
    assert "theirs" not in repr(draft) and "hash" not in repr(draft)


def test_after_a_restart_only_the_smarthosts_password_is_missing() -> None:
    draft, _ = take(Step.OUTBOUND, SMARTHOST, drafted(Step.PASSWORD, Step.NAME), hashed)
    restarted = Draft.from_json(draft.to_json())
    assert restarted == replace(draft, smarthost_password="")
    assert next_step(draft) is Step.MAILBOX and next_step(restarted) is Step.OUTBOUND


@pytest.mark.parametrize(
    "text", [None, "", "[]", "nonsense", "3", '{"domain": 3}', '{"unknown": "x"}', '{"smarthost_port": true}']
)
def test_an_unreadable_draft_is_an_empty_one(text: str | None) -> None:
    assert Draft.from_json(text) == Draft()


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(STEPS),
    st.dictionaries(
        st.sampled_from(
            ["password", "password_again", "domain", "hostname", "outbound", "mailbox", "person"]
            + [f"smarthost_{n}" for n in ("host", "port", "tls", "username", "password")]
        ),
        st.one_of(
            st.text(max_size=80), st.sampled_from(["smarthost", "example.org", "implicit", "a quiet white pigeon"])
        ),
    ),
)
def test_any_form_is_answered_or_refused_and_never_half_taken(step: Step, form: dict[str, str]) -> None:
    """No input raises, and what is wrong leaves the draft's own answers as they were."""
    draft, faults = take(step, form, ALL_BUT_LAST, hashed)
    if faults and step is not Step.MAILBOX:
        assert draft == ALL_BUT_LAST
    for reason in faults.values():
        assert reason.for_owner
    assert Draft.from_json(draft.to_json()) == replace(draft, smarthost_password="")
