"""Dates: what RFC 5322 writes, what others write, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appliance.mime.dates import format_date, parse_date


def at(*numbers: int, zone: int = 0) -> datetime:
    """zone: +hhmm as a number."""
    hours, minutes = divmod(abs(zone), 100)
    offset = timedelta(hours=hours, minutes=minutes) * (-1 if zone < 0 else 1)
    return datetime(*numbers, tzinfo=timezone(offset))  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        pytest.param("Fri, 21 Nov 1997 09:55:06 -0600", at(1997, 11, 21, 9, 55, 6, zone=-600), id="RFC 5322 A.1.1"),
        pytest.param("Tue, 1 Jul 2003 10:52:37 +0200", at(2003, 7, 1, 10, 52, 37, zone=200), id="RFC 5322 A.1.2"),
        pytest.param("Thu, 13 Feb 1969 23:32:54 -0330", at(1969, 2, 13, 23, 32, 54, zone=-330), id="RFC 5322 A.1.3"),
        pytest.param(
            "Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n               -0330 (Newfoundland Time)",
            at(1969, 2, 13, 23, 32, zone=-330), id="RFC 5322 A.5",
        ),
        pytest.param("21 Nov 97 09:55:06 GMT", at(1997, 11, 21, 9, 55, 6), id="RFC 5322 A.6.2"),
        pytest.param("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", at(1997, 11, 21, 9, 55, 6, zone=-600),
            id="RFC 5322 A.6.3"),
        pytest.param("Mon, 1 Jan 2024 00:00:00 -0000", at(2024, 1, 1, 0, 0, 0), id="unknown zone"),
        pytest.param("1 Jan 2024 00:00 +0000", at(2024, 1, 1, 0, 0), id="no day of the week, no seconds"),
        pytest.param("1 Jan 2024 00:00:00 EST", at(2024, 1, 1, 0, 0, 0, zone=-500), id="EST"),
        pytest.param("1 Jan 2024 00:00:00 PDT", at(2024, 1, 1, 0, 0, 0, zone=-700), id="PDT"),
        pytest.param("1 Jan 2024 00:00:00 UT", at(2024, 1, 1, 0, 0, 0), id="UT"),
        pytest.param("1 Jan 2024 00:00:00 A", at(2024, 1, 1, 0, 0, 0), id="military zones mean nothing"),
        pytest.param("1 Jan 2024 00:00:00 CEST", at(2024, 1, 1, 0, 0, 0), id="unknown name"),
        pytest.param("1 Jan 2024 00:00:00", at(2024, 1, 1, 0, 0, 0), id="no zone"),
        pytest.param("1 Jan 24 00:00:00 +0000", at(2024, 1, 1, 0, 0, 0), id="two digits, this century"),
        pytest.param("1 Jan 50 00:00:00 +0000", at(1950, 1, 1, 0, 0, 0), id="two digits, last century"),
        pytest.param("1 Jan 104 00:00:00 +0000", at(2004, 1, 1, 0, 0, 0), id="three digits"),
        pytest.param("1 Jan 2017 23:59:60 +0000", at(2017, 1, 1, 23, 59, 59), id="leap second"),
        pytest.param("1 Jan 2024 00:00:00 GMT+0200", at(2024, 1, 1, 0, 0, 0, zone=200), id="GMT+"),
        pytest.param("1 Jan 2024 00:00:00 +02:00", at(2024, 1, 1, 0, 0, 0, zone=200), id="zone with colon"),
        pytest.param("1 Jan 2024 00:00:00 +9999", at(2024, 1, 1, 0, 0, 0), id="impossible zone"),
        pytest.param("Mon, 01-Jan-2024 00:00:00 GMT", at(2024, 1, 1, 0, 0, 0), id="dashes"),
        pytest.param("MON, 1 JANUARY 2024 00:00:00 GMT", at(2024, 1, 1, 0, 0, 0), id="capitals, whole words"),
        pytest.param("Mon Jan  1 10:20:30 2024", at(2024, 1, 1, 10, 20, 30), id="asctime"),
        pytest.param("Mon Jan  1 10:20:30 EST 2024", at(2024, 1, 1, 10, 20, 30, zone=-500), id="date(1)"),
        pytest.param("2024-01-02T03:04:05+02:00", at(2024, 1, 2, 3, 4, 5, zone=200), id="ISO 8601"),
        pytest.param("2024-01-02 03:04:05", at(2024, 1, 2, 3, 4, 5), id="ISO 8601 with a space"),
        pytest.param("Wednesday 3 Jan 2024 1:02:03 +0000", at(2024, 1, 3, 1, 2, 3), id="one digit for the hour"),
        pytest.param("(a (nested) comment) 1 Jan 2024 00:00 GMT", at(2024, 1, 1, 0, 0), id="comment first"),
        pytest.param("", None, id="nothing"),
        pytest.param("yesterday", None, id="a word"),
        pytest.param("31 Feb 2024 00:00:00 +0000", None, id="no such day"),
        pytest.param("1 Foo 2024 00:00:00 +0000", None, id="no such month"),
        pytest.param("1 Jan 2024 24:00:00 +0000", None, id="no such hour"),
        pytest.param("1 Jan 2024", None, id="no time"),
        pytest.param("1 Jan 1899 00:00:00 +0000", None, id="before RFC 5322"),
        pytest.param("1 Jan 9999 00:00:00 +0000", None, id="too late"),
        pytest.param("2024-13-01 00:00:00", None, id="ISO 8601, no such month"),
    ],
)  # fmt: skip
def test_parse_date(value: str, moment: datetime | None) -> None:
    found = parse_date(value.encode())
    assert found == moment
    if found is not None and moment is not None:
        assert found.utcoffset() == moment.utcoffset()


def test_format_date() -> None:
    assert format_date(at(1997, 11, 21, 9, 55, 6, zone=-600)) == "Fri, 21 Nov 1997 09:55:06 -0600"
    assert format_date(datetime(2024, 1, 2, tzinfo=UTC)) == "Tue, 02 Jan 2024 00:00:00 +0000"
    assert format_date(datetime(2024, 1, 2)) == "Tue, 02 Jan 2024 00:00:00 +0000"
    assert format_date(at(2024, 1, 2, zone=-330)) == "Tue, 02 Jan 2024 00:00:00 -0330"


def test_a_zone_with_seconds_is_written_in_utc() -> None:
    odd = datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1, seconds=7)))
    assert format_date(odd) == "Tue, 02 Jan 2024 02:03:58 +0000"
    assert parse_date(format_date(odd).encode()) == odd


@given(
    st.datetimes(
        min_value=datetime(1900, 1, 2),
        max_value=datetime(9998, 12, 30),
        timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    )
)
@settings(max_examples=300, deadline=None)
def test_what_is_written_is_read(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)
    found = parse_date(format_date(moment).encode())
    assert found == moment
    assert found.utcoffset() == moment.utcoffset()


_PIECES = [b"Mon, ", b"1 ", b"31", b" Jan ", b"2024", b" 10:20:30", b" ", b"+0200", b"-9959", b"EST", b"(", b")", b"0", b":", b"-",
    b"9998", b"23:59", b"2024-01-02T"]  # fmt: skip


@given(st.lists(st.sampled_from(_PIECES), max_size=12).map(b"".join) | st.binary(max_size=60))
@settings(max_examples=400, deadline=None)
@example(b"1 Jan 1900 00:00:00 +2359")
@example(b"31 Dec 9998 23:59:59 -2359")
@example(b"1 Jan 2024 00:00:00 +00\xb2")
def test_any_octets_are_read_and_convertible(value: bytes) -> None:
    moment = parse_date(value)
    if moment is not None:
        moment.astimezone(UTC)
        moment.timestamp()
