"""CONDSTORE command by command, as RFC 7162 3.1 has it: what a client says, and what must come back."""

from __future__ import annotations

import pytest

from appliance.imap.commands import mailboxes
from appliance.store.flags import FLAGGED, SEEN
from tests.support.imap_client import ImapClient

from .conftest import Post, closing

MESSAGE = b"Subject: hello\r\n\r\nbody\r\n"


async def ready(post: Post, parameters: str = "", count: int = 3) -> ImapClient:
    """A mailbox of `count` messages, with MODSEQs 2, 3, 4…, selected."""
    for _ in range(count):
        post.put(MESSAGE)
    client = await post.client()
    await client.ok(f"SELECT INBOX{parameters}")
    return client


def modseqs(answer: object) -> dict[int, int]:
    return {each.items["UID"]: each.items["MODSEQ"] for each in answer.fetched if "MODSEQ" in each.items}  # type: ignore[attr-defined]


async def test_it_is_announced(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        await client.ok("CAPABILITY")
        assert {"CONDSTORE", "QRESYNC", "ENABLE"} <= set(client.capabilities)


@pytest.mark.parametrize("verb", ["SELECT", "EXAMINE"])
async def test_select_tells_the_highest_modseq_to_everybody(post: Post, verb: str) -> None:
    """RFC 7162 3.1.2.1."""
    post.put(MESSAGE)
    client = await post.client()
    async with closing(client):
        answer = await client.ok(f"{verb} INBOX")
        assert answer.code("HIGHESTMODSEQ") == "2"
        assert answer.code("NOMODSEQ") is None
        assert "MODSEQ" not in (await client.ok("FETCH 1 FLAGS")).fetched[0].items


# RFC 7162 3.1: each of these makes the server speak of MODSEQs from then on.
ENABLING = {
    "ENABLE": ("ENABLE CONDSTORE", True),
    "ENABLE QRESYNC": ("ENABLE QRESYNC", True),
    "SELECT": ("SELECT INBOX (CONDSTORE)", False),
    "EXAMINE": ("EXAMINE INBOX (CONDSTORE)", False),
    "FETCH MODSEQ": ("FETCH 1 (MODSEQ)", True),
    "UID FETCH MODSEQ": ("UID FETCH 1 MODSEQ", True),
    "FETCH CHANGEDSINCE": ("FETCH 1 FLAGS (CHANGEDSINCE 1)", True),
    "STORE UNCHANGEDSINCE": ("STORE 1 (UNCHANGEDSINCE 1) +FLAGS (\\Seen)", True),
    "STATUS": ("STATUS Trash (HIGHESTMODSEQ)", True),
    "STATUS of the selected one": ("STATUS INBOX (HIGHESTMODSEQ)", True),
    "SEARCH MODSEQ": ("SEARCH MODSEQ 1", True),
}


@pytest.mark.parametrize(("command", "tells_highest"), ENABLING.values(), ids=ENABLING)
async def test_what_implies_it(post: Post, command: str, tells_highest: bool) -> None:
    client = await ready(post)
    other = await post.selected()
    async with closing(client, other):
        answer = await client.ok(command)
        if tells_highest:
            assert answer.code("HIGHESTMODSEQ") == "4"
        assert (await client.ok(command.replace("SELECT", "EXAMINE"))).ok
        await other.ok("STORE 2 +FLAGS.SILENT (\\Flagged)")
        (told,) = (await client.ok("NOOP")).fetched
        assert (told.items["UID"], told.items["MODSEQ"]) == (2, 5)
        assert client.condstore


async def test_who_did_not_ask_hears_of_no_modseq(post: Post) -> None:
    client = await ready(post)
    async with closing(client):
        for command in ("STORE 1 +FLAGS (\\Seen)", "FETCH 1:* FULL", "UID FETCH 1 BODY[]"):
            assert b"MODSEQ" not in b"".join((await client.ok(command)).lines)


async def test_every_fetch_has_uid_and_modseq(post: Post) -> None:
    """RFC 7162 3.1: whatever caused it. The client insists on it."""
    client = await ready(post, " (CONDSTORE)")
    async with closing(client):
        for items in ("FLAGS", "UID", "FULL", "BODY[]", "BODY.PEEK[HEADER]", "(ENVELOPE MODSEQ)", "INTERNALDATE"):
            answer = await client.ok(f"FETCH 1:3 {items}")
            assert len(answer.fetched) == 3, items
        assert (await client.ok("FETCH 3 (MODSEQ UID MODSEQ)")).item("MODSEQ") == 5


async def test_status_tells_it(post: Post) -> None:
    """RFC 7162 3.1.7."""
    client = await ready(post)
    async with closing(client):
        assert (await client.ok("STATUS INBOX (MESSAGES HIGHESTMODSEQ)")).status_items == {
            "MESSAGES": 3,
            "HIGHESTMODSEQ": 4,
        }


async def test_fetch_changed_since(post: Post) -> None:
    """RFC 7162 3.1.4.1."""
    client = await ready(post)
    async with closing(client):
        await client.ok("STORE 1 +FLAGS (\\Flagged)")
        answer = await client.ok("FETCH 1:* (FLAGS) (CHANGEDSINCE 3)")
        assert modseqs(answer) == {1: 5, 3: 4}
        assert modseqs(await client.ok("UID FETCH 1:2 (UID) (CHANGEDSINCE 3)")) == {1: 5}
        assert modseqs(await client.ok("UID FETCH 1:2 ENVELOPE (CHANGEDSINCE 5)")) == {}
        assert modseqs(await client.ok("FETCH 1:* FAST (CHANGEDSINCE 9223372036854775807)")) == {}


async def test_a_new_modseq_for_each_change_and_none_for_no_change(post: Post) -> None:
    """RFC 7162 3.1.3: a STORE that changes nothing changes no MODSEQ."""
    client = await ready(post, " (CONDSTORE)")
    async with closing(client):
        assert modseqs(await client.ok("STORE 1:2 +FLAGS (\\Seen)")) == {1: 5, 2: 5}
        assert modseqs(await client.ok("STORE 1:3 +FLAGS (\\Seen)")) == {1: 5, 2: 5, 3: 6}
        assert (await client.ok("STATUS INBOX (HIGHESTMODSEQ)")).status_items["HIGHESTMODSEQ"] == 6


async def test_silent_tells_modseqs_alone(post: Post) -> None:
    """RFC 7162 3.1.3."""
    client = await ready(post, " (CONDSTORE)")
    async with closing(client):
        answer = await client.ok("STORE 1,3 +FLAGS.SILENT (\\Seen)")
        assert modseqs(answer) == {1: 5, 3: 5}
        assert all("FLAGS" not in each.items for each in answer.fetched)


# Message 2 is changed by another (MODSEQ 5) before: the command, MODIFIED, UIDs that have the flag now.
UNCHANGED_SINCE = {
    "all unchanged": ("STORE 1,3 (UNCHANGEDSINCE 4) +FLAGS (\\Deleted)", None, {1, 3}),
    "one changed": ("STORE 1:3 (UNCHANGEDSINCE 4) +FLAGS (\\Deleted)", "2", {1, 3}),
    "several changed": ("STORE 1:* (UNCHANGEDSINCE 2) +FLAGS (\\Deleted)", "2:3", {1}),
    "by UID": ("UID STORE 1:3 (UNCHANGEDSINCE 4) +FLAGS (\\Deleted)", "2", {1, 3}),
    "silent": ("STORE 1:3 (UNCHANGEDSINCE 4) +FLAGS.SILENT (\\Deleted)", "2", {1, 3}),
    "nothing is as old as 0": ("STORE 1:3 (UNCHANGEDSINCE 0) +FLAGS (\\Deleted)", "1:3", set()),
    "replaced": ("STORE 2:3 (UNCHANGEDSINCE 4) FLAGS (\\Deleted)", "2", {3}),
    "the newest there is": ("STORE 2 (UNCHANGEDSINCE 5) +FLAGS (\\Deleted)", None, {2}),
}


@pytest.mark.parametrize(("command", "modified", "flagged"), UNCHANGED_SINCE.values(), ids=UNCHANGED_SINCE)
async def test_store_unchanged_since(post: Post, command: str, modified: str | None, flagged: set[int]) -> None:
    """RFC 7162 3.1.3: each message on its own; those that failed are named, and the others told."""
    client = await ready(post, " (CONDSTORE)")
    other = await post.selected()
    async with closing(client, other):
        await other.ok("STORE 2 +FLAGS.SILENT (\\Flagged)")
        answer = await client.ok(command)
        assert answer.done.code == (None if modified is None else "MODIFIED")
        assert answer.code("MODIFIED") == modified
        told = {uid for uid in modseqs(answer) if uid != 2 or 2 in flagged}
        assert told >= flagged
        now = await client.ok("UID FETCH 1:* FLAGS")
        assert {each.items["UID"] for each in now.fetched if b"\\Deleted" in each.items["FLAGS"]} == flagged  # type: ignore[operator]


async def test_a_conditional_store_of_what_is_gone(post: Post) -> None:
    """RFC 7162 3.1.3: MODIFIED is told also where some of the messages are gone."""
    client = await ready(post, " (CONDSTORE)")
    other = await post.selected()
    async with closing(client, other):
        await client.ok("FETCH 1:3 FLAGS")
        await other.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        await other.ok("STORE 2 +FLAGS.SILENT (\\Flagged)")
        await other.ok("EXPUNGE")
        answer = await client.command("STORE 1:3 (UNCHANGEDSINCE 4) +FLAGS (\\Seen)")
        assert (answer.done.status, answer.done.code, answer.done.argument) == ("NO", "MODIFIED", "2")
        assert answer.expunged == []
        assert (await client.ok("NOOP")).expunged == [1]


async def test_a_conditional_store_tells_what_the_others_are_now(post: Post) -> None:
    """So that the client can try again without another question."""
    client = await ready(post, " (CONDSTORE)")
    other = await post.selected()
    async with closing(client, other):
        await other.ok("STORE 2 +FLAGS.SILENT (\\Flagged)")
        answer = await client.ok("STORE 2 (UNCHANGEDSINCE 4) +FLAGS (\\Seen)")
        assert answer.done.code == "MODIFIED"
        (told,) = answer.fetched
        assert (told.items["FLAGS"] - {b"\\Recent"}, told.items["MODSEQ"]) == ({b"\\Flagged"}, 5)  # type: ignore[operator]
        assert (await client.ok("STORE 2 (UNCHANGEDSINCE 5) +FLAGS (\\Seen)")).done.code is None


async def test_news_have_modseqs_also_in_idle(post: Post) -> None:
    client = await ready(post, " (CONDSTORE)")
    other = await post.selected()
    async with closing(client, other):
        tag = await client.idle()
        await other.ok("STORE 3 +FLAGS (\\Answered)")
        (told,) = (await client.news()).fetched
        assert (told.items["UID"], told.items["MODSEQ"]) == (3, 5)
        await client.done(tag)


async def test_seen_by_a_fetch_of_the_body(post: Post) -> None:
    client = await ready(post, " (CONDSTORE)")
    async with closing(client):
        answer = await client.ok("FETCH 2 BODY[TEXT]")
        assert b"\\Seen" in answer.item("FLAGS")  # type: ignore[operator]
        assert modseqs(answer) == {2: 5}


async def test_flags_stand_never_beside_a_later_modseq(post: Post) -> None:
    """A FETCH of MODSEQ alone tells the flags that belong to it first, if the client does not know them."""
    client = await ready(post, " (CONDSTORE)")
    other = await post.selected()
    async with closing(client, other):
        await client.ok("FETCH 1:3 FLAGS")
        await other.ok("STORE 2 +FLAGS.SILENT (\\Flagged holiday)")
        answer = await client.ok("FETCH 2 MODSEQ")
        assert [sorted(each.items) for each in answer.fetched] == [["FLAGS", "MODSEQ", "UID"], ["MODSEQ", "UID"]]
        assert client.mailbox is not None
        assert client.mailbox.known_flags[2] >= {b"\\Flagged", b"holiday"}


async def test_expunge_and_move_tell_the_highest(post: Post) -> None:
    """RFC 7162 3.2.7, RFC 6851 4.4. Not where nothing went; and what others did before is told first."""
    client = await ready(post, " (CONDSTORE)", count=5)
    other = await post.selected()
    async with closing(client, other):
        assert (await client.ok("EXPUNGE")).done.code is None
        await client.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        await other.ok("STORE 5 +FLAGS.SILENT (\\Seen)")
        answer = await client.ok("EXPUNGE")
        assert (answer.done.code, answer.done.argument) == ("HIGHESTMODSEQ", "9")
        assert answer.expunged == [1] and modseqs(answer) == {5: 8}
        await client.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        assert (await client.ok("UID EXPUNGE 1:3")).done.argument == "11"
        moved = await client.ok("MOVE 1 Trash")
        assert (moved.done.code, moved.done.argument, moved.expunged) == ("HIGHESTMODSEQ", "12", [1])
        assert (await client.ok("MOVE 1 INBOX")).done.argument == "14"
        await client.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        assert (await client.ok("CLOSE")).done.code is None  # nothing was told of what else there is


async def test_who_did_not_ask_hears_nothing_of_it_in_expunge(post: Post) -> None:
    client = await ready(post)
    async with closing(client):
        await client.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        assert (await client.ok("EXPUNGE")).done.code is None


async def test_a_large_mailbox_is_not_read_for_it(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailboxes, "NEWEST", 2)
    for flags in (0, SEEN, FLAGGED, 0):
        post.put(MESSAGE, flags=flags)
    client, other = await post.client(), await post.selected()
    async with closing(client, other):
        assert (await client.ok("SELECT INBOX (CONDSTORE)")).code("HIGHESTMODSEQ") == "5"
        await other.ok("STORE 1 +FLAGS.SILENT (\\Flagged)")
        answer = await client.ok("UID FETCH 1:* (FLAGS)")
        assert modseqs(answer) == {1: 6, 2: 3, 3: 4, 4: 5}
        assert modseqs(await client.ok("NOOP")) in ({}, {1: 6})


BAD = {
    "no MODSEQ": "FETCH 1 FLAGS (CHANGEDSINCE)",
    "MODSEQ too large": "FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)",
    "no such modifier": "FETCH 1 FLAGS (CHANGEDBEFORE 3)",
    "a modifier twice": "FETCH 1 FLAGS (CHANGEDSINCE 3 CHANGEDSINCE 3)",
    "VANISHED without QRESYNC": "UID FETCH 1 FLAGS (CHANGEDSINCE 3 VANISHED)",
    "VANISHED without CHANGEDSINCE": "UID FETCH 1 FLAGS (VANISHED)",
    "VANISHED by numbers": "FETCH 1 FLAGS (CHANGEDSINCE 3 VANISHED)",
    "no such modifier of STORE": "STORE 1 (CHANGEDSINCE 3) FLAGS (\\Seen)",
    "STORE without a MODSEQ": "STORE 1 (UNCHANGEDSINCE) FLAGS (\\Seen)",
    "no such parameter": "SELECT INBOX (CONDSTORM)",
    "a parameter twice": "SELECT INBOX (CONDSTORE CONDSTORE)",
    "no parameter": "SELECT INBOX ()",
    "QRESYNC without ENABLE": "SELECT INBOX (QRESYNC (1 1))",
}


@pytest.mark.parametrize("command", BAD.values(), ids=BAD)
async def test_what_is_not_the_grammar_is_bad(post: Post, command: str) -> None:
    client = await ready(post)
    async with closing(client):
        assert (await client.command(command)).done.status == "BAD"
        assert (await client.ok("FETCH 1 UID")).item("UID") == 1  # and the mailbox is selected still


async def test_what_changed_and_changed_back_has_another_modseq(post: Post) -> None:
    """By the MODSEQ that the client knew, a STORE would fail from then on; who has not asked for MODSEQs hears nothing."""
    client, plain, other = await ready(post, " (CONDSTORE)"), await post.selected(), await post.selected()
    async with closing(client, plain, other):
        assert modseqs(await client.ok("FETCH 2 FLAGS")) == {2: 3}
        await other.ok("STORE 2 +FLAGS (\\Flagged)")
        await other.ok("STORE 2 -FLAGS (\\Flagged)")
        assert (await plain.ok("NOOP")).lines == []
        assert modseqs(await client.ok("NOOP")) == {2: 6}
        assert (await client.ok("STORE 2 (UNCHANGEDSINCE 6) +FLAGS (\\Seen)")).code("MODIFIED") is None


async def test_flags_are_told_where_reading_another_message_marks_it(post: Post) -> None:
    """FLAGS stand beside the message that becomes \\Seen; what another did to one that was \\Seen already is told too."""
    client, other = await ready(post, " (CONDSTORE)"), await post.selected()
    async with closing(client, other):
        await client.ok("STORE 1 +FLAGS (\\Seen)")
        post.store.bus.attach(_Deaf())  # type: ignore[arg-type]
        await other.ok("STORE 1 +FLAGS.SILENT (\\Flagged)")
        await client.ok("FETCH 1:2 BODY[]")
        assert client.mailbox is not None
        assert client.mailbox.known_flags[1] - {b"\\Recent"} == {b"\\Seen", b"\\Flagged"}


async def test_a_modseq_is_never_told_before_what_came_before_it(post: Post) -> None:
    """The bus may be later than a reader of the store: a message that went before the told MODSEQ is told as gone."""
    client, other = await ready(post, " (CONDSTORE)"), await post.selected()
    async with closing(client, other):
        await client.ok("UID FETCH 1:* FLAGS")
        post.store.bus.attach(_Deaf())  # type: ignore[arg-type]
        await other.ok("STORE 3 +FLAGS.SILENT (\\Deleted)")
        await other.ok("EXPUNGE")
        await other.ok("STORE 1 +FLAGS.SILENT (\\Flagged)")
        assert (await client.ok("UID FETCH 1 FLAGS")).expunged == [3]


class _Deaf:
    """A loop on which nothing that another thread tells is ever heard."""

    def call_soon_threadsafe(self, *_: object) -> None:
        pass

    def is_closed(self) -> bool:
        return False
