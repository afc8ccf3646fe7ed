"""Mailboxes are made, renamed and deleted as RFC 3501 6.3.3-6.3.5 has it, levels that are none and INBOX included."""

from __future__ import annotations

import pytest

from tests.support.imap_client import ImapClient

from .conftest import Post, closing

MESSAGE = b"Subject: hello\r\n\r\nbody\r\n"


async def names(client: ImapClient, pattern: str = "*") -> dict[str, set[str]]:
    answer = await client.ok(f'LIST "" {pattern}')
    return {name.decode(): {flag.decode() for flag in attributes} for attributes, name in answer.listed}


async def test_the_levels_above_the_new_name_are_made(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        await client.ok("CREATE a")
        await client.ok("RENAME a x/y/z")
        assert set(await names(client, "x*")) == {"x", "x/y", "x/y/z"}
        await client.ok("SELECT x/y")  # a mailbox like any other


async def test_inbox_leaves_what_is_below_it_and_what_is_subscribed(post: Post) -> None:
    uid = post.put(MESSAGE)
    client = await post.client()
    async with closing(client):
        await client.ok("CREATE INBOX/work")
        await client.ok("RENAME inbox old/mail")
        listed = await names(client)
        assert {"INBOX", "INBOX/work", "old", "old/mail"} <= set(listed) and "old/mail/work" not in listed
        assert (await client.ok("STATUS INBOX (MESSAGES UIDNEXT)")).status_items == {"MESSAGES": 0, "UIDNEXT": uid + 1}
        assert (await client.ok("STATUS old/mail (MESSAGES)")).status_items == {"MESSAGES": 1}
        assert b"INBOX" in {name for _, name in (await client.ok('LSUB "" *')).listed}


async def test_inbox_can_be_renamed_to_a_name_below_it(post: Post) -> None:
    post.put(MESSAGE)
    client = await post.client()
    async with closing(client):
        await client.ok("RENAME INBOX INBOX/2026")
        assert (await client.ok("STATUS INBOX/2026 (MESSAGES)")).status_items == {"MESSAGES": 1}
        assert (await client.ok("STATUS INBOX (MESSAGES)")).status_items == {"MESSAGES": 0}


async def test_a_level_that_is_no_mailbox_takes_those_below_it_along(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        await client.ok("CREATE a/b")
        await client.ok("DELETE a")
        await client.ok("RENAME a z")
        assert await names(client, "z*") == {"z": {"\\Noselect", "\\HasChildren"}, "z/b": {"\\HasNoChildren"}}
        assert await names(client, "a*") == {}
        assert (await client.command("RENAME a y")).done.code == "NONEXISTENT"


async def test_a_level_can_be_made_a_mailbox_and_cannot_be_deleted(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        await client.ok("CREATE a/b")
        await client.ok("DELETE a")
        assert (await client.command("DELETE a")).done.code == "HASCHILDREN"
        await client.ok("CREATE a")
        assert await names(client, "a") == {"a": {"\\HasChildren"}}
        await client.ok("DELETE a/b")
        await client.ok("DELETE a")
        assert await names(client, "a*") == {}


async def test_where_one_of_the_names_is_taken_nothing_is_renamed(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        for name in ("a/b", "a/c", "z/c"):
            await client.ok(f"CREATE {name}")
        await client.ok("DELETE z")
        assert (await client.command("RENAME a z")).done.code == "ALREADYEXISTS"
        assert {"a", "a/b", "a/c", "z/c"} <= set(await names(client))


async def test_a_name_that_begins_alike_is_left_alone(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        for name in ("a/x", "ab/x"):
            await client.ok(f"CREATE {name}")
        await client.ok("RENAME a z")
        assert {"z", "z/x", "ab", "ab/x"} <= set(await names(client))


async def test_the_selected_mailbox_stays_selected_under_its_new_name(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        await client.ok("CREATE a")
        post.put(MESSAGE, mailbox="a")
        await client.ok("SELECT a")
        await client.ok("RENAME a b")
        assert (await client.ok("FETCH 1 UID")).item("UID") == 1
        post.put(MESSAGE, mailbox="b")
        assert (await client.ok("NOOP")).exists == [2]


async def test_subscriptions_are_the_clients_own_and_keep_the_old_name(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        await client.ok("CREATE a")
        await client.ok("SUBSCRIBE a")
        await client.ok("RENAME a b")
        subscribed = {name for _, name in (await client.ok('LSUB "" *')).listed}
        assert b"a" in subscribed and b"b" not in subscribed


async def test_uids_are_valid_under_the_new_name_and_never_under_an_old_one(post: Post) -> None:
    """RFC 3501 6.3.3: a mailbox of a name that was there before has another UIDVALIDITY."""

    async def uidvalidity(name: str) -> int:
        return (await client.ok(f"STATUS {name} (UIDVALIDITY)")).status_items["UIDVALIDITY"]

    client = await post.client()
    async with closing(client):
        await client.ok("CREATE a")
        first = await uidvalidity("a")
        await client.ok("RENAME a b")
        assert await uidvalidity("b") == first
        await client.ok("CREATE a")
        assert await uidvalidity("a") > first


NAMES = {
    "a separator at the end": ("CREATE a/", "a"),
    "INBOX in small letters": ("CREATE inbox/a", "INBOX/a"),
    "letters and marks are composed": ("CREATE Entwu&Awg-rfe", "Entw&APw-rfe"),
    "blanks": ('CREATE "a b"', "a b"),
    "case counts": ("CREATE sent", "sent"),
}


@pytest.mark.parametrize(("command", "name"), NAMES.values(), ids=NAMES)
async def test_what_a_mailbox_is_called(post: Post, command: str, name: str) -> None:
    client = await post.client()
    async with closing(client):
        await client.ok(command)
        assert name in await names(client)
        await client.ok(f'RENAME "{name}" moved')
        assert "moved" in await names(client)
