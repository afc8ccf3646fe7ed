"""RFC 5465: what NOTIFY asks for is told at any time, and nothing else is."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.imap import notify as notify_module
from appliance.imap.grammar.command import parse_command
from appliance.imap.grammar.cursor import GrammarFault
from appliance.imap.grammar.fetch import Item
from appliance.imap.grammar.notify import Filter, Group, Happening, Notify
from appliance.imap.notify import Known, Mailboxes, Told, Watch
from appliance.status.events import AnnotationsChanged, MailboxChanged, MailboxListChanged
from appliance.store.accounts import find_account
from appliance.store.changes.messages import expunge
from appliance.store.changes.sharing import set_rights
from appliance.store.flags import DELETED, SEEN
from appliance.store.messages import snapshot
from tests.support.imap_client import ImapClient

from .conftest import Post, closing

MESSAGE = b"Subject: hello\r\n\r\nbody\r\n"

NEW, GONE, FLAGS = Happening.MESSAGE_NEW, Happening.MESSAGE_EXPUNGE, Happening.FLAG_CHANGE
NAME, SUBSCRIPTION = Happening.MAILBOX_NAME, Happening.SUBSCRIPTION_CHANGE

COMMANDS = {
    b"NOTIFY NONE": Notify(),
    b"notify set (selected (messagenew messageexpunge))": Notify((Group(Filter.SELECTED, (), frozenset((NEW, GONE))),)),
    b"NOTIFY SET STATUS (SELECTED-DELAYED (MessageNew (UID FLAGS) MessageExpunge FlagChange)) (PERSONAL (MailboxName))": Notify(
        (
            Group(Filter.SELECTED_DELAYED, (), frozenset((NEW, GONE, FLAGS)), (Item.UID, Item.FLAGS)),
            Group(Filter.PERSONAL, (), frozenset((NAME,))),
        ),
        True,
    ),
    b"NOTIFY SET (MAILBOXES (a {3}\r\nb c) NONE) (SUBTREE x (SubscriptionChange))": Notify(
        (Group(Filter.MAILBOXES, ("a", "b c")), Group(Filter.SUBTREE, ("x",), frozenset((SUBSCRIPTION,)))),
    ),
    b"NOTIFY SET (INBOXES (Wonder))": Notify((Group(Filter.INBOXES, (), frozenset(), (), ("Wonder",)),)),
}


@pytest.mark.parametrize(("octets", "command"), COMMANDS.items(), ids=lambda value: str(value)[:60])
def test_what_a_command_means(octets: bytes, command: Notify) -> None:
    assert parse_command(octets) == command


NO_COMMANDS = [
    b"NOTIFY",
    b"NOTIFY SET",
    b"NOTIFY SET STATUS",
    b"NOTIFY MAYBE",
    b"NOTIFY SET ()",
    b"NOTIFY SET (SELECTED)",
    b"NOTIFY SET (SELECTED ())",
    b"NOTIFY SET (ELSEWHERE (MessageNew MessageExpunge))",
    b"NOTIFY SET (SUBTREE (MessageNew MessageExpunge))",
    b"NOTIFY SET (SELECTED (MessageNew))",
    b"NOTIFY SET (PERSONAL (MessageExpunge))",
    b"NOTIFY SET (PERSONAL (FlagChange))",
    b"NOTIFY SET (PERSONAL (FlagChange MessageNew))",
    b"NOTIFY SET (SELECTED (AnnotationChange))",
    b"NOTIFY SET (SELECTED (MessageNew MessageExpunge MailboxName))",
    b"NOTIFY SET (PERSONAL (MessageNew (UID) MessageExpunge))",
    b"NOTIFY SET (SELECTED (MessageNew (WONDER) MessageExpunge))",
    b"NOTIFY SET (SELECTED NONE) (SELECTED-DELAYED NONE)",
    b"NOTIFY NONE (SELECTED NONE)",
]


@pytest.mark.parametrize("octets", NO_COMMANDS)
def test_what_is_no_command(octets: bytes) -> None:
    with pytest.raises(GrammarFault):
        parse_command(octets)


def watch(*groups: Group, known: dict[int, Known] | None = None, subscribed: frozenset[str] = frozenset()) -> Watch:
    return Watch(groups, account_id=1, mailboxes=Mailboxes(known or {}, subscribed))


ALL_NEW = frozenset((NEW, GONE))
MEANT = {
    "all of one's own": ((Group(Filter.PERSONAL, (), ALL_NEW),), "a", True, ALL_NEW),
    "another's is none of one's own": ((Group(Filter.PERSONAL, (), ALL_NEW),), "Shared/x@y/a", False, frozenset()),
    "any may be delivered to": ((Group(Filter.INBOXES, (), ALL_NEW),), "a", True, ALL_NEW),
    "a name": ((Group(Filter.MAILBOXES, ("a",), ALL_NEW),), "a", True, ALL_NEW),
    "not what is below it": ((Group(Filter.MAILBOXES, ("a",), ALL_NEW),), "a/b", True, frozenset()),
    "a subtree's root": ((Group(Filter.SUBTREE, ("a",), ALL_NEW),), "a", True, ALL_NEW),
    "and what is below it": ((Group(Filter.SUBTREE, ("a",), ALL_NEW),), "a/b/c", True, ALL_NEW),
    "not what begins alike": ((Group(Filter.SUBTREE, ("a",), ALL_NEW),), "ab", True, frozenset()),
    "subscribed": ((Group(Filter.SUBSCRIBED, (), ALL_NEW),), "s", True, ALL_NEW),
    "not subscribed": ((Group(Filter.SUBSCRIBED, (), ALL_NEW),), "a", True, frozenset()),
    "two groups add up": (
        (Group(Filter.MAILBOXES, ("a",), ALL_NEW), Group(Filter.PERSONAL, (), frozenset((NAME,)))),
        "a",
        True,
        ALL_NEW | {NAME},
    ),
    "NONE takes one out": (
        (Group(Filter.MAILBOXES, ("a",)), Group(Filter.PERSONAL, (), ALL_NEW)),
        "a",
        True,
        frozenset(),
    ),
    "the selected group means no other": ((Group(Filter.SELECTED, (), ALL_NEW),), "a", True, frozenset()),
}


@pytest.mark.parametrize(("groups", "name", "own", "expected"), MEANT.values(), ids=MEANT)
def test_which_mailboxes_a_group_means(
    groups: tuple[Group, ...], name: str, own: bool, expected: frozenset[Happening]
) -> None:
    assert watch(*groups).wanted(name, own=own, subscribed=frozenset("s")) == expected


A, B = Known("a", True, True), Known("b", True, True)
EVERYTHING = Group(Filter.PERSONAL, (), frozenset((NAME, SUBSCRIPTION)))
DIFFERENCES = {
    "made": ({}, {1: A}, "", "", [Told("a")]),
    "deleted": ({1: A}, {}, "", "", [Told("a", ("\\NonExistent",))]),
    "renamed": ({1: A}, {1: B}, "", "", [Told("b", (), "a")]),
    "deleted and made": ({1: A}, {2: A}, "", "", [Told("a", ("\\NonExistent",)), Told("a")]),
    "not readable any more": ({1: A}, {1: Known("a", True, False)}, "", "", [Told("a", ("\\NoAccess",))]),
    "subscribed": ({1: A}, {1: A}, "", "a", [Told("a", ("\\Subscribed",))]),
    "no longer": ({1: A}, {1: A}, "a", "", [Told("a")]),
    "subscribed and not there": ({}, {}, "", "a", [Told("a", ("\\Subscribed", "\\NonExistent"))]),
    "nothing": ({1: A}, {1: A}, "a", "a", []),
}


@pytest.mark.parametrize(("before", "now", "had", "has", "expected"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_what_list_says_of_a_change(
    before: dict[int, Known], now: dict[int, Known], had: str, has: str, expected: list[Told]
) -> None:
    seen = watch(EVERYTHING, known=before, subscribed=frozenset(had))
    assert seen.differences(Mailboxes(now, frozenset(has))) == expected
    assert seen.differences(Mailboxes(now, frozenset(has))) == []


LISTS = st.dictionaries(st.integers(1, 5), st.sampled_from("abcde"), max_size=5).filter(
    lambda names: len(set(names.values())) == len(names)
)


@given(LISTS, LISTS)
@settings(max_examples=100, deadline=None)
def test_whatever_is_told_makes_the_old_list_the_new_one(before: dict[int, str], after: dict[int, str]) -> None:
    def known(names: dict[int, str]) -> dict[int, Known]:
        return {mailbox_id: Known(name, True, True) for mailbox_id, name in names.items()}

    told = watch(EVERYTHING, known=known(before)).differences(Mailboxes(known(after), frozenset()))
    gone = {each.name for each in told if "\\NonExistent" in each.attributes}
    gone |= {each.old_name for each in told if each.old_name is not None}
    come = {each.name for each in told if "\\NonExistent" not in each.attributes}
    assert (set(before.values()) - gone) | come == set(after.values())


WORDS = st.sampled_from(
    b"NOTIFY SET NONE STATUS SELECTED PERSONAL MAILBOXES SUBTREE MessageNew MessageExpunge FlagChange MailboxName ( ) a"
    b" {1} UID BODY[] ((".split()
)


@given(st.lists(WORDS, max_size=15), st.sampled_from([b" ", b""]))
@settings(max_examples=200, deadline=None)
def test_whatever_comes_is_a_command_or_a_fault(words: list[bytes], between: bytes) -> None:
    try:
        command = parse_command(b"NOTIFY " + between.join(words))
    except GrammarFault:
        return
    assert isinstance(command, Notify)
    assert sum(group.filter in (Filter.SELECTED, Filter.SELECTED_DELAYED) for group in command.groups) <= 1


def test_what_is_not_wanted_leaves_nothing_to_tell() -> None:
    seen = watch(Group(Filter.PERSONAL, (), frozenset((NAME,))), known={1: A})
    assert not seen.hear(MailboxChanged(at=0, account_id=1, mailbox_id=1, modseq=2, appended=(1,)), selected_id=None)
    assert not seen.hear(MailboxListChanged(at=0, account_id=2), selected_id=None)
    assert not seen.hear(
        AnnotationsChanged(at=0, account_id=1, mailbox_id=1, changed_by=1, entries=("/shared/comment",)),
        selected_id=None,
    )
    assert not seen.has_news


def test_a_private_note_of_another_is_not_told() -> None:
    seen = watch(Group(Filter.PERSONAL, (), frozenset((Happening.MAILBOX_METADATA_CHANGE,))), known={1: A})
    for changed_by, entries in ((2, ("/private/comment", "/shared/a")), (1, ("/private/mine",))):
        seen.hear(
            AnnotationsChanged(at=0, account_id=1, mailbox_id=1, changed_by=changed_by, entries=entries),
            selected_id=None,
        )
    hidden = AnnotationsChanged(at=0, account_id=2, mailbox_id=7, changed_by=2, entries=("/shared/a",))
    assert not seen.hear(hidden, selected_id=None)  # nor one on what is not to be seen
    entries_of = seen.take().entries
    assert list(entries_of) == [1] and list(entries_of[1]) == ["/shared/a", "/private/mine"]


def test_of_ever_more_entries_it_keeps_no_more_than_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify_module, "MOST_PENDING", 3)
    seen = watch(Group(Filter.PERSONAL, (), frozenset((Happening.MAILBOX_METADATA_CHANGE,))))

    def changed(entry: str) -> bool:
        return seen.hear(
            AnnotationsChanged(at=0, account_id=1, mailbox_id=1, changed_by=1, entries=(entry,)), selected_id=None
        )

    assert all(changed(f"/shared/{each}") for each in "abcabc") and not seen.overflowed
    assert changed("/shared/d") and seen.overflowed
    assert not any(changed(f"/shared/{each}") for each in "efghij")
    assert len(seen.take().entries[1]) == 4


async def listed(client: ImapClient) -> tuple[bytes, set[bytes], bytes | None]:
    answer = await client.news()
    ((attributes, name),) = answer.listed
    return name, set(attributes), answer.old_names.get(name)


async def watching(post: Post, command: str, *, selected: str | None = None) -> ImapClient:
    client = await (post.client() if selected is None else post.selected(selected))
    client.notified = True
    client.expunged_any_time = "SELECTED " in command
    await client.ok(command)
    return client


async def test_new_messages_elsewhere_are_told_as_status_while_nothing_is_asked(post: Post) -> None:
    client = await watching(post, "NOTIFY SET (PERSONAL (MessageNew MessageExpunge))")
    async with closing(client):
        post.put(MESSAGE, mailbox="Sent")
        told = (await client.news()).status_of
        uidvalidity = told[b"Sent"].pop("UIDVALIDITY")
        assert told == {b"Sent": {"MESSAGES": 1, "UIDNEXT": 2, "UNSEEN": 1}} and uidvalidity
        post.put(MESSAGE, flags=DELETED)
        assert (await client.news()).status_of[b"INBOX"]["MESSAGES"] == 1
        post.store.write_now(expunge(post.mailbox_id()))
        assert (await client.news()).status_of[b"INBOX"]["MESSAGES"] == 0


async def test_only_the_mailboxes_that_are_meant(post: Post) -> None:
    client = await watching(
        post, "NOTIFY SET (MAILBOXES (Junk) NONE) (MAILBOXES (Sent Junk) (MessageNew MessageExpunge))"
    )
    async with closing(client):
        for mailbox in ("INBOX", "Junk", "Sent"):
            post.put(MESSAGE, mailbox=mailbox)
        assert list((await client.news()).status_of) == [b"Sent"]
        assert (await client.ok("NOOP")).lines == []


async def test_flag_changes_elsewhere_come_with_the_highest_modseq(post: Post) -> None:
    post.put(MESSAGE, mailbox="Sent")
    client = await watching(post, "NOTIFY SET (SUBTREE Sent (MessageNew MessageExpunge FlagChange))")
    other = await post.selected("Sent")
    async with closing(client, other):
        await other.ok("STORE 1 +FLAGS (\\Seen)")
        told = (await client.news()).status_of[b"Sent"]
        assert told["UNSEEN"] == 0 and told["HIGHESTMODSEQ"]


async def test_status_first_where_it_is_asked_for(post: Post) -> None:
    post.put(MESSAGE)
    client = await post.selected("Sent")
    client.notified = True
    async with closing(client):
        answer = await client.ok(
            "NOTIFY SET STATUS (SELECTED (MessageNew MessageExpunge)) (PERSONAL (MessageNew MessageExpunge))"
        )
        assert answer.status_of[b"INBOX"]["MESSAGES"] == 1
        assert b"Sent" not in answer.status_of and b"Trash" in answer.status_of
        assert (await client.ok("NOTIFY SET STATUS (PERSONAL (MailboxName))")).status_of == {}


async def test_the_selected_mailbox_is_told_of_at_once(post: Post) -> None:
    client = await watching(post, "NOTIFY SET (SELECTED (MessageNew MessageExpunge FlagChange))", selected="INBOX")
    other = await post.selected()
    async with closing(client, other):
        post.put(MESSAGE)
        assert (await client.news()).exists == [1]
        await other.ok("NOOP")
        await other.ok("STORE 1 +FLAGS (\\Deleted)")
        assert b"\\Deleted" in (await next_of(client, "fetched")).fetched[0].items["FLAGS"]
        await other.ok("EXPUNGE")
        assert (await next_of(client, "expunged")).expunged == [1]


async def next_of(client: ImapClient, kind: str):  # type: ignore[no-untyped-def]
    while not getattr(answer := await client.news(), kind):
        pass
    return answer


async def test_delayed_an_expunged_message_waits_for_a_command(post: Post) -> None:
    post.put(MESSAGE)
    client = await watching(post, "NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge))", selected="INBOX")
    other = await post.selected()
    async with closing(client, other):
        await other.ok("STORE 1 +FLAGS (\\Deleted)")
        await other.ok("EXPUNGE")
        post.put(MESSAGE)
        assert (await next_of(client, "exists")).exists == [2]  # with the one that is gone, of which it was not told
        answer = await client.ok("NOOP")
        assert answer.expunged == [1] and answer.fetched == []  # flags were not asked for


async def test_while_idle_an_expunged_message_is_told_all_the_same(post: Post) -> None:
    post.put(MESSAGE, flags=DELETED)
    client = await watching(
        post, "NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge)) (MAILBOXES Sent (MessageNew MessageExpunge))",
        selected="INBOX",
    )  # fmt: skip
    async with closing(client):
        tag = await client.idle()
        post.store.write_now(expunge(post.mailbox_id()))
        assert (await next_of(client, "expunged")).expunged == [1]
        post.put(MESSAGE, mailbox="Sent")
        assert (await client.news()).status_of[b"Sent"]["MESSAGES"] == 1
        assert (await client.done(tag)).ok


async def test_what_is_wanted_of_a_new_message_comes_with_it_and_does_not_mark_it_seen(post: Post) -> None:
    client = await watching(
        post,
        "NOTIFY SET (SELECTED (MessageNew (UID BODY[HEADER.FIELDS (SUBJECT)] RFC822.TEXT) MessageExpunge))",
        selected="INBOX",
    )
    async with closing(client):
        uid = post.put(MESSAGE)
        answer = await next_of(client, "fetched")
        items = answer.fetched[0].items
        assert (items["UID"], items["RFC822.TEXT"]) == (uid, b"body\r\n")
        assert b"Subject: hello" in items["BODY[HEADER.FIELDS (SUBJECT)]"]
        assert (await client.ok("STATUS INBOX (UNSEEN)")).status_items == {"UNSEEN": 1}
        assert (await client.ok("STORE 1 +FLAGS (\\Seen)")).ok  # it is open for writing as before


async def test_without_a_group_for_it_the_selected_mailbox_is_told_of_after_commands_only(post: Post) -> None:
    client = await watching(post, "NOTIFY SET (MAILBOXES Sent (MessageNew MessageExpunge))", selected="INBOX")
    async with closing(client):
        post.put(MESSAGE)
        post.put(MESSAGE, mailbox="Sent")
        assert list((await client.news()).status_of) == [b"Sent"]
        assert (await client.ok("NOOP")).exists == [1]
        tag = await client.idle()
        post.put(MESSAGE)
        post.put(MESSAGE, mailbox="Sent")
        assert (await client.news()).status_of[b"Sent"]["MESSAGES"] == 2
        await client.done(tag)


async def test_mailboxes_that_are_made_renamed_and_deleted_are_listed(post: Post) -> None:
    client = await watching(post, "NOTIFY SET (PERSONAL (MailboxName SubscriptionChange))")
    other = await post.client()
    async with closing(client, other):
        await other.ok("CREATE new")
        assert await listed(client) == (b"new", set(), None)
        await other.ok("RENAME new newer")
        assert await listed(client) == (b"newer", set(), b"new")
        await other.ok("SUBSCRIBE newer")
        assert await listed(client) == (b"newer", {b"\\Subscribed"}, None)
        await other.ok("DELETE newer")
        assert await listed(client) == (b"newer", {b"\\NonExistent"}, None)
        await other.ok("UNSUBSCRIBE newer")
        assert await listed(client) == (b"newer", {b"\\NonExistent"}, None)


async def test_a_new_mailbox_is_watched_as_well(post: Post) -> None:
    client = await watching(post, "NOTIFY SET (PERSONAL (MessageNew MessageExpunge))")
    other = await post.client()
    async with closing(client, other):
        await other.ok("CREATE new")
        post.put(MESSAGE, mailbox="new")
        assert list((await client.news()).status_of) == [b"new"]


async def test_what_is_subscribed_later_counts_as_well(post: Post) -> None:
    client = await watching(post, "NOTIFY SET (SUBSCRIBED (MessageNew MessageExpunge))")
    other = await post.client()
    async with closing(client, other):
        await other.ok("UNSUBSCRIBE Junk")
        post.put(MESSAGE, mailbox="Junk")
        post.put(MESSAGE, mailbox="Sent")
        assert list((await client.news()).status_of) == [b"Sent"]


async def test_none_ends_it(post: Post) -> None:
    client = await watching(post, "NOTIFY SET (PERSONAL (MessageNew MessageExpunge MailboxName))")
    async with closing(client):
        await client.ok("NOTIFY NONE")
        client.notified = False
        post.put(MESSAGE)
        assert (await client.ok("CREATE x")).listed == []


async def test_notes_on_mailboxes_and_on_the_server(post: Post) -> None:
    client = await watching(post, "NOTIFY SET (PERSONAL (MailboxMetadataChange ServerMetadataChange))")
    async with closing(client):
        for mailbox_id in (post.mailbox_id("Sent"), 0):
            post.store.bus.publish(
                AnnotationsChanged(
                    at=0, account_id=post.account_id, mailbox_id=mailbox_id, changed_by=post.account_id,
                    entries=("/shared/comment", "/private/comment"),
                )
            )  # fmt: skip
        assert await client.line() == b"* METADATA Sent /shared/comment /private/comment"
        assert await client.line() == b'* METADATA "" /shared/comment /private/comment'


async def test_notes_on_what_may_only_be_listed_are_not_told(post: Post) -> None:
    """RFC 5464 3.3: GETMETADATA would be refused."""
    client = await post.neighbour()
    alice = post.store.read_now(lambda connection: find_account(connection, "alice@example.org"))
    assert alice is not None
    bob = await post.client()
    for mailbox, letters in (("Sent", "lkxta"), ("Junk", "li")):
        post.store.write_now(set_rights(post.mailbox_id(mailbox), alice.id, letters))
    client.notified = True
    await client.ok("NOTIFY SET (SUBTREE Shared (MailboxMetadataChange))")
    async with closing(client, bob):
        await bob.ok('SETMETADATA Sent (/shared/comment "secret")')
        await bob.ok('SETMETADATA Junk (/shared/comment "known")')
        assert await client.line() == b"* METADATA Shared/bob@example.org/Junk /shared/comment"


REFUSED = {
    "an event of which nobody knows": ("NOTIFY SET (PERSONAL (Wonder))", "BADEVENT"),
    "notes on messages": (
        "NOTIFY SET (SELECTED (MessageNew MessageExpunge AnnotationChange))", "BADEVENT",
    ),
    "too many names": (
        f"NOTIFY SET (MAILBOXES ({' '.join(f'm{number}' for number in range(600))}) NONE)"
        f" (SUBTREE ({' '.join(f'n{number}' for number in range(600))}) NONE)",
        "NOTIFICATIONOVERFLOW",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("command", "code"), REFUSED.values(), ids=REFUSED)
async def test_what_is_refused_changes_nothing(post: Post, command: str, code: str) -> None:
    client = await watching(post, "NOTIFY SET (MAILBOXES Sent (MessageNew MessageExpunge))")
    async with closing(client):
        answer = await client.command(command)
        assert (answer.done.status, answer.done.code) == ("NO", code)
        if code == "BADEVENT":
            assert "MessageNew" in (answer.done.argument or "") and "Annotation" not in (answer.done.argument or "")
        post.put(MESSAGE, mailbox="Sent")
        assert list((await client.news()).status_of) == [b"Sent"]


async def test_when_too_much_happens_it_says_so_and_stops(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify_module, "MOST_PENDING", 0)
    client = await watching(post, "NOTIFY SET (PERSONAL (MessageNew MessageExpunge))")
    async with closing(client):
        post.put(MESSAGE)
        assert (await client.news()).statuses[0].code == "NOTIFICATIONOVERFLOW"
        post.put(MESSAGE)
        assert (await client.ok("NOOP")).lines == []


async def test_before_signing_in_there_is_nothing_to_be_told(post: Post) -> None:
    client = await ImapClient.connect(post.port)
    async with closing(client):
        assert (await client.command("NOTIFY SET (PERSONAL (MailboxName))")).done.status == "BAD"


async def test_flags_that_a_client_sets_itself_are_told_by_its_own_command(post: Post) -> None:
    post.put(MESSAGE, flags=SEEN)
    client = await watching(post, "NOTIFY SET (SELECTED (MessageNew MessageExpunge))", selected="INBOX")
    async with closing(client):
        answer = await client.ok("STORE 1 +FLAGS (\\Flagged)")
        assert len(answer.fetched) == 1


@pytest.mark.parametrize("filter_", ["SELECTED", "SELECTED-DELAYED"])
@pytest.mark.parametrize("seed", range(3))
async def test_a_client_that_only_listens_keeps_up_with_what_others_do(post: Post, filter_: str, seed: int) -> None:
    """The strict client holds the server to numbers, UIDs and EXISTS all the while."""
    dice = random.Random(seed)
    for _ in range(5):
        post.put(MESSAGE)
    group = f"({filter_} (MessageNew (UID FLAGS) MessageExpunge FlagChange))"
    client = await watching(post, f"NOTIFY SET {group} (PERSONAL (MessageNew MessageExpunge))", selected="INBOX")
    others = [await post.selected() for _ in range(3)]

    async def listen() -> None:
        while True:
            await client.news()

    async with closing(client, *others):
        listening = asyncio.create_task(listen())
        for _ in range(60):
            other = dice.choice(others)
            match dice.randrange(5):
                case 0:
                    post.put(MESSAGE, mailbox=dice.choice(("INBOX", "Sent")))
                case 1 | 2:
                    flag = dice.choice(("\\Seen", "\\Flagged", "\\Deleted"))
                    await other.ok(f"UID STORE {dice.randint(1, 20)} {dice.choice('+-')}FLAGS ({flag})")
                case 3:
                    await other.ok("EXPUNGE")
                case 4:
                    await other.ok(f"UID COPY {dice.randint(1, 20)} INBOX")
        assert not listening.done(), listening.exception()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await client.ok("NOOP")
        there = {
            fetched.items["UID"]: fetched.items["FLAGS"] for fetched in (await client.ok("UID FETCH 1:* FLAGS")).fetched
        }
        mailbox_id = post.mailbox_id()
        rows = post.store.read_now(lambda connection: snapshot(connection, mailbox_id))
        assert list(there) == [row[0] for row in rows]
        assert client.mailbox is not None and len(client.mailbox.uids) == len(rows)


async def test_mailboxes_of_others_come_and_go_with_the_rights_on_them(post: Post) -> None:
    """RFC 5465 5.4 and 5.9."""
    client = await post.neighbour()
    alice = post.store.read_now(lambda connection: find_account(connection, "alice@example.org"))
    assert alice is not None
    client.notified = True
    name, sent = b"Shared/bob@example.org/Sent", post.mailbox_id("Sent")
    await client.ok("NOTIFY SET (PERSONAL (MailboxName)) (SUBTREE Shared (MailboxName MessageNew MessageExpunge))")
    async with closing(client):
        post.store.write_now(set_rights(sent, alice.id, "l"))
        assert await listed(client) == (name, {b"\\NoAccess"}, None)
        post.put(MESSAGE, mailbox="Sent")
        post.store.write_now(set_rights(sent, alice.id, "lr"))
        assert await listed(client) == (name, set(), None)
        post.put(MESSAGE, mailbox="Sent")
        post.put(MESSAGE)  # which is not hers to see
        while (told := (await client.news()).status_of)[name]["MESSAGES"] != 2:
            assert set(told) == {name}
        post.store.write_now(set_rights(sent, alice.id, ""))
        assert await listed(client) == (name, {b"\\NonExistent"}, None)
        assert (await client.ok("NOOP")).lines == []


async def test_with_modseqs_where_they_are_asked_for(post: Post) -> None:
    """RFC 5465 4, RFC 7162 3.1."""
    post.put(MESSAGE)
    client = await post.client()
    await client.ok("ENABLE CONDSTORE")
    await client.ok("SELECT INBOX")
    client.notified = True
    await client.ok("NOTIFY SET (SELECTED (MessageNew (FLAGS) MessageExpunge FlagChange))")
    other = await post.selected()
    async with closing(client, other):
        await other.ok("STORE 1 +FLAGS (\\Flagged)")
        items = (await next_of(client, "fetched")).fetched[0].items
        assert b"\\Flagged" in items["FLAGS"] and items["MODSEQ"]
        post.put(MESSAGE)
        items = (await next_of(client, "fetched")).fetched[0].items
        assert items["UID"] == 2 and items["MODSEQ"]


async def test_by_uid_alone_where_that_is_asked_for(post: Post) -> None:
    """RFC 9586 3: UIDFETCH and VANISHED."""
    post.put(MESSAGE, flags=DELETED)
    client = await post.client()
    await client.ok("ENABLE UIDONLY")
    await client.ok("SELECT INBOX")
    client.notified = client.expunged_any_time = True
    await client.ok("NOTIFY SET (SELECTED (MessageNew (RFC822.SIZE) MessageExpunge FlagChange))")
    async with closing(client):
        post.store.write_now(expunge(post.mailbox_id()))
        assert (await next_of(client, "vanished")).vanished == [1]
        post.put(MESSAGE)
        answer = await next_of(client, "fetched")
        assert answer.lines == [b"* 2 UIDFETCH (RFC822.SIZE %d)" % len(MESSAGE)]


@pytest.mark.parametrize("extension", ["CONDSTORE", "QRESYNC"])
@pytest.mark.parametrize("filter_", ["SELECTED", "SELECTED-DELAYED"])
async def test_modseqs_are_told_between_commands_too(post: Post, extension: str, filter_: str) -> None:
    """RFC 5465 5 with RFC 7162 3.1 and 3.2.10: UID and MODSEQ in each FETCH, VANISHED for EXPUNGE."""
    post.put(MESSAGE)
    post.put(MESSAGE)
    client = await post.client()
    client.notified, client.expunged_any_time = True, filter_ == "SELECTED"
    other = await post.selected()
    async with closing(client, other):
        await client.ok(f"ENABLE {extension}")
        await client.ok("SELECT INBOX")
        await client.ok("UID FETCH 1:* FLAGS")
        await client.ok(f"NOTIFY SET ({filter_} (MessageNew (UID) MessageExpunge FlagChange))")
        await other.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        (fetched,) = (await client.news()).fetched
        assert (fetched.items["UID"], fetched.items["MODSEQ"]) == (1, 4)
        await other.ok("EXPUNGE")
        delayed = filter_ == "SELECTED-DELAYED"
        gone = await (client.ok("NOOP") if delayed else client.news())
        assert (gone.vanished, gone.expunged) == (([1], []) if extension == "QRESYNC" else ([], [1]))
        post.put(MESSAGE)
        lines = [(await client.news()) for _ in range(3)]
        assert lines[0].exists == [2]
        (new,) = lines[2].fetched
        assert (new.items["UID"], new.items["MODSEQ"]) == (3, 6)
