"""OBJECTID, RFC 8474, of mailboxes."""

from __future__ import annotations

from tests.support.imap_client import ImapClient

from .conftest import Post, closing

MESSAGE = b"Subject: hello\r\n\r\nbody\r\n"


async def id_of(client: ImapClient, name: str) -> object:
    return (await client.ok(f"STATUS {name} (MAILBOXID)")).status_of[name.encode()]["MAILBOXID"]


async def test_create_select_and_status_agree(post: Post) -> None:
    """RFC 8474 4.1-4.3."""
    client = await post.client()
    async with closing(client):
        assert "OBJECTID" in client.capabilities
        made = (await client.ok("CREATE a")).done
        assert made.code == "MAILBOXID"
        assert (await client.ok("SELECT a")).code("MAILBOXID") == made.argument
        assert (await client.ok("EXAMINE a")).code("MAILBOXID") == made.argument
        assert made.argument is not None
        assert await id_of(client, "a") == (made.argument.strip("()").encode(),)
        answer = await client.ok('LIST "" (a Sent) RETURN (STATUS (MAILBOXID))')
        assert len({str(items) for items in answer.status_of.values()}) == 2


async def test_it_goes_with_a_mailbox_that_is_renamed(post: Post) -> None:
    """RFC 8474 4."""
    client = await post.client()
    async with closing(client):
        await client.ok("CREATE a/b")
        before = [await id_of(client, name) for name in ("a", "a/b")]
        await client.ok("RENAME a z")
        assert [await id_of(client, name) for name in ("z", "z/b")] == before


async def test_inbox_keeps_its_own_when_its_messages_go(post: Post) -> None:
    post.put(MESSAGE)
    client = await post.client()
    async with closing(client):
        before = await id_of(client, "INBOX")
        await client.ok("RENAME INBOX old")
        assert await id_of(client, "INBOX") == before != await id_of(client, "old")


async def test_it_never_comes_again(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        seen = set()
        for _ in range(3):
            seen.add((await client.ok("CREATE a")).done.argument)
            await client.ok("DELETE a")
        assert len(seen) == 3
