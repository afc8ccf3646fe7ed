"""SAVEDATE, RFC 8514: when a message came into its mailbox."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from appliance.store.transaction import Tx
from tests.imap.conftest import Post, closing

MESSAGE = b"Subject: x\r\n\r\nx\r\n"
DAY_S = 24 * 60 * 60


def saved_at(post: Post, uid: int, moment_s: float) -> None:
    """Its save date, as if the clock had been at that time."""

    def change(tx: Tx) -> None:
        tx.connection.execute("UPDATE messages SET saved_at = ? WHERE uid = ?", (int(moment_s), uid))

    post.store.write_now(change)


async def test_fetch_tells_the_date_of_the_copy(post: Post) -> None:
    """RFC 8514 4.1: of a copy it is when it was copied; a move is one to where it goes."""
    post.put(MESSAGE)
    saved_at(post, 1, 1_000_000_000)
    client = await post.selected()
    async with closing(client):
        assert (await client.ok("FETCH 1 SAVEDATE")).item("SAVEDATE") == " 9-Sep-2001 01:46:40 +0000"
        assert (await client.ok("UID FETCH 1 (INTERNALDATE SAVEDATE)")).item("SAVEDATE") is not None
        await client.ok("CREATE there")
        await client.ok("COPY 1 there")
        await client.ok("MOVE 1 there")
        await client.ok("SELECT there")
        for fetched in (await client.ok("FETCH 1:2 (SAVEDATE INTERNALDATE)")).fetched:
            assert re.match(rf".\d-[A-Z][a-z]{{2}}-{datetime.now(UTC).year}", str(fetched.items["SAVEDATE"]))
            assert str(fetched.items["INTERNALDATE"]).startswith("14-Nov-2023")


# Days after today → the messages, which were saved yesterday at the last second, today at the first, and tomorrow.
SEARCHES = {
    ("SAVEDBEFORE", 0): [1],
    ("SAVEDON", 0): [2],
    ("SAVEDSINCE", 0): [2, 3],
    ("SAVEDBEFORE", -1): [],
    ("SAVEDON", -1): [1],
    ("SAVEDSINCE", -1): [1, 2, 3],
    ("SAVEDON", 1): [3],
    ("SAVEDSINCE", 2): [],
}


async def test_searches(post: Post) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for offset_s in (-1, 0, DAY_S):
        saved_at(post, post.put(MESSAGE), today.timestamp() + offset_s)
    client = await post.selected()
    async with closing(client):
        for (key, days), expected in SEARCHES.items():
            day = (today + timedelta(days=days)).strftime("%d-%b-%Y")
            assert (await client.ok(f"SEARCH {key} {day}")).searched == expected, (key, days)
            opposite = [number for number in (1, 2, 3) if number not in expected]
            assert (await client.ok(f"SEARCH NOT {key} {day}")).searched == opposite, (key, days)
        assert (await client.ok("SEARCH SAVEDATESUPPORTED")).searched == [1, 2, 3]
        assert (await client.ok("SEARCH NOT SAVEDATESUPPORTED")).searched == []


@pytest.mark.parametrize("what", ["SAVEDON", "SAVEDON yesterday", "SAVEDSINCE 31-Feb-2026", "SAVEDATE"])
async def test_what_is_no_day(post: Post, what: str) -> None:
    client = await post.selected()
    async with closing(client):
        assert (await client.command(f"SEARCH {what}")).done.status == "BAD"


async def test_it_is_announced(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        await client.ok("CAPABILITY")
        assert "SAVEDATE" in client.capabilities
