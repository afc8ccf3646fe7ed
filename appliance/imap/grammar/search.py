"""SEARCH and its keys. RFC 3501 6.4.4, RFC 4731 (ESEARCH).

The keys become one tree of frozen values, in which every convenience key (`ANSWERED`, `NEW`, `UNKEYWORD x`) is said
by a few: flags wanted or not, sets, sizes, days, texts. `../search.py` knows how to match the tree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from ...mime.charsets import codec_for
from ..values import SequenceSet
from .cursor import MOST_NESTED, Cursor, GrammarFault

MOST_KEYS = 2000


class BadCharset(GrammarFault):
    """A CHARSET that we do not know: answered with NO and the code BADCHARSET, not with BAD. RFC 3501 6.4.4."""

    def __init__(self) -> None:
        super().__init__("that charset is not known here")


@dataclass(slots=True, frozen=True)
class All:
    pass


@dataclass(slots=True, frozen=True)
class Flagged:
    """flag: a system flag such as `\\Seen`, or a keyword."""

    flag: str


@dataclass(slots=True, frozen=True)
class Recent:
    pass


@dataclass(slots=True, frozen=True)
class Numbers:
    messages: SequenceSet


@dataclass(slots=True, frozen=True)
class Uids:
    messages: SequenceSet


@dataclass(slots=True, frozen=True)
class Larger:
    octets: int


@dataclass(slots=True, frozen=True)
class Smaller:
    octets: int


class When(StrEnum):
    BEFORE = "BEFORE"
    ON = "ON"
    SINCE = "SINCE"


@dataclass(slots=True, frozen=True)
class Internal:
    """By INTERNALDATE, its time and zone disregarded."""

    when: When
    day: date


@dataclass(slots=True, frozen=True)
class Sent:
    """By the Date header, its time and zone disregarded."""

    when: When
    day: date


@dataclass(slots=True, frozen=True)
class Header:
    """name: as written; text: '' asks only whether there is such a field."""

    name: str
    text: str


@dataclass(slots=True, frozen=True)
class Body:
    text: str


@dataclass(slots=True, frozen=True)
class Text:
    text: str


@dataclass(slots=True, frozen=True)
class Not:
    key: Key


@dataclass(slots=True, frozen=True)
class Or:
    left: Key
    right: Key


@dataclass(slots=True, frozen=True)
class And:
    keys: tuple[Key, ...]


Key = (
    All | Flagged | Recent | Numbers | Uids | Larger | Smaller | Internal | Sent | Header | Body | Text | Not | Or | And
)


class Return(StrEnum):
    MIN = "MIN"
    MAX = "MAX"
    ALL = "ALL"
    COUNT = "COUNT"


@dataclass(slots=True, frozen=True)
class Search:
    """results None: the answer is the old SEARCH response, else ESEARCH with those (RFC 4731 3.1)."""

    key: Key
    results: frozenset[Return] | None = None
    by_uid: bool = False


def search(cursor: Cursor, *, by_uid: bool = False) -> Search:
    """search = "SEARCH" [search-return-opts] [SP "CHARSET" SP astring] 1*(SP search-key)"""
    cursor.space()
    results = None
    if cursor.take(b"RETURN "):
        results = _results(cursor)
        cursor.space()
    charset = "utf-8"
    if cursor.take(b"CHARSET "):
        charset = _charset(cursor.astring())
        cursor.space()
    key = _Keys(cursor, charset).several()
    return Search(key, results, by_uid)


def _results(cursor: Cursor) -> frozenset[Return]:
    """search-return-opts = SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")" """

    def one() -> Return:
        try:
            return Return(cursor.word("MIN, MAX, ALL or COUNT").decode("ascii"))
        except ValueError:
            raise GrammarFault("there is no such search result") from None

    return frozenset(cursor.parenthesised(one, may_be_empty=True)) or frozenset((Return.ALL,))


def _charset(name: bytes) -> str:
    """Python's name for it. US-ASCII is read as UTF-8, which holds it: clients name the one and send the other."""
    wanted = name.decode("ascii", "replace")
    if wanted.upper() in ("US-ASCII", "ASCII"):
        return "utf-8"
    codec = codec_for(wanted)
    if codec is None:
        raise BadCharset
    return codec


_FLAGS = {
    b"ANSWERED": "\\Answered",
    b"DELETED": "\\Deleted",
    b"DRAFT": "\\Draft",
    b"FLAGGED": "\\Flagged",
    b"SEEN": "\\Seen",
}
_ADDRESS_FIELDS = {b"BCC": "Bcc", b"CC": "Cc", b"FROM": "From", b"TO": "To", b"SUBJECT": "Subject"}
_INTERNAL = {b"BEFORE": When.BEFORE, b"ON": When.ON, b"SINCE": When.SINCE}
_SENT = {b"SENTBEFORE": When.BEFORE, b"SENTON": When.ON, b"SENTSINCE": When.SINCE}


class _Keys:
    """The reader of one program of keys: it counts them and how deep they lie."""

    def __init__(self, cursor: Cursor, charset: str) -> None:
        self.cursor = cursor
        self._charset = charset
        self._count = 0
        self._depth = 0

    def several(self) -> Key:
        """1*(search-key SP), up to the end or a closing parenthesis: all of them must match."""
        keys = [self.one()]
        while self.cursor.take(b" "):
            if self.cursor.ended:  # a space before the end of the command, as `Cursor.end` takes it
                break
            keys.append(self.one())
        return keys[0] if len(keys) == 1 else And(tuple(keys))

    def one(self) -> Key:
        self._count += 1
        if self._count > MOST_KEYS:
            raise GrammarFault("too many search keys")
        self._depth += 1
        if self._depth > MOST_NESTED:
            raise GrammarFault("search keys are nested too deep")
        key = self._key()
        self._depth -= 1
        return key

    def _key(self) -> Key:
        cursor = self.cursor
        if cursor.take(b"("):
            inner = self.several()
            cursor.need(b")")
            return inner
        if cursor.at_sequence_set():
            return Numbers(cursor.sequence_set())
        word = cursor.word("a search key")
        if word in _FLAGS:
            return Flagged(_FLAGS[word])
        if word[:2] == b"UN" and word[2:] in _FLAGS:
            return Not(Flagged(_FLAGS[word[2:]]))
        if word in _PLAIN:
            return _PLAIN[word]
        cursor.space()
        if word in _ADDRESS_FIELDS:
            return Header(_ADDRESS_FIELDS[word], self.text())
        if word in _INTERNAL:
            return Internal(_INTERNAL[word], cursor.day())
        if word in _SENT:
            return Sent(_SENT[word], cursor.day())
        if word in _WITH_ARGUMENT:
            return _WITH_ARGUMENT[word](self)
        raise GrammarFault("there is no such search key")

    def text(self) -> str:
        """An astring in the command's charset. Octets that are not in it can match nothing that a reader sees."""
        try:
            return self.cursor.astring().decode(self._charset)
        except UnicodeError:
            raise GrammarFault("the text to search for is not in the charset named") from None

    def header(self) -> Key:
        name = self.cursor.astring()
        self.cursor.space()
        return Header(name.decode("latin-1"), self.text())

    def either(self) -> Key:
        left = self.one()
        self.cursor.space()
        return Or(left, self.one())


_WITH_ARGUMENT: dict[bytes, Callable[[_Keys], Key]] = {
    b"BODY": lambda keys: Body(keys.text()),
    b"TEXT": lambda keys: Text(keys.text()),
    b"HEADER": _Keys.header,
    b"KEYWORD": lambda keys: Flagged(keys.cursor.flag()),
    b"UNKEYWORD": lambda keys: Not(Flagged(keys.cursor.flag())),
    b"LARGER": lambda keys: Larger(keys.cursor.number()),
    b"SMALLER": lambda keys: Smaller(keys.cursor.number()),
    b"NOT": lambda keys: Not(keys.one()),
    b"OR": _Keys.either,
    b"UID": lambda keys: Uids(keys.cursor.sequence_set()),
}

_PLAIN: dict[bytes, Key] = {
    b"ALL": All(),
    b"NEW": And((Recent(), Not(Flagged("\\Seen")))),
    b"OLD": Not(Recent()),
    b"RECENT": Recent(),
}
