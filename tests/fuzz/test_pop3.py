"""What a client says on a POP3 port."""

from __future__ import annotations

from base64 import b64encode

from hypothesis import given
from hypothesis import strategies as st

from appliance.mail.reason import because
from appliance.pop3.downgrade import downgraded
from appliance.pop3.events import Answer, Event, Goodbye, Judge, LookUp, Retrieve, SignIn, StartTls, Update
from appliance.pop3.grammar import Code
from appliance.pop3.machine import Pop3Machine, Situation
from appliance.pop3.maildrop import Inbox
from appliance.sasl.scram import derive
from tests.support.scram_client import ScramClient

from .octets import in_pieces, nearly, tries

KEYS = derive("secret", b"salt", 4096)
CLIENT = ScramClient("bob", "secret")
FIRST = b64encode(CLIENT.first())
FINAL = b64encode(CLIENT.final(b"r=clientnonceours,s=%b,i=4096" % b64encode(KEYS.salt)))
COMMANDS = [
    b"USER bob\r\nPASS x y\r\nSTAT\r\nLIST\r\nUIDL 1\r\nRETR 1\r\nTOP 2 5\r\nDELE 1\r\nRSET\r\nDELE 2\r\nQUIT\r\n",
    b"CAPA\r\nAUTH PLAIN AGJvYgBz\r\nLIST 1\r\nQUIT\r\n",
    b"STLS\r\nAUTH PLAIN\r\nAGJvYgBz\r\nNOOP\r\nUIDL\r\n",
    b"AUTH PLAIN\r\n*\r\nAUTH\r\nUSER a\r\nPASS wrong\r\n",
    b"UTF8\r\nLANG\r\nLANG id\r\nUSER bob\r\nPASS x\r\nRETR 1\r\nLANG *\r\nQUIT\r\n",
    b"AUTH SCRAM-SHA-256\r\n" + b64encode(b"n,,n=bob,r=x") + b"\r\n*\r\nNOOP\r\n",
    b"AUTH SCRAM-SHA-256 " + FIRST + b"\r\n" + FINAL + b"\r\n\r\nSTAT\r\nQUIT\r\n",
]
WORDS = [
    b"\r\n", b"\n", b"\r", b" ", b"\0", b"\xff", b"*", b"=", b"1", b"2", b"0", b"-1", b"9" * 25, b"A" * 600, b"\xd9\xa1", b"QUIT\r\n", b"DELE 1\r\n",
    b"USER bob\r\nPASS right\r\n", b"LIST\r\n", b"STLS\r\n", b"apop x y\r\n", b"LANG id\r\n", b"UTF8\r\n",
    b"AUTH SCRAM-SHA-256-PLUS\r\n", FIRST, FINAL,
]  # fmt: skip


def told(octets: list[bytes], answers: list[bool]) -> list[Event]:
    """All events. answers: how each sign-in and each handshake ends."""
    machine = Pop3Machine(Situation("mx.example.org", tls=False, tls_possible=True, may_sign_in=True), lambda: "ours")
    found: list[Event] = []
    turns = iter(answers)
    for piece in octets:
        machine.receive(piece)
        event = machine.next_event()
        while event is not None:
            found.append(event)
            match event:
                case SignIn():
                    if next(turns, True):
                        event = machine.signed_in(Inbox(1, 77, (11, 12), (100, 200)))
                    else:
                        event = machine.sign_in_failed(because("sign-in-wrong"), Code.AUTH)
                    continue
                case LookUp():
                    event = machine.keys_found(KEYS)
                    continue
                case Judge(proof) if proof.right and next(turns, True):
                    event = machine.proof_taken()
                    continue
                case Judge():
                    event = machine.sign_in_refused(because("sign-in-wrong"), Code.AUTH)
                    continue
                case StartTls() if next(turns, True):
                    machine.tls_started({})
                case StartTls():
                    event = machine.tls_failed()
                    continue
                case Update():
                    event = machine.updated(None)
                    continue
            event = machine.next_event()
    return found


@tries(200)
@given(nearly(COMMANDS, WORDS), st.lists(st.booleans(), max_size=6), st.data())
def test_machine(octets: bytes, answers: list[bool], data: st.DataObject) -> None:
    """Any octets are a list of events, the same however they were cut; answers are lines; only messages that are there
    are retrieved or removed, and nothing comes after the goodbye."""
    pieces = data.draw(in_pieces(octets)) if b"STLS" not in octets.upper() else [octets]
    events = told([octets], answers)
    assert told(pieces, answers) == events
    for place, event in enumerate(events):
        match event:
            case Answer(said) | Goodbye(said):
                assert said.endswith(b"\r\n") and b"\0" not in said
                assert b"\n" not in said.replace(b"\r\n", b"") and b"\r" not in said.replace(b"\r\n", b"")
                assert isinstance(event, Answer) or place == len(events) - 1
            case SignIn(credentials):
                assert credentials is None or (credentials.username and credentials.password)
            case Retrieve(mailbox_id, uid, lines, _):
                assert (mailbox_id, uid in (11, 12), lines is None or lines >= 0) == (1, True, True)
            case Update(mailbox_id, uids):
                assert mailbox_id == 1 and set(uids) <= {11, 12}


def test_the_seed_with_scram_signs_in() -> None:
    """Or it would try nothing of what comes after."""
    seed = next(each for each in COMMANDS if FINAL in each)
    assert SignIn(None) in told([seed], [])


HEADERS = [
    'From: "M., J\u00f6rg" <j\u00f6rg@example.org>, x <y@z>\r\nSubject: Gr\u00fc\u00dfe\r\n an alle\r\n\r\nbody \u00e9\r\n'.encode(),
    b"Subject: \xfcber\r\nTo: a:b,c;\r\n\r\n\xff",
]


@tries(150)
@given(
    nearly(HEADERS, [b"\r\n", b"\n", b'"', b"<", b">", b"\\", "\u7528".encode(), b"\xff", b"(", b"x" * 70]), st.data()
)
def test_a_header_put_into_ascii(octets: bytes, data: st.DataObject) -> None:
    """The same however it is cut; no line that was ASCII changes, and all after the header is as it was."""
    whole = b"".join(downgraded([octets]))
    assert b"".join(downgraded(data.draw(in_pieces(octets)))) == whole
    end = min((at for at in (octets.find(b"\n\n"), octets.find(b"\n\r\n")) if at >= 0), default=len(octets))
    assert whole.endswith(octets[end:])
    if octets[:end].isascii():
        assert whole == octets
