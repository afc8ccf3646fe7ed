"""PARTIAL with SEARCH, RFC 9394 3.1 and 3.2 (with FETCH: test_fetch_partial.py)."""

from __future__ import annotations

import pytest

from tests.imap.conftest import Post, closing

# Twelve messages; 2, 4, …, 12 are flagged. What is asked → the ESEARCH response's data.
PARTIAL: dict[str, dict[str, object]] = {
    "RETURN (PARTIAL 1:3) FLAGGED": {"PARTIAL": ("1:3", [2, 4, 6])},
    "RETURN (PARTIAL 4:6) FLAGGED": {"PARTIAL": ("4:6", [8, 10, 12])},
    "RETURN (PARTIAL 5:500) FLAGGED": {"PARTIAL": ("5:500", [10, 12])},
    "RETURN (PARTIAL 3:1) FLAGGED": {"PARTIAL": ("3:1", [2, 4, 6])},
    "RETURN (PARTIAL 2:2) FLAGGED": {"PARTIAL": ("2:2", [4])},
    "RETURN (PARTIAL 7:9) FLAGGED": {"PARTIAL": ("7:9", [])},
    "RETURN (PARTIAL -1:-2) FLAGGED": {"PARTIAL": ("-1:-2", [10, 12])},
    "RETURN (PARTIAL -2:-1) FLAGGED": {"PARTIAL": ("-2:-1", [10, 12])},
    "RETURN (PARTIAL -5:-500) FLAGGED": {"PARTIAL": ("-5:-500", [2, 4])},
    "RETURN (PARTIAL -7:-9) FLAGGED": {"PARTIAL": ("-7:-9", [])},
    "RETURN (PARTIAL 1:2 COUNT) FLAGGED": {"COUNT": 6, "PARTIAL": ("1:2", [2, 4])},
    "RETURN (MIN MAX PARTIAL 2:3) FLAGGED": {"MIN": 2, "MAX": 12, "PARTIAL": ("2:3", [4, 6])},
    "RETURN (PARTIAL 1:100) ANSWERED": {"PARTIAL": ("1:100", [])},
    "RETURN (PARTIAL 1:4294967295) CHARSET UTF-8 FLAGGED": {"PARTIAL": ("1:4294967295", [2, 4, 6, 8, 10, 12])},
}


@pytest.fixture
async def twelve(post: Post) -> Post:
    for number in range(1, 13):
        post.put(b"Subject: %d\r\n\r\nx\r\n" % number, flags=0 if number % 2 else 4)
    return post


async def test_parts_of_results(twelve: Post) -> None:
    client = await twelve.selected()
    async with closing(client):
        for what, expected in PARTIAL.items():
            assert (await client.ok(f"SEARCH {what}")).esearch == expected, what
            assert (await client.ok(f"UID SEARCH {what}")).esearch == expected, what
        await client.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        await client.ok("EXPUNGE")
        assert (await client.ok("UID SEARCH RETURN (PARTIAL 1:2) ALL")).esearch == {"PARTIAL": ("1:2", [2, 3])}
        assert (await client.ok("SEARCH RETURN (PARTIAL 1:2) ALL")).esearch == {"PARTIAL": ("1:2", [1, 2])}


REFUSED = {
    "with ALL": "SEARCH RETURN (PARTIAL 1:5 ALL) ALL",
    "twice": "SEARCH RETURN (PARTIAL 1:5 PARTIAL 6:10) ALL",
    "from both ends": "SEARCH RETURN (PARTIAL 1:-5) ALL",
    "from 0": "SEARCH RETURN (PARTIAL 0:5) ALL",
    "a star": "SEARCH RETURN (PARTIAL 1:*) ALL",
    "one number": "SEARCH RETURN (PARTIAL 5) ALL",
    "no range": "SEARCH RETURN (PARTIAL) ALL",
    "too large": "SEARCH RETURN (PARTIAL 1:4294967296) ALL",
}


@pytest.mark.parametrize("command", REFUSED.values(), ids=REFUSED)
async def test_what_is_refused(post: Post, command: str) -> None:
    client = await post.selected()
    async with closing(client):
        assert (await client.command(command)).done.status == "BAD"
