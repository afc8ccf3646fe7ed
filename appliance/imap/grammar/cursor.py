"""A place in one whole command, and the reading of what all verbs share: atoms, strings, literals, numbers, lists.

The machine hands over a command with its literals in place (`{5}` CRLF and five octets) and without its final CRLF.
Every reader either moves on and returns a value, or raises GrammarFault. RFC 3501 9.

Leniencies: a literal may be announced as `{5+}` wherever `{5}` may (RFC 7888); flags in a list may be separated by more
than one space (Apple Mail 2); octets above 127 may stand in strings without quotes (scripts with Python's imaplib).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from typing import TypeVar

from ..values import LARGEST, SAVED, STAR, MailboxNameFault, SequenceSet, decode_mailbox, decode_utf8_name

MOST_NESTED = 50  # levels of parentheses
MOST_IN_LIST = 1000  # things in one list; the longest that clients send are header names, some dozens

# ATOM-CHAR = <any CHAR except atom-specials>; atom-specials = "(" / ")" / "{" / SP / CTL / list-wildcards /
#             quoted-specials / resp-specials
_ATOM = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")
# ASTRING-CHAR = ATOM-CHAR / resp-specials
_ASTRING = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~\x80-\xff]+")
# list-char = ATOM-CHAR / list-wildcards / resp-specials
_LIST_CHARS = re.compile(rb"[!#$%&'*+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~\x80-\xff]+")
# quoted = DQUOTE *QUOTED-CHAR DQUOTE; we take octets above 127 as well (RFC 6855 and clients without it)
_QUOTED = re.compile(rb'"((?:[^\x00\r\n"\\]|\\["\\])*)"')
_QUOTED_PAIR = re.compile(rb'\\(["\\])')
_LITERAL = re.compile(rb"\{(\d{1,10})\+?\}\r\n")
_NUMBER = re.compile(rb"\d{1,20}")
_FLAG = re.compile(rb"\\?[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")
# sequence-set = (seq-number / seq-range) *("," sequence-set)
_SEQUENCE_SET = re.compile(rb"(?:\d{1,10}|\*)(?::(?:\d{1,10}|\*))?(?:,(?:\d{1,10}|\*)(?::(?:\d{1,10}|\*))?)*")
# date = date-text / DQUOTE date-text DQUOTE; date-text = date-day "-" date-month "-" date-year
_DATE = re.compile(rb'("?)(\d{1,2})-([A-Za-z]{3})-(\d{4})\1')
# date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE
_DATE_TIME = re.compile(rb'"([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)"')

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = {name.upper().encode(): number for number, name in enumerate(MONTHS, 1)}

T = TypeVar("T")


class GrammarFault(ValueError):
    """The command is not as the grammar wants it; `str()` of it is a sentence without the final full stop."""


class Cursor:
    """utf8_names: mailbox names are UTF-8, as the client has asked for (RFC 6855 3, RFC 9051 5.1), not modified UTF-7.
    utf8_only: no other charset can be named (RFC 6855 3)."""

    __slots__ = ("at", "data", "utf8_names", "utf8_only")

    def __init__(self, data: bytes, at: int = 0, *, utf8_names: bool = False, utf8_only: bool = False) -> None:
        self.data = data
        self.at = at
        self.utf8_names = utf8_names
        self.utf8_only = utf8_only

    # what stands here

    def fault(self, wanted: str) -> GrammarFault:
        where = "at the end" if self.at >= len(self.data) else f"at octet {self.at + 1}"
        return GrammarFault(f"{wanted} expected {where} of the command")

    @property
    def ended(self) -> bool:
        return self.at >= len(self.data)

    def stands(self, octets: bytes) -> bool:
        """Case-sensitive, and without moving."""
        return self.data.startswith(octets, self.at)

    def take(self, octets: bytes) -> bool:
        """Moves past `octets` if they stand here, in any case."""
        end = self.at + len(octets)
        if self.data[self.at : end].upper() != octets:
            return False
        self.at = end
        return True

    def need(self, octets: bytes) -> None:
        if not self.take(octets):
            raise self.fault("a space" if octets == b" " else octets.decode("ascii"))

    def space(self) -> None:
        self.need(b" ")

    def end(self) -> None:
        """Leniency: spaces before the end of a command (Outlook 2003, `telnet`)."""
        while self.stands(b" "):
            self.at += 1
        if not self.ended:
            raise self.fault("the end")

    def match(self, pattern: re.Pattern[bytes], what: str) -> re.Match[bytes]:
        found = pattern.match(self.data, self.at)
        if found is None:
            raise self.fault(what)
        self.at = found.end()
        return found

    # words

    def atom(self, what: str = "an atom") -> bytes:
        return self.match(_ATOM, what).group()

    def word(self, what: str = "a word") -> bytes:
        """An atom in capitals."""
        return self.atom(what).upper()

    def string(self) -> bytes:
        if self.stands(b'"'):
            return _QUOTED_PAIR.sub(rb"\1", self.match(_QUOTED, "a quoted string that ends").group(1))
        if self.stands(b"{"):
            size = int(self.match(_LITERAL, "a literal").group(1))
            start = self.at
            if start + size > len(self.data):
                raise self.fault("the rest of a literal")
            self.at += size
            if self.data.find(b"\0", start, self.at) >= 0:
                raise GrammarFault("a literal must not hold NUL")
            return self.data[start : self.at]
        raise self.fault("a string")

    def astring(self) -> bytes:
        if self.stands(b'"') or self.stands(b"{"):
            return self.string()
        return self.match(_ASTRING, "a string").group()

    def nstring(self) -> bytes | None:
        return None if self.take(b"NIL") else self.string()

    def mailbox(self) -> str:
        """mailbox = "INBOX" / astring"""
        return self._name(self.astring())

    def list_mailbox(self) -> str:
        """list-mailbox = 1*list-char / string"""
        if self.stands(b'"') or self.stands(b"{"):
            return self._name(self.string())
        return self._name(self.match(_LIST_CHARS, "a mailbox name or pattern").group())

    def _name(self, octets: bytes) -> str:
        try:
            return decode_utf8_name(octets) if self.utf8_names else decode_mailbox(octets)
        except MailboxNameFault as fault:
            raise GrammarFault(str(fault)) from None

    # numbers

    def number(self) -> int:
        value = int(self.match(_NUMBER, "a number").group())
        if value > LARGEST:
            raise GrammarFault("a number must be below 4294967296")
        return value

    def nz_number(self) -> int:
        value = self.number()
        if not value:
            raise GrammarFault("a number must not be 0 here")
        return value

    def sequence_set(self) -> SequenceSet:
        """Also `$` (RFC 5182: sequence-set =/ seq-last-command)."""
        if self.take(b"$"):
            return SAVED
        ranges = []
        for part in self.match(_SEQUENCE_SET, "a set of message numbers").group().split(b","):
            low, colon, high = part.partition(b":")
            ranges.append((_seq_number(low), _seq_number(high if colon else low)))
        return SequenceSet(tuple(ranges))

    def at_sequence_set(self) -> bool:
        return self.data[self.at : self.at + 1] in _SET_BEGINS and not self.ended

    # times

    def day(self) -> date:
        found = self.match(_DATE, "a day such as 1-Feb-2026")
        _, day, month, year = found.groups()
        try:
            return date(int(year), _MONTH[month.upper()], int(day))
        except (KeyError, ValueError):
            raise GrammarFault("there is no such day") from None

    def date_time(self) -> datetime:
        found = self.match(_DATE_TIME, 'a time such as " 1-Feb-2026 10:00:00 +0000"')
        day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = found.groups()
        offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
        try:
            zone = timezone(-offset if sign == b"-" else offset)
            # A leap second is not a time that Python knows.
            return datetime(
                int(year), _MONTH[month.upper()], int(day), int(hour), int(minute), min(int(second), 59), 0, zone
            )
        except (KeyError, ValueError):
            raise GrammarFault("there is no such time") from None

    # lists

    def parenthesised(self, read: Callable[[], T], *, may_be_empty: bool = False) -> tuple[T, ...]:
        """`(` read SP read ... `)`"""
        self.need(b"(")
        things: list[T] = []
        if may_be_empty and self.take(b")"):
            return ()
        while True:
            things.append(read())
            if len(things) > MOST_IN_LIST:
                raise GrammarFault("a list is too long")
            if self.take(b")"):
                return tuple(things)
            self.space()

    def flag(self) -> str:
        """flag = "\\Answered" / … / flag-keyword / flag-extension"""
        return self.match(_FLAG, "a flag").group().decode("ascii")

    def flag_list(self) -> tuple[str, ...]:
        """flag-list = "(" [flag *(SP flag)] ")" """
        self.need(b"(")
        flags: list[str] = []
        while True:
            while self.take(b" "):
                pass
            if self.take(b")"):
                return tuple(flags)
            flags.append(self.flag())
            if not (self.stands(b" ") or self.stands(b")")):
                raise self.fault("a space or )")
            if len(flags) > MOST_IN_LIST:
                raise GrammarFault("a list is too long")


_SET_BEGINS = b"0123456789*$"


def _seq_number(octets: bytes) -> int:
    if octets == b"*":
        return STAR
    value = int(octets)
    if not 0 < value <= LARGEST:
        raise GrammarFault("message numbers go from 1 to 4294967295")
    return value
