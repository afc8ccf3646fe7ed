"""The order of things on one connection: octets in, events out; no socket, no clock, no store.

`receive` takes octets in any portions; `next_event` gives what they mean, one event at a time, because the outcome of
one command (STARTTLS, AUTHENTICATE, IDLE, APPEND) decides what the octets after it are. None: more octets are wanted,
or an answer is: after AppendReady and AppendMore nothing comes until `accept_append` or `refuse_append`.

Promises: whole and byte-by-byte feeding give the same events (AppendOctets apart, whose portions may differ); what is
buffered is bounded by `Limits`; a command that the present state does not allow never becomes an event.
RFC 3501 2.2, 3 and 7.5, RFC 7888.

Leniency: a bare LF ends a line as well as CRLF does (people at a terminal).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from .enabled import Extension
from .grammar.append import Append, AppendItem, Literal, LiteralFirst, MessageReader, Replace
from .grammar.append import append as read_append
from .grammar.append import replace as read_replace
from .grammar.append import uid_replace as read_uid_replace
from .grammar.command import Command, verb
from .grammar.cursor import Cursor, GrammarFault
from .grammar.search import BadCharset
from .grammar.uidonly import UidRequired, speaks_of_numbers


class State(StrEnum):
    """RFC 3501 3."""

    NOT_AUTHENTICATED = "not authenticated"
    AUTHENTICATED = "authenticated"
    SELECTED = "selected"
    LOGOUT = "logged out"


_ANY = frozenset((State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED))
_BEFORE = frozenset((State.NOT_AUTHENTICATED,))
_SIGNED_IN = frozenset((State.AUTHENTICATED, State.SELECTED))
_SELECTED = frozenset((State.SELECTED,))

# RFC 3501 6: what each state allows. A `UID` command is allowed where its verb is.
ALLOWED: dict[bytes, frozenset[State]] = {
    b"CAPABILITY": _ANY,
    b"ID": _ANY,
    b"LOGOUT": _ANY,
    b"NOOP": _ANY,
    b"AUTHENTICATE": _BEFORE,
    b"LOGIN": _BEFORE,
    b"STARTTLS": _BEFORE,
    b"APPEND": _SIGNED_IN,
    b"COMPRESS": _SIGNED_IN,  # RFC 4978 allows it to strangers too; they get no memory of ours for it
    b"DELETEACL": _SIGNED_IN,
    b"GETACL": _SIGNED_IN,
    b"GETMETADATA": _SIGNED_IN,
    b"GETQUOTA": _SIGNED_IN,
    b"GETQUOTAROOT": _SIGNED_IN,
    b"LISTRIGHTS": _SIGNED_IN,
    b"MYRIGHTS": _SIGNED_IN,
    b"SETACL": _SIGNED_IN,
    b"SETMETADATA": _SIGNED_IN,
    b"CREATE": _SIGNED_IN,
    b"DELETE": _SIGNED_IN,
    b"ENABLE": _SIGNED_IN,  # RFC 5161 3.1 wants it before SELECT; that matters to nothing that we enable
    b"EXAMINE": _SIGNED_IN,
    b"IDLE": _SIGNED_IN,  # RFC 2177: no mailbox needs to be selected
    b"LIST": _SIGNED_IN,
    b"LSUB": _SIGNED_IN,
    b"NAMESPACE": _SIGNED_IN,
    b"NOTIFY": _SIGNED_IN,  # RFC 5465 3
    b"RENAME": _SIGNED_IN,
    b"SELECT": _SIGNED_IN,
    b"STATUS": _SIGNED_IN,
    b"SUBSCRIBE": _SIGNED_IN,
    b"UNSUBSCRIBE": _SIGNED_IN,
    b"CHECK": _SELECTED,
    b"CLOSE": _SELECTED,
    b"COPY": _SELECTED,
    b"EXPUNGE": _SELECTED,
    b"FETCH": _SELECTED,
    b"MOVE": _SELECTED,
    b"REPLACE": _SELECTED,
    b"SEARCH": _SELECTED,
    b"SORT": _SELECTED,
    b"STORE": _SELECTED,
    b"THREAD": _SELECTED,
    b"UNSELECT": _SELECTED,
}


@dataclass(slots=True, frozen=True)
class Limits:
    """In octets. A command is its lines and its literals, APPEND's message apart. Dovecot allows 64 KiB a line."""

    line_octets: int = 64 * 1024
    literal_octets: int = 256 * 1024
    command_octets: int = 512 * 1024


BEFORE_SIGN_IN = Limits(line_octets=16 * 1024, literal_octets=4 * 1024, command_octets=20 * 1024)
AFTER_SIGN_IN = Limits()
MOST_FAULTS_IN_A_ROW = 20
MOST_PASSED_OVER = 256 * 1024 * 1024  # octets of a refused message that comes unasked; whoever sends more is hung up on


@dataclass(slots=True, frozen=True)
class CommandReady:
    tag: str
    command: Command


@dataclass(slots=True, frozen=True)
class NeedContinuation:
    """The client waits for `+` before it sends a literal."""


@dataclass(slots=True, frozen=True)
class AppendReady:
    """An APPEND or REPLACE up to the first octets of a message. waits: the client sends them only when it is told to."""

    tag: str
    command: Append | Replace
    waits: bool


@dataclass(slots=True, frozen=True)
class AppendOctets:
    octets: bytes


@dataclass(slots=True, frozen=True)
class AppendMore:
    """All octets of a literal are here, and more of them follow: for the same message (RFC 4469) or the next (RFC 3502).
    items: what was said in between."""

    items: tuple[AppendItem, ...]
    waits: bool


@dataclass(slots=True, frozen=True)
class AppendEnded:
    """The last octets and the command's end are here; after a refusal this does not come. items: said after them."""

    items: tuple[AppendItem, ...] = ()


@dataclass(slots=True, frozen=True)
class Line:
    """A line that is no command, as `expect_line` asked: of a SASL exchange, or IDLE's DONE."""

    octets: bytes


@dataclass(slots=True, frozen=True)
class Fault:
    """What came is not a command that can be run. status: BAD or NO; code: of the response, without brackets."""

    tag: str | None
    text: str
    status: str = "BAD"
    code: str | None = None
    forgets_saved: bool = False  # `$` is empty after it (RFC 5182 2.1)


@dataclass(slots=True, frozen=True)
class Fatal:
    """What came leaves no way to go on: say BYE and hang up."""

    text: str


Event = CommandReady | NeedContinuation | AppendReady | AppendOctets | AppendMore | AppendEnded | Line | Fault | Fatal


class LocalFault(RuntimeError):
    """Our own side broke the machine's rules."""


class _Mode(Enum):
    COMMAND = auto()  # lines and literals of a command
    LITERAL = auto()  # inside a literal of a command
    APPEND_ASKED = auto()  # AppendReady or AppendMore was given, no answer yet
    APPEND_OCTETS = auto()
    APPEND_LINE = auto()  # what comes after the octets: the end, or more
    SKIP_OCTETS = auto()  # a literal that nobody wants, which the client sends unasked
    SKIP_LINE = auto()  # the rest of the line after it
    LINE = auto()
    TOO_MUCH = auto()  # to be passed over
    DEAD = auto()


# literal = "{" number ["+"] "}" CRLF CHAR8...; the `~` of `~{5}` (RFC 3516) is left to the grammar.
_ANNOUNCED = re.compile(rb"\{(\d{1,10})(\+?)\}\Z")
# tag = 1*<any ASTRING-CHAR except "+">
_TAG = re.compile(rb"([!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]{1,200}) ")

# Those whose literals are streamed.
_STREAMED: dict[bytes, Callable[[Cursor, MessageReader], Append | Replace]] = {
    b"APPEND": read_append,
    b"REPLACE": read_replace,
    b"UID REPLACE": read_uid_replace,
}
_MAY_BE_STREAMED = re.compile(rb"[^ ]{1,200} (?:APPEND|REPLACE|UID REPLACE) ", re.IGNORECASE)


class ImapMachine:
    def __init__(self, *, state: State = State.NOT_AUTHENTICATED) -> None:
        self.state = state
        self.enabled: set[Extension] = set()
        self._mode = _Mode.COMMAND
        self._buffer = bytearray()
        self._searched = 0  # no LF stands before this place in the buffer
        self._command = bytearray()  # lines and literals of the command that is coming in
        self._left = 0  # octets of a literal still to come
        self._append_waits = False
        self._messages: MessageReader | None = None  # of the APPEND whose octets are coming
        self._faults = 0

    # octets in

    def receive(self, octets: bytes) -> None:
        if self._mode is not _Mode.DEAD:
            self._buffer += octets

    @property
    def holds(self) -> int:
        """Octets received and not yet given out."""
        return len(self._buffer) + len(self._command)

    @property
    def in_command(self) -> bool:
        """A command has begun and is not whole yet."""
        return bool(self._buffer or self._command) or self._mode is not _Mode.COMMAND

    # what the adapter has done

    def signed_in(self) -> None:
        self._must_be(State.NOT_AUTHENTICATED)
        self.state = State.AUTHENTICATED

    def selected(self) -> None:
        self._must_be(State.AUTHENTICATED, State.SELECTED)
        self.state = State.SELECTED

    def unselected(self) -> None:
        self._must_be(State.AUTHENTICATED, State.SELECTED)
        self.state = State.AUTHENTICATED

    def tls_started(self) -> None:
        """What came before the handshake was not protected by it and is forgotten (RFC 3501 6.2.1)."""
        self._must_be(State.NOT_AUTHENTICATED)
        self._buffer.clear()
        self._command.clear()
        self._searched = 0

    def logged_out(self) -> None:
        self.state = State.LOGOUT
        self._die()

    def expect_line(self) -> None:
        """The next line is no command but a Line; after it, commands again."""
        self._must_be_between()
        self._mode = _Mode.LINE

    def compressed(self) -> bytes:
        """From here on the client compresses (RFC 4978 3). Returns what came after the command: it is that already."""
        self._must_be_between()
        return self._take(len(self._buffer))

    def accept_append(self) -> bool:
        """True when the client waits for `+` before it sends the message."""
        if self._mode is not _Mode.APPEND_ASKED:
            raise LocalFault("no APPEND is waiting for an answer")
        self._mode = _Mode.APPEND_OCTETS
        return self._append_waits

    @property
    def in_append(self) -> bool:
        """Octets of a message are awaited, or an answer is that lets them come."""
        return self._messages is not None

    def refuse_append(self) -> None:
        """Instead of accepting, or at any time after it. The tagged refusal is the adapter's to send; what the client
        sends unasked is skipped (RFC 7888 4)."""
        if not self.in_append:
            raise LocalFault("no APPEND is waiting for an answer")
        waits = self._mode is _Mode.APPEND_ASKED and self._append_waits
        if self._mode is _Mode.APPEND_LINE:  # its end is still coming
            waits, self._left = False, 0
        self._drop(waits=waits, octets=self._left)

    # events out

    def next_event(self) -> Event | None:
        while True:
            match self._mode:
                case _Mode.COMMAND:
                    if (line := self._line()) is None:
                        return self._too_long()
                    if (event := self._command_line(line)) is not None:
                        return event
                case _Mode.LITERAL:
                    if len(self._buffer) < self._left:
                        return None
                    self._command += self._take(self._left)
                    self._left = 0
                    self._mode = _Mode.COMMAND if self._messages is None else _Mode.APPEND_LINE
                case _Mode.APPEND_OCTETS:
                    if self._left and not self._buffer:
                        return None
                    if self._left:
                        octets = self._take(min(self._left, len(self._buffer)))
                        self._left -= len(octets)
                        return AppendOctets(octets)
                    self._mode = _Mode.APPEND_LINE
                case _Mode.APPEND_LINE:
                    if (line := self._line()) is None:
                        return self._too_long()
                    if (event := self._append_line(line)) is not None:
                        return event
                case _Mode.SKIP_OCTETS:
                    skipped = self._take(min(self._left, len(self._buffer)))
                    self._left -= len(skipped)
                    if self._left:
                        return None
                    self._mode = _Mode.SKIP_LINE
                case _Mode.SKIP_LINE:
                    if (line := self._line()) is None:
                        return self._too_long()
                    self._mode = _Mode.COMMAND
                    self._skip_more(line)
                case _Mode.LINE:
                    if (line := self._line()) is None:
                        return self._too_long()
                    self._mode = _Mode.COMMAND
                    return Line(line)
                case _Mode.TOO_MUCH:
                    return self._fatal("That is too much to wait for its end")
                case _Mode.APPEND_ASKED | _Mode.DEAD:
                    return None

    # within

    @property
    def _limits(self) -> Limits:
        return BEFORE_SIGN_IN if self.state is State.NOT_AUTHENTICATED else AFTER_SIGN_IN

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._buffer)
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return line[:-1] if line.endswith(b"\r") else line

    def _take(self, count: int) -> bytes:
        octets = bytes(self._buffer[:count])
        del self._buffer[:count]
        self._searched = 0
        return octets

    def _too_long(self) -> Event | None:
        """Called where no line end is in the buffer."""
        if len(self._buffer) > self._limits.line_octets:
            return self._fatal("The line is too long")
        return None

    def _command_line(self, line: bytes) -> Event | None:
        if len(line) > self._limits.line_octets:
            return self._fatal("The line is too long")
        self._command += line
        if len(self._command) > self._limits.command_octets:
            return self._fatal("The command is too long")
        announced = _ANNOUNCED.search(line)
        if announced is None:
            octets = bytes(self._command)
            self._command.clear()
            return self._whole_command(octets)
        return self._literal(int(announced.group(1)), waits=not announced.group(2))

    def _literal(self, octets: int, *, waits: bool) -> Event | None:
        """A literal is announced at the end of what has come of a command."""
        if _MAY_BE_STREAMED.match(self._command):  # asked first: a command may have many literals
            tag, rest = self._split(bytes(self._command))
            try:
                asked = None if tag is None else self._append_so_far(tag, rest, waits)
            except GrammarFault as fault:
                self._drop(waits=waits, octets=octets)
                return self._fault(tag, fault)
            if asked is not None:
                self._ask(octets, waits=waits)
                return asked
        return self._gather(octets, waits=waits)

    def _gather(self, octets: int, *, waits: bool) -> Event | None:
        """A literal that is part of the command. Before sign-in it is a small one."""
        if octets > self._limits.literal_octets or len(self._command) + octets > self._limits.command_octets:
            if not waits:
                return self._fatal("The literal is too large")
            tag = None if self._messages is not None else self._split(bytes(self._command[:300]))[0]
            self._drop(waits=True, octets=octets)
            return self._fault(tag, GrammarFault("the literal is too large"), code="TOOBIG")
        self._command += b"\r\n"
        self._left = octets
        self._mode = _Mode.LITERAL
        return NeedContinuation() if waits else None

    def _ask(self, octets: int, *, waits: bool) -> None:
        self._command.clear()
        self._left = octets
        self._append_waits = waits
        self._mode = _Mode.APPEND_ASKED

    def _append_so_far(self, tag: str, rest: bytes, waits: bool) -> AppendReady | None:
        """An APPEND whose message is what is announced; None for any other literal. Raises GrammarFault."""
        cursor = self._cursor(rest)
        try:
            name, _ = verb(cursor)
        except GrammarFault:
            return None
        if name not in _STREAMED:
            return None
        self._check_state(name)
        messages = MessageReader(many=name == b"APPEND")
        try:
            command = _STREAMED[name](cursor, messages)
        except LiteralFirst:
            return None
        self._check_numbers(command)
        self._messages = messages
        return AppendReady(tag, command, waits)

    def _append_line(self, line: bytes) -> Event | None:
        """A line after octets that were streamed, in the middle of an APPEND or at its end."""
        if len(line) > self._limits.line_octets:
            return self._fatal("The line is too long")
        self._command += line
        if len(self._command) > self._limits.command_octets:
            return self._fatal("The command is too long")
        assert self._messages is not None
        announced = _ANNOUNCED.search(line)
        octets, waits = (int(announced.group(1)), not announced.group(2)) if announced else (0, True)
        try:
            items = self._messages.read(self._cursor(bytes(self._command)))
        except LiteralFirst:
            return self._gather(octets, waits=waits)
        except GrammarFault as fault:
            self._drop(waits=waits, octets=octets)
            return self._fault(None, fault)
        if items and isinstance(items[-1], Literal):
            self._ask(octets, waits=waits)
            return AppendMore(items, waits)
        self._command.clear()
        self._messages = None
        self._mode = _Mode.COMMAND
        self._faults = 0
        return AppendEnded(items)

    def _whole_command(self, octets: bytes) -> Event:
        tag, rest = self._split(octets)
        if tag is None:
            return self._fault(None, GrammarFault("a tag and a command expected"))
        cursor = self._cursor(rest)
        try:
            name, reader = verb(cursor)
            self._check_state(name)
            command = reader(cursor)
            cursor.end()
            self._check_numbers(command)
        except GrammarFault as fault:
            return self._fault(tag, fault)
        self._faults = 0
        return CommandReady(tag, command)

    def _check_numbers(self, command: Command) -> None:
        if Extension.UIDONLY in self.enabled and speaks_of_numbers(command):
            raise UidRequired

    def _cursor(self, octets: bytes) -> Cursor:
        utf8 = Extension.UTF8 in self.enabled
        return Cursor(octets, utf8_names=utf8 or Extension.IMAP4REV2 in self.enabled, utf8_only=utf8)

    def _check_state(self, name: bytes) -> None:
        if self.state not in ALLOWED[name.removeprefix(b"UID ")]:
            raise GrammarFault(f"that is not possible now ({self.state})")

    @staticmethod
    def _split(octets: bytes) -> tuple[str | None, bytes]:
        found = _TAG.match(octets)
        if found is None:
            return None, octets
        return found.group(1).decode("ascii"), octets[found.end() :]

    def _skip_more(self, line: bytes) -> None:
        """What is being skipped ends with `line`, unless that announces a literal that is coming unasked."""
        announced = _ANNOUNCED.search(line)
        if announced is not None and announced.group(2):
            self._drop(waits=False, octets=int(announced.group(1)))

    def _drop(self, *, waits: bool, octets: int) -> None:
        """The command is given up; a literal that the client does not wait with is still coming."""
        self._command.clear()
        self._messages = None
        self._left = 0 if waits else octets
        self._mode = _Mode.COMMAND if waits else _Mode.SKIP_OCTETS
        if self._left > MOST_PASSED_OVER:
            self._mode = _Mode.TOO_MUCH

    def _fault(self, tag: str | None, fault: GrammarFault, *, code: str | None = None) -> Event:
        self._faults += 1
        if self._faults >= MOST_FAULTS_IN_A_ROW:
            return self._fatal("Too many commands that are none")
        text = str(fault)
        text = text[:1].upper() + text[1:]
        if isinstance(fault, UidRequired):
            code = "UIDREQUIRED"
        if isinstance(fault, BadCharset):
            return Fault(tag, text, "NO", "BADCHARSET (US-ASCII UTF-8)", fault.saves)
        return Fault(tag, text, code=code)

    def _fatal(self, text: str) -> Fatal:
        self._die()
        return Fatal(text)

    def _die(self) -> None:
        self._mode = _Mode.DEAD
        self._messages = None
        self._buffer.clear()
        self._command.clear()

    def _must_be_between(self) -> None:
        if self._mode is not _Mode.COMMAND or self._command:
            raise LocalFault("a command is coming in")

    def _must_be(self, *states: State) -> None:
        if self.state not in states:
            raise LocalFault(f"not possible while {self.state}")
