"""A line is one command or a fault with a reason; answers are one line each."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.mail.reason import because
from appliance.pop3 import grammar
from appliance.pop3.grammar import Auth, Code, Dele, GrammarFault, List, Pass, Retr, Top, Uidl, User, command, err, ok

COMMANDS = {
    b"CAPA": grammar.Capa(),
    b"stls": grammar.Stls(),
    b"STAT ": grammar.Stat(),
    b"RSET": grammar.Rset(),
    b"NoOp": grammar.Noop(),
    b"QUIT": grammar.Quit(),
    b"USER bob": User(b"bob"),
    b"USER  bob@example.org ": User(b"bob@example.org"),
    "USER jürgen".encode(): User("jürgen".encode()),
    b"PASS secret": Pass(b"secret"),
    b"PASS  with  spaces ": Pass(b" with  spaces "),
    b"AUTH": Auth(None, None),
    b"AUTH plain": Auth("PLAIN", None),
    b"AUTH PLAIN AGEAYg==": Auth("PLAIN", b"AGEAYg=="),
    b"AUTH PLAIN =": Auth("PLAIN", b"="),
    b"LIST": List(None),
    b"LIST 2": List(2),  # type: ignore[arg-type]
    b"UIDL": Uidl(None),
    b"UIDL 002": Uidl(2),  # type: ignore[arg-type]
    b"RETR 1": Retr(1),  # type: ignore[arg-type]
    b"DELE  1 ": Dele(1),  # type: ignore[arg-type]
    b"TOP 1 0": Top(1, 0),  # type: ignore[arg-type]
    b"TOP 12 9999999999": Top(12, 9_999_999_999),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("line", COMMANDS, ids=repr)
def test_command(line: bytes) -> None:
    assert command(line) == COMMANDS[line]


FAULTS = {
    b"": "command-unknown",
    b" STAT": "command-unknown",
    b"APOP bob c4c9334bac560ecc979e58001b3e22fb": "command-unknown",
    b"XTND XMIT": "command-unknown",
    b"\0\xff": "command-unknown",
    b"STAT 1": "command-syntax",
    b"QUIT now": "command-syntax",
    b"USER": "command-syntax",
    b"USER  ": "command-syntax",
    b"PASS": "command-syntax",
    b"PASS ": "command-syntax",
    b"AUTH PLAIN a b": "command-syntax",
    b"AUTH PL\xc3\xa4IN": "command-syntax",
    b"LIST one": "command-syntax",
    b"LIST 1 2": "command-syntax",
    b"LIST -1": "command-syntax",
    b"RETR": "command-syntax",
    b"RETR 1.5": "command-syntax",
    b"RETR 12345678901": "command-syntax",
    "RETR ٣".encode(): "command-syntax",
    b"DELE 1 2": "command-syntax",
    b"TOP 1": "command-syntax",
    b"TOP 1 -1": "command-syntax",
}


@pytest.mark.parametrize("line", FAULTS, ids=repr)
def test_fault(line: bytes) -> None:
    with pytest.raises(GrammarFault) as caught:
        command(line)
    assert caught.value.reason.id == FAULTS[line]


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=40)
    | st.builds(lambda verb, rest: verb[:4] + b" " + rest, st.sampled_from(list(COMMANDS)), st.binary(max_size=20))
)
def test_any_line_is_a_command_or_a_fault(line: bytes) -> None:
    try:
        found = command(line)
    except GrammarFault as fault:
        assert fault.reason.for_peer.isprintable()
    else:
        assert isinstance(found, grammar.Command)


def test_a_password_does_not_show() -> None:
    assert "secret" not in repr(command(b"PASS secret"))
    assert "AHNlY3JldA" not in repr(command(b"AUTH PLAIN AHNlY3JldA"))


def test_answers_are_one_line() -> None:
    assert ok("2 messages") == b"+OK 2 messages\r\n"
    assert err(because("command-unknown").for_peer) == b"-ERR Unknown command\r\n"
    assert err(because("maildrop-in-use").for_peer, Code.IN_USE).startswith(b"-ERR [IN-USE] ")
    assert err(because("command-syntax", syntax="a\r\n+OK b").for_peer).count(b"\n") == 1
