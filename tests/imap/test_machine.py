"""The order of things on a connection: what octets become which events, in which state."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.imap.grammar import mailboxes as m
from appliance.imap.grammar import session as c
from appliance.imap.grammar.append import Append, Literal, Message, Replace, Url
from appliance.imap.grammar.command import READERS
from appliance.imap.grammar.fetch import Fetch
from appliance.imap.machine import (
    ALLOWED,
    BEFORE_SIGN_IN,
    MOST_FAULTS_IN_A_ROW,
    AppendEnded,
    AppendMore,
    AppendOctets,
    AppendReady,
    CommandReady,
    Event,
    Fatal,
    Fault,
    ImapMachine,
    Line,
    LocalFault,
    NeedContinuation,
    State,
)


def events(machine: ImapMachine, octets: bytes | Iterable[bytes]) -> list[Event]:
    """All events; an APPEND is accepted, and neighbouring AppendOctets are joined."""
    found: list[Event] = []
    for piece in [octets] if isinstance(octets, bytes) else octets:
        machine.receive(piece)
        while (event := machine.next_event()) is not None:
            if isinstance(event, AppendOctets) and found and isinstance(found[-1], AppendOctets):
                event = AppendOctets(found.pop().octets + event.octets)
            found.append(event)
            if isinstance(event, AppendReady | AppendMore):
                machine.accept_append()
    return found


def machine(state: State = State.SELECTED) -> ImapMachine:
    return ImapMachine(state=state)


NOOP = c.Noop()
HELLO = Append("INBOX", (Message(), Literal(5)))
PUT_TOGETHER = Message(in_parts=True)
STREAMS: dict[str, tuple[bytes, list[Event]]] = {
    "a command": (b"a NOOP\r\n", [CommandReady("a", NOOP)]),
    "two in one packet": (b"a NOOP\r\nb CHECK\r\n", [CommandReady("a", NOOP), CommandReady("b", m.Check())]),
    "a bare LF from a person": (b"a NOOP\n", [CommandReady("a", NOOP)]),
    "half a command": (b"a NO", []),
    "a literal": (
        b"a SELECT {3}\r\na b\r\n",
        [NeedContinuation(), CommandReady("a", m.Select("a b"))],
    ),
    "a literal without waiting": (b"a SELECT {3+}\r\na b\r\n", [CommandReady("a", m.Select("a b"))]),
    "two literals": (
        b"a RENAME {1}\r\na {1+}\r\nb\r\n",
        [NeedContinuation(), CommandReady("a", m.Rename("a", "b"))],
    ),
    "a literal that looks like a command": (
        b"a SELECT {8+}\r\nb NOOP\r\n\r\n",
        [CommandReady("a", m.Select("b NOOP\r\n"))],
    ),
    "an empty literal": (b"a SELECT {0+}\r\n\r\n", [CommandReady("a", m.Select(""))]),
    "an append": (
        b"a APPEND INBOX {5}\r\nhello\r\nb NOOP\r\n",
        [AppendReady("a", HELLO, waits=True), AppendOctets(b"hello"), AppendEnded(), CommandReady("b", NOOP)],
    ),
    "an append without waiting": (
        b"a APPEND INBOX {5+}\r\nhello\r\n",
        [AppendReady("a", HELLO, waits=False), AppendOctets(b"hello"), AppendEnded()],
    ),
    "an append to a mailbox in a literal": (
        b"a APPEND {5}\r\nINBOX {5}\r\nhello\r\n",
        [NeedContinuation(), AppendReady("a", HELLO, waits=True), AppendOctets(b"hello"), AppendEnded()],
    ),
    "an append of nothing": (
        b"a APPEND INBOX {0+}\r\n\r\n",
        [AppendReady("a", Append("INBOX", (Message(), Literal(0))), waits=False), AppendEnded()],
    ),
    "two messages": (
        b"a APPEND INBOX {5+}\r\nhello (\\Seen) {2}\r\nyo\r\nb NOOP\r\n",
        [
            AppendReady("a", HELLO, waits=False),
            AppendOctets(b"hello"),
            AppendMore((Message(("\\Seen",)), Literal(2)), waits=True),
            AppendOctets(b"yo"),
            AppendEnded(),
            CommandReady("b", NOOP),
        ],
    ),
    "octets that may hold NUL": (
        b"a APPEND INBOX ~{5+}\r\nh\0llo\r\n",
        [AppendReady("a", HELLO, waits=False), AppendOctets(b"h\0llo"), AppendEnded()],
    ),
    "a header in UTF-8": (
        b"a APPEND INBOX UTF8 (~{5+}\r\nhello)\r\n",
        [
            AppendReady("a", Append("INBOX", (Message(), Literal(5, utf8=True))), waits=False),
            AppendOctets(b"hello"),
            AppendEnded(),
        ],
    ),
    "put together": (
        b'a APPEND INBOX CATENATE (URL "/INBOX;UID=1" TEXT {5+}\r\nhello URL {2}\r\n/x UTF8 (~{2+}\r\nyo) URL /y)\r\n',
        [
            AppendReady("a", Append("INBOX", (PUT_TOGETHER, Url("/INBOX;UID=1"), Literal(5))), waits=False),
            AppendOctets(b"hello"),
            NeedContinuation(),
            AppendMore((Url("/x"), Literal(2, utf8=True)), waits=False),
            AppendOctets(b"yo"),
            AppendEnded((Url("/y"),)),
        ],
    ),
    "put together of what is here": (
        b"a APPEND INBOX CATENATE (URL /x URL {2+}\r\n/y)\r\nb NOOP\r\n",
        [CommandReady("a", Append("INBOX", (PUT_TOGETHER, Url("/x"), Url("/y")))), CommandReady("b", NOOP)],
    ),
    "a message to replace another": (
        b"a REPLACE * INBOX {5+}\r\nhello\r\nb UID REPLACE 7 {5}\r\nINBOX (x) {2+}\r\nyo\r\n",
        [
            AppendReady("a", Replace(0, "INBOX", (Message(), Literal(5))), waits=False),
            AppendOctets(b"hello"),
            AppendEnded(),
            NeedContinuation(),
            AppendReady("b", Replace(7, "INBOX", (Message(("x",)), Literal(2)), by_uid=True), waits=False),
            AppendOctets(b"yo"),
            AppendEnded(),
        ],
    ),
    "two messages to replace one": (
        b"a REPLACE 1 INBOX {5+}\r\nhello {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n",
        [
            AppendReady("a", Replace(1, "INBOX", (Message(), Literal(5))), waits=False),
            AppendOctets(b"hello"),
            Fault(None, "One message at a time"),
            CommandReady("c", NOOP),
        ],
    ),
    "an append that goes wrong, more coming unasked": (
        b"a APPEND INBOX {5+}\r\nhello nonsense {8+}\r\nb NOOP\r\n {3+}\r\nabc\r\nc NOOP\r\n",
        [
            AppendReady("a", HELLO, waits=False),
            AppendOctets(b"hello"),
            Fault(None, "The message as a literal expected at octet 2 of the command"),
            CommandReady("c", NOOP),
        ],
    ),
    "an append that goes wrong, its client waiting": (
        b"a APPEND INBOX {5+}\r\nhello nonsense {8}\r\nc NOOP\r\n",
        [
            AppendReady("a", HELLO, waits=False),
            AppendOctets(b"hello"),
            Fault(None, "The message as a literal expected at octet 2 of the command"),
            CommandReady("c", NOOP),
        ],
    ),
    "a URL that is too large, its client waiting": (
        b"a APPEND INBOX CATENATE (TEXT {5+}\r\nhello URL {999999}\r\nc NOOP\r\n",
        [
            AppendReady("a", Append("INBOX", (PUT_TOGETHER, Literal(5))), waits=False),
            AppendOctets(b"hello"),
            Fault(None, "The literal is too large", code="TOOBIG"),
            CommandReady("c", NOOP),
        ],
    ),
    "a line after a message that does not end": (
        b"a APPEND INBOX {5+}\r\nhello" + b" " * 70_000,
        [AppendReady("a", HELLO, waits=False), AppendOctets(b"hello"), Fatal("The line is too long")],
    ),
    "an append with a wrong time, its message coming unasked": (
        b'a APPEND INBOX "yesterday" {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n',
        [
            Fault("a", 'A time such as " 1-Feb-2026 10:00:00 +0000" expected at octet 14 of the command'),
            CommandReady("c", NOOP),
        ],
    ),
    "an append with a wrong time, its client waiting": (
        b'a APPEND INBOX "yesterday" {8}\r\nc NOOP\r\n',
        [
            Fault("a", 'A time such as " 1-Feb-2026 10:00:00 +0000" expected at octet 14 of the command'),
            CommandReady("c", NOOP),
        ],
    ),
    "no tag": (b"NOOP\r\nb NOOP\r\n", [Fault(None, "A tag and a command expected"), CommandReady("b", NOOP)]),
    "an empty line": (b"\r\n", [Fault(None, "A tag and a command expected")]),
    "a tag with a plus": (b"a+ NOOP\r\n", [Fault(None, "A tag and a command expected")]),
    "no such command": (b"a FROB\r\n", [Fault("a", "There is no such command")]),
    "another charset": (
        b"a SEARCH CHARSET X BODY y\r\n",
        [Fault("a", "That charset is not known here", "NO", "BADCHARSET (US-ASCII UTF-8)")],
    ),
    "a literal too large, its client waiting": (
        b"a SELECT {99999999}\r\nb NOOP\r\n",
        [Fault("a", "The literal is too large", code="TOOBIG"), CommandReady("b", NOOP)],
    ),
    "a literal too large, coming unasked": (b"a SELECT {99999999+}\r\nabc", [Fatal("The literal is too large")]),
    "a line without end": (b"a NOOP" + b" " * 70_000, [Fatal("The line is too long")]),
    "a line with an end, too late": (b"a NOOP" + b" " * 70_000 + b"\r\n", [Fatal("The line is too long")]),
}


@pytest.mark.parametrize(("octets", "expected"), STREAMS.values(), ids=STREAMS)
def test_whole_and_byte_by_byte_give_the_same_events(octets: bytes, expected: list[Event]) -> None:
    assert events(machine(), octets) == expected
    if len(octets) < 1000:
        assert events(machine(), [octets[at : at + 1] for at in range(len(octets))]) == expected


PIECES = [
    b"a NOOP\r\n", b"b SELECT {3}\r\n", b"x y\r\n", b"c APPEND INBOX {5}\r\n", b"hello", b"d APPEND x {5+}\r\n", b"\r\n", b"\n",
    b"e APPEND {2+}\r\nyy {4}\r\n", b" CATENATE (URL /x", b" TEXT {2+}\r\nyo", b")", b" UTF8 (~{3}\r\n", b" (a) {1+}\r\n1",
    b"i UID REPLACE 1 x ~{2+}\r\n", b" URL {2+}\r\n", b"\xff", b"{3+}\r\n", b"f FETCH 1 BODY[]\r\n", b"g FROB\r\n", b' "', b"\0", b"h APPEND x (",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=16), st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_any_octets_in_any_portions_give_the_same_events(pieces: list[bytes], random: object) -> None:
    octets = b"".join(pieces)
    portions, at = [], 0
    while at < len(octets):
        size = random.choice((1, 2, 3, 7, 50))  # type: ignore[attr-defined]
        portions.append(octets[at : at + size])
        at += size
    assert events(machine(), portions) == events(machine(), octets)


@pytest.mark.parametrize("state", [State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED])
@pytest.mark.parametrize("verb", sorted(ALLOWED))
def test_a_command_becomes_an_event_only_where_it_is_allowed(verb: bytes, state: State) -> None:
    arguments = {
        b"AUTHENTICATE": b" PLAIN", b"APPEND": b" x {5+}", b"COMPRESS": b" DEFLATE", b"COPY": b" 1 x", b"CREATE": b" x", b"DELETE": b" x", b"ENABLE": b" x",
        b"EXAMINE": b" x", b"FETCH": b" 1 UID", b"ID": b" NIL", b"LIST": b" x x", b"LOGIN": b" x x", b"LSUB": b" x x", b"MOVE": b" 1 x",
        b"NOTIFY": b" NONE", b"RENAME": b" x y", b"REPLACE": b" 1 x {5+}", b"SEARCH": b" ALL", b"SELECT": b" x", b"SORT": b" (DATE) UTF-8 ALL", b"THREAD": b" REFERENCES UTF-8 ALL", b"STATUS": b" x (UNSEEN)", b"STORE": b" 1 FLAGS ()",
        b"SUBSCRIBE": b" x", b"UNSUBSCRIBE": b" x", b"DELETEACL": b" x a@b", b"GETACL": b" x", b"GETMETADATA": b" x /shared/a",
        b"GETQUOTA": b" x", b"GETQUOTAROOT": b" x", b"LISTRIGHTS": b" x a@b", b"MYRIGHTS": b" x", b"SETACL": b" x a@b lr",
        b"SETMETADATA": b" x (/shared/a NIL)",
    }  # fmt: skip
    subject = machine(state)
    subject.receive(b"a " + verb + arguments.get(verb, b"") + b"\r\n")
    event = subject.next_event()
    if state in ALLOWED[verb]:
        assert isinstance(event, CommandReady | AppendReady)
    else:
        assert event == Fault("a", f"That is not possible now ({state})")


def test_every_verb_has_its_states() -> None:
    assert set(ALLOWED) == set(READERS)


def test_a_stranger_cannot_make_us_keep_much() -> None:
    subject = machine(State.NOT_AUTHENTICATED)
    assert events(subject, b"a LOGIN {%d}\r\n" % (BEFORE_SIGN_IN.literal_octets + 1)) == [
        Fault("a", "The literal is too large", code="TOOBIG")
    ]
    assert events(subject, b"a LOGIN {4000+}\r\n" + b"x" * 4000 + b" " + b"y" * 17_000) == [
        Fatal("The line is too long")
    ]
    assert subject.holds == 0


def test_the_whole_command_is_bounded_too() -> None:
    found = events(
        machine(),
        b"a LOGIN" + b" {200000+}\r\n" + b"x" * 200_000 + b" {200000+}\r\n" + b"x" * 200_000 + b" {200000+}\r\n",
    )
    assert found == [Fatal("The literal is too large")]


def test_nothing_comes_before_an_append_is_answered() -> None:
    subject = machine()
    subject.receive(b"a APPEND INBOX {5+}\r\nhello\r\nb NOOP\r\n")
    assert isinstance(subject.next_event(), AppendReady)
    assert subject.next_event() is None
    subject.refuse_append()
    assert subject.next_event() == CommandReady("b", NOOP)


def test_a_refused_append_whose_client_waits_sends_nothing_more() -> None:
    subject = machine()
    subject.receive(b"a APPEND INBOX {5}\r\n")
    assert isinstance(subject.next_event(), AppendReady)
    subject.refuse_append()
    subject.receive(b"b NOOP\r\n")
    assert subject.next_event() == CommandReady("b", NOOP)


def test_an_append_can_be_given_up_at_any_place() -> None:
    """What is still coming of it is passed over, whatever it looks like."""
    octets = b"a APPEND x {5+}\r\nhello () {3+}\r\nb N\r\nc NOOP\r\n"
    after = octets.index(b"c NOOP")
    for cut in range(len(b"a APPEND x {5+}\r\n"), after):
        subject = machine()
        subject.receive(octets[:cut])
        while (event := subject.next_event()) is not None:
            if isinstance(event, AppendReady | AppendMore):
                subject.accept_append()
        if not subject.in_append:
            continue
        subject.refuse_append()
        assert not subject.in_append
        assert events(subject, octets[cut:]) == [CommandReady("c", NOOP)], cut


def test_a_client_that_compresses_is_not_read_as_if_it_did_not() -> None:
    subject = machine()
    subject.receive(b"a COMPRESS DEFLATE\r\nb NOOP\r\n")
    subject.next_event()
    assert subject.compressed() == b"b NOOP\r\n"
    assert subject.next_event() is None


def test_accepting_tells_whether_the_client_waits() -> None:
    for octets, waits in ((b"a APPEND INBOX {5}\r\n", True), (b"a APPEND INBOX {5+}\r\n", False)):
        subject = machine()
        subject.receive(octets)
        subject.next_event()
        assert subject.accept_append() is waits


def test_what_came_before_the_handshake_is_forgotten() -> None:
    subject = machine(State.NOT_AUTHENTICATED)
    subject.receive(b"a STARTTLS\r\nb LOGIN eve secret\r\nc LOG")
    assert subject.next_event() == CommandReady("a", c.StartTls())
    subject.tls_started()
    assert events(subject, b"d NOOP\r\n") == [CommandReady("d", NOOP)]


def test_a_line_that_is_no_command_comes_as_it_is() -> None:
    subject = machine(State.NOT_AUTHENTICATED)
    subject.expect_line()
    assert events(subject, b"AGEAYg==\r\na NOOP\r\n") == [Line(b"AGEAYg=="), CommandReady("a", NOOP)]


def test_the_outcome_of_a_command_decides_what_comes_next() -> None:
    subject = machine(State.NOT_AUTHENTICATED)
    subject.receive(b"a LOGIN b c\r\nd SELECT x\r\ne FETCH 1 UID\r\n")
    subject.next_event()
    subject.signed_in()
    assert subject.next_event() == CommandReady("d", m.Select("x"))
    subject.selected()
    event = subject.next_event()
    assert isinstance(event, CommandReady) and isinstance(event.command, Fetch)
    subject.unselected()
    assert subject.state is State.AUTHENTICATED


def test_too_many_faults_in_a_row_end_the_connection() -> None:
    subject = machine()
    found = events(subject, b"GET / HTTP/1.1\r\n" * MOST_FAULTS_IN_A_ROW)
    assert found[-1] == Fatal("Too many commands that are none")
    assert len(found) == MOST_FAULTS_IN_A_ROW
    assert events(subject, b"a NOOP\r\n") == []


def test_a_good_command_makes_up_for_the_bad_ones() -> None:
    subject = machine()
    for _ in range(3):
        found = events(subject, b"x\r\n" * (MOST_FAULTS_IN_A_ROW - 1) + b"a NOOP\r\n")
        assert found[-1] == CommandReady("a", NOOP)


def test_after_logout_nothing_is_read() -> None:
    subject = machine()
    subject.receive(b"a LOGOUT\r\nb NOOP\r\n")
    subject.next_event()
    subject.logged_out()
    assert subject.next_event() is None
    assert subject.state is State.LOGOUT


MISUSES = {
    "signing in twice": lambda subject: subject.signed_in(),
    "accepting no append": lambda subject: subject.accept_append(),
    "refusing no append": lambda subject: subject.refuse_append(),
    "TLS after sign-in": lambda subject: subject.tls_started(),
}


@pytest.mark.parametrize("misuse", MISUSES.values(), ids=MISUSES)
def test_our_own_side_is_held_to_the_rules(misuse: object) -> None:
    with pytest.raises(LocalFault):
        misuse(machine())  # type: ignore[operator]
