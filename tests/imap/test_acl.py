"""RFC 4314, command by command: who may do what with whose mailbox, and how it is shown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.imap import visible
from appliance.imap.grammar.acl import DeleteAcl, GetAcl, ListRights, MyRights, SetAcl
from appliance.imap.grammar.command import parse_command
from appliance.imap.grammar.cursor import GrammarFault
from appliance.imap.session import Session
from appliance.store.changes.accounts import remove_account
from appliance.store.changes.mailboxes import create_mailbox
from appliance.store.changes.sharing import set_rights
from appliance.store.flags import DELETED, FLAGGED, SEEN
from appliance.store.sharing import ANYONE
from tests.support.imap_client import ImapClient
from tests.support.stores import mailbox_of

from .conftest import Post, closing

MESSAGE = b"Subject: hello\r\n\r\nbody\r\n"
WORK = "Shared/bob@example.org/Work"
OWNER = [b"bob@example.org", b"lrswipkxteacd"]

READ = {
    "SETACL": (b"SETACL INBOX/Drafts David lrswida", SetAcl("INBOX/Drafts", "David", "=", "lrswitea")),
    "SETACL, more": (b"setacl INBOX Chris +cda", SetAcl("INBOX", "Chris", "+", "kxtea")),
    "SETACL, fewer": (b'SETACL INBOX {5}\r\nChris "-w"', SetAcl("INBOX", "Chris", "-", "w")),
    "SETACL, nothing": (b'SETACL INBOX Chris ""', SetAcl("INBOX", "Chris", "=", "")),
    "DELETEACL": (b"DeleteAcl INBOX Fred", DeleteAcl("INBOX", "Fred")),
    "GETACL": (b"getacl INBOX", GetAcl("INBOX")),
    "LISTRIGHTS": (b'LISTRIGHTS a "Smith"', ListRights("a", "Smith", b"Smith")),
    "MYRIGHTS": (b"MYRIGHTS INBOX", MyRights("INBOX")),
}


@pytest.mark.parametrize(("octets", "command"), READ.values(), ids=READ)
def test_commands_are_read(octets: bytes, command: object) -> None:
    assert parse_command(octets) == command


BAD = [
    b"SETACL INBOX John lrQswicda",  # RFC 4314 3.1: uppercase
    b"SETACL INBOX John lrqswicda",  # the q right
    b"SETACL INBOX John",
    b'SETACL INBOX "" lr',
    b"SETACL INBOX \xff lr",
    b"SETACL INBOX {2}\r\na\x07 lr",
    b"DELETEACL INBOX",
    b"GETACL",
    b"LISTRIGHTS INBOX",
    b"MYRIGHTS",
]


@pytest.mark.parametrize("octets", BAD)
def test_what_is_no_command_is_bad(octets: bytes) -> None:
    with pytest.raises(GrammarFault):
        parse_command(octets)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40))
def test_whatever_comes_is_a_command_or_a_fault(octets: bytes) -> None:
    for verb in (b"SETACL INBOX ", b"LISTRIGHTS ", b"MYRIGHTS "):
        try:
            assert isinstance(parse_command(verb + octets), SetAcl | ListRights | MyRights)
        except GrammarFault as fault:
            assert str(fault)


@pytest.fixture
async def alice(post: Post) -> ImapClient:
    """Bob has a mailbox Work with two messages, of which nobody else may know."""
    client = await post.neighbour()
    post.store.write_now(create_mailbox(post.account_id, "Work"))
    post.put(MESSAGE, mailbox="Work", flags=SEEN)
    post.put(MESSAGE, mailbox="Work", flags=DELETED | FLAGGED)
    return client


def share(post: Post, letters: str, mailbox: str = "Work", account_id: int = 2) -> None:
    post.store.write_now(set_rights(post.mailbox_id(mailbox), account_id, letters))


async def names(client: ImapClient, command: str = 'LIST "" *') -> set[str]:
    return {name.decode() for _, name in (await client.ok(command)).listed}


# the commands themselves


async def test_rights_are_set_told_and_taken(post: Post, alice: ImapClient) -> None:
    bob = await post.client()
    async with closing(alice, bob):
        assert {"ACL", "RIGHTS=texk"} <= set(bob.capabilities)
        assert (await bob.ok("GETACL Work")).words == [b"Work", *OWNER]
        await bob.ok("SETACL Work Alice@Example.org lrd")
        await bob.ok("SETACL Work anyone l")
        expected = [b"Work", *OWNER, b"alice@example.org", b"lrted", b"anyone", b"l"]
        assert (await bob.ok("GETACL Work")).words == expected
        await bob.ok("SETACL Work alice@example.org +sc")
        await bob.ok("SETACL Work alice@example.org -te")
        assert (await alice.ok(f"MYRIGHTS {WORK}")).rights == {WORK.encode(): b"lrskxc"}
        await bob.ok("DELETEACL Work alice@example.org")
        await bob.ok("DELETEACL Work alice@example.org")  # there is nothing any more: as good as done
        assert (await bob.ok("GETACL Work")).words == [b"Work", *OWNER, b"anyone", b"l"]
        assert (await alice.ok(f"MYRIGHTS {WORK}")).rights == {WORK.encode(): b"l"}


async def test_what_can_be_granted(post: Post, alice: ImapClient) -> None:
    bob = await post.client()
    async with closing(alice, bob):
        answer = await bob.ok("LISTRIGHTS Work Alice@example.org")
        assert answer.words == [b"Work", b"Alice@example.org", b"", *(bytes([c]) for c in b"lrswipkxteacd")]
        assert (await bob.ok("LISTRIGHTS Work anyone")).words[2] == b""
        assert (await bob.ok("LISTRIGHTS Work bob@example.org")).words == [b"Work", *OWNER]


REFUSED = {
    "to nobody": ("SETACL Work eve@example.org l", "CANNOT"),
    "to what is no address": ("SETACL Work alice l", "CANNOT"),
    "to take from somebody, which there is not": ("SETACL Work -alice@example.org l", "CANNOT"),
    "to the owner": ("SETACL Work bob@example.org lr", "CANNOT"),
    "the owner's away": ("DELETEACL Work bob@example.org", "CANNOT"),
    "on what is not there": ("SETACL Nowhere alice@example.org l", "NONEXISTENT"),
    "of what is not there": ("GETACL Nowhere", "NONEXISTENT"),
    "one's own on what is not there": ("MYRIGHTS Nowhere", "NONEXISTENT"),
}


@pytest.mark.parametrize(("command", "code"), REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_granted(post: Post, alice: ImapClient, command: str, code: str) -> None:
    bob = await post.client()
    async with closing(alice, bob):
        answer = await bob.command(command)
        assert (answer.done.status, answer.done.code) == ("NO", code), answer


async def test_who_may_administer_shares_it_further(post: Post, alice: ImapClient) -> None:
    share(post, "la")
    eve = await post.neighbour("eve@example.org")
    async with closing(alice, eve):
        await alice.ok(f"SETACL {WORK} eve@example.org lr")
        assert await names(eve, 'LIST "" Shared/*') >= {WORK}
        answer = await alice.ok(f"GETACL {WORK}")
        assert answer.words == [WORK.encode(), *OWNER, b"alice@example.org", b"la", b"eve@example.org", b"lr"]


# which mailboxes there are


async def test_what_is_shared_is_among_others_and_only_then(post: Post, alice: ImapClient) -> None:
    async with closing(alice):
        before = await names(alice)
        assert (await alice.ok("NAMESPACE")).lines == [b'* NAMESPACE (("" "/")) NIL NIL']
        share(post, "lr")
        assert (await alice.ok("NAMESPACE")).lines == [b'* NAMESPACE (("" "/")) (("Shared/" "/")) NIL']
        answer = await alice.ok('LIST "" *')
        listed = {name.decode(): attributes for attributes, name in answer.listed}
        assert set(listed) == before | {WORK, "Shared", "Shared/bob@example.org"}
        assert b"\\Noselect" in listed["Shared"] and b"\\Noselect" not in listed[WORK]
        assert await names(alice, 'LIST "" Shared/%/%') == {WORK}
        await alice.ok(f"SUBSCRIBE {WORK}")
        assert WORK in await names(alice, 'LSUB "" *')


async def test_another_ones_sent_is_not_taken_for_ones_own(post: Post, alice: ImapClient) -> None:
    share(post, "lr", "Sent")
    async with closing(alice):
        attributes = {name: flags for flags, name in (await alice.ok('LIST "" *')).listed}
        assert b"\\Sent" in attributes[b"Sent"]
        assert b"\\Sent" not in attributes[b"Shared/bob@example.org/Sent"]


async def test_what_may_not_be_listed_is_as_if_it_were_not_there(post: Post, alice: ImapClient) -> None:
    """RFC 4314 6: the error is the one for what does not exist."""
    share(post, "k")
    async with closing(alice):
        assert not any(name.startswith("Shared") for name in await names(alice))
        for command in (
            "SELECT {0}", "EXAMINE {0}", "STATUS {0} (MESSAGES)", "DELETE {0}", "RENAME {0} x", "GETACL {0}",
            "SETACL {0} alice@example.org l", "LISTRIGHTS {0} alice@example.org", "GETMETADATA {0} /shared/comment",
            "GETQUOTAROOT {0}",
        ):  # fmt: skip
            told = [(await alice.command(command.format(name))).done for name in (WORK, WORK + "2")]
            assert told[0] == told[1], command
            assert told[0].status == "NO", command
        assert (await alice.command(f"APPEND {WORK} {{}}", MESSAGE)).done.code == "NONEXISTENT"
        share(post, "")
        answers = [(await alice.command(f"MYRIGHTS {name}")).done for name in (WORK, "Shared/nobody@example.org/x")]
        assert answers[0] == answers[1]


async def test_the_name_of_the_owner_in_any_case(post: Post, alice: ImapClient) -> None:
    share(post, "lr", "INBOX")
    async with closing(alice):
        assert (await alice.ok("STATUS Shared/Bob@Example.org/inbox (MESSAGES)")).status_items == {"MESSAGES": 0}


async def test_what_everybody_may_is_joined_with_what_one_may(post: Post, alice: ImapClient) -> None:
    share(post, "lr", account_id=ANYONE)
    share(post, "s")
    eve = await post.neighbour("eve@example.org")
    async with closing(alice, eve):
        assert (await alice.ok(f"MYRIGHTS {WORK}")).rights == {WORK.encode(): b"lrs"}
        assert (await eve.ok(f"MYRIGHTS {WORK}")).rights == {WORK.encode(): b"lr"}


async def test_list_tells_rights_and_status_only_of_what_may_be_read(post: Post, alice: ImapClient) -> None:
    share(post, "lt")
    share(post, "lr", "INBOX")
    async with closing(alice):
        answer = await alice.ok('LIST "" Shared/* RETURN (MYRIGHTS STATUS (MESSAGES))')
        assert answer.rights == {WORK.encode(): b"ltd", b"Shared/bob@example.org/INBOX": b"lr"}
        assert set(answer.status_of) == {b"Shared/bob@example.org/INBOX"}


# what each right allows: each command once with what it needs, and once with everything else

NEEDS = {
    "SELECT": ("SELECT {0}", "r"),
    "EXAMINE": ("EXAMINE {0}", "r"),
    "STATUS": ("STATUS {0} (MESSAGES)", "r"),
    "GETQUOTAROOT": ("GETQUOTAROOT {0}", "r"),
    "CREATE": ("CREATE {0}/New", "k"),
    "DELETE": ("DELETE {0}", "x"),
    "GETACL": ("GETACL {0}", "a"),
    "SETACL": ("SETACL {0} alice@example.org +l", "a"),
    "DELETEACL": ("DELETEACL {0} alice@example.org", "a"),
    "LISTRIGHTS": ("LISTRIGHTS {0} alice@example.org", "a"),
    "COPY into": ("COPY 1 {0}", "i"),
    "UID COPY into": ("UID COPY 1 {0}", "i"),
    "MOVE into": ("MOVE 1 {0}", "i"),
}


@pytest.mark.parametrize(("command", "needs"), NEEDS.values(), ids=NEEDS)
async def test_a_command_needs_its_right(post: Post, alice: ImapClient, command: str, needs: str) -> None:
    async with closing(alice):
        await alice.ok("APPEND INBOX {}", MESSAGE)
        await alice.ok("SELECT INBOX")
        share(post, "".join(letter for letter in "lrswipkxtea" if letter not in needs))
        answer = await alice.command(command.format(WORK))
        assert (answer.done.status, answer.done.code) == ("NO", "NOPERM"), answer
        share(post, "l" + needs)
        if alice.mailbox is None:
            await alice.ok("SELECT INBOX")
        await alice.ok(command.format(WORK))


async def test_append_needs_i_and_keeps_the_flags_that_may_be_set(post: Post, alice: ImapClient) -> None:
    """RFC 4314 4: never refused for its flags."""
    async with closing(alice):
        share(post, "lrswpkxtea")
        assert (await alice.command(f"APPEND {WORK} {{}}", MESSAGE)).done.code == "NOPERM"
        for letters, kept in {
            "lri": set(), "lris": {b"\\Seen"}, "lrit": {b"\\Deleted"}, "lriw": {b"\\Flagged", b"$own"},
            "lriswt": {b"\\Seen", b"\\Deleted", b"\\Flagged", b"$own"},
        }.items():  # fmt: skip
            share(post, letters)
            answer = await alice.ok(f"APPEND {WORK} (\\Seen \\Deleted \\Flagged $own) {{}}", MESSAGE)
            uid = (answer.code("APPENDUID") or "").split()[1]
            await alice.ok(f"EXAMINE {WORK}")
            flags = (await alice.ok(f"UID FETCH {uid} FLAGS")).item("FLAGS")
            assert isinstance(flags, frozenset) and set(flags) - {b"\\Recent"} == kept, letters
            await alice.ok("UNSELECT")


async def test_copy_leaves_flags_behind_that_may_not_be_set(post: Post, alice: ImapClient) -> None:
    """The example of RFC 4314 4."""
    async with closing(alice):
        await alice.ok("APPEND INBOX (\\Draft \\Deleted) {}", MESSAGE)
        await alice.ok("APPEND INBOX (\\Answered) {}", MESSAGE)
        await alice.ok("APPEND INBOX ($Forwarded \\Seen) {}", MESSAGE)
        for letters, kept in {
            "lrwis": [{b"\\Draft"}, {b"\\Answered"}, {b"$Forwarded", b"\\Seen"}],
            "lrsti": [{b"\\Deleted"}, set(), {b"\\Seen"}],
        }.items():
            share(post, letters)
            await alice.ok("SELECT INBOX")
            answer = await alice.ok(f"COPY 1:3 {WORK}")
            uids = (answer.code("COPYUID") or "").split()[2]
            await alice.ok(f"EXAMINE {WORK}")
            fetched = (await alice.ok(f"UID FETCH {uids} FLAGS")).fetched
            assert [set(each.items["FLAGS"]) - {b"\\Recent"} for each in fetched] == kept  # type: ignore[call-overload]


async def test_who_may_only_put_mail_in_learns_nothing_of_its_uids(post: Post, alice: ImapClient) -> None:
    """RFC 4315 3."""
    async with closing(alice):
        share(post, "li")
        assert (await alice.ok(f"APPEND {WORK} {{}}", MESSAGE)).done.code is None
        await alice.ok("APPEND INBOX {}", MESSAGE)
        await alice.ok("SELECT INBOX")
        assert (await alice.ok(f"COPY 1 {WORK}")).done.code is None
        for command in (f"REPLACE 1 {WORK} {{}}", f"MOVE 1 {WORK}"):
            await alice.ok("APPEND INBOX {}", MESSAGE)
            answer = await alice.ok(command, *([MESSAGE] if "{}" in command else []))
            assert not any(b"UID" in line for line in answer.lines), command
        share(post, "lir")
        assert (await alice.ok(f"COPY 1 {WORK}")).done.code == "COPYUID"


STORE = {
    "seen with s": ("lrs", "+FLAGS (\\Seen)", {b"\\Seen", b"\\Deleted", b"\\Flagged"}),
    "deleted with t": ("lrt", "-FLAGS (\\Deleted)", {b"\\Flagged"}),
    "others with w": ("lrw", "+FLAGS (\\Answered $own)", {b"\\Answered", b"\\Deleted", b"\\Flagged", b"$own"}),
    "as far as one may": ("lrs", "+FLAGS (\\Seen \\Answered $own)", {b"\\Seen", b"\\Deleted", b"\\Flagged"}),
    "replaced as far as one may": ("lrs", "FLAGS (\\Seen \\Draft)", {b"\\Seen", b"\\Deleted", b"\\Flagged"}),
    "replaced with w": ("lrw", "FLAGS (\\Seen \\Draft $own)", {b"\\Deleted", b"\\Draft", b"$own"}),
    "deleted without t": ("lrsw", "+FLAGS (\\Deleted)", None),
    "seen without s": ("lrwt", "-FLAGS (\\Seen)", None),
    "a keyword without w": ("lrst", "+FLAGS ($own)", None),
    "replaced with none of them": ("lrie", "FLAGS (\\Seen)", None),
}


@pytest.mark.parametrize(("letters", "item", "expected"), STORE.values(), ids=STORE)
async def test_store_changes_what_may_be_changed(
    post: Post, alice: ImapClient, letters: str, item: str, expected: set[bytes] | None
) -> None:
    share(post, letters)
    async with closing(alice):
        await alice.ok(f"SELECT {WORK}")
        for command in (f"STORE 2 {item}", f"UID STORE 2 {item}", f"STORE 2 {item.replace('FLAGS', 'FLAGS.SILENT')}"):
            answer = await alice.command(command)
            assert answer.done.code == (None if expected is not None else "NOPERM"), answer
        flags = (await alice.ok("FETCH 2 FLAGS")).item("FLAGS")
        expected = {b"\\Deleted", b"\\Flagged"} if expected is None else expected
        assert isinstance(flags, frozenset) and set(flags) - {b"\\Recent"} == expected


SELECTED = {
    "lr": ("READ-ONLY", set()),
    "lrkxap": ("READ-ONLY", set()),
    "lri": ("READ-WRITE", set()),
    "lrs": ("READ-WRITE", {"\\Seen"}),
    "lrte": ("READ-WRITE", {"\\Deleted"}),
    "lrwis": ("READ-WRITE", {"\\Seen", "\\Answered", "\\Flagged", "\\Draft", "\\*"}),
}


@pytest.mark.parametrize(("letters", "expected"), SELECTED.items())
async def test_select_says_what_may_be_changed(
    post: Post, alice: ImapClient, letters: str, expected: tuple[str, set[str]]
) -> None:
    """RFC 4314 5.1.1 and 5.2."""
    share(post, letters)
    async with closing(alice):
        answer = await alice.ok(f"SELECT {WORK}")
        permanent = set((answer.code("PERMANENTFLAGS") or "").strip("()").split())
        assert (answer.done.code, permanent) == expected


async def test_fetching_sets_seen_only_with_s(post: Post, alice: ImapClient) -> None:
    share(post, "lrw")
    async with closing(alice):
        await alice.ok(f"SELECT {WORK}")
        await alice.ok("FETCH 2 BODY[]")
        flags = (await alice.ok("FETCH 2 FLAGS")).item("FLAGS")
        assert isinstance(flags, frozenset) and b"\\Seen" not in flags
        share(post, "lrs")
        await alice.ok("FETCH 2 BODY[]")
        flags = (await alice.ok("FETCH 2 FLAGS")).item("FLAGS")
        assert isinstance(flags, frozenset) and b"\\Seen" in flags


EXPUNGING = {
    "EXPUNGE": ("EXPUNGE", "e", "lrswipkxta"),
    "UID EXPUNGE": ("UID EXPUNGE 1:*", "e", "lrswipkxta"),
    "MOVE": ("MOVE 2 INBOX", "te", "lrswipkxta"),
    "MOVE without t": ("MOVE 2 INBOX", "te", "lrswipkxea"),
    "REPLACE": ("REPLACE 2 INBOX {}", "te", "lrswipkxta"),
}


@pytest.mark.parametrize(("command", "needs", "others"), EXPUNGING.values(), ids=EXPUNGING)
async def test_taking_messages_out_needs_e(
    post: Post, alice: ImapClient, command: str, needs: str, others: str
) -> None:
    literals = [MESSAGE] * command.count("{}")
    async with closing(alice):
        share(post, others)
        await alice.ok(f"SELECT {WORK}")
        assert (await alice.command(command, *literals)).done.code == "NOPERM"
        share(post, "lr" + needs)
        if literals:
            await alice.ok("NOOP")  # what the client hears while it waits to send its literal, it would not look at
        assert (await alice.ok(command, *literals)).expunged == [2]


async def test_close_without_e_expunges_nothing_and_is_ok(post: Post, alice: ImapClient) -> None:
    share(post, "lrswipkxta")
    async with closing(alice):
        await alice.ok(f"SELECT {WORK}")
        await alice.ok("CLOSE")
        assert (await alice.ok(f"STATUS {WORK} (MESSAGES)")).status_items == {"MESSAGES": 2}
        share(post, "lre")
        await alice.ok(f"SELECT {WORK}")
        await alice.ok("CLOSE")
        assert (await alice.ok(f"STATUS {WORK} (MESSAGES)")).status_items == {"MESSAGES": 1}


# making, renaming and deleting mailboxes of another's


async def test_what_is_made_in_anothers_is_the_others_and_shared_alike(post: Post, alice: ImapClient) -> None:
    share(post, "lrk")
    bob = await post.client()
    async with closing(alice, bob):
        await alice.ok(f"CREATE {WORK}/2026/Q1")
        assert {"Work/2026", "Work/2026/Q1"} <= await names(bob)
        assert f"{WORK}/2026/Q1" in await names(alice)
        for name in ("Shared/bob@example.org/Top", "Shared/nobody@example.org/x", "Shared/bob@example.org"):
            assert (await alice.command(f"CREATE {name}")).done.code == "NOPERM", name
        await alice.ok("CREATE Shared/mine")  # a name of one's own


async def test_renaming_needs_x_on_the_old_and_k_on_the_new_level_above(post: Post, alice: ImapClient) -> None:
    post.store.write_now(create_mailbox(post.account_id, "Old"))
    bob = await post.client()
    async with closing(alice, bob):
        old, new = "Shared/bob@example.org/Old", f"{WORK}/New"
        for on_old, on_new, code in (("lk", "lk", "NOPERM"), ("lx", "lx", "NOPERM"), ("lx", "lk", None)):
            share(post, on_old, "Old")
            share(post, on_new)
            answer = await alice.command(f"RENAME {old} {new}")
            assert answer.done.code == code, (on_old, on_new)
        assert "Work/New" in await names(bob)
        assert (await bob.ok("GETACL Work/New")).words[3:] == [b"alice@example.org", b"lxc"]  # as it was
        assert (await alice.command(f"RENAME {new} Mine")).done.code == "CANNOT"  # it stays with its owner
        assert (await alice.command(f"RENAME Sent {WORK}/Sent")).done.code == "CANNOT"
        share(post, "lx", "INBOX")
        assert (await alice.command(f"RENAME Shared/bob@example.org/INBOX {WORK}/In")).done.code == "CANNOT"


async def test_a_hidden_level_between_wants_k_too(post: Post, alice: ImapClient) -> None:
    """RFC 4314 4: it is the nearest level above that exists whose `k` is asked for, and not the nearest that is shared."""
    post.store.write_now(create_mailbox(post.account_id, "Work/Secret"))
    share(post, "lrkx")
    bob = await post.client()
    async with closing(alice, bob):
        assert (await alice.command(f"CREATE {WORK}/Secret/Mine")).done.code == "NOPERM"
        await alice.ok(f"CREATE {WORK}/Open")
        assert (await alice.command(f"RENAME {WORK}/Open {WORK}/Secret/Mine")).done.code == "NOPERM"
        assert "Work/Secret/Mine" not in await names(bob)


async def test_renaming_wants_x_on_what_can_be_seen_below_and_tells_nothing_of_the_rest(
    post: Post, alice: ImapClient
) -> None:
    for name in ("Old", "Old/Seen", "Old/Hidden"):
        post.store.write_now(create_mailbox(post.account_id, name))
    share(post, "lk")
    share(post, "lx", "Old")
    share(post, "l", "Old/Seen")
    bob = await post.client()
    async with closing(alice, bob):
        rename = f"RENAME Shared/bob@example.org/Old {WORK}/New"
        assert (await alice.command(rename)).done.code == "NOPERM"
        assert {"Old", "Old/Seen", "Old/Hidden"} <= await names(bob)
        share(post, "lx", "Old/Seen")
        await alice.ok(rename)
        assert {"Work/New", "Work/New/Seen", "Work/New/Hidden"} <= await names(bob)
        assert await names(alice, f'LIST "" {WORK}/New/*') == {f"{WORK}/New/Seen"}


async def test_nobodys_own_mailbox_is_called_as_what_others_share(post: Post, alice: ImapClient) -> None:
    """It would stand before what is shared, and mail be put where another reads it."""
    bob = await post.client()
    async with closing(alice, bob):
        for name in ("Shared", "A", "A/alice@example.org", "A/alice@example.org/Work"):
            post.store.write_now(create_mailbox(post.account_id, name))
        share(post, "lrkx", "Shared")
        share(post, "lrkx", "A")
        assert (await bob.command("CREATE Shared/alice@example.org/Work")).done.code == "NOPERM"
        others = "Shared/bob@example.org"
        assert (await alice.command(f"CREATE {others}/Shared/alice@example.org/Work")).done.code == "NOPERM"
        assert (await alice.command(f"RENAME {others}/A {others}/Shared/alice@example.org")).done.code == "NOPERM"
        await bob.ok("RENAME Shared Other")
        assert (await bob.command("RENAME A Shared")).done.code == "CANNOT"
        assert {"A", "A/alice@example.org/Work"} <= await names(bob)
        await bob.ok("RENAME A/alice@example.org Shared/alice")


async def test_deleting_takes_the_rights_along(post: Post, alice: ImapClient) -> None:
    share(post, "lx")
    bob = await post.client()
    async with closing(alice, bob):
        await alice.ok(f"DELETE {WORK}")
        assert "Work" not in await names(bob)
        await bob.ok("CREATE Work")
        assert (await bob.ok("GETACL Work")).words == [b"Work", *OWNER]
        share(post, "lrx", "INBOX")
        assert (await alice.command("DELETE Shared/bob@example.org/INBOX")).done.code == "CANNOT"


# several clients


async def test_owner_and_guest_see_each_others_changes(post: Post, alice: ImapClient) -> None:
    """Flags are one and the same for all, \\Seen too."""
    share(post, "lrswite")
    bob = await post.selected("Work")
    async with closing(alice, bob):
        await alice.ok(f"SELECT {WORK}")
        await alice.ok("STORE 2 +FLAGS (\\Seen)")
        flags = (await bob.ok("NOOP")).item("FLAGS", 2)
        assert isinstance(flags, frozenset) and b"\\Seen" in flags
        await bob.ok("EXPUNGE")
        assert (await alice.ok("NOOP")).expunged == [2]
        await alice.ok(f"APPEND {WORK} {{}}", MESSAGE)
        assert (await bob.ok("NOOP")).exists == [2]


async def test_who_may_no_longer_read_is_hung_up_on(post: Post, alice: ImapClient) -> None:
    share(post, "lr")
    async with closing(alice):
        await alice.ok(f"SELECT {WORK}")
        await alice.idle()
        share(post, "l")
        assert (await alice.ended()).startswith(b"* BYE The mailbox is not shared with you any more")


async def test_a_right_that_is_taken_away_while_select_runs_is_gone(
    post: Post, alice: ImapClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    share(post, "lrs")
    take = Session.take_recent

    async def taken_away(session: Session, mailbox_id: int) -> int:
        await session.store.write(set_rights(mailbox_id, session.account.id, "l"))
        return await take(session, mailbox_id)

    monkeypatch.setattr(Session, "take_recent", taken_away)
    async with closing(alice):
        await alice.ok(f"SELECT {WORK}")
        assert (await alice.ended()).startswith(b"* BYE The mailbox is not shared with you any more")


async def test_what_comes_after_the_right_to_insert_was_taken_away_is_refused(
    post: Post, alice: ImapClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    share(post, "lri")
    permitted = visible.permitted

    def taken_away(*what: Any) -> Any:
        share(post, "lr")
        return permitted(*what)

    monkeypatch.setattr(visible, "permitted", taken_away)
    post.put(MESSAGE, mailbox="INBOX")
    async with closing(alice):
        await alice.ok("APPEND INBOX {}", MESSAGE)
        await alice.ok("SELECT INBOX")
        for command, literals in (
            (f"APPEND {WORK} {{}}", (MESSAGE,)),
            (f"COPY 1 {WORK}", ()),
            (f"MOVE 1 {WORK}", ()),
            (f"REPLACE 1 {WORK} {{}}", (MESSAGE,)),
        ):
            share(post, "lri")
            assert (await alice.command(command, *literals)).done.code == "NOPERM", command
        assert (await alice.ok(f"STATUS {WORK} (MESSAGES)")).status_items == {"MESSAGES": 2}
        assert (await alice.ok("STATUS INBOX (MESSAGES)")).status_items == {"MESSAGES": 1}


async def test_new_rights_are_told_to_who_has_it_selected(post: Post, alice: ImapClient) -> None:
    share(post, "lrw")
    async with closing(alice):
        await alice.ok(f"SELECT {WORK}")
        share(post, "lrs")
        answer = await alice.ok("NOOP")
        assert answer.code("PERMANENTFLAGS") == "(\\Seen)"
        assert (await alice.command("STORE 1 +FLAGS (\\Flagged)")).done.code == "NOPERM"


async def test_a_guest_is_told_when_the_mailbox_or_its_owner_goes(post: Post, alice: ImapClient) -> None:
    share(post, "lr")
    eve = await post.neighbour("eve@example.org")
    share(post, "lr", account_id=3)
    bob = await post.client()
    async with closing(alice, bob, eve):
        await alice.ok(f"SELECT {WORK}")
        await alice.idle()
        await bob.ok("DELETE Work")
        assert (await alice.ended()).startswith(b"* BYE")
        await bob.ok("CREATE Play")
        share(post, "lr", "Play", account_id=3)
        await eve.ok("SELECT Shared/bob@example.org/Play")
        await eve.idle()
        post.store.write_now(remove_account("bob@example.org"))
        assert (await eve.ended()).startswith(b"* BYE")


async def test_mail_for_the_owner_is_told_to_a_guest(post: Post, alice: ImapClient) -> None:
    share(post, "lr", "INBOX")
    async with closing(alice):
        await alice.ok("SELECT Shared/bob@example.org/INBOX")
        tag = await alice.idle()
        post.put(MESSAGE)
        assert (await alice.news()).exists == [1]
        await alice.done(tag)
        assert mailbox_of(post.store, post.account_id).messages == 1
