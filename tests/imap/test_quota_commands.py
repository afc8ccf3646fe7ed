"""RFC 9208, command by command: what is told of quotas, and what they keep out."""

from __future__ import annotations

import pytest

from appliance.store.changes.quotas import set_quota
from appliance.store.changes.sharing import set_rights
from appliance.store.flags import DELETED
from appliance.store.quota import Limits

from .conftest import ADDRESS, Post, closing

MESSAGE = b"Subject: hello\r\n\r\n" + b"x" * 1006  # 1024 octets
ROOT = b"bob@example.org"


TOLD = {
    "storage": (Limits(10 * 1024), {b"STORAGE": (2, 10)}),
    "messages": (Limits(None, 7), {b"MESSAGE": (2, 7)}),
    "both": (Limits(10 * 1024, 7), {b"STORAGE": (2, 10), b"MESSAGE": (2, 7)}),
    "over it": (Limits(1024, 1), {b"STORAGE": (2, 1), b"MESSAGE": (2, 1)}),
}


@pytest.mark.parametrize(("limits", "expected"), TOLD.values(), ids=TOLD)
async def test_getquota_and_getquotaroot(post: Post, limits: Limits, expected: dict[bytes, tuple[int, int]]) -> None:
    post.put(MESSAGE)
    post.put(MESSAGE[:-1], mailbox="Sent")  # a unit that is begun counts whole
    post.store.set_default_limits(limits)
    client = await post.client()
    async with closing(client):
        assert (await client.ok("GETQUOTA bob@example.org")).quotas == {ROOT: expected}
        answer = await client.ok("GETQUOTAROOT sent")
        assert (answer.words, answer.quotas) == ([b"sent", ROOT], {ROOT: expected})
        # RFC 9208 4.1.2: the mailbox need not exist.
        assert (await client.ok("GETQUOTAROOT {}", b"not yet")).words == [b"not yet", ROOT]


async def test_an_account_without_limits_has_no_root(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        answer = await client.ok("GETQUOTAROOT INBOX")
        assert (answer.words, answer.quotas) == ([b"INBOX"], {})
        for command in ("GETQUOTA bob@example.org", 'GETQUOTA ""'):
            assert (await client.command(command)).done.code == "NONEXISTENT"


async def test_nobody_sees_anothers_quota_unless_a_mailbox_is_shared(post: Post) -> None:
    post.store.set_default_limits(Limits(10 * 1024))
    alice = await post.neighbour()
    async with closing(alice):
        assert (await alice.command("GETQUOTA bob@example.org")).done.code == "NONEXISTENT"
        assert (await alice.command("GETQUOTAROOT Shared/bob@example.org/INBOX")).done.code == "NONEXISTENT"
        account = post.store.read_now(
            lambda c: c.execute("SELECT id FROM accounts WHERE address LIKE 'alice%'").fetchone()
        )[0]
        post.store.write_now(set_rights(post.mailbox_id(), account, "lr"))
        assert ROOT in (await alice.ok("GETQUOTA bob@example.org")).quotas
        answer = await alice.ok("GETQUOTAROOT Shared/bob@example.org/INBOX")
        assert answer.words == [b"Shared/bob@example.org/INBOX", ROOT]


REFUSED = {
    "too many messages": (Limits(None, 1), "OVERQUOTA"),
    "too large": (Limits(2000), "OVERQUOTA"),
    "larger than the whole quota": (Limits(1023), "OVERQUOTA"),
}


@pytest.mark.parametrize(("limits", "code"), REFUSED.values(), ids=REFUSED)
async def test_append_and_copy_keep_to_the_quota(post: Post, limits: Limits, code: str) -> None:
    post.put(MESSAGE)
    post.store.set_default_limits(limits)
    client = await post.selected()
    async with closing(client):
        for answer in (
            await client.command("APPEND INBOX {}", MESSAGE),
            await client.command("APPEND INBOX {}", MESSAGE, non_sync=True),
            await client.command("COPY 1 Archive"),
            await client.command("UID COPY 1 Archive"),
        ):
            assert (answer.done.status, answer.done.code) == ("NO", code), answer
        assert (await client.ok("STATUS Archive (MESSAGES)")).status_items == {"MESSAGES": 0}


async def test_a_refused_append_is_refused_before_it_is_sent(post: Post) -> None:
    post.store.set_default_limits(Limits(100))
    client = await post.client()
    async with closing(client):
        await client.write(b"a APPEND INBOX {1024}\r\n")
        assert (await client.line()).startswith(b"a NO [OVERQUOTA] ")
        await client.ok("NOOP")


async def test_who_is_full_can_move_flag_and_expunge(post: Post) -> None:
    for _ in range(3):
        post.put(MESSAGE)
    post.store.write_now(set_quota(ADDRESS, 1, 1))
    client = await post.selected()
    async with closing(client):
        await client.ok("MOVE 1 Trash")
        await client.ok("STORE 1 +FLAGS (\\Deleted)")
        assert (await client.ok("EXPUNGE")).expunged == [1]
        assert (await client.ok("STATUS Trash (MESSAGES)")).status_items == {"MESSAGES": 1}


async def test_selecting_warns_who_is_full(post: Post) -> None:
    """RFC 9208 4.3.1: untagged, so that the client knows before it tries."""
    post.put(MESSAGE)
    client = await post.client()
    async with closing(client):
        post.store.set_default_limits(Limits(1025))
        assert (await client.ok("SELECT INBOX")).code("OVERQUOTA") is None
        post.store.set_default_limits(Limits(1024))
        assert [(s.status, s.code) for s in (await client.ok("EXAMINE INBOX")).statuses].count(("NO", "OVERQUOTA")) == 1


async def test_status_tells_what_expunging_would_free(post: Post) -> None:
    """RFC 9208 4.1.4."""
    post.put(MESSAGE)
    post.put(MESSAGE, flags=DELETED)
    client = await post.client()
    async with closing(client):
        answer = await client.ok("STATUS INBOX (DELETED DELETED-STORAGE)")
        assert answer.status_items == {"DELETED": 1, "DELETED-STORAGE": 1024}


async def test_setquota_is_not_offered(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        assert {"QUOTA", "QUOTA=RES-STORAGE", "QUOTA=RES-MESSAGE"} <= set(client.capabilities)
        assert "QUOTASET" not in client.capabilities
        assert (await client.command("SETQUOTA bob@example.org (STORAGE 1)")).done.status == "BAD"


async def test_what_is_put_into_anothers_mailbox_counts_for_the_other(post: Post) -> None:
    alice = await post.neighbour()
    async with closing(alice):
        account = post.store.read_now(
            lambda c: c.execute("SELECT id FROM accounts WHERE address LIKE 'alice%'").fetchone()
        )[0]
        post.store.write_now(set_rights(post.mailbox_id(), account, "lri"))
        post.store.write_now(set_quota("alice@example.org", 1, None))
        await alice.ok("APPEND Shared/bob@example.org/INBOX {}", MESSAGE)
        post.store.write_now(set_quota(ADDRESS, 1500, None))
        answer = await alice.command("APPEND Shared/bob@example.org/INBOX {}", MESSAGE)
        assert answer.done.code == "OVERQUOTA"
