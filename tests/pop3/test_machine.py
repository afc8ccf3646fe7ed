"""What is allowed when, and what each command comes to; whole and byte by byte alike."""

from __future__ import annotations

import base64

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from appliance.mail.reason import because
from appliance.pop3 import grammar
from appliance.pop3.events import Answer, Event, Goodbye, Judge, LookUp, Retrieve, SignIn, StartTls, Update
from appliance.pop3.grammar import Code
from appliance.pop3.machine import ALLOWED, LISTED_AT_ONCE, LocalFault, Pop3Machine, Situation, State
from appliance.pop3.maildrop import Inbox
from appliance.sasl.scram import derive
from tests.support.scram_client import ScramClient

INBOX = Inbox(mailbox_id=7, uidvalidity=99, uids=(11, 13, 17), sizes_octets=(100, 200, 400))
PLAIN = Situation(hostname="mx.example.org", tls=False, tls_possible=True, may_sign_in=True)
NO_PASSWORDS = Situation(hostname="mx.example.org", tls=False, tls_possible=True, may_sign_in=False)
BOUND = Situation("mx.example.org", tls=True, tls_possible=True, may_sign_in=True, bindings={"tls-unique": b"x"})
SECURE = Situation(hostname="mx.example.org", tls=True, tls_possible=True, may_sign_in=True)

KEYS = derive("right", b"some salt", 4096)


def sasl_plain(password: str) -> bytes:
    return base64.b64encode(f"\0bob\0{password}".encode())


def b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def unb64(challenge: str) -> bytes:
    assert challenge.startswith("+ ")
    return base64.b64decode(challenge[2:])


class Driver:
    """Does as the adapter does: the password is `right`, every handshake and every removal goes well."""

    def __init__(self, situation: Situation = PLAIN, *, signed_in: bool = False, inbox: Inbox = INBOX) -> None:
        self.machine = Pop3Machine(situation, lambda: "servernonce")
        self.inbox = inbox
        self.events: list[Event] = []
        if signed_in:
            self.feed(b"USER bob\r\nPASS right\r\n")
            assert self.machine.state is State.TRANSACTION
            self.events.clear()

    def feed(self, octets: bytes) -> Driver:
        self.machine.receive(octets)
        while (event := self.machine.next_event()) is not None:
            while event is not None:
                self.events.append(event)
                event = self._went(event)
        return self

    def _went(self, event: Event) -> Event | None:
        match event:
            case SignIn(credentials) if credentials is None or credentials.password == "right":
                return self.machine.signed_in(self.inbox)
            case LookUp(wanted):
                assert wanted.authcid == "bob"
                return self.machine.keys_found(KEYS)
            case Judge(proof) if proof.right:
                return self.machine.proof_taken()
            case Judge():
                return self.machine.sign_in_failed(because("sign-in-wrong"), Code.AUTH)
            case SignIn():
                return self.machine.sign_in_failed(because("sign-in-wrong"), Code.AUTH)
            case StartTls():
                self.machine.tls_started({})
                return None
            case Update():
                return self.machine.updated(None)
        return None

    @property
    def octets(self) -> bytes:
        return b"".join(event.octets for event in self.events if isinstance(event, Answer | Goodbye))

    @property
    def lines(self) -> list[str]:
        return self.octets.decode().splitlines()

    def ask(self, line: str) -> list[str]:
        self.events.clear()
        return self.feed(line.encode() + b"\r\n").lines


LINES = {
    grammar.Capa: "CAPA",
    grammar.Quit: "QUIT",
    grammar.User: "USER bob",
    grammar.Pass: "PASS right",
    grammar.Auth: "AUTH PLAIN",
    grammar.Stls: "STLS",
    grammar.Utf8: "UTF8",
    grammar.Lang: "LANG",
    grammar.Stat: "STAT",
    grammar.List: "LIST",
    grammar.Uidl: "UIDL",
    grammar.Retr: "RETR 1",
    grammar.Top: "TOP 1 1",
    grammar.Dele: "DELE 1",
    grammar.Rset: "RSET",
    grammar.Noop: "NOOP",
}


def test_the_table_is_complete() -> None:
    assert set(ALLOWED) == set(LINES) == set(grammar.Command.__args__)


@pytest.mark.parametrize("asked", ALLOWED)
def test_a_command_before_sign_in(asked: type[grammar.Command]) -> None:
    answer = Driver().ask(LINES[asked])
    if State.AUTHORIZATION not in ALLOWED[asked]:
        assert answer == ["-ERR Sign in first"]
    elif asked is grammar.Pass:
        assert answer == ["-ERR USER first"]
    elif asked is grammar.Stls:
        assert answer == []  # the adapter sends `tls_answer`
    else:
        assert answer[0].startswith("+"), answer


@pytest.mark.parametrize("asked", ALLOWED)
def test_a_command_after_sign_in(asked: type[grammar.Command]) -> None:
    driver = Driver(signed_in=True)
    answer = driver.ask(LINES[asked])
    if State.TRANSACTION not in ALLOWED[asked]:
        assert answer == ["-ERR Signed in already"]
    elif asked in (grammar.Retr, grammar.Top):
        assert driver.events == [Retrieve(7, 11, 1 if asked is grammar.Top else None)]
    else:
        assert answer[0].startswith("+OK")


@pytest.mark.parametrize("asked", ALLOWED)
@pytest.mark.parametrize("signed_in", [False, True])
def test_nothing_is_taken_after_quit(asked: type[grammar.Command], signed_in: bool) -> None:
    driver = Driver(signed_in=signed_in)
    driver.ask("QUIT")
    assert driver.ask(LINES[asked]) == []
    assert driver.events == []


def test_quit_without_sign_in_updates_nothing() -> None:
    assert Driver().feed(b"QUIT\r\n").events == [Goodbye(b"+OK Goodbye\r\n")]


class TestSigningIn:
    WAYS = (
        b"USER bob\r\nPASS %s\r\n",
        b"AUTH PLAIN\r\n%s\r\n",
        b"AUTH PLAIN %s\r\n",
    )

    @pytest.mark.parametrize("way", WAYS, ids=repr)
    def test_right(self, way: bytes) -> None:
        driver = Driver().feed(way % (b"right" if b"PASS" in way else sasl_plain("right")))
        assert driver.machine.state is State.TRANSACTION
        assert driver.lines[-1] == "+OK 3 messages (700 octets)"

    @pytest.mark.parametrize("way", WAYS, ids=repr)
    def test_the_third_wrong_one_is_the_last(self, way: bytes) -> None:
        driver = Driver()
        words = way % (b"wrong" if b"PASS" in way else sasl_plain("wrong"))
        for _ in range(3):
            assert not any(isinstance(event, Goodbye) for event in driver.events)
            driver.feed(words)
        assert driver.events[-1] == Goodbye(b"-ERR [AUTH] The name or the password is wrong\r\n")
        assert driver.feed(b"CAPA\r\n").events[-1] == driver.events[-1]

    def test_plain_is_asked_for_with_an_empty_challenge(self) -> None:
        assert Driver().ask("AUTH PLAIN") == ["+ "]

    def test_an_exchange_can_be_cancelled(self) -> None:
        driver = Driver()
        driver.ask("AUTH PLAIN")
        assert driver.ask("*") == ["-ERR Sign-in cancelled"]
        assert driver.ask("CAPA")[0].startswith("+OK")

    def test_a_long_response_is_taken_as_a_line_of_its_own(self) -> None:
        """RFC 5034 4: longer than a command may be."""
        driver = Driver()
        driver.ask("AUTH PLAIN")
        driver.feed(sasl_plain("x" * 1000) + b"\r\n")
        assert [event.credentials.password for event in driver.events if isinstance(event, SignIn)] == ["x" * 1000]

    @pytest.mark.parametrize("response", ["!", "AGJvYg", "a" * 20_000])
    def test_a_malformed_response_ends_the_exchange(self, response: str) -> None:
        driver = Driver()
        driver.ask("AUTH PLAIN")
        assert driver.ask(response)[0].startswith("-ERR")
        assert driver.ask("CAPA")[0].startswith("+OK")

    @pytest.mark.parametrize("name", ["SCRAM-SHA-1", "GSSAPI", "CRAM-MD5"])
    def test_an_unknown_mechanism(self, name: str) -> None:
        assert Driver().ask(f"AUTH {name}") == ["-ERR That way to sign in is not known here"]

    def test_mechanisms_can_be_asked_for(self) -> None:
        assert Driver().ask("AUTH") == ["+OK Mechanisms", "SCRAM-SHA-256", "PLAIN", "."]

    @pytest.mark.parametrize("password", ["right", "wrong"])
    def test_scram(self, password: str) -> None:
        """RFC 5034 4 and RFC 5802: two challenges, then the server's proof as a third, which is answered with nothing."""
        driver, client = Driver(), ScramClient("bob", password)
        [challenge] = driver.ask("AUTH SCRAM-SHA-256 " + b64(client.first()))
        answer = driver.ask(b64(client.final(unb64(challenge))))
        if password == "wrong":
            assert answer == ["-ERR [AUTH] The name or the password is wrong"]
            assert driver.machine.state is State.AUTHORIZATION
            assert driver.ask("NOOP") == ["-ERR Sign in first"]
            return
        client.check(unb64(answer[0]))
        assert driver.machine.state is State.AUTHORIZATION, "the client has not said that it is content"
        assert driver.ask("")[0].startswith("+OK 3 messages")
        assert driver.machine.state is State.TRANSACTION

    def test_scram_can_be_cancelled_to_the_end(self) -> None:
        driver, client = Driver(), ScramClient("bob", "right")
        [challenge] = driver.ask("AUTH SCRAM-SHA-256 " + b64(client.first()))
        assert driver.ask(b64(client.final(unb64(challenge))))[0].startswith("+ ")
        assert driver.ask("*") == ["-ERR Sign-in cancelled"]
        assert driver.ask("STAT") == ["-ERR Sign in first"]

    def test_a_name_lasts_for_one_password(self) -> None:
        driver = Driver()
        driver.feed(b"USER bob\r\nPASS wrong\r\n")
        assert driver.ask("PASS right") == ["-ERR USER first"]

    def test_a_password_may_hold_spaces(self) -> None:
        driver = Driver().feed(b"USER bob\r\nPASS  right \r\n")
        assert [event.credentials.password for event in driver.events if isinstance(event, SignIn)] == [" right "]

    @pytest.mark.parametrize(
        "line", ["USER bob", "PASS right", "AUTH", "AUTH PLAIN", "AUTH PLAIN " + sasl_plain("right").decode()]
    )
    def test_no_password_where_it_could_be_overheard(self, line: str) -> None:
        assert Driver(NO_PASSWORDS).ask(line) == ["-ERR Sign in over TLS only"]

    def test_a_refusal_that_is_not_about_the_password_does_not_count(self) -> None:
        machine = Pop3Machine(PLAIN)
        for _ in range(5):
            machine.receive(b"USER bob\r\nPASS right\r\n")
            assert isinstance(machine.next_event(), Answer)
            assert isinstance(machine.next_event(), SignIn)
            assert machine.next_event() is None
            refused = machine.sign_in_refused(because("maildrop-in-use"), Code.IN_USE)
            assert refused.octets.startswith(b"-ERR [IN-USE] ")


CAPABILITIES = {
    "plain": (PLAIN, False, {"USER", "SASL SCRAM-SHA-256 PLAIN", "STLS"}),
    "no passwords": (NO_PASSWORDS, False, {"STLS"}),
    "secure": (SECURE, False, {"USER", "SASL SCRAM-SHA-256 PLAIN"}),
    "TLS 1.2": (BOUND, False, {"USER", "SASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN"}),
    "signed in": (PLAIN, True, {"USER", "SASL SCRAM-SHA-256 PLAIN", "IMPLEMENTATION Merpati"}),
    "no certificate": (Situation("mx", False, False, True), False, {"USER", "SASL SCRAM-SHA-256 PLAIN"}),
}


class TestTls:
    def test_what_came_before_the_handshake_is_forgotten(self) -> None:
        driver = Driver(NO_PASSWORDS).feed(b"STLS\r\nUSER mallory\r\nPASS right\r\nDELE 1")
        assert driver.events == [StartTls()]
        assert driver.ask("STAT") == ["-ERR Sign in first"]

    def test_a_name_from_before_is_forgotten(self) -> None:
        driver = Driver().feed(b"USER mallory\r\nSTLS\r\n")
        assert driver.ask("PASS right") == ["-ERR USER first"]

    def test_passwords_are_taken_afterwards(self) -> None:
        driver = Driver(NO_PASSWORDS).feed(b"STLS\r\n").feed(b"USER bob\r\nPASS right\r\n")
        assert driver.machine.state is State.TRANSACTION

    def test_not_twice(self) -> None:
        assert Driver(SECURE).ask("STLS") == ["-ERR TLS is in use already"]

    def test_not_where_there_is_no_certificate(self) -> None:
        assert Driver(Situation("mx", False, False, True)).ask("STLS") == ["-ERR TLS is not available now"]

    @pytest.mark.parametrize("name", CAPABILITIES)
    def test_capabilities(self, name: str) -> None:
        situation, signed_in, more = CAPABILITIES[name]
        first, *lines, last = Driver(situation, signed_in=signed_in).ask("CAPA")
        assert first.startswith("+OK") and last == "."
        always = {"TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER", "UTF8 USER", "LANG"}
        assert sorted(lines) == sorted(always | more)


ANSWERS = {
    "STAT": ["+OK 3 700"],
    "LIST": ["+OK 3 messages (700 octets)", "1 100", "2 200", "3 400", "."],
    "LIST 2": ["+OK 2 200"],
    "UIDL": ["+OK 3 messages (700 octets)", "1 99.11", "2 99.13", "3 99.17", "."],
    "UIDL 3": ["+OK 3 99.17"],
    "DELE 1": ["+OK Gone after QUIT"],
    "NOOP": ["+OK Here"],
    "RSET": ["+OK 3 messages (700 octets)"],
    "LIST 0": ["-ERR There is no message of that number"],
    "LIST 4": ["-ERR There is no message of that number"],
    "UIDL 4": ["-ERR There is no message of that number"],
    "RETR 4": ["-ERR There is no message of that number"],
    "TOP 4 1": ["-ERR There is no message of that number"],
    "DELE 9999999999": ["-ERR There is no message of that number"],
}


class TestMaildrop:
    @pytest.mark.parametrize("line", ANSWERS)
    def test_answer(self, line: str) -> None:
        assert Driver(signed_in=True).ask(line) == ANSWERS[line]

    @pytest.mark.parametrize("line", ["LIST 2", "UIDL 2", "RETR 2", "TOP 2 0", "DELE 2"])
    def test_a_marked_message_is_not_there(self, line: str) -> None:
        driver = Driver(signed_in=True)
        driver.ask("DELE 2")
        assert driver.ask(line) == ["-ERR There is no message of that number"]
        assert driver.ask("STAT") == ["+OK 2 500"]
        assert driver.ask("UIDL")[1:] == ["1 99.11", "3 99.17", "."]
        driver.ask("RSET")
        assert not any(answer.startswith("-ERR") for answer in driver.ask(line))

    def test_quit_hands_on_what_is_marked(self) -> None:
        driver = Driver(signed_in=True).feed(b"DELE 3\r\nDELE 1\r\nRSET\r\nDELE 2\r\nDELE 3\r\nQUIT\r\n")
        assert driver.events[-2:] == [Update(7, (13, 17)), Goodbye(b"+OK Goodbye\r\n")]

    def test_an_update_that_failed_is_told(self) -> None:
        driver = Driver(signed_in=True)
        driver.machine.receive(b"DELE 1\r\nQUIT\r\n")
        driver.machine.next_event()
        assert driver.machine.next_event() == Update(7, (11,))
        gone = driver.machine.updated(because("not-removed", what="the disk"))
        assert gone == Goodbye(b"-ERR [SYS/TEMP] Some messages were not removed, try again later\r\n")

    def test_an_empty_maildrop(self) -> None:
        driver = Driver(signed_in=True, inbox=Inbox(7, 99, (), ()))
        assert driver.ask("STAT") == ["+OK 0 0"]
        assert driver.ask("LIST") == ["+OK 0 messages (0 octets)", "."]
        assert driver.ask("RETR 1") == ["-ERR There is no message of that number"]

    def test_a_long_list_comes_in_portions(self) -> None:
        count = 2 * LISTED_AT_ONCE + 1
        inbox = Inbox(7, 99, tuple(range(1, count + 1)), (5,) * count)
        driver = Driver(signed_in=True, inbox=inbox).feed(b"LIST\r\nUIDL\r\nNOOP\r\n")
        assert len(driver.events) == 2 * (1 + 3) + 1
        listed = [f"{n} 5" for n in range(1, count + 1)]
        told = [f"{n} 99.{n}" for n in range(1, count + 1)]
        first = f"+OK {count} messages ({5 * count} octets)"
        assert driver.lines == [first, *listed, ".", first, *told, ".", "+OK Here"]


class TestFaults:
    @pytest.mark.parametrize("signed_in", [False, True])
    def test_too_many_end_the_session(self, signed_in: bool) -> None:
        driver = Driver(signed_in=signed_in)
        for _ in range(19):
            driver.feed(b"EHLO\r\n")
        assert all(event == Answer(b"-ERR Unknown command\r\n") for event in driver.events)
        driver.feed(b"EHLO\r\nCAPA\r\n")
        assert driver.events[-1] == Goodbye(b"-ERR Too many mistakes\r\n")

    def test_only_those_in_a_row_count_after_sign_in(self) -> None:
        driver = Driver(signed_in=True).feed(b"XTND\r\nNOOP\r\n" * 30)
        assert driver.lines[-1] == "+OK Here"

    @pytest.mark.parametrize("octets", [513, 514, 515, 100_000])
    def test_a_line_too_long_is_one_fault(self, octets: int) -> None:
        driver = Driver(signed_in=True).feed(b"N" * octets + b"\r\nNOOP\r\n")
        assert driver.lines == ["-ERR The line is too long", "+OK Here"]

    def test_the_longest_line(self) -> None:
        assert Driver().feed(b"USER " + b"x" * 507 + b"\r\n").lines[0].startswith("+OK")

    def test_an_endless_line_is_not_kept(self) -> None:
        driver = Driver(signed_in=True)
        for _ in range(100):
            driver.feed(b"x" * 65536)
        assert len(driver.machine._buffer) <= 1024
        assert driver.events == []

    def test_an_answer_that_was_not_asked_for(self) -> None:
        machine = Pop3Machine(PLAIN)
        for told in (
            lambda: machine.signed_in(INBOX),
            lambda: machine.updated(None),
            lambda: machine.tls_started({}),
            machine.tls_failed,
        ):
            with pytest.raises(LocalFault):
                told()


LINE_STRATEGY = st.one_of(
    st.sampled_from([line.encode() for kind, line in LINES.items() if kind is not grammar.Stls]),
    st.sampled_from(
        [b"PASS wrong", b"AUTH PLAIN " + sasl_plain("right"), sasl_plain("right"), b"*", b"DELE 2", b"LIST 3"]
    ),
    st.sampled_from([b"x" * 511, b"x" * 512, b"x" * 513, b"x" * 514, b"x" * 1500]),
    st.binary(max_size=12),
)
CONVERSATIONS = st.lists(st.tuples(LINE_STRATEGY, st.sampled_from([b"\r\n", b"\n"])), max_size=25).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


@settings(max_examples=100, deadline=None)
@given(CONVERSATIONS, st.lists(st.integers(0, 300), max_size=8), st.booleans())
def test_portions_do_not_matter(octets: bytes, cuts: list[int], signed_in: bool) -> None:
    """Without STLS, after which octets are dropped that came with it."""
    assume(b"STLS" not in octets.upper())
    whole = Driver(signed_in=signed_in).feed(octets)
    bytewise, portioned = Driver(signed_in=signed_in), Driver(signed_in=signed_in)
    for at in range(len(octets)):
        bytewise.feed(octets[at : at + 1])
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(octets)], strict=True):
        portioned.feed(octets[start:end])
    assert whole.events == bytewise.events == portioned.events


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=600) | CONVERSATIONS | st.just(b"STLS\r\n"), max_size=6), st.booleans())
def test_any_octets_end_in_answers(portions: list[bytes], signed_in: bool) -> None:
    """Nothing raises, every answer is a line, and what a client sent is never in one."""
    driver = Driver(signed_in=signed_in)
    for portion in portions:
        driver.feed(portion)
    assert driver.octets == b"" or driver.octets.endswith(b"\r\n")
    assert driver.octets.isascii()
    assert b"xxx" not in driver.octets
    assert sum(isinstance(event, Goodbye) for event in driver.events) <= 1
    if any(isinstance(event, Goodbye) for event in driver.events):
        assert isinstance(driver.events[-1], Goodbye)


class TestLanguages:
    """RFC 6856 3."""

    ROWS = (
        # (what is asked, the answer's first line, how a refusal sounds after it)
        ("LANG id", "+OK id Bahasa ini yang dipakai sekarang", "-ERR Perintah tidak dikenal"),
        ("LANG ID-Latn-ID", "+OK id Bahasa ini yang dipakai sekarang", "-ERR Perintah tidak dikenal"),
        ("LANG en-GB", "+OK en This is the language now", "-ERR Unknown command"),
        ("LANG i-default", "+OK i-default This is the language now", "-ERR Unknown command"),
        ("LANG *", "+OK en This is the language now", "-ERR Unknown command"),
        ("LANG de", "-ERR That language is not spoken here", "-ERR Unknown command"),
        ("LANG toolongforasubtag", "-ERR Syntax: LANG [language]", "-ERR Unknown command"),
        ("LANG en id", "-ERR Syntax: LANG [language]", "-ERR Unknown command"),
    )

    @pytest.mark.parametrize("signed_in", [False, True])
    @pytest.mark.parametrize(("asked", "answer", "after"), ROWS, ids=[row[0] for row in ROWS])
    def test_choosing_one(self, asked: str, answer: str, after: str, signed_in: bool) -> None:
        driver = Driver(signed_in=signed_in)
        assert driver.ask(asked) == [answer]
        assert driver.ask("XYZZY") == [after]

    def test_their_list(self) -> None:
        driver = Driver()
        assert driver.ask("LANG") == ["+OK Languages", "en English", "id Bahasa Indonesia", "."]
        driver.ask("LANG id")
        assert driver.ask("LANG") == ["+OK Daftar bahasa", "en English", "id Bahasa Indonesia", "."]

    def test_programs_are_told_the_same_in_every_language(self) -> None:
        driver = Driver()
        driver.ask("LANG id")
        driver.ask("USER bob")
        assert driver.ask("PASS wrong") == ["-ERR [AUTH] Nama atau kata sandi salah"]

    def test_the_handshake_forgets_it(self) -> None:
        driver = Driver()
        driver.ask("LANG id")
        driver.ask("STLS")
        assert driver.ask("XYZZY") == ["-ERR Unknown command"]


class TestUtf8:
    """RFC 6856 2.1."""

    def test_it_is_for_messages_too(self) -> None:
        driver = Driver()
        assert driver.ask("UTF8") == ["+OK UTF-8 from here on"]
        driver.feed(b"USER bob\r\nPASS right\r\nRETR 1\r\nTOP 2 0\r\n")
        assert driver.events[-2:] == [Retrieve(7, 11, None, True), Retrieve(7, 13, 0, True)]

    def test_not_unasked(self) -> None:
        assert Driver(signed_in=True).feed(b"RETR 1\r\n").events == [Retrieve(7, 11, None, False)]

    def test_only_before_sign_in(self) -> None:
        assert Driver(signed_in=True).ask("UTF8") == ["-ERR Signed in already"]

    def test_the_handshake_forgets_it(self) -> None:
        driver = Driver().feed(b"UTF8\r\nSTLS\r\n")
        driver.feed(b"USER bob\r\nPASS right\r\nRETR 1\r\n")
        assert driver.events[-1] == Retrieve(7, 11, None, False)
