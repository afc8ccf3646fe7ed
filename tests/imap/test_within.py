"""WITHIN, RFC 5032: OLDER and YOUNGER."""

from __future__ import annotations

import time

import pytest

from tests.imap.conftest import Post, closing

# What is searched for → the messages, which are 10, 1000 and 100,000 seconds old (some seconds more by now).
SEARCHES = {
    "YOUNGER 900": [1],
    "YOUNGER 90000": [1, 2],
    "YOUNGER 4294967295": [1, 2, 3],
    "YOUNGER 1": [],
    "OLDER 5": [1, 2, 3],
    "OLDER 900": [2, 3],
    "OLDER 90000": [3],
    "OLDER 200000": [],
    "OLDER 900 YOUNGER 90000": [2],
    "NOT YOUNGER 900": [2, 3],
    "OR YOUNGER 900 OLDER 90000": [1, 3],
    "UNSEEN YOUNGER 900": [1],
}


@pytest.fixture
async def aged(post: Post) -> Post:
    client = await post.client()
    async with closing(client):
        for age_s in (10, 1000, 100_000):
            moment = time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(time.time() - age_s))
            await client.ok(f'APPEND INBOX "{moment}" {{}}', b"Subject: x\r\n\r\nx\r\n")
    return post


async def test_searches(aged: Post) -> None:
    client = await aged.selected()
    async with closing(client):
        for what, expected in SEARCHES.items():
            assert (await client.ok(f"SEARCH {what}")).searched == expected, what
            assert (await client.ok(f"UID SEARCH {what}")).searched == expected, what


@pytest.mark.parametrize("what", ["OLDER", "OLDER 0", "YOUNGER -1", "YOUNGER 4294967296", "YOUNGER soon"])
async def test_what_is_no_interval(post: Post, what: str) -> None:
    client = await post.selected()
    async with closing(client):
        assert (await client.command(f"SEARCH {what}")).done.status == "BAD"


async def test_it_is_announced(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        await client.ok("CAPABILITY")
        assert "WITHIN" in client.capabilities
