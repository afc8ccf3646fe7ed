"""FETCH's PARTIAL, as RFC 9394 3.3 has it, and PREVIEW, as RFC 8970 has it."""

from __future__ import annotations

import pytest

from .conftest import Post, closing

PARTIAL = {
    "the first": ("1:* (UID) (PARTIAL 1:2)", [1, 2]),
    "the other way round": ("1:* (UID) (PARTIAL 2:1)", [1, 2]),
    "in the middle": ("2:* (UID) (PARTIAL 2:3)", [3, 4]),
    "the last": ("1:* (UID) (PARTIAL -1:-2)", [4, 5]),
    "before the last": ("1:* (UID) (PARTIAL -2:-3)", [3, 4]),
    "more than there are": ("1:* (UID) (PARTIAL 4:100)", [4, 5]),
    "more from the end": ("1:* (UID) (PARTIAL -4:-100)", [1, 2]),
    "none": ("1:* (UID) (PARTIAL 6:9)", []),
    "of what has changed": ("1:* (UID) (CHANGEDSINCE 3 PARTIAL -1:-2)", [4, 5]),
    "of what has changed, the first": ("1:* (UID) (PARTIAL 1:1 CHANGEDSINCE 3)", [3]),
}


@pytest.mark.parametrize(("what", "uids"), PARTIAL.values(), ids=PARTIAL)
async def test_partial(post: Post, what: str, uids: list[int]) -> None:
    for _ in range(5):
        post.put(b"Subject: hello\r\n\r\nbody\r\n")
    client = await post.selected()
    async with closing(client):
        assert [each.items["UID"] for each in (await client.ok(f"UID FETCH {what}")).fetched] == uids


@pytest.mark.parametrize("item", ["PREVIEW", "PREVIEW (LAZY)", "(PREVIEW)", "(PREVIEW (LAZY))"])
async def test_preview(post: Post, item: str) -> None:
    post.put(b"Subject: hello\r\n\r\nSee  you\r\nat eight\r\n")
    post.put("Subject: hello\r\n\r\nGrüße\r\n".encode())
    client = await post.selected()
    async with closing(client):
        fetched = (await client.ok(f"FETCH 1:* {item}")).fetched
        assert [each.items["PREVIEW"] for each in fetched] == [b"See you at eight", "Grüße".encode()]
