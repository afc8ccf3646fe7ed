"""`merpati account …`, `merpati alias …` and `merpati dns`."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from appliance.accounts.accounts import Accounts, SignedInAccount
from appliance.store.interface import Store

from .conftest import Run, refusal

GOOD = "another good one"


def signs_in(home: Path, address: str, password: str) -> bool:
    store = Store(home)
    accounts = Accounts(store, ("near.example",))
    try:
        return isinstance(accounts.sign_in_now(address, password, protocol="imap", ip="127.0.0.1"), SignedInAccount)
    finally:
        accounts.close()
        store.close()


PASSWORDS: dict[str, tuple[bytes, str]] = {
    "a line": (b"another good one\n", GOOD),
    "without an end": (b"another good one", GOOD),
    "with the end of another system": (b"another good one\r\n", GOOD),
    "the first of two lines": (b"another good one\nsecond\n", GOOD),
    "with spaces around": (b"  another good one \n", "  another good one "),
    "in UTF-8": ("sandi-rahasia-é-鍵\n".encode(), "sandi-rahasia-é-鍵"),
}


@pytest.mark.parametrize("name", PASSWORDS)
def test_an_account_is_added_and_signs_in(name: str, run: Run, home: Path) -> None:
    stdin, password = PASSWORDS[name]
    told = run("account", "add", "Eve@Near.Example", "--password-stdin", "--name", "Eve É", stdin=stdin)
    assert "can receive and send mail now" in told.stdout
    assert "eve@near.example" in told.stdout.lower()
    assert signs_in(home, "eve@near.example", password)


NO_PASSWORDS: dict[str, tuple[bytes, str]] = {
    "none": (b"", "no password came on standard input"),
    "empty": (b"\n", "at least 8 characters"),
    "short": (b"short\n", "at least 8 characters"),
    "plain": (b"aaaaaaaaaa\n", "more than a few different characters"),
    "long": (b"abcdefgh" * 200 + b"\n", "at most 1024 octets"),
    "not UTF-8": (b"passw\xf6rter\n", "not UTF-8 text"),
}


@pytest.mark.parametrize("verb", [("add", "eve@near.example"), ("passwd", "bob@near.example")])
@pytest.mark.parametrize("name", NO_PASSWORDS)
def test_a_password_that_will_not_do(name: str, verb: tuple[str, str], run: Run, home: Path) -> None:
    stdin, words = NO_PASSWORDS[name]
    assert words in refusal(run("account", *verb, "--password-stdin", stdin=stdin, status=1))
    assert [each["address"] for each in json.loads(run("account", "list", "--json").stdout)] == ["bob@near.example"]


def test_a_password_is_asked_for_twice_and_not_shown(run: Run, home: Path) -> None:
    told = run("account", "passwd", "bob@near.example", stdin=f"{GOOD}\n{GOOD}\n").output
    assert GOOD not in told
    assert signs_in(home, "bob@near.example", GOOD)


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "there already": (("account", "add", "bob@near.example"), "bob@near.example is an account or an alias already"),
    "in other letters": (("account", "add", "BOB@NEAR.EXAMPLE"), "is an account or an alias already"),
    "an alias already": (("account", "add", "info@near.example"), "is an account or an alias already"),
    "not ours": (
        ("account", "add", "x@far.example"),
        "is not in a domain of this server. Its domains are: near.example",
    ),
    "no address": (("account", "add", "bob"), "bob is not a mail address"),
    "nothing": (("account", "add", ""), "is not a mail address"),
    "nobody's password": (("account", "passwd", "eve@near.example"), "There is no account or alias eve@near.example"),
    "no address's password": (("account", "passwd", "eve"), "is not a mail address"),
    "nobody to remove": (("account", "remove", "eve@near.example", "--yes"), "There is no account or alias"),
    "an alias to remove": (("account", "remove", "info@near.example", "--yes"), "There is no account or alias"),
    "alias of an account": (
        ("alias", "add", "bob@near.example", "eve@near.example"),
        "is an account or an alias already",
    ),
    "alias not ours": (("alias", "add", "x@far.example", "bob@near.example"), "is not in a domain of this server"),
    "alias to nowhere": (("alias", "add", "x@near.example", "bob"), "bob is not a mail address"),
    "catch-all not ours": (("alias", "add", "@far.example", "bob@near.example"), "is not in a domain of this server"),
    "no alias": (("alias", "remove", "x@near.example"), "There is no account or alias x@near.example"),
    "an account": (("alias", "remove", "bob@near.example"), "There is no account or alias bob@near.example"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_with_a_sentence(name: str, run: Run) -> None:
    run("alias", "add", "info@near.example", "bob@near.example")
    words, sentence = REFUSED[name]
    more = ["--password-stdin"] if words[1] in ("add", "passwd") and words[0] == "account" else []
    before = run("account", "list").stdout + run("alias", "list").stdout
    assert sentence in refusal(run(*words, *more, stdin=GOOD + "\n", status=1))
    assert run("account", "list").stdout + run("alias", "list").stdout == before


def test_accounts_are_listed_changed_and_removed(run: Run, home: Path) -> None:
    run("account", "add", "eve@near.example", "--password-stdin", stdin=GOOD + "\n")
    listed = json.loads(run("account", "list", "--json").stdout)
    assert [each.keys() for each in listed] == [
        {"address", "name", "created_at", "used_octets", "used_messages", "limit_octets", "limit_messages"}
    ] * 2
    assert [(each["address"], each["name"]) for each in listed] == [
        ("bob@near.example", "Bob"),
        ("eve@near.example", ""),
    ]
    assert listed[1]["created_at"] == pytest.approx(time.time(), abs=600)
    assert (
        run("account", "list").stdout == "bob@near.example  Bob  0 MB, 0 messages\neve@near.example  0 MB, 0 messages\n"
    )
    run("account", "passwd", "eve@near.example", "--password-stdin", stdin="one more that is good\n")
    assert not signs_in(home, "eve@near.example", GOOD)
    assert signs_in(home, "eve@near.example", "one more that is good")
    assert "eve@near.example is gone" in run("account", "remove", "eve@near.example", "--yes").stdout
    assert run("account", "list").stdout == "bob@near.example  Bob  0 MB, 0 messages\n"


@pytest.mark.parametrize(("answer", "stays"), [("n\n", True), ("", True), ("y\n", False)])
def test_an_account_is_not_removed_by_accident(answer: str, stays: bool, run: Run) -> None:
    run("account", "remove", "bob@near.example", stdin=answer, status=int(stays))
    assert bool(json.loads(run("account", "list", "--json").stdout)) is stays


def test_aliases_are_listed_changed_and_removed(run: Run) -> None:
    run("alias", "add", "info@near.example", "bob@near.example", "x@far.example")
    run("alias", "add", "@near.example", "bob@near.example")
    assert json.loads(run("alias", "list", "--json").stdout) == [
        {"address": "@near.example", "targets": ["bob@near.example"]},
        {"address": "info@near.example", "targets": ["bob@near.example", "x@far.example"]},
    ]
    assert run("alias", "list").stdout == (
        "@near.example -> bob@near.example\ninfo@near.example -> bob@near.example, x@far.example\n"
    )
    run("alias", "add", "info@near.example", "x@far.example")
    run("alias", "remove", "@near.example")
    assert run("alias", "list").stdout == "info@near.example -> x@far.example\n"


def test_the_records_to_publish(run: Run) -> None:
    records = json.loads(run("dns", "--json").stdout)
    assert {tuple(record) for record in records} == {("type", "host", "value", "why")}
    found = {(record["type"], record["host"]) for record in records}
    assert found == {
        ("A", "mx.near.example"),
        ("MX", "near.example"),
        ("TXT", "near.example"),
        ("TXT", "_dmarc.near.example"),
        ("TXT", "merpati-rsa._domainkey.near.example"),
        ("TXT", "merpati-ed25519._domainkey.near.example"),
    }
    told = run("dns").stdout
    assert all(f"{record['host']}.  {record['type']}  {record['value']}" in told for record in records)
