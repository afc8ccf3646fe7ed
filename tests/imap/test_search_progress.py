"""INPROGRESS, RFC 9585: how far a long search has come. And that a long one lets others go on."""

from __future__ import annotations

import asyncio

import pytest

from appliance.imap import progress as progress_module
from appliance.imap.commands import search as search_commands
from appliance.imap.commands import sort as sort_commands
from appliance.imap.progress import Progress
from tests.imap.conftest import Post, closing


def test_what_is_said_and_when() -> None:
    """Nothing in the first ten seconds, nothing without progress, never the goal itself."""
    progress = Progress("a1", 1000, now_s=100.0)
    assert progress.reached(10, now_s=109.0) == b""
    assert progress.reached(454, now_s=110.0) == b'* OK [INPROGRESS ("a1" 454 1000)] 454 of 1000 done\r\n'
    assert progress.reached(500, now_s=111.0) == b""
    assert progress.reached(454, now_s=121.0) == b""
    assert progress.reached(600, now_s=121.0) == b'* OK [INPROGRESS ("a1" 600 1000)] 600 of 1000 done\r\n'
    assert progress.reached(1000, now_s=140.0) == b""


def test_without_a_goal() -> None:
    progress = Progress("a]", None, now_s=0.0, every_s=1.0)
    assert progress.reached(0, now_s=1.0) == b'* OK [INPROGRESS ("a]" 0 NIL)] 0 done\r\n'


COMMANDS = [
    "SEARCH TEXT x",
    "UID SEARCH LARGER 1",
    "SEARCH RETURN (COUNT) BODY x",
    "SORT (SUBJECT) UTF-8 ALL",
    "UID THREAD REFERENCES UTF-8 ALL",
]


@pytest.mark.parametrize("command", COMMANDS)
async def test_it_is_said_while_a_command_runs(post: Post, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def at_once(*arguments: object, now_s: float) -> Progress:
        return Progress(*arguments, now_s=now_s, every_s=0.0)  # type: ignore[arg-type]

    for module in (search_commands, sort_commands):
        monkeypatch.setattr(module, "Progress", at_once)
    monkeypatch.setattr(search_commands, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr(search_commands, "CONTENTS_AT_ONCE", 1)
    monkeypatch.setattr(sort_commands, "AT_ONCE", 1)
    for number in range(5):
        post.put(b"Subject: %d\r\n\r\nx\r\n" % number)
    client = await post.selected()
    async with closing(client):
        answer = await client.ok(command)
        told = [status.argument or "" for status in answer.statuses if status.code == "INPROGRESS"]
        assert told
        counts = [int(each.split()[1]) for each in told]
        assert counts == sorted(set(counts))
        for each in told:
            tag, count, goal = each.strip("()").split()
            assert tag == f'"t{client._tags}"'
            assert int(count) < int(goal) == 5


def test_ten_seconds_are_what_the_rfc_advises() -> None:
    assert 10 <= progress_module.EVERY_S <= 15


MANY = 300


async def test_a_search_whose_client_has_gone_ends(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noticed by what is written: who has only closed its own half still wants the answer."""
    monkeypatch.setattr(search_commands, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr(
        search_commands, "Progress", lambda tag, goal, now_s: Progress(tag, goal, now_s=now_s, every_s=0.0)
    )
    begun, go_on = asyncio.Event(), asyncio.Event()
    batches = 0
    tell = search_commands.tell

    async def slow(*arguments: object) -> None:
        nonlocal batches
        batches += 1
        begun.set()
        await go_on.wait()
        await tell(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(search_commands, "tell", slow)
    for _ in range(MANY):
        post.put(b"Subject: x\r\n\r\nx\r\n")
    client = await post.selected()
    await client.send("SEARCH LARGER 1")
    await begun.wait()
    client._writer.transport.abort()
    async with asyncio.timeout(20):
        while post.server.connections:
            go_on.set()
            await asyncio.sleep(0)
    assert batches < MANY
