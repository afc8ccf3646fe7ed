"""Mailboxes are made, listed, renamed, deleted, subscribed to, selected and left."""

from __future__ import annotations

import pytest

from appliance.store.flags import DELETED, FLAGGED, SEEN
from tests.support.imap_client import ImapClient

from .conftest import Post, closing

MESSAGE = b"Subject: hello\r\n\r\nbody\r\n"


async def names(client: ImapClient, command: str = 'LIST "" *') -> dict[str, set[str]]:
    answer = await client.ok(command)
    return {name.decode(): {flag.decode() for flag in attributes} for attributes, name in answer.listed}


async def test_a_new_account_has_the_mailboxes_that_programs_look_for(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        assert await names(client) == {
            "INBOX": {"\\HasNoChildren"},
            **{name: {"\\HasNoChildren", f"\\{name}"} for name in ("Archive", "Drafts", "Junk", "Sent", "Trash")},
        }
        assert set(await names(client, 'LSUB "" *')) == set(await names(client))


async def test_the_separator_is_asked_for_with_an_empty_pattern(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        assert (await client.ok('LIST "" ""')).lines == [b'* LIST (\\Noselect) "/" ""']


async def test_making_a_nested_mailbox_makes_the_levels_above(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        await client.ok("CREATE Work/2026/Q1/")
        assert {name: flags for name, flags in (await names(client)).items() if name.startswith("Work")} == {
            "Work": {"\\HasChildren"},
            "Work/2026": {"\\HasChildren"},
            "Work/2026/Q1": {"\\HasNoChildren"},
        }
        assert set(await names(client, 'LIST "" Work/%')) == {"Work/2026"}
        assert set(await names(client, "LIST Work/ %")) == {"Work/2026"}
        assert "Work/2026" not in await names(client, 'LIST "" %')


async def test_names_in_any_script(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        await client.ok("CREATE {}", b"Entw&APw-rfe/&U,BTFw- &- co")
        answer = await client.ok('LIST "" Entw*')
        assert [name for _, name in answer.listed] == [b"Entw&APw-rfe", b"Entw&APw-rfe/&U,BTFw- &- co"]
        await client.ok('SELECT "Entw&APw-rfe/&U,BTFw- &- co"')
        assert (await client.command('CREATE "Entwu&Awg-rfe"')).done.code == "ALREADYEXISTS"  # the same, decomposed


REFUSED = {
    "a mailbox that exists": ("CREATE Sent", "ALREADYEXISTS"),
    "INBOX": ("CREATE inbox", "ALREADYEXISTS"),
    "a name with a wildcard": ('CREATE "a*b"', "CANNOT"),
    "an empty level": ("CREATE a//b", "CANNOT"),
    "no name": ('CREATE ""', "CANNOT"),
    "a control character": ("CREATE a&AAk-b", "CANNOT"),
    "a very long name": ("CREATE " + "x" * 1001, "CANNOT"),
    "a very deep name": ("CREATE " + "/".join("x" * 51), "CANNOT"),
    "deleting INBOX": ("DELETE INBOX", "CANNOT"),
    "deleting what is not there": ("DELETE nothing", "NONEXISTENT"),
    "renaming what is not there": ("RENAME nothing else", "NONEXISTENT"),
    "renaming to a name in use": ("RENAME Sent Trash", "ALREADYEXISTS"),
    "renaming into itself": ("RENAME Sent Sent/old", "CANNOT"),
    "selecting what is not there": ("SELECT nothing", "NONEXISTENT"),
    "the status of what is not there": ("STATUS nothing (MESSAGES)", "NONEXISTENT"),
}


@pytest.mark.parametrize(("command", "code"), REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_done_is_refused_with_a_code(post: Post, command: str, code: str) -> None:
    client = await post.client()
    async with closing(client):
        answer = await client.command(command)
        assert (answer.done.status, answer.done.code) == ("NO", code), answer.done


async def test_deleting_a_mailbox_with_others_below_leaves_a_level(post: Post) -> None:
    post.put(MESSAGE, mailbox="Sent")
    client = await post.client()
    async with closing(client):
        await client.ok("CREATE a/b")
        await client.ok("DELETE a")
        assert (await names(client, 'LIST "" a*')) == {"a": {"\\Noselect", "\\HasChildren"}, "a/b": {"\\HasNoChildren"}}
        assert (await client.command("SELECT a")).done.code == "NONEXISTENT"
        await client.ok("DELETE a/b")
        assert await names(client, 'LIST "" a*') == {}


async def test_deleting_the_selected_mailbox_leaves_none_selected(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        await client.ok("CREATE x")
        await client.ok("SELECT x")
        await client.ok("DELETE x")
        assert (await client.command("FETCH 1 UID")).done.status == "BAD"
        await client.ok("SELECT INBOX")


async def test_renaming_takes_the_mailboxes_below_along(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        await client.ok("CREATE a/b/c")
        post.put(MESSAGE, mailbox="a/b")
        await client.ok("RENAME a z/y")
        assert {name for name in await names(client) if name[0] in "az"} == {"z", "z/y", "z/y/b", "z/y/b/c"}
        assert (await client.ok("STATUS z/y/b (MESSAGES)")).status_items == {"MESSAGES": 1}


async def test_renaming_the_inbox_empties_it(post: Post) -> None:
    post.put(MESSAGE)
    client = await post.selected()
    async with closing(client):
        answer = await client.ok("RENAME INBOX old")
        assert answer.expunged == [1]
        assert (await client.ok("STATUS old (MESSAGES)")).status_items == {"MESSAGES": 1}
        assert "INBOX" in await names(client)


async def test_subscriptions_outlive_their_mailboxes(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        await client.ok("UNSUBSCRIBE Junk")
        await client.ok("SUBSCRIBE a/b")
        assert (await names(client, 'LSUB "" %')) == {
            **{name: set() for name in ("Archive", "Drafts", "INBOX", "Sent", "Trash")},
            "a": {"\\Noselect"},
        }
        await client.ok("CREATE a/b")
        await client.ok("DELETE a/b")
        assert "a/b" in await names(client, 'LSUB "" *')


async def test_status_counts(post: Post) -> None:
    post.put(MESSAGE, flags=SEEN)
    post.put(MESSAGE)
    client = await post.client()
    async with closing(client):
        answer = await client.ok("STATUS inbox (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN APPENDLIMIT)")
        uidvalidity = answer.status_items.pop("UIDVALIDITY")
        assert uidvalidity > 0
        assert answer.status_items == {
            "MESSAGES": 2, "RECENT": 2, "UIDNEXT": 3, "UNSEEN": 1, "APPENDLIMIT": 50 * 1024 * 1024,
        }  # fmt: skip
        selected = await client.ok("SELECT INBOX")
        assert selected.code("UIDVALIDITY") == str(uidvalidity)
        assert (await client.ok("STATUS INBOX (RECENT)")).status_items == {"RECENT": 0}


async def test_select_tells_all_that_it_must(post: Post) -> None:
    post.put(MESSAGE, flags=SEEN)
    post.put(MESSAGE, flags=FLAGGED)
    client = await post.client()
    async with closing(client):
        answer = await client.ok("SELECT INBOX")
        assert answer.exists == [2]
        assert b"* 2 RECENT" in answer.lines
        assert (answer.code("UNSEEN"), answer.code("UIDNEXT")) == ("2", "3")
        assert answer.code("PERMANENTFLAGS") == "(\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)"
        assert answer.done.code == "READ-WRITE"


async def test_only_the_first_session_sees_a_message_as_recent(post: Post) -> None:
    post.put(MESSAGE)
    looking, first, second = await post.client(), await post.client(), await post.client()
    async with closing(looking, first, second):
        assert b"* 1 RECENT" in (await looking.ok("EXAMINE INBOX")).lines
        assert b"* 1 RECENT" in (await first.ok("SELECT INBOX")).lines
        assert b"* 0 RECENT" in (await second.ok("SELECT INBOX")).lines
        assert (await first.ok("FETCH 1 FLAGS")).item("FLAGS") == {b"\\Recent"}
        assert (await second.ok("FETCH 1 FLAGS")).item("FLAGS") == frozenset()
        post.put(MESSAGE)
        told = [await client.ok("NOOP") for client in (first, second)]
        assert sorted(line for answer in told for line in answer.lines if b"RECENT" in line) == [
            b"* 0 RECENT", b"* 2 RECENT",
        ]  # fmt: skip


async def test_a_mailbox_that_is_only_examined_does_not_change(post: Post) -> None:
    post.put(MESSAGE, flags=DELETED)
    client = await post.client()
    async with closing(client):
        answer = await client.ok("EXAMINE INBOX")
        assert answer.done.code == "READ-ONLY" and answer.code("PERMANENTFLAGS") == "()"
        for command in ("STORE 1 +FLAGS (\\Seen)", "EXPUNGE", "UID EXPUNGE 1", "MOVE 1 Trash"):
            assert (await client.command(command)).done.status == "NO", command
        await client.ok("FETCH 1 BODY[]")
        await client.ok("COPY 1 Trash")
        await client.ok("CLOSE")
        assert (await client.ok("STATUS INBOX (MESSAGES UNSEEN)")).status_items == {"MESSAGES": 1, "UNSEEN": 1}


async def test_close_expunges_without_a_word_and_unselect_does_not(post: Post) -> None:
    post.put(MESSAGE, flags=DELETED)
    client = await post.selected()
    async with closing(client):
        assert (await client.ok("UNSELECT")).lines == []
        assert (await client.command("CHECK")).done.status == "BAD"
        await client.ok("SELECT INBOX")
        assert (await client.ok("CLOSE")).lines == []
        assert (await client.ok("STATUS INBOX (MESSAGES)")).status_items == {"MESSAGES": 0}


async def test_a_select_that_fails_leaves_none_selected(post: Post) -> None:
    client = await post.selected()
    async with closing(client):
        assert (await client.command("SELECT nothing")).done.status == "NO"
        assert (await client.command("CHECK")).done.status == "BAD"


async def test_one_mailbox_after_another(post: Post) -> None:
    post.put(MESSAGE)
    client = await post.selected()
    async with closing(client):
        answer = await client.ok("SELECT Sent")
        assert answer.exists == [0]
        post.put(MESSAGE)
        assert (await client.ok("NOOP")).lines == []
