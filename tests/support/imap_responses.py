"""The client's side of IMAP's grammar, strict: what RFC 3501 9 does not allow a server to send is a Violation.

Values: an atom or number is bytes, a quoted string or literal a Text, NIL is None, a list a tuple.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field


class Violation(AssertionError):
    """The server sent what the RFC forbids."""


class Text(bytes):
    """A string, as opposed to an atom."""


Value = bytes | Text | None | tuple["Value", ...]

_ATOM = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z^_`a-z|}~]+")
_FLAG = re.compile(rb"\\?[!#$&'+,\-./0-9:;<=>?@A-Z^_`a-z|}~]+|\\\*")
_QUOTED = re.compile(rb'"((?:[\x01-\x09\x0b\x0c\x0e-!#-\[\]-\x7f]|\\["\\])*)"')
_QUOTED_UTF8 = re.compile(rb'"((?:[\x01-\x09\x0b\x0c\x0e-!#-\[\]-\x7f\x80-\xff]|\\["\\])*)"')
_LITERAL = re.compile(rb"\{(\d+)\}\r\n")
_TEXT = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]+")
_CODE = re.compile(rb"\[([A-Z0-9-]+(?:=\d+)?)(?: ([^\]\x00-\x1f\x7f-\xff]+))?\] ")
_DATE_TIME = re.compile(rb"[ 123]\d-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-\d{4} \d\d:\d\d:\d\d [+-]\d{4}")
_SECTION = re.compile(
    rb"\[(?:[1-9]\d*(?:\.[1-9]\d*)*)?(?:\.?(?:HEADER(?:\.FIELDS(?:\.NOT)? \([^\r\n]+\))?|TEXT|MIME))?\](?:<\d+>)?"
)
_SET = re.compile(rb"[1-9]\d*(?::[1-9]\d*)?(?:,[1-9]\d*(?::[1-9]\d*)?)*")
SYSTEM_FLAGS = {b"\\Answered", b"\\Flagged", b"\\Deleted", b"\\Seen", b"\\Draft"}


class Reader:
    """utf8: quoted strings may be UTF-8, as the client has asked for (RFC 6855 3, RFC 9051 9)."""

    def __init__(self, octets: bytes, *, utf8: bool = False) -> None:
        self.octets = octets
        self._quoted = _QUOTED_UTF8 if utf8 else _QUOTED
        self.at = 0

    def fail(self, why: str) -> Violation:
        return Violation(f"{why} at {self.at}: {self.octets[max(0, self.at - 60) : self.at + 60]!r}")

    def take(self, octets: bytes) -> bool:
        if not self.octets.startswith(octets, self.at):
            return False
        self.at += len(octets)
        return True

    def need(self, octets: bytes) -> None:
        if not self.take(octets):
            raise self.fail(f"{octets!r} expected")

    def match(self, pattern: re.Pattern[bytes], what: str) -> re.Match[bytes]:
        found = pattern.match(self.octets, self.at)
        if found is None:
            raise self.fail(f"{what} expected")
        self.at = found.end()
        return found

    def end(self) -> None:
        if self.at != len(self.octets):
            raise self.fail("the line should end")

    def number(self) -> int:
        return int(self.match(re.compile(rb"\d+"), "a number").group())

    def atom(self) -> bytes:
        return self.match(_ATOM, "an atom").group()

    def flags(self) -> frozenset[bytes]:
        self.need(b"(")
        found: list[bytes] = []
        while not self.take(b")"):
            if found:
                self.need(b" ")
            found.append(self.match(_FLAG, "a flag").group())
        if len({flag.lower() for flag in found}) != len(found):
            raise self.fail("a flag stands twice")
        return frozenset(found)

    def string(self) -> Text:
        if self.octets.startswith(b'"', self.at):
            return Text(re.sub(rb"\\(.)", rb"\1", self.match(self._quoted, "a quoted string").group(1)))
        size = int(self.match(_LITERAL, "a string").group(1))
        octets = self.octets[self.at : self.at + size]
        if len(octets) != size:
            raise self.fail("the literal is too short")
        if b"\0" in octets:
            raise self.fail("NUL in a literal")
        self.at += size
        return Text(octets)

    def string8(self) -> Text:
        """literal8 of RFC 3516, which may hold NUL."""
        size = int(self.match(re.compile(rb"~\{(\d+)\}\r\n"), "a literal8").group(1))
        self.at += size
        return Text(self.octets[self.at - size : self.at])

    def nstring(self) -> Text | None:
        return None if self.take(b"NIL") else self.string()

    def astring(self) -> bytes:
        if self.octets[self.at : self.at + 1] in (b'"', b"{"):
            return bytes(self.string())
        return self.match(re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+"), "an astring").group()

    def value(self) -> Value:
        """Anything: for structures whose shape is checked afterwards."""
        if self.take(b"("):
            found: list[Value] = []
            while not self.take(b")"):
                if found and not self.octets.startswith(b"(", self.at):
                    self.need(b" ")
                elif found:
                    self.take(b" ")
                found.append(self.value())
            return tuple(found)
        if self.octets[self.at : self.at + 1] in (b'"', b"{"):
            return self.string()
        atom = self.atom()
        return None if atom == b"NIL" else atom


@dataclass
class Fetched:
    number: int
    items: dict[str, object] = field(default_factory=dict)


@dataclass
class Status:
    """OK, NO, BAD, PREAUTH, BYE."""

    status: str
    code: str | None
    argument: str | None
    text: str


def status(reader: Reader) -> Status:
    word = reader.match(re.compile(rb"OK|NO|BAD|PREAUTH|BYE"), "a status").group().decode()
    reader.need(b" ")
    code = argument = None
    if reader.octets.startswith(b"[", reader.at):
        found = reader.match(_CODE, "a response code")
        code = found.group(1).decode()
        argument = None if found.group(2) is None else found.group(2).decode()
        _check_code(reader, code, argument)
    text = reader.match(_TEXT, "text for people").group().decode("ascii")
    reader.end()
    return Status(word, code, argument, text)


_CODES = {
    "ALERT": r"", "PARSE": r"", "READ-ONLY": r"", "READ-WRITE": r"", "TRYCREATE": r"", "UIDNEXT": r"[1-9]\d*",
    "UIDVALIDITY": r"[1-9]\d*", "UNSEEN": r"[1-9]\d*", "APPENDUID": r"[1-9]\d* [1-9]\d*(?:[:,][1-9]\d*)*",
    "COPYUID": r"[1-9]\d* [1-9]\d*(?:[:,][1-9]\d*)* [1-9]\d*(?:[:,][1-9]\d*)*", "BADCHARSET": r"\([A-Za-z0-9 -]+\)",
    "CAPABILITY": r"[A-Za-z0-9+=.-]+(?: [A-Za-z0-9+=.-]+)*", "PERMANENTFLAGS": r"\([^()]*\)",
    "NONEXISTENT": r"", "ALREADYEXISTS": r"", "AUTHENTICATIONFAILED": r"", "UNAVAILABLE": r"", "PRIVACYREQUIRED": r"",
    "BADURL": r"[!-\[^-~]+", "COMPRESSIONACTIVE": r"", "UNKNOWN-CTE": r"",
    "CANNOT": r"", "LIMIT": r"", "OVERQUOTA": r"", "EXPUNGEISSUED": r"", "CORRUPTION": r"", "SERVERBUG": r"",
    "INPROGRESS": r'\("[^"]+" (?:\d+|NIL) (?:[1-9]\d*|NIL)\)', "CLIENTBUG": r"", "TOOBIG": r"", "INUSE": r"", "CLOSED": r"",
    "MAILBOXID": r"\([A-Za-z0-9_-]{1,255}\)", "USEATTR": r"", "HASCHILDREN": r"", "NOPERM": r"",
    "HIGHESTMODSEQ": r"[1-9]\d*", "MODIFIED": r"[1-9]\d*(?:[:,][1-9]\d*)*", "UIDREQUIRED": r"",
    "METADATA": r"LONGENTRIES [1-9]\d*|MAXSIZE [1-9]\d*|TOOMANY|NOPRIVATE",
    "NOTIFICATIONOVERFLOW": r"", "BADEVENT": r"\([A-Za-z]+(?: [A-Za-z]+)*\)",
}  # fmt: skip


def _check_code(reader: Reader, code: str, argument: str | None) -> None:
    if code not in _CODES:
        raise reader.fail(f"the code {code} is in no RFC that we name")
    if not re.fullmatch(_CODES[code], argument or ""):
        raise reader.fail(f"that is no argument for {code}: {argument}")


def fetched(number: int, reader: Reader) -> Fetched:
    """msg-att. Each item has the type that the RFC gives it."""
    result = Fetched(number)
    reader.need(b"(")
    while True:
        name = reader.match(re.compile(rb"[A-Z0-9.]+"), "a fetch item").group().decode()
        if name in ("BODY", "BINARY", "BINARY.SIZE") and reader.octets.startswith(b"[", reader.at):
            name += reader.match(_SECTION, "a section").group().decode("latin-1")
        reader.need(b" ")
        if name in result.items:
            raise reader.fail(f"{name} stands twice")
        result.items[name] = _item(name, reader)
        if reader.take(b")"):
            reader.end()
            return result
        reader.need(b" ")


def _item(name: str, reader: Reader) -> object:
    match name:
        case "UID":
            uid = reader.number()
            if not uid:
                raise reader.fail("a UID must not be 0")
            return uid
        case "MODSEQ":
            reader.need(b"(")
            modseq = reader.number()
            reader.need(b")")
            if not 0 < modseq < 1 << 63:
                raise reader.fail("a MODSEQ has 63 bits and is not 0")
            return modseq
        case "PREVIEW":
            text = reader.nstring()
            if text is not None and len(text.decode()) > 256:
                raise reader.fail("a preview of more than 256 characters (RFC 8970 3.1)")
            return text
        case "RFC822.SIZE":
            return reader.number()
        case "FLAGS":
            return reader.flags()
        case "INTERNALDATE" | "SAVEDATE":
            text = reader.string()
            if not _DATE_TIME.fullmatch(text):
                raise reader.fail("that is no date-time")
            return text.decode()
        case "EMAILID" | "THREADID":
            reader.need(b"(")
            reader.at -= 1
            return reader.value()
        case "ENVELOPE":
            return envelope(reader.value())
        case "BODY" | "BODYSTRUCTURE":
            return body(reader.value(), extended=name == "BODYSTRUCTURE")
        case "RFC822" | "RFC822.HEADER" | "RFC822.TEXT":
            return reader.nstring()
    if name.startswith("BODY["):
        return reader.nstring()
    if name.startswith("BINARY.SIZE["):
        return reader.number()
    if name.startswith("BINARY["):
        return reader.string8() if reader.octets.startswith(b"~", reader.at) else reader.nstring()
    raise reader.fail(f"there is no item {name}")


def _is_nstring(value: Value) -> bool:
    return value is None or isinstance(value, Text)


def _check(true: object, what: str, value: object) -> None:
    if not true:
        raise Violation(f"{what}: {value!r}")


def envelope(value: Value) -> tuple[Value, ...]:
    _check(isinstance(value, tuple) and len(value) == 10, "an envelope has ten fields", value)
    assert isinstance(value, tuple)
    for place in (0, 1, 8, 9):
        _check(_is_nstring(value[place]), "a field of an envelope is a string or NIL", value[place])
    for addresses in value[2:8]:
        _check(addresses is None or (isinstance(addresses, tuple) and addresses), "addresses", addresses)
        for address in addresses or ():
            _check(
                isinstance(address, tuple) and len(address) == 4 and all(map(_is_nstring, address)),
                "an address is four strings",
                address,
            )
    return value


def body(value: Value, *, extended: bool) -> Value:
    """RFC 3501 9: body. Extension data only in BODYSTRUCTURE."""
    _check(isinstance(value, tuple) and value, "a body is a list", value)
    assert isinstance(value, tuple)
    if isinstance(value[0], tuple):
        children = [child for child in value if isinstance(child, tuple)]
        count = next(place for place, child in enumerate(value) if not isinstance(child, tuple))
        for child in value[:count]:
            body(child, extended=extended)
        _check(isinstance(value[count], Text), "the subtype of a multipart", value)
        rest = value[count + 1 :]
        _check(children and (extended or not rest), "BODY has no extension data", value)
        if rest:
            _parameters(rest[0])
            _extension(rest[1:])
        return value
    _check(len(value) >= 7, "a part has seven fields", value)
    _check(isinstance(value[0], Text) and isinstance(value[1], Text), "a type", value[:2])
    _parameters(value[2])
    _check(
        _is_nstring(value[3]) and _is_nstring(value[4]) and isinstance(value[5], Text),
        "id, description, encoding",
        value,
    )
    _is_number(value[6])
    rest = value[7:]
    kind = (bytes(value[0]).upper(), bytes(value[1]).upper())  # type: ignore[arg-type]
    if kind == (b"MESSAGE", b"RFC822"):
        _check(len(rest) >= 3, "an embedded message has envelope, body and lines", value)
        envelope(rest[0])
        body(rest[1], extended=extended)
        _is_number(rest[2])
        rest = rest[3:]
    elif kind[0] == b"TEXT":
        _check(len(rest) >= 1, "a text has lines", value)
        _is_number(rest[0])
        rest = rest[1:]
    _check(extended or not rest, "BODY has no extension data", value)
    if rest:
        _check(_is_nstring(rest[0]), "MD5", rest)
        _extension(rest[1:])
    return value


def _is_number(value: Value) -> None:
    _check(isinstance(value, bytes) and not isinstance(value, Text) and value.isdigit(), "a number", value)


def _parameters(value: Value) -> None:
    if value is None:
        return
    _check(isinstance(value, tuple) and value and len(value) % 2 == 0, "parameters are pairs", value)
    assert isinstance(value, tuple)
    _check(all(isinstance(each, Text) for each in value), "parameters are strings", value)


def _extension(rest: tuple[Value, ...]) -> None:
    """Disposition, language, location."""
    _check(len(rest) <= 3, "we know of no further extension data", rest)
    if rest and rest[0] is not None:
        _check(
            isinstance(rest[0], tuple) and len(rest[0]) == 2 and isinstance(rest[0][0], Text), "disposition", rest[0]
        )
        assert isinstance(rest[0], tuple)
        _parameters(rest[0][1])
    if len(rest) > 1:
        language = rest[1]
        _check(
            _is_nstring(language) or (isinstance(language, tuple) and all(isinstance(each, Text) for each in language)),
            "language",
            language,
        )
    if len(rest) > 2:
        _check(_is_nstring(rest[2]), "location", rest[2])


def numbers_found(reader: Reader) -> tuple[list[int], int | None]:
    """mailbox-data =/ "SEARCH" [1*(SP nz-number) SP search-sort-mod-seq]; so SORT. RFC 7162 7."""
    numbers: list[int] = []
    while reader.at < len(reader.octets):
        if numbers and reader.take(b" (MODSEQ "):
            modseq = reader.number()
            reader.need(b")")
            reader.end()
            return numbers, modseq
        reader.need(b" ")
        numbers.append(reader.number())
    if 0 in numbers:
        raise reader.fail("no message has the number 0")
    return numbers, None


def partial_results(reader: Reader) -> tuple[str, list[int]]:
    """ret-data-partial = "PARTIAL" SP "(" partial-range SP partial-results ")". RFC 9394 4."""
    found = reader.match(re.compile(rb"\((-?[1-9]\d*:-?[1-9]\d*) ([0-9:,]+|NIL)\)"), "a range and results")
    return found.group(1).decode(), [] if found.group(2) == b"NIL" else number_set(found.group(2))


Thread = tuple["int | Thread", ...]


def threads(reader: Reader) -> list[Thread]:
    """thread-data = "THREAD" [SP 1*thread-list]. RFC 5256 5. A thread is numbers, then two threads or more, or nothing."""
    found: list[Thread] = []
    if reader.at == len(reader.octets):
        return found
    reader.need(b" ")
    while reader.at < len(reader.octets):
        found.append(_thread(reader))
    return found


def _thread(reader: Reader) -> Thread:
    reader.need(b"(")
    members: list[int | Thread] = []
    while not reader.octets.startswith(b"(", reader.at):
        members.append(reader.number())
        if reader.take(b")"):
            return tuple(members)
        reader.need(b" ")
    nested = [_thread(reader)]
    while not reader.take(b")"):
        nested.append(_thread(reader))
    if len(nested) < 2:
        raise reader.fail("thread-nested has two lists at least")
    return (*members, *nested)


def number_set(text: bytes) -> list[int]:
    if not _SET.fullmatch(text):
        raise Violation(f"that is no set of numbers: {text!r}")
    found: list[int] = []
    for part in text.split(b","):
        low, _, high = part.partition(b":")
        found += range(int(low), int(high or low) + 1)
    return found


def in_set(text: bytes, number: int) -> bool:
    """Whether a set, which may name very many numbers, names that one."""
    if not _SET.fullmatch(text):
        raise Violation(f"that is no set of numbers: {text!r}")
    ends = [part.partition(b":") for part in text.split(b",")]
    return any(int(low) <= number <= int(high or low) for low, _, high in ends)


def words(reader: Reader) -> list[bytes]:
    """SP astring, as often as there are. RFC 4314 7: acl-data, listrights-data; RFC 9208 7: quotaroot-response."""
    found = []
    while reader.at < len(reader.octets):
        reader.need(b" ")
        found.append(bytes(reader.astring()))
    return found


def metadata(reader: Reader) -> dict[bytes, dict[bytes, bytes | None]]:
    """RFC 5464 5: "METADATA" SP mailbox SP entry-values"""
    reader.need(b" ")
    mailbox = bytes(reader.astring())
    reader.need(b" (")
    values: dict[bytes, bytes | None] = {}
    while True:
        entry = bytes(reader.astring())
        if entry in values:
            raise reader.fail("an entry twice")
        reader.need(b" ")
        value = reader.nstring()
        values[entry] = None if value is None else bytes(value)
        if reader.take(b")"):
            break
        reader.need(b" ")
    reader.end()
    return {mailbox: values}


def quota(reader: Reader) -> tuple[bytes, dict[bytes, tuple[int, int]]]:
    """RFC 9208 7: "QUOTA" SP quota-root-name SP "(" quota-resource *(SP quota-resource) ")" """
    reader.need(b" ")
    root = bytes(reader.astring())
    reader.need(b" (")
    resources: dict[bytes, tuple[int, int]] = {}
    while True:
        name = reader.atom()
        reader.need(b" ")
        used = reader.number()
        reader.need(b" ")
        resources[name] = used, reader.number()
        if reader.take(b")"):
            break
        reader.need(b" ")
    reader.end()
    return root, resources
