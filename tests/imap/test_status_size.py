"""STATUS=SIZE, RFC 8438, and DELETED and DELETED-STORAGE, RFC 9051 6.3.11 and RFC 9208 4.1.4."""

from __future__ import annotations

from appliance.store.flags import DELETED

from .conftest import Post, closing

SHORT, LONG = b"Subject: a\r\n\r\nb\r\n", b"Subject: a\r\n\r\n" + b"long " * 100 + b"\r\n"


async def test_the_size_is_that_of_all_messages(post: Post) -> None:
    post.put(SHORT)
    post.put(LONG)
    client = await post.selected()
    async with closing(client):
        assert "STATUS=SIZE" in client.capabilities
        sizes = [fetched.items["RFC822.SIZE"] for fetched in (await client.ok("FETCH 1:* RFC822.SIZE")).fetched]
        assert (await client.ok("STATUS INBOX (SIZE)")).status_items == {"SIZE": sum(sizes)}  # type: ignore[arg-type]
        await client.ok("STORE 1 +FLAGS (\\Deleted)")
        await client.ok("EXPUNGE")
        assert (await client.ok("STATUS INBOX (SIZE)")).status_items == {"SIZE": sizes[1]}
        assert (await client.ok('LIST "" INBOX RETURN (STATUS (SIZE))')).status_items == {"SIZE": sizes[1]}
        assert (await client.ok("STATUS Sent (SIZE)")).status_items == {"SIZE": 0}


async def test_what_expunge_would_take(post: Post) -> None:
    post.put(LONG, flags=DELETED)
    post.put(SHORT)
    client = await post.client()
    async with closing(client):
        items = (await client.ok("STATUS INBOX (DELETED DELETED-STORAGE SIZE)")).status_items
        assert items == {"DELETED": 1, "DELETED-STORAGE": len(LONG), "SIZE": len(LONG) + len(SHORT)}
        assert (await client.ok("STATUS Sent (DELETED DELETED-STORAGE)")).status_items == {
            "DELETED": 0, "DELETED-STORAGE": 0,
        }  # fmt: skip
