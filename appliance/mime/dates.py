"""Dates as header fields write them.

Promises: `parse_date(format_date(x)) == x` for every aware `x` of whole seconds; never raises on octets; the result is
aware and can be converted to any zone. Understands the obsolete zones and two-digit years of RFC 5322 4.3, and what
careless programs write: no zone, no seconds, dashes, `GMT+0200`, the order of C's asctime, ISO 8601. A zone that means
nothing is read as UTC. Known limit: a leap second is read as the second before it. RFC 5322 3.3, 4.3.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBERS = {name.lower().encode(): number for number, name in enumerate(_MONTHS, 1)}
# RFC 5322 4.3. All other letters, the military zones among them, mean "unknown" and are read as UTC.
_ZONE_HOURS = {b"EDT": -4, b"EST": -5, b"CDT": -5, b"CST": -6, b"MDT": -6, b"MST": -7, b"PDT": -7, b"PST": -8}
_MOST_OCTETS = 256
_FIRST_YEAR, _LAST_YEAR = 1900, 9998  # RFC 5322 3.3 has nothing before 1900; the last year of datetime may overflow

_TIME = rb"(?P<hour>\d{1,2})\s*[:.]\s*(?P<minute>\d\d)(?:\s*[:.]\s*(?P<second>\d\d)(?:[.,]\d+)?)?"
_ZONE = rb"\s*(?:(?:GMT|UTC?)?(?P<offset>[+-]\d{1,2}:?\d\d)(?!\d)|(?P<zone>[A-Za-z]+))?"
_USUAL = re.compile(
    rb"(?:[A-Za-z]+\s*[,.]?\s*)?(?P<day>\d{1,2})[\s-]\s*(?P<month>[A-Za-z]{3})[A-Za-z]*[.,]?[\s-]\s*(?P<year>\d{2,4})[\s,]\s*"
    + _TIME
    + _ZONE
)
_ASCTIME = re.compile(
    rb"[A-Za-z]+,?\s+(?P<month>[A-Za-z]{3})[a-z]*\s+(?P<day>\d{1,2}),?\s+"
    + _TIME
    + rb"(?:\s+(?P<zone>[A-Za-z]+))?\s+(?P<year>\d{4})(?:\s+(?P<offset>[+-]\d{4}))?"
)
_ISO = re.compile(
    rb"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)[Tt\s]\s*"
    + _TIME
    + rb"\s*(?:(?P<offset>[+-]\d\d:?\d\d)|(?P<zone>[A-Za-z]+))?"
)
_INNER_COMMENT = re.compile(rb"\([^()]*\)")


def parse_date(value: bytes) -> datetime | None:
    """None when no date can be made out, or when there is no such day."""
    text = value[:_MOST_OCTETS]
    while b"(" in text and (shorter := _INNER_COMMENT.sub(b" ", text)) != text:
        text = shorter
    text = text.strip()
    found = _USUAL.match(text) or _ISO.match(text) or _ASCTIME.match(text)
    if found is None:
        return None
    month = found["month"]
    year = int(found["year"])
    if len(found["year"]) == 2:
        year += 2000 if year < 50 else 1900  # RFC 5322 4.3
    elif len(found["year"]) == 3:
        year += 1900
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        return None
    try:
        return datetime(
            year,
            int(month) if month.isdigit() else _MONTH_NUMBERS[month.lower()],
            int(found["day"]),
            int(found["hour"]),
            int(found["minute"]),
            min(int(found["second"] or 0), 59),
            tzinfo=_zone(found["offset"], found["zone"]),
        )
    except (ValueError, KeyError):
        return None


def format_date(moment: datetime) -> str:
    """`Fri, 21 Nov 1997 09:55:06 -0600`, never in the words of a locale. A moment without zone is taken for UTC."""
    offset = moment.utcoffset()
    if offset is None:
        moment, offset = moment.replace(tzinfo=UTC), timedelta()
    minutes, rest = divmod(offset, timedelta(minutes=1))
    if rest:  # a zone such as the local mean time of 1900 does not fit into +hhmm
        moment, minutes = moment.astimezone(UTC), 0
    sign = "-" if minutes < 0 else "+"
    hours, minutes = divmod(abs(minutes), 60)
    return (
        f"{_DAYS[moment.weekday()]}, {moment.day:02} {_MONTHS[moment.month - 1]} {moment.year:04}"
        f" {moment.hour:02}:{moment.minute:02}:{moment.second:02} {sign}{hours:02}{minutes:02}"
    )


def _zone(offset: bytes | None, name: bytes | None) -> timezone:
    if offset:
        hours, minutes = int(offset[1:-2].rstrip(b":")), int(offset[-2:])
        if hours < 24 and minutes < 60:
            ahead = timedelta(hours=hours, minutes=minutes)
            return timezone(-ahead if offset.startswith(b"-") else ahead) if ahead else UTC
        return UTC
    if name and (hours_west := _ZONE_HOURS.get(name.upper())):
        return timezone(timedelta(hours=hours_west))
    return UTC
