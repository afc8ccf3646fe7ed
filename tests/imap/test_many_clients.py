"""Several strict clients at once do whatever comes to mind in one mailbox; nobody is ever told anything wrong."""

from __future__ import annotations

import asyncio
import random

import pytest

from appliance.store.messages import snapshot
from tests.support.imap_client import ImapClient

from .conftest import Post, closing

MESSAGE = b"Subject: hello\r\n\r\nbody\r\n"
ALLOWED_TO_FAIL = {"EXPUNGEISSUED", "TRYCREATE"}


def some(dice: random.Random, client: ImapClient, *, by_uid: bool) -> str:
    assert client.mailbox is not None
    if by_uid:
        return dice.choice(["1:*", "*", f"{dice.randint(1, 40)}:{dice.randint(1, 40)}", str(dice.randint(1, 40))])
    count = len(client.mailbox.uids)
    return f"{dice.randint(1, count)}:{dice.randint(1, count)}"


def command(dice: random.Random, client: ImapClient) -> tuple[str, tuple[bytes, ...]]:
    assert client.mailbox is not None
    verb = dice.choice(
        ["APPEND", "APPEND", "STORE", "STORE", "FETCH", "FETCH", "SEARCH", "EXPUNGE", "COPY", "MOVE", "NOOP", "CHECK"]
    )
    if verb == "APPEND":
        return "APPEND INBOX (\\Draft) {}", (MESSAGE,)
    if verb in ("NOOP", "CHECK", "EXPUNGE"):
        return verb, ()
    if verb == "SEARCH":
        return dice.choice(["SEARCH SUBJECT hello", "UID SEARCH UNSEEN", "SEARCH RETURN (COUNT) ALL"]), ()
    by_uid = dice.random() < 0.5 or not client.mailbox.uids
    where = f"{'UID ' if by_uid else ''}{verb} {some(dice, client, by_uid=by_uid)}"
    match verb:
        case "STORE":
            flags = " ".join(dice.sample(["\\Seen", "\\Deleted", "\\Flagged", "one", "two"], dice.randint(0, 3)))
            return f"{where} {dice.choice(['', '+', '-'])}FLAGS{dice.choice(['', '.SILENT'])} ({flags})", ()
        case "FETCH":
            return f"{where} {dice.choice(['(UID FLAGS)', '(UID FLAGS BODY[])', '(UID ENVELOPE)', 'FAST'])}", ()
        case _:
            return f"{where} {dice.choice(['INBOX', 'Trash'])}", ()


async def live(dice: random.Random, client: ImapClient, steps: int) -> None:
    for _ in range(steps):
        text, literals = command(dice, client)
        answer = await client.command(text, *literals)
        assert answer.ok or answer.done.code in ALLOWED_TO_FAIL, (text, answer.done)


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_they_do_all_see_the_same_mailbox(post: Post, seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(5):
        post.put(MESSAGE)
    clients = [await post.selected() for _ in range(4)]
    async with closing(*clients):
        await asyncio.gather(*(live(random.Random(dice.random()), client, 40) for client in clients))
        inbox = post.mailbox_id()
        stored = post.store.read_now(lambda c: snapshot(c, inbox))
        for client in clients:
            await client.ok("NOOP")
            assert client.mailbox is not None
            assert len(client.mailbox.uids) == len(stored)
            answer = await client.ok("UID FETCH 1:* FLAGS")
            assert client.mailbox.uids == [row[0] for row in stored]
            assert [each.items["UID"] for each in answer.fetched] == [row[0] for row in stored]


@pytest.mark.parametrize("seed", range(3))
async def test_what_they_are_told_of_flags_is_true_in_the_end(post: Post, seed: int) -> None:
    """A client that asks for flags once and believes what comes afterwards knows the flags."""
    dice = random.Random(seed)
    for _ in range(8):
        post.put(MESSAGE)
    watcher, *actors = [await post.selected() for _ in range(3)]
    async with closing(watcher, *actors):
        known: dict[int, frozenset[bytes]] = {}

        def learn(answer: object) -> None:
            for each in answer.fetched:  # type: ignore[attr-defined]
                known[each.items["UID"]] = each.items["FLAGS"]

        learn(await watcher.ok("UID FETCH 1:* FLAGS"))
        for _ in range(15):
            for actor in actors:
                count = len(actor.mailbox.uids)  # type: ignore[union-attr]
                flags = " ".join(dice.sample(["\\Seen", "\\Flagged", "one", "two"], dice.randint(0, 3)))
                await actor.ok(f"STORE {dice.randint(1, count)} {dice.choice(['', '+', '-'])}FLAGS.SILENT ({flags})")
            answer = await watcher.ok("NOOP")
            learn(answer)
        truth = await watcher.ok("UID FETCH 1:* FLAGS")
        assert {each.items["UID"]: each.items["FLAGS"] for each in truth.fetched} == known
