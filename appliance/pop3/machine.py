"""The order of things on one POP3 connection: octets in, events out; no socket, no clock, no store.

`receive` takes octets in any portions; `next_event` gives what to do, one event at a time: most are octets to send. After
SignIn, LookUp, Judge, StartTls and Update nothing comes until the caller has said how it went; that gives the event to go on with.

Promises: whole and byte-by-byte feeding give the same events; a command that the present state does not allow does
nothing; what is buffered is bounded by the longest line, as long as the caller reads events before it feeds more; octets
from before a TLS handshake are never a command after it. What is marked is given to Update by QUIT and by nothing else.
It drives the machines of sasl/, which are as pure as this one. RFC 1939, RFC 2449, RFC 2595 4, RFC 5034,
RFC 6856.

Leniency: a bare LF ends a line as well as CRLF does (people at a terminal).
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum, auto
from itertools import islice
from typing import assert_never

from ..mail.reason import Reason, because
from ..sasl import (
    CANCEL,
    Accepted,
    Challenge,
    Credentials,
    Fault,
    KeysWanted,
    Mechanism,
    Proof,
    Scram,
    ScramKeys,
    Step,
    decode_response,
    mechanism,
    offered,
)
from ..sasl.mechanism import RESPONSE_OCTETS, credentials
from .events import Answer, Event, Goodbye, Judge, LookUp, Retrieve, SignIn, StartTls, Update
from .grammar import (
    END,
    Auth,
    Capa,
    Code,
    Command,
    Dele,
    GrammarFault,
    Lang,
    List,
    MessageNumber,
    Noop,
    Pass,
    Quit,
    Retr,
    Rset,
    Stat,
    Stls,
    Top,
    Uidl,
    User,
    Utf8,
    command,
    err,
    ok,
)
from .maildrop import Inbox, Maildrop
from .words import LANGUAGES, Language, matching, refused, said

LINE_OCTETS = 512  # RFC 2449 4: 255 with the line end; long names and passwords want more
MOST_FAULTS = 20  # before sign-in in all, after it in a row
MOST_FAILED_SIGN_INS = 3  # as for SMTP and IMAP: a person mistypes twice
LISTED_AT_ONCE = 1000  # lines of LIST and UIDL in one event: a maildrop may hold a hundred thousand messages


class State(StrEnum):
    """RFC 1939 3. UPDATE: QUIT was said, nothing more is taken."""

    AUTHORIZATION = "authorization"
    TRANSACTION = "transaction"
    UPDATE = "update"


_BEFORE = frozenset((State.AUTHORIZATION,))
_SIGNED_IN = frozenset((State.TRANSACTION,))
_BOTH = _BEFORE | _SIGNED_IN

ALLOWED: dict[type[Command], frozenset[State]] = {
    Capa: _BOTH,
    Quit: _BOTH,
    User: _BEFORE,
    Pass: _BEFORE,
    Auth: _BEFORE,
    Stls: _BEFORE,
    Utf8: _BEFORE,
    Lang: _BOTH,
    Stat: _SIGNED_IN,
    List: _SIGNED_IN,
    Uidl: _SIGNED_IN,
    Retr: _SIGNED_IN,
    Top: _SIGNED_IN,
    Dele: _SIGNED_IN,
    Rset: _SIGNED_IN,
    Noop: _SIGNED_IN,
}


@dataclass(slots=True, frozen=True)
class Situation:
    """may_sign_in: a password may be sent over this connection as it is now; bindings: what binds a sign-in to it."""

    hostname: str
    tls: bool
    tls_possible: bool
    may_sign_in: bool
    bindings: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """Those of sasl/ that are worth offering: LOGIN says nothing that PLAIN does not."""
        return tuple(name for name in offered(self.bindings) if name != "LOGIN")


class LocalFault(Exception):
    """The caller told what was not asked: a fault of ours."""


class _Awaited(Enum):
    """What has to come before there can be another event."""

    LINE = auto()
    KEYS = auto()
    JUDGEMENT = auto()
    SIGN_IN = auto()
    TLS = auto()
    UPDATE = auto()
    NOTHING = auto()  # it is over


_SIGNING_IN = (_Awaited.KEYS, _Awaited.JUDGEMENT, _Awaited.SIGN_IN)


class Pop3Machine:
    """new_nonce: for each exchange another one; see sasl.Scram."""

    def __init__(self, situation: Situation, new_nonce: Callable[[], str] = str) -> None:
        self.state = State.AUTHORIZATION
        self._situation = situation
        self._new_nonce = new_nonce
        self._utf8 = False
        self._language = Language.DEFAULT
        self._buffer = bytearray()
        self._searched = 0  # octets of the buffer that hold no line end
        self._overlong = False
        self._awaited = _Awaited.LINE
        self._name: bytes | None = None
        self._exchange: Mechanism | None = None
        self._maildrop = Maildrop(Inbox(0, 0, (), ()))
        self._listing: Iterator[bytes] | None = None
        self._faults = 0
        self._failed_sign_ins = 0

    def greeting(self) -> Answer:
        """Without a timestamp: there is no APOP, which would need passwords that can be read."""
        return Answer(ok(f"{self._situation.hostname} Merpati POP3 is ready"))

    def receive(self, octets: bytes) -> None:
        if self._awaited is not _Awaited.NOTHING:
            self._buffer += octets

    def next_event(self) -> Event | None:
        """None: more octets are wanted, or how the last event went."""
        if self._listing is not None:
            some = b"".join(islice(self._listing, LISTED_AT_ONCE))
            if some:
                return Answer(some)
            self._listing = None
        if self._awaited is not _Awaited.LINE or (line := self._line()) is None:
            return None
        if self._overlong:
            self._overlong = False
            return self._too_long()
        return self._response(line) if self._exchange is not None else self._command(line)

    # how it went

    def signed_in(self, inbox: Inbox) -> Answer:
        self._told(_Awaited.SIGN_IN)
        self._maildrop = Maildrop(inbox)
        self.state = State.TRANSACTION
        self._faults = 0
        return Answer(self._sum())

    def keys_found(self, keys: ScramKeys) -> Event:
        self._told(_Awaited.KEYS)
        return self._step(self._scram.given(keys))

    def proof_taken(self) -> Event:
        self._told(_Awaited.JUDGEMENT)
        return self._step(self._scram.accepted())

    def sign_in_failed(self, reason: Reason, code: Code) -> Answer | Goodbye:
        """The words were wrong, or came too often."""
        self._told(*_SIGNING_IN)
        return self._failed_sign_in(reason, code)

    def sign_in_refused(self, reason: Reason, code: Code) -> Answer:
        """The words were right or could not be checked; another try may go better."""
        self._told(*_SIGNING_IN)
        self._exchange = None
        return Answer(self.err(reason, code))

    @property
    def tls_answer(self) -> bytes:
        return self.ok("Begin TLS")

    def tls_started(self, bindings: Mapping[str, bytes]) -> None:
        """RFC 2595 2.2 and 4: nothing from before counts any more, neither octets nor a name."""
        self._told(_Awaited.TLS)
        self._buffer.clear()
        self._searched = 0
        self._overlong = False
        self._name = None
        self._utf8 = False
        self._language = Language.DEFAULT
        self._situation = replace(self._situation, tls=True, may_sign_in=True, bindings=bindings)

    def tls_failed(self) -> Answer:
        self._told(_Awaited.TLS)
        return Answer(self.err(because("tls-missing"), Code.SYS_TEMP))

    def updated(self, refused: Reason | None) -> Goodbye:
        self._told(_Awaited.UPDATE)
        self._end()
        if refused is not None:
            return Goodbye(self.err(refused, Code.SYS_TEMP))
        return Goodbye(self.ok("Goodbye"))

    def _told(self, *what: _Awaited) -> None:
        if self._awaited not in what:
            raise LocalFault(f"{what} was not asked for")
        self._awaited = _Awaited.LINE

    @property
    def _scram(self) -> Scram:
        """Who asks for keys is one."""
        assert isinstance(self._exchange, Scram)
        return self._exchange

    # words

    def ok(self, sentence: str, **params: object) -> bytes:
        """sentence: one of words.INDONESIAN, in whose language the client wants it."""
        return ok(said(self._language, sentence, **params))

    def err(self, reason: Reason, code: Code | None = None) -> bytes:
        return err(refused(self._language, reason), code)

    def _sum(self) -> bytes:
        maildrop = self._maildrop
        one = maildrop.count == 1
        sentence = "1 message ({octets} octets)" if one else "{count} messages ({octets} octets)"
        return self.ok(sentence, count=maildrop.count, octets=maildrop.size_octets)

    # lines

    def _line(self) -> bytes | None:
        """The next line without its end. `_overlong`: what is given of it is not to be used."""
        limit = LINE_OCTETS if self._exchange is None else RESPONSE_OCTETS
        end = self._buffer.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._buffer)
            if self._searched > limit + 1:  # one may be the CR of the end
                self._overlong = True
                self._buffer.clear()
                self._searched = 0
            return None
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        del self._buffer[: end + 1]
        self._searched = 0
        self._overlong = self._overlong or len(line) > limit
        return line

    def _too_long(self) -> Event:
        self._exchange = None
        return self._fault(because("command-too-long"))

    def _command(self, line: bytes) -> Event:
        try:
            asked = command(line)
        except GrammarFault as fault:
            return self._fault(fault.reason)
        if self.state not in ALLOWED[type(asked)]:
            early = self.state is State.AUTHORIZATION
            return self._fault(because("sign-in-first" if early else "signed-in-already"))
        match asked:
            case Capa() | Quit() | User() | Pass() | Auth() | Stls() | Utf8() | Lang():
                return self._session_command(asked)
            case _:
                return self._maildrop_command(asked)

    def _fault(self, reason: Reason) -> Answer | Goodbye:
        self._faults += 1
        if self._faults >= MOST_FAULTS:
            self._end()
            return Goodbye(self.err(because("too-many-mistakes")))
        return Answer(self.err(reason))

    def _end(self) -> None:
        self._awaited = _Awaited.NOTHING
        self._buffer.clear()

    # commands about the session

    def _session_command(self, asked: Capa | Quit | User | Pass | Auth | Stls | Utf8 | Lang) -> Event:
        match asked:
            case Capa():
                return Answer(self.ok("Capabilities") + _lines(self._capabilities()) + END)
            case Quit():
                return self._quit()
            case Stls():
                return self._stls()
            case Utf8():
                self._utf8 = True
                return Answer(self.ok("UTF-8 from here on"))
            case Lang():
                return self._lang(asked)
            case User() | Pass() | Auth() if not self._situation.may_sign_in:
                return self._fault(because("encrypt-first"))
            case User(name):
                self._name = name
                # The same for every name, so that nobody learns which there are.
                return Answer(self.ok("Now the password"))
            case Pass(password):
                if self._name is None:
                    return self._fault(because("command-order", first="USER"))
                name, self._name = self._name, None
                return self._step(credentials(b"", name, password))
            case Auth():
                return self._auth(asked)
            case _:
                assert_never(asked)

    def _capabilities(self) -> Iterable[str]:
        yield from (
            "TOP",
            "UIDL",
            "RESP-CODES",
            "AUTH-RESP-CODE",  # RFC 3206
            "PIPELINING",
            "EXPIRE NEVER",
            "UTF8 USER",  # RFC 6856 2.2: names and passwords may be UTF-8 without the command
            "LANG",  # RFC 6856 3.1
        )
        if self._situation.may_sign_in:
            yield "USER"
            yield "SASL " + " ".join(self._situation.mechanisms)  # RFC 5034 3
        if self._situation.tls_possible and not self._situation.tls and self.state is State.AUTHORIZATION:
            yield "STLS"
        if self.state is State.TRANSACTION:
            yield "IMPLEMENTATION Merpati"  # RFC 2449 6.9: only to those who have signed in

    def _quit(self) -> Event:
        marked = self._maildrop.marked_uids
        signed_in = self.state is State.TRANSACTION
        self.state = State.UPDATE
        if signed_in:
            # Also when nothing is marked: the caller has a maildrop to unlock before the client hears us.
            self._awaited = _Awaited.UPDATE
            return Update(self._maildrop.inbox.mailbox_id, marked)
        self._end()
        return Goodbye(self.ok("Goodbye"))

    def _stls(self) -> Event:
        if self._situation.tls:
            return self._fault(because("tls-already"))
        if not self._situation.tls_possible:
            return self._fault(because("tls-missing"))
        self._awaited = _Awaited.TLS
        return StartTls()

    def _lang(self, asked: Lang) -> Event:
        """RFC 6856 3.2. A list; or the language as it is from this answer on, with the tag that was found for the range."""
        if asked.language is None:
            return Answer(self.ok("Languages") + _lines(f"{tag} {name}" for tag, name in LANGUAGES.items()) + END)
        found = matching(asked.language)
        if found is None:
            return self._fault(because("language-unknown"))
        self._language = found
        return Answer(ok(f"{found} {said(found, 'This is the language now')}"))

    def _auth(self, asked: Auth) -> Event:
        if asked.mechanism is None:
            return Answer(self.ok("Mechanisms") + _lines(self._situation.mechanisms) + END)
        exchange = mechanism(asked.mechanism, self._situation.bindings, self._new_nonce())
        if exchange is None:
            return self._fault(because("mechanism-unknown"))
        response = None if asked.initial is None else decode_response(asked.initial)
        if asked.initial is not None and response is None:
            return self._fault(because("sign-in-malformed"))
        self._exchange = exchange
        return self._step(exchange.start(response))

    def _response(self, line: bytes) -> Event:
        assert self._exchange is not None
        response = None if line == CANCEL else decode_response(line)
        if response is None:
            self._exchange = None
            return self._fault(because("sign-in-cancelled" if line == CANCEL else "sign-in-malformed"))
        return self._step(self._exchange.step(response))

    def _step(self, step: Step) -> Event:
        match step:
            case Challenge(data):
                return Answer(b"+ " + binascii.b2a_base64(data, newline=False) + b"\r\n")
            case Credentials():
                self._exchange = None
                self._awaited = _Awaited.SIGN_IN
                return SignIn(step)
            case KeysWanted():
                self._awaited = _Awaited.KEYS
                return LookUp(step)
            case Proof():
                self._awaited = _Awaited.JUDGEMENT
                return Judge(step)
            case Accepted():
                self._exchange = None
                self._awaited = _Awaited.SIGN_IN
                return SignIn(None)
            case Fault():
                self._exchange = None
                return self._failed_sign_in(because("sign-in-malformed"), Code.AUTH)
            case _:
                assert_never(step)

    def _failed_sign_in(self, reason: Reason, code: Code) -> Answer | Goodbye:
        self._exchange = None
        self._failed_sign_ins += 1
        if self._failed_sign_ins >= MOST_FAILED_SIGN_INS:
            self._end()
            return Goodbye(self.err(reason, code))
        return Answer(self.err(reason, code))

    # commands about the maildrop

    def _maildrop_command(self, asked: Stat | List | Uidl | Retr | Top | Dele | Rset | Noop) -> Event:
        self._faults = 0
        maildrop = self._maildrop
        number = asked.number if isinstance(asked, List | Uidl | Retr | Top | Dele) else None
        if number is not None and not maildrop.has(number):
            return Answer(self.err(because("no-such-number")))
        match asked:
            case Stat():
                return Answer(ok(f"{maildrop.count} {maildrop.size_octets}"))
            case List(number):
                return self._scan(number, maildrop.size_of)
            case Uidl(number):
                return self._scan(number, maildrop.unique_id)
            case Retr(number):
                return Retrieve(maildrop.inbox.mailbox_id, maildrop.uid(number), None, self._utf8)
            case Top(number, lines):
                return Retrieve(maildrop.inbox.mailbox_id, maildrop.uid(number), lines, self._utf8)
            case Dele(number):
                maildrop.mark(number)
                return Answer(self.ok("Gone after QUIT"))
            case Rset():
                maildrop.unmark_all()
                return Answer(self._sum())
            case Noop():
                return Answer(self.ok("Here"))
            case _:
                assert_never(asked)

    def _scan(self, number: MessageNumber | None, tell: Callable[[MessageNumber], object]) -> Answer:
        """One line, or all. Then the rest comes with the next events; nothing can be marked before it is through."""
        if number is not None:
            return Answer(ok(f"{number} {tell(number)}"))
        numbers = self._maildrop.numbers()

        def rest() -> Iterator[bytes]:
            yield from (f"{each} {tell(each)}\r\n".encode() for each in numbers)
            yield END

        self._listing = rest()
        return Answer(self._sum())


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode()
