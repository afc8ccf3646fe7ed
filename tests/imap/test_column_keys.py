"""Search keys that the database answers: the same messages as when each is judged by its row."""

from __future__ import annotations

from datetime import date

import pytest

from appliance.imap import column_keys
from appliance.imap.commands import search
from appliance.imap.grammar import search as keys
from appliance.store.changes.messages import NewMessage, append

from .conftest import Post, closing

DAY_S = column_keys.DAY_S
DAYS = [*range(20_000, 20_010)]  # since the epoch; the first is 2024-10-04
PROGRAMS = [
    "SINCE 6-Oct-2024",
    "BEFORE 6-Oct-2024",
    "ON 6-Oct-2024",
    "NOT ON 6-Oct-2024",
    "SINCE 6-Oct-2024 BEFORE 9-Oct-2024",
    "OR ON 5-Oct-2024 ON 7-Oct-2024",
    "LARGER 60",
    "SMALLER 60 UNSEEN",
    "NOT LARGER 60 SINCE 5-Oct-2024",
    "SINCE 1-Jan-2030",
    "OLDER 1000",
    "YOUNGER 1000",
    "SAVEDSINCE 1-Jan-2020",
    "SAVEDBEFORE 1-Jan-2020",
    "SUBJECT even SINCE 6-Oct-2024",
]


@pytest.mark.parametrize("program", PROGRAMS)
async def test_both_ways_find_the_same(program: str, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, day in enumerate(DAYS):
        octets = b"Subject: %s\r\n\r\n%s" % (b"even" if number % 2 == 0 else b"odd", b"x" * 10 * number)
        for seconds in (0, DAY_S - 1):
            content = post.store.spool_bytes(octets)
            new = NewMessage(content, number % 2, "", day * DAY_S + seconds)
            post.store.write_now(append(post.mailbox_id(), (new,)))
            content.discard()
    client = await post.selected()
    async with closing(client):
        by_rows = (await client.ok(f"UID SEARCH {program}")).searched
        monkeypatch.setattr(search, "ON_THE_LOOP", 5)
        assert (await client.ok(f"UID SEARCH {program}")).searched == by_rows
    assert (by_rows is not None and len(by_rows) < 20) or program in ("OLDER 1000", "SAVEDSINCE 1-Jan-2020")


@pytest.mark.parametrize("program", ["NOT LARGER 60", "NOT SMALLER 60", "NOT ON 6-Oct-2024", "NOT OLDER 1000"])
async def test_a_message_that_is_gone_matches_nothing_either_way(
    program: str, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its client has not heard of it yet, another has expunged it."""
    for number in range(10):
        post.put(b"Subject: x\r\n\r\n%s" % (b"x" * 10 * number))
    client, other = await post.selected(), await post.selected()
    async with closing(client), closing(other):
        await client.ok("UID SEARCH ALL")  # the view is read
        await other.ok("UID STORE 1,9 +FLAGS.SILENT \\Deleted")
        await other.ok("EXPUNGE")
        by_rows = (await client.ok(f"SEARCH {program}")).searched
        monkeypatch.setattr(search, "ON_THE_LOOP", 5)
        assert (await client.ok(f"SEARCH {program}")).searched == by_rows
    assert by_rows is not None and not {1, 9} & set(by_rows)


@pytest.mark.parametrize(
    ("key", "matches"),
    [
        (keys.Smaller(0), set()),
        (keys.Smaller(4294967295), {0, 1, 4294967294}),
        (keys.Larger(0), {1, 4294967294, 4294967295}),
        (keys.Larger(4294967295), set()),
    ],
)
def test_sizes_at_the_ends_of_32_bits(key: keys.Key, matches: set[int]) -> None:
    within = column_keys.bounds(key, 0)
    assert within is not None
    assert {octets for octets in (0, 1, 4294967294, 4294967295) if within[1] <= octets <= within[2]} == matches


def test_the_seconds_of_a_day() -> None:
    begins = 20_002 * DAY_S
    for when, within in {
        keys.When.BEFORE: ("internal_date", float("-inf"), begins - 1),
        keys.When.ON: ("internal_date", begins, begins + DAY_S - 1),
        keys.When.SINCE: ("internal_date", begins, float("inf")),
    }.items():
        assert column_keys.bounds(keys.Internal(when, date(2024, 10, 6)), 0) == within


def test_too_many_are_left_to_the_rows() -> None:
    some = tuple(keys.Larger(octets) for octets in range(column_keys.MOST))
    assert len(column_keys.asked(keys.And(some), 0)) == column_keys.MOST
    assert not column_keys.asked(keys.And((*some, keys.Smaller(1))), 0)
