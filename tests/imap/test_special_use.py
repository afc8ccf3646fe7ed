"""SPECIAL-USE and CREATE-SPECIAL-USE, RFC 6154."""

from __future__ import annotations

import pytest

from .conftest import Post, closing

ALL = {b"Archive", b"Drafts", b"Junk", b"Sent", b"Trash"}


async def test_the_plain_list_says_the_uses(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        assert {"SPECIAL-USE", "CREATE-SPECIAL-USE"} <= set(client.capabilities)
        answer = await client.ok('LIST "" %')
        assert {name for attributes, name in answer.listed if b"\\" + name in attributes} == ALL


async def test_only_those_with_a_use(post: Post) -> None:
    """RFC 6154 5.1."""
    client = await post.client()
    async with closing(client):
        await client.ok("CREATE work")
        answer = await client.ok('LIST (SPECIAL-USE) "" *')
        assert {name: attributes for attributes, name in answer.listed} == {
            name: frozenset((b"\\" + name,)) for name in ALL
        }
        answer = await client.ok('LIST "" % RETURN (SPECIAL-USE)')
        assert {name for attributes, name in answer.listed if attributes} == ALL
        assert (b"work") in {name for _, name in answer.listed}
        answer = await client.ok('LIST "" % RETURN (CHILDREN)')
        assert {frozenset((b"\\HasNoChildren",))} == {attributes for attributes, _ in answer.listed}


async def test_a_mailbox_is_made_for_a_use(post: Post) -> None:
    """RFC 6154 5.3."""
    client = await post.client()
    async with closing(client):
        await client.ok("DELETE Trash")
        await client.ok("CREATE Bin (USE (\\trash))")
        assert [name for _, name in (await client.ok('LIST (SPECIAL-USE) "" B*')).listed] == [b"Bin"]
        await client.ok("RENAME Bin Dustbin")
        answer = await client.ok('LIST (SPECIAL-USE) "" D*')
        assert (frozenset((b"\\Trash",)), b"Dustbin") in answer.listed
        await client.ok("CREATE plain (USE ())")
        await client.ok("CREATE weighty (USE (\\Important))")


REFUSED = {
    "a use that one has": "CREATE x (USE (\\Sent))",
    "a use that would be a search": "CREATE x (USE (\\All))",
    "another": "CREATE x (USE (\\Flagged))",
    "one that nobody knows": "CREATE x (USE (\\Wonder))",
    "two at once": "CREATE x (USE (\\Important \\Trash))",
}


@pytest.mark.parametrize("command", REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_made_is_not_made(post: Post, command: str) -> None:
    client = await post.client()
    async with closing(client):
        answer = await client.command(command)
        assert (answer.done.status, answer.done.code) == ("NO", "USEATTR")
        assert (await client.ok('LIST "" x')).listed == []


@pytest.mark.parametrize("command", ["CREATE x (USE)", "CREATE x (USE \\Sent)", "CREATE x (WONDER ())", "CREATE x ()"])
async def test_what_is_no_command(post: Post, command: str) -> None:
    client = await post.client()
    async with closing(client):
        assert (await client.command(command)).done.status == "BAD"
