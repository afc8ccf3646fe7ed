"""LIST with STATUS, RFC 5819."""

from __future__ import annotations

from appliance.store.flags import SEEN

from .conftest import Post, closing

MESSAGE = b"Subject: hello\r\n\r\nbody\r\n"


async def test_each_mailbox_is_followed_by_how_it_stands(post: Post) -> None:
    post.put(MESSAGE)
    post.put(MESSAGE, flags=SEEN)
    client = await post.client()
    async with closing(client):
        assert "LIST-STATUS" in client.capabilities
        answer = await client.ok('LIST "" (INBOX Sent) RETURN (STATUS (MESSAGES UNSEEN UIDNEXT))')
        assert answer.status_of == {
            b"INBOX": {"MESSAGES": 2, "UNSEEN": 1, "UIDNEXT": 3},
            b"Sent": {"MESSAGES": 0, "UNSEEN": 0, "UIDNEXT": 1},
        }
        assert [line.split()[1] for line in answer.lines] == [b"LIST", b"STATUS", b"LIST", b"STATUS"]


async def test_what_is_no_mailbox_has_none(post: Post) -> None:
    """RFC 5819 2: nor a subscription to nothing, nor what is listed only for a mailbox below it."""
    client = await post.client()
    async with closing(client):
        await client.ok("CREATE a/b/c")
        await client.ok("DELETE a")
        await client.ok("SUBSCRIBE a/b/c")
        await client.ok("SUBSCRIBE nothing")
        answer = await client.ok('LIST "" a* RETURN (STATUS (MESSAGES))')
        assert set(answer.status_of) == {b"a/b", b"a/b/c"}
        answer = await client.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" (a* nothing) RETURN (STATUS (MESSAGES))')
        assert {name for _, name in answer.listed} == {b"a", b"a/b", b"a/b/c", b"nothing"}
        assert set(answer.status_of) == {b"a/b/c"}


async def test_the_selected_mailbox_has_one_too(post: Post) -> None:
    post.put(MESSAGE)
    client = await post.selected()
    async with closing(client):
        answer = await client.ok('LIST "" INBOX RETURN (CHILDREN STATUS (MESSAGES))')
        assert answer.status_of == {b"INBOX": {"MESSAGES": 1}}


async def test_an_item_that_nobody_knows_is_bad(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        assert (await client.command('LIST "" INBOX RETURN (STATUS (WONDER))')).done.status == "BAD"
