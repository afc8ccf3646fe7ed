"""A POP3 command line as a value, and answers as octets.

Promises: `command` gives a value or raises GrammarFault, whatever the octets; nothing that the client sent is ever put
into an answer. Leaves to `machine.py` when a command is allowed, and how long a line may be. RFC 1939 3 and 9, RFC 2449 4,
RFC 5034 4, RFC 6856 2.1 and 3.2.

    command = keyword *(SP parameter)      keyword, in any case, 3 or 4 letters or digits

Leniencies: spaces that are too many are passed over, but in a password (RFC 1939 7 allows it to hold spaces); letters
beyond ASCII in names and passwords are UTF-8 (RFC 6856 2.1), whether UTF8 was asked for or not (Thunderbird).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

from ..mail.reason import Reason, because

MessageNumber = NewType("MessageNumber", int)  # 1 for the first message of this session, whatever its UID

_NUMBER = re.compile(rb"[0-9]{1,10}")
_RANGE = re.compile(rb"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*")  # language-range, RFC 4647 2.1


class GrammarFault(Exception):
    """What came is not a command; `reason` is for the client."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.for_peer)
        self.reason = reason


@dataclass(slots=True, frozen=True)
class Capa:
    pass


@dataclass(slots=True, frozen=True)
class Stls:
    pass


@dataclass(slots=True, frozen=True)
class User:
    name: bytes


@dataclass(slots=True, frozen=True)
class Pass:
    password: bytes = field(repr=False)


@dataclass(slots=True, frozen=True)
class Auth:
    """mechanism: in capitals, None asks for their list; initial: the initial response as sent, None without one."""

    mechanism: str | None
    initial: bytes | None = field(repr=False)


@dataclass(slots=True, frozen=True)
class Utf8:
    pass


@dataclass(slots=True, frozen=True)
class Lang:
    """language: a range of RFC 4647; None asks for their list."""

    language: str | None


@dataclass(slots=True, frozen=True)
class Stat:
    pass


@dataclass(slots=True, frozen=True)
class List:
    number: MessageNumber | None


@dataclass(slots=True, frozen=True)
class Uidl:
    number: MessageNumber | None


@dataclass(slots=True, frozen=True)
class Retr:
    number: MessageNumber


@dataclass(slots=True, frozen=True)
class Top:
    """lines: of the body."""

    number: MessageNumber
    lines: int


@dataclass(slots=True, frozen=True)
class Dele:
    number: MessageNumber


@dataclass(slots=True, frozen=True)
class Rset:
    pass


@dataclass(slots=True, frozen=True)
class Noop:
    pass


@dataclass(slots=True, frozen=True)
class Quit:
    pass


Command = Capa | Stls | User | Pass | Auth | Utf8 | Lang | Stat | List | Uidl | Retr | Top | Dele | Rset | Noop | Quit


def command(line: bytes) -> Command:
    """A line without its end. Raises GrammarFault."""
    keyword, _, rest = line.partition(b" ")
    reader = _READERS.get(keyword.upper())
    if reader is None:
        raise GrammarFault(because("command-unknown"))
    return reader(rest)


def _alone(made: Callable[[], Command], keyword: str) -> Callable[[bytes], Command]:
    def read(rest: bytes) -> Command:
        if rest.strip(b" "):
            raise _syntax(keyword)
        return made()

    return read


def _user(rest: bytes) -> Command:
    name = rest.strip(b" ")
    if not name:
        raise _syntax("USER name")
    return User(name)


def _pass(rest: bytes) -> Command:
    if not rest:
        raise _syntax("PASS password")
    return Pass(rest)


def _auth(rest: bytes) -> Command:
    """RFC 5034 4: AUTH mechanism [initial-response]. Alone it asks which mechanisms there are (old Outlook)."""
    match rest.split():
        case []:
            return Auth(None, None)
        case [mechanism] if mechanism.isascii():
            return Auth(mechanism.decode().upper(), None)
        case [mechanism, initial] if mechanism.isascii():
            return Auth(mechanism.decode().upper(), initial)
    raise _syntax("AUTH mechanism [initial-response]")


def _lang(rest: bytes) -> Command:
    """RFC 6856 3.2: LANG [language-range]."""
    match rest.split():
        case []:
            return Lang(None)
        case [language] if len(language) <= 64 and _RANGE.fullmatch(language):
            return Lang(language.decode())
    raise _syntax("LANG [language]")


def _list(rest: bytes) -> Command:
    return List(_perhaps_number(rest, "LIST [message]"))


def _uidl(rest: bytes) -> Command:
    return Uidl(_perhaps_number(rest, "UIDL [message]"))


def _retr(rest: bytes) -> Command:
    (number,) = _numbers(rest, 1, "RETR message")
    return Retr(MessageNumber(number))


def _dele(rest: bytes) -> Command:
    (number,) = _numbers(rest, 1, "DELE message")
    return Dele(MessageNumber(number))


def _top(rest: bytes) -> Command:
    number, lines = _numbers(rest, 2, "TOP message lines")
    return Top(MessageNumber(number), lines)


def _perhaps_number(rest: bytes, syntax: str) -> MessageNumber | None:
    return MessageNumber(_numbers(rest, 1, syntax)[0]) if rest.strip(b" ") else None


def _numbers(rest: bytes, count: int, syntax: str) -> list[int]:
    words = [word for word in rest.split(b" ") if word]
    if len(words) != count or not all(map(_NUMBER.fullmatch, words)):
        raise _syntax(syntax)
    return [int(word) for word in words]


def _syntax(syntax: str) -> GrammarFault:
    return GrammarFault(because("command-syntax", syntax=syntax))


_READERS: dict[bytes, Callable[[bytes], Command]] = {
    b"CAPA": _alone(Capa, "CAPA"),
    b"STLS": _alone(Stls, "STLS"),
    b"USER": _user,
    b"PASS": _pass,
    b"AUTH": _auth,
    b"UTF8": _alone(Utf8, "UTF8"),
    b"LANG": _lang,
    b"STAT": _alone(Stat, "STAT"),
    b"LIST": _list,
    b"UIDL": _uidl,
    b"RETR": _retr,
    b"TOP": _top,
    b"DELE": _dele,
    b"RSET": _alone(Rset, "RSET"),
    b"NOOP": _alone(Noop, "NOOP"),
    b"QUIT": _alone(Quit, "QUIT"),
}


class Code(StrEnum):
    """Response codes: what a program can make of a refusal. RFC 2449 8.1, RFC 3206 4."""

    AUTH = "AUTH"
    IN_USE = "IN-USE"
    LOGIN_DELAY = "LOGIN-DELAY"
    SYS_PERM = "SYS/PERM"
    SYS_TEMP = "SYS/TEMP"


END = b".\r\n"  # of an answer of many lines


def ok(text: str) -> bytes:
    return _line(f"+OK {text}")


def err(text: str, code: Code | None = None) -> bytes:
    return _line(f"-ERR [{code}] {text}" if code else f"-ERR {text}")


def _line(text: str) -> bytes:
    return text.encode("ascii", "replace") + b"\r\n"
