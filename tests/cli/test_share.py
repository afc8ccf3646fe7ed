"""`merpati share …` and `merpati account quota`: the owner says who may use what, and how much."""

from __future__ import annotations

import json

import pytest

from .conftest import Run, refusal

BOB, EVE = "bob@near.example", "eve@near.example"


@pytest.fixture
def two(run: Run) -> Run:
    run("account", "add", EVE, "--password-stdin", stdin="another good one\n")
    return run


def shares(run: Run, *words: str) -> list[tuple[str, str, str, str]]:
    rows = json.loads(run("share", "list", "--json", *words).stdout)
    return [(row["owner"], row["mailbox"], row["with"], row["rights"]) for row in rows]


RIGHTS = {
    "nothing said": ((), "lr"),
    "read": (("read",), "lr"),
    "write": (("write",), "lrswipte"),
    "all": (("all",), "lrswipkxtea"),
    "letters": (("lrsi",), "lrsi"),
    "old letters": (("lrd",), "lrte"),
}


@pytest.mark.parametrize(("words", "expected"), RIGHTS.values(), ids=RIGHTS)
def test_a_mailbox_is_shared(two: Run, words: tuple[str, ...], expected: str) -> None:
    told = two("share", "add", "Bob@near.example", "Sent", EVE, *words).stdout
    assert "may use Sent" in told and expected in told
    assert shares(two) == [(BOB, "Sent", EVE, expected)]
    assert f"Sent of {BOB} with {EVE}: " in two("share", "list", BOB).stdout
    assert shares(two, EVE) == []


def test_it_ends_and_goes_with_the_account(two: Run) -> None:
    two("share", "add", BOB, "inbox", EVE, "write")
    two("share", "add", BOB, "INBOX", "anyone")
    assert shares(two) == [(BOB, "INBOX", EVE, "lrswipte"), (BOB, "INBOX", "anyone", "lr")]
    two("share", "remove", BOB, "INBOX", "anyone")
    two("account", "remove", EVE, "--yes")
    assert two("share", "list").stdout == "Nothing is shared.\n"


REFUSED = {
    "no such mailbox": ((BOB, "Nowhere", EVE), "Nowhere"),
    "no such owner": (("x@near.example", "INBOX", EVE), "x@near.example"),
    "with nobody": ((BOB, "INBOX", "x@near.example"), "x@near.example"),
    "with what is no address": ((BOB, "INBOX", "eve"), "is not a mail address"),
    "with oneself": ((BOB, "INBOX", BOB), "always has all rights"),
    "no such right": ((BOB, "INBOX", EVE, "lrq"), "the q right is not supported"),
    "no right at all": ((BOB, "INBOX", EVE, ""), "say what"),
    "more rights": ((BOB, "INBOX", EVE, "+l"), "say what"),
}


@pytest.mark.parametrize(("words", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_shared(two: Run, words: tuple[str, ...], sentence: str) -> None:
    assert sentence in refusal(two("share", "add", *words, status=1))
    assert shares(two) == []


def quota(run: Run, *words: str) -> tuple[int | None, int | None]:
    told = json.loads(run("account", "quota", BOB, "--json", *words).stdout)
    assert told["address"] == BOB
    return told["limit_octets"], told["limit_messages"]


def test_a_quota_is_told_set_and_set_back(run: Run) -> None:
    assert quota(run) == (None, None)
    assert quota(run, "500M") == (500_000_000, None)
    assert quota(run, "--messages", "100") == (500_000_000, 100)
    assert quota(run) == (500_000_000, 100)
    run("config", "set", "limits.account_size", "2000000000")
    run("config", "set", "limits.account_messages", "5")
    assert quota(run, "default", "--messages", "none") == (2_000_000_000, None)
    assert quota(run, "none", "--messages", "default") == (None, 5)
    listed = json.loads(run("account", "list", "--json").stdout)
    assert [(row["used_octets"], row["used_messages"], row["limit_messages"]) for row in listed] == [(0, 0, 5)]
    assert f"{BOB}" in run("account", "list").stdout and "0 of 5 messages" in run("account", "list").stdout


AMOUNTS = {"2G": 2_000_000_000, "1500": 1500, "10kb": 10_000, "1 T": 10**12, "3m": 3_000_000}


@pytest.mark.parametrize(("text", "octets"), AMOUNTS.items())
def test_amounts(run: Run, text: str, octets: int) -> None:
    assert quota(run, text)[0] == octets


@pytest.mark.parametrize("words", [("0",), ("-1",), ("much",), ("1.5G",), ("--messages", "5k"), ("99999999999T",)])
def test_what_is_no_amount(run: Run, words: tuple[str, ...]) -> None:
    args = ("--", *words) if words[0].startswith("-1") else words
    assert "is no amount" in refusal(run("account", "quota", BOB, *args, status=1))


def test_nobody_has_no_quota(run: Run) -> None:
    assert "x@near.example" in refusal(run("account", "quota", "x@near.example", status=1))
