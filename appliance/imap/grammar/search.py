"""SEARCH and its keys. RFC 3501 6.4.4, RFC 4731 (ESEARCH), RFC 5182 (SAVE), RFC 9394 (PARTIAL), RFC 5032 (OLDER, YOUNGER),
RFC 8514 (SAVEDBEFORE …), RFC 8474 (EMAILID, THREADID), RFC 7162 3.1.5 (MODSEQ).

The keys become one tree of frozen values, in which every convenience key (`ANSWERED`, `NEW`, `UNKEYWORD x`) is said
by a few: flags wanted or not, sets, sizes, days, texts. `../search.py` knows how to match the tree.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from ...mime.charsets import codec_for
from ..values import LARGEST, SequenceSet
from .cursor import MOST_NESTED, Cursor, GrammarFault

MOST_KEYS = 2000  # each is asked for each message; mail programs need some dozens
MOST_TEXTS = 200  # of them such as may have to look into a message


class BadCharset(GrammarFault):
    """A CHARSET that we do not know: answered with NO and the code BADCHARSET, not with BAD. RFC 3501 6.4.4.

    saves: the search was to be saved, so that `$` is empty now (RFC 5182 2.1)."""

    def __init__(self, *, saves: bool = False) -> None:
        super().__init__("that charset is not known here")
        self.saves = saves


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
class Saved:
    """By the day on which it came into this mailbox. RFC 8514 4.3."""

    when: When
    day: date


@dataclass(slots=True, frozen=True)
class Older:
    """By INTERNALDATE: so many seconds ago, or longer. RFC 5032 3."""

    age_s: int


@dataclass(slots=True, frozen=True)
class Younger:
    age_s: int


@dataclass(slots=True, frozen=True)
class ChangedSince:
    """Its MODSEQ is that, or higher. RFC 7162 3.1.5."""

    modseq: int


@dataclass(slots=True, frozen=True)
class EmailId:
    id: str


@dataclass(slots=True, frozen=True)
class ThreadId:
    id: str


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
    All | Flagged | Recent | Numbers | Uids | Larger | Smaller | Internal | Sent | Saved | Older | Younger | ChangedSince | EmailId | ThreadId | Header | Body | Text | Not | Or | And
)  # fmt: skip


class Return(StrEnum):
    MIN = "MIN"
    MAX = "MAX"
    ALL = "ALL"
    COUNT = "COUNT"
    SAVE = "SAVE"
    PARTIAL = "PARTIAL"


@dataclass(slots=True, frozen=True)
class Partial:
    """The first-th to the last-th of the results; from_end: counted from the last one (`-1:-100`). RFC 9394 3.1."""

    first: int
    last: int
    from_end: bool = False

    def __str__(self) -> str:
        return f"-{self.first}:-{self.last}" if self.from_end else f"{self.first}:{self.last}"

    def of(self, count: int) -> slice:
        """Which of `count` results it means."""
        low, high = sorted((self.first, self.last))
        return slice(max(0, count - high), max(0, count - low + 1)) if self.from_end else slice(low - 1, high)


@dataclass(slots=True, frozen=True)
class Search:
    """results None: the answer is the old SEARCH response, else ESEARCH with those (RFC 4731 3.1). partial: what PARTIAL
    among them means. by_modseq: a key asks for a MODSEQ, so that the answer tells one (RFC 7162 3.1.5)."""

    key: Key
    results: frozenset[Return] | None = None
    by_uid: bool = False
    partial: Partial | None = None
    by_modseq: bool = False


def search(cursor: Cursor, *, by_uid: bool = False) -> Search:
    """search = "SEARCH" [search-return-opts] [SP "CHARSET" SP astring] 1*(SP search-key)"""
    cursor.space()
    results, partial = return_options(cursor)
    charset = "utf-8"
    if cursor.take(b"CHARSET "):
        if cursor.utf8_only:
            raise GrammarFault("all is UTF-8 now, so that no charset can be named")
        charset = named_charset(cursor.astring(), results)
        cursor.space()
    key, by_modseq = search_keys(cursor, charset)
    return Search(key, results, by_uid, partial, by_modseq)


def search_keys(cursor: Cursor, charset: str) -> tuple[Key, bool]:
    """(all that is asked, whether a MODSEQ is asked for)"""
    reader = _Keys(cursor, charset)
    return reader.several(), reader.by_modseq


_PARTIAL = re.compile(rb" (-?)(\d{1,10}):(-?)(\d{1,10})")


def return_options(cursor: Cursor) -> tuple[frozenset[Return] | None, Partial | None]:
    """search-return-opts = SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"; and a space after it.

    RFC 9394 3.1: search-return-opt =/ "PARTIAL" SP partial-range; one PARTIAL or one ALL, not both.
    """
    if not cursor.take(b"RETURN "):
        return None, None
    partials: list[Partial] = []

    def one() -> Return:
        try:
            word = Return(cursor.word("MIN, MAX, ALL, COUNT, SAVE or PARTIAL").decode("ascii"))
        except ValueError:
            raise GrammarFault("there is no such search result") from None
        if word is Return.PARTIAL:
            partials.append(_partial(cursor))
        return word

    results = frozenset(cursor.parenthesised(one, may_be_empty=True)) or frozenset((Return.ALL,))
    if len(partials) > 1 or (partials and Return.ALL in results):
        raise GrammarFault("only one PARTIAL or ALL can be asked for")
    cursor.space()
    return results, partials[0] if partials else None


def _partial(cursor: Cursor) -> Partial:
    """partial-range = nz-number ":" nz-number / MINUS nz-number ":" MINUS nz-number"""
    sign, first, other_sign, last = cursor.match(_PARTIAL, "a range such as 1:100 or -1:-100").groups()
    if sign != other_sign or not 0 < int(first) <= LARGEST or not 0 < int(last) <= LARGEST:
        raise GrammarFault("that is no range of results")
    return Partial(int(first), int(last), sign == b"-")


def named_charset(name: bytes, results: frozenset[Return] | None) -> str:
    """Python's name for it. US-ASCII is read as UTF-8, which holds it: clients name the one and send the other.

    Raises BadCharset."""
    wanted = name.decode("ascii", "replace")
    if wanted.upper() in ("US-ASCII", "ASCII"):
        return "utf-8"
    codec = codec_for(wanted)
    if codec is None:
        raise BadCharset(saves=results is not None and Return.SAVE in results)
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
_SAVED = {b"SAVEDBEFORE": When.BEFORE, b"SAVEDON": When.ON, b"SAVEDSINCE": When.SINCE}
_SENT = {b"SENTBEFORE": When.BEFORE, b"SENTON": When.ON, b"SENTSINCE": When.SINCE}


class _Keys:
    """The reader of one program of keys: it counts them and how deep they lie."""

    def __init__(self, cursor: Cursor, charset: str) -> None:
        self.cursor = cursor
        self._charset = charset
        self._count = 0
        self._texts = 0
        self._depth = 0
        self.by_modseq = False

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
        if word in _SAVED:
            return Saved(_SAVED[word], cursor.day())
        if word in _SENT:
            return Sent(_SENT[word], cursor.day())
        if word in _WITH_ARGUMENT:
            return _WITH_ARGUMENT[word](self)
        raise GrammarFault("there is no such search key")

    def text(self) -> str:
        """An astring in the command's charset. Octets that are not in it can match nothing that a reader sees."""
        self._texts += 1
        if self._texts > MOST_TEXTS:
            raise GrammarFault("too many texts to search for")
        try:
            return self.cursor.astring().decode(self._charset)
        except UnicodeError:
            raise GrammarFault("the text to search for is not in the charset named") from None

    def header(self) -> Key:
        name = self.cursor.astring()
        self.cursor.space()
        return Header(name.decode("latin-1"), self.text())

    def modseq(self) -> Key:
        """search-modsequence = "MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-valzer

        A message has one MODSEQ for all its flags, which RFC 7162 3.1.5 allows: the entry is read and passed over."""
        self.by_modseq = True
        if self.cursor.stands(b'"'):
            self.cursor.match(_ENTRY, 'an entry such as "/flags/\\\\Seen" with priv, shared or all')
        return ChangedSince(int(self.cursor.match(_MODSEQ, "a MODSEQ").group()))

    def object_id(self) -> str:
        return self.cursor.match(_OBJECT_ID, "an object's id").group().decode("ascii")

    def either(self) -> Key:
        left = self.one()
        self.cursor.space()
        return Or(left, self.one())


# entry-name = DQUOTE "/flags/" attr-flag DQUOTE; entry-type-req = "priv" / "shared" / "all"
_ENTRY = re.compile(rb'"/flags/(?:[^"\\\r\n]|\\\\){1,255}" (?:priv|shared|all) ', re.IGNORECASE)
# mod-sequence-valzer: 63 bits
_MODSEQ = re.compile(rb"\d{1,19}(?!\d)")
# RFC 8474 4: objectid = 1*255(ALPHA / DIGIT / "_" / "-")
_OBJECT_ID = re.compile(rb"[A-Za-z0-9_-]{1,255}(?![A-Za-z0-9_-])")

_WITH_ARGUMENT: dict[bytes, Callable[[_Keys], Key]] = {
    b"BODY": lambda keys: Body(keys.text()),
    b"TEXT": lambda keys: Text(keys.text()),
    b"EMAILID": lambda keys: EmailId(keys.object_id()),
    b"HEADER": _Keys.header,
    b"KEYWORD": lambda keys: Flagged(keys.cursor.flag()),
    b"UNKEYWORD": lambda keys: Not(Flagged(keys.cursor.flag())),
    b"LARGER": lambda keys: Larger(keys.cursor.number()),
    b"MODSEQ": _Keys.modseq,
    b"OLDER": lambda keys: Older(keys.cursor.nz_number()),
    b"THREADID": lambda keys: ThreadId(keys.object_id()),
    b"YOUNGER": lambda keys: Younger(keys.cursor.nz_number()),
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
    b"SAVEDATESUPPORTED": All(),  # RFC 8514 4.3: true where the mailbox keeps that date, as all of ours do
}
