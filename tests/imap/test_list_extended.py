"""LIST as RFC 5258 has it, command by command, with what RFC 8440 and RFC 9590 add to it, and LIST of RFC 9051."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.imap.grammar.command import parse_command
from appliance.imap.grammar.cursor import GrammarFault
from appliance.imap.grammar.list import List, Return, Selection
from appliance.imap.grammar.mailboxes import StatusItem
from appliance.imap.listing import Listed, listed
from appliance.store.changes.annotations import annotate
from tests.support.imap_client import Answer, ImapClient

from .conftest import Post, closing

COMMANDS = {
    b'LIST () "" *': List("", ("*",), True),
    b'LIST "" (a "b c" %)': List("", ("a", "b c", "%"), True),
    b'LIST "" * RETURN ()': List("", ("*",), True),
    b'list (subscribed remote) "" * return (children)': List(
        "", ("*",), True, frozenset((Selection.SUBSCRIBED, Selection.REMOTE)), frozenset((Return.CHILDREN,))
    ),
    b'LIST (SPECIAL-USE RECURSIVEMATCH) x/ % RETURN (SUBSCRIBED STATUS (MESSAGES SIZE) MYRIGHTS)': List(
        "x/",
        ("%",),
        True,
        frozenset((Selection.SPECIAL_USE, Selection.RECURSIVEMATCH)),
        frozenset((Return.SUBSCRIBED, Return.STATUS, Return.MYRIGHTS)),
        (StatusItem.MESSAGES, StatusItem.SIZE),
    ),
    b'LIST "" % RETURN (METADATA (/Shared/a "/private/b"))': List(
        "", ("%",), True, frozenset(), frozenset((Return.METADATA,)), (), ("/shared/a", "/private/b")
    ),
}  # fmt: skip


@pytest.mark.parametrize(("octets", "command"), COMMANDS.items(), ids=lambda value: str(value)[:60])
def test_what_a_command_means(octets: bytes, command: List) -> None:
    assert parse_command(octets) == command


NO_COMMANDS = [
    b'LIST (RECURSIVEMATCH) "" *',
    b'LIST (REMOTE RECURSIVEMATCH) "" *',
    b'LIST (WONDER) "" *',
    b'LIST "" * RETURN (WONDER)',
    b'LIST "" * RETURN',
    b'LIST "" * RETURN CHILDREN',
    b'LIST "" * RETURN (STATUS)',
    b'LIST "" * RETURN (STATUS ())',
    b'LIST "" * RETURN (STATUS (WONDER))',
    b'LIST "" * RETURN (METADATA)',
    b'LIST "" * RETURN (METADATA (nothing))',
    b'LIST "" ()',
    b'LIST "" (' + b"x " * 100 + b"x)",
    b'LIST "" * RETURN (METADATA ('
    + b"/private/x " * 60
    + b"/private/x) METADATA ("
    + b"/private/x " * 60
    + b"/private/x))",
]


@pytest.mark.parametrize("octets", NO_COMMANDS, ids=lambda octets: octets[:40].decode())
def test_what_is_no_command(octets: bytes) -> None:
    with pytest.raises(GrammarFault):
        parse_command(octets)


# The mailboxes of RFC 5258 5: what is subscribed to need not be there.
FRUIT = {"INBOX": None, "Fruit": None, "Fruit/Apple": None, "Fruit/Banana": None, "Tofu": None, "Vegetable": None,
         "Vegetable/Broccoli": None, "Vegetable/Corn": "\\Archive"}  # fmt: skip
SUBSCRIBED = frozenset(("INBOX", "Fruit/Banana", "Fruit/Peach", "Vegetable", "Vegetable/Broccoli", "Foo/Bar"))

LISTS: dict[str, tuple[bytes, list[tuple[str, str, str]]]] = {
    "all there is": (
        b'LIST () "" *',
        [(name, "", "") for name in sorted(FRUIT)],
    ),
    "what is subscribed, there or not": (
        b'LIST (SUBSCRIBED) "" *',
        [
            ("Foo/Bar", "\\NonExistent \\Subscribed", ""),
            ("Fruit/Banana", "\\Subscribed", ""),
            ("Fruit/Peach", "\\NonExistent \\Subscribed", ""),
            ("INBOX", "\\Subscribed", ""),
            ("Vegetable", "\\Subscribed", ""),
            ("Vegetable/Broccoli", "\\Subscribed", ""),
        ],
    ),
    "those on other servers are none": (
        b'LIST (REMOTE) "" %',
        [("Fruit", "", ""), ("INBOX", "", ""), ("Tofu", "", ""), ("Vegetable", "", "")],
    ),
    "which have any below": (
        b'LIST "" % RETURN (CHILDREN)',
        [
            ("Fruit", "\\HasChildren", ""),
            ("INBOX", "\\HasNoChildren", ""),
            ("Tofu", "\\HasNoChildren", ""),
            ("Vegetable", "\\HasChildren", ""),
        ],
    ),
    "and which are subscribed": (
        b'LIST "" % RETURN (SUBSCRIBED)',
        [("Fruit", "", ""), ("INBOX", "\\Subscribed", ""), ("Tofu", "", ""), ("Vegetable", "\\Subscribed", "")],
    ),
    "only with a selection subscribed ones of one level": (
        b'LIST (SUBSCRIBED) "" %',
        [("INBOX", "\\Subscribed", ""), ("Vegetable", "\\Subscribed", "")],
    ),
    "with those above one that is subscribed": (
        b'LIST (SUBSCRIBED RECURSIVEMATCH) "" %',
        [
            ("Foo", "\\NonExistent", "SUBSCRIBED"),
            ("Fruit", "", "SUBSCRIBED"),
            ("INBOX", "\\Subscribed", ""),
            ("Vegetable", "\\Subscribed", "SUBSCRIBED"),
        ],
    ),
    "however deep it is": (
        b'LIST (SUBSCRIBED RECURSIVEMATCH) "" F*',
        [
            ("Foo", "\\NonExistent", "SUBSCRIBED"),
            ("Foo/Bar", "\\NonExistent \\Subscribed", ""),
            ("Fruit", "", "SUBSCRIBED"),
            ("Fruit/Banana", "\\Subscribed", ""),
            ("Fruit/Peach", "\\NonExistent \\Subscribed", ""),
        ],
    ),
    "several patterns, each mailbox once": (
        b'LIST "" (INBOX "Vegetable/%" *corn % *Corn)',
        [
            ("Fruit", "", ""),
            ("INBOX", "", ""),
            ("Tofu", "", ""),
            ("Vegetable", "", ""),
            ("Vegetable/Broccoli", "", ""),
            ("Vegetable/Corn", "", ""),
        ],
    ),
    "the reference goes before each": (
        b'LIST Vegetable/ (B* C*)',
        [("Vegetable/Broccoli", "", ""), ("Vegetable/Corn", "", "")],
    ),
    "an empty pattern among others means nothing": (b'LIST "" ("" Tofu)', [("Tofu", "", "")]),
    "or with a selection": (b'LIST (SUBSCRIBED) "" ""', []),
    "special uses": (b'LIST (SPECIAL-USE) "" *', [("Vegetable/Corn", "\\Archive", "")]),
    "special uses below": (
        b'LIST (SPECIAL-USE RECURSIVEMATCH) "" %',
        [("Vegetable", "", "SPECIAL-USE")],
    ),
    "both": (b'LIST (SPECIAL-USE SUBSCRIBED) "" *', []),
    "their return": (
        b'LIST "" Vegetable/* RETURN (SPECIAL-USE)',
        [("Vegetable/Broccoli", "", ""), ("Vegetable/Corn", "\\Archive", "")],
    ),
    "not unless asked for": (b'LIST "" Vegetable/Corn RETURN ()', [("Vegetable/Corn", "", "")]),
    "the plain list says both": (
        b'LIST "" Vegetable/*',
        [("Vegetable/Broccoli", "\\HasNoChildren", ""), ("Vegetable/Corn", "\\HasNoChildren \\Archive", "")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("octets", "expected"), LISTS.values(), ids=LISTS)
def test_what_is_listed(octets: bytes, expected: list[tuple[str, str, str]]) -> None:
    command = parse_command(octets)
    assert isinstance(command, List)
    found = listed(FRUIT, SUBSCRIBED, command, modern=command.extended)
    assert [(each.name, " ".join(each.attributes), " ".join(each.child_info)) for each in found] == expected


def test_who_is_listed_for_what_is_below_it_only_is_not_meant_itself() -> None:
    command = parse_command(b'LIST (SUBSCRIBED RECURSIVEMATCH) "" Fruit')
    assert isinstance(command, List)
    assert listed(FRUIT, SUBSCRIBED, command, modern=True) == [Listed("Fruit", (), ("SUBSCRIBED",), False)]


NAMES = st.text("ab/", min_size=1, max_size=5).map(lambda name: name.strip("/") or "a")
SELECTIONS = st.sampled_from(
    [(), (Selection.SUBSCRIBED,), (Selection.SUBSCRIBED, Selection.RECURSIVEMATCH), (Selection.SPECIAL_USE,)]
)


@given(st.dictionaries(NAMES, st.sampled_from([None, "\\Sent"]), max_size=6), st.sets(NAMES, max_size=4), SELECTIONS)
@settings(max_examples=100, deadline=None)
def test_every_selection_is_a_part_of_what_there_is_or_is_subscribed(
    names: dict[str, str | None], subscribed: set[str], selection: tuple[Selection, ...]
) -> None:
    found = listed(names, subscribed, List("", ("*",), True, frozenset(selection)), modern=True)
    assert [each.name for each in found] == sorted({each.name for each in found})
    meant = {each.name for each in found if each.meant}
    if Selection.SUBSCRIBED in selection:
        assert meant == subscribed
    elif Selection.SPECIAL_USE in selection:
        assert meant == {name for name, use in names.items() if use}
    else:
        assert meant >= set(names)
    for each in found:
        assert ("\\NonExistent" in each.attributes) == (each.name not in names)
        below = {name for name in meant if name.startswith(each.name + "/")}
        assert bool(each.child_info) == (Selection.RECURSIVEMATCH in selection and bool(below))


async def fruit(post: Post) -> ImapClient:
    client = await post.client()
    for name in ("Fruit/Apple", "Fruit/Banana"):
        await client.ok(f"CREATE {name}")
    for name in ("Drafts", "Sent", "Archive", "Junk", "Trash"):
        await client.ok(f"UNSUBSCRIBE {name}")
    for name in ("Fruit/Banana", "Fruit/Peach"):
        await client.ok(f"SUBSCRIBE {name}")
    return client


def names(answer: Answer) -> dict[bytes, set[bytes]]:
    return {name: set(attributes) for attributes, name in answer.listed}


async def test_over_the_wire(post: Post) -> None:
    client = await fruit(post)
    async with closing(client):
        assert "LIST-EXTENDED" in client.capabilities
        answer = await client.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" % RETURN (CHILDREN)')
        assert names(answer) == {
            b"Fruit": {b"\\HasChildren"},
            b"INBOX": {b"\\HasNoChildren", b"\\Subscribed"},
        }
        assert answer.child_info == {b"Fruit": [b"SUBSCRIBED"]}
        answer = await client.ok('LIST (SUBSCRIBED) "" Fruit/*')
        assert names(answer) == {
            b"Fruit/Banana": {b"\\Subscribed"},
            b"Fruit/Peach": {b"\\Subscribed", b"\\NonExistent"},
        }
        for refused in ('LIST (RECURSIVEMATCH) "" *', 'LIST (WONDER) "" *', 'LIST "" * RETURN (WONDER)'):
            assert (await client.command(refused)).done.status == "BAD"
        assert (await client.ok('LIST () "" "" RETURN (CHILDREN)')).lines == [b'* LIST (\\Noselect) "/" ""']


async def test_a_level_that_is_no_mailbox(post: Post) -> None:
    client = await fruit(post)
    async with closing(client):
        await client.ok("DELETE Fruit")
        assert names(await client.ok('LIST "" F%')) == {b"Fruit": {b"\\Noselect", b"\\HasChildren"}}
        assert names(await client.ok('LIST () "" F%')) == {b"Fruit": {b"\\NonExistent"}}


async def test_rights_with_the_list(post: Post) -> None:
    """RFC 8440 2."""
    client = await fruit(post)
    async with closing(client):
        assert "LIST-MYRIGHTS" in client.capabilities
        answer = await client.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" (INBOX Fruit Fruit/Peach) RETURN (MYRIGHTS)')
        assert set(names(answer)) == {b"INBOX", b"Fruit", b"Fruit/Peach"}
        # Neither for what is not there nor for what is listed for one below it.
        assert set(answer.rights) == {b"INBOX"}
        assert set(answer.rights[b"INBOX"]) >= set(b"lrswipkxtea")


async def test_notes_with_the_list(post: Post) -> None:
    """RFC 9590 3."""
    client = await fruit(post)
    post.store.write_now(annotate(post.mailbox_id("Fruit/Apple"), post.account_id, {"/private/comment": b"red"}))
    async with closing(client):
        assert "LIST-METADATA" in client.capabilities
        answer = await client.ok('LIST "" Fruit/% RETURN (METADATA ("/private/comment"))')
        assert answer.metadata == {
            b"Fruit/Apple": {b"/private/comment": b"red"},
            b"Fruit/Banana": {b"/private/comment": None},
        }


async def test_lsub_is_answered_as_ever(post: Post) -> None:
    client = await fruit(post)
    async with closing(client):
        answer = await client.ok('LSUB "" %')
        assert names(answer) == {b"Fruit": {b"\\Noselect"}, b"INBOX": set()}


async def test_a_decomposed_pattern_finds_a_composed_name(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        await client.ok('CREATE "Entw&APw-rfe"')
        assert list(names(await client.ok('LIST "" "Entwu&Awg-*"'))) == [b"Entw&APw-rfe"]
        assert (await client.ok('STATUS "Entwu&Awg-rfe" (MESSAGES)')).status_items == {"MESSAGES": 0}


async def test_utf8_accept_has_names_in_utf8(post: Post) -> None:
    """RFC 6855 3."""
    client = await post.client()
    async with closing(client):
        await client.ok("CREATE Entw&APw-rfe")
        await client.ok("SUBSCRIBE Entw&APw-rfe")
        await client.ok("ENABLE UTF8=ACCEPT")
        name = "Entwürfe".encode()
        assert list(names(await client.ok('LIST "" "Entw*"'))) == [name]
        assert list(names(await client.ok('LSUB "" "Entw*"'))) == [name]
        assert list((await client.ok(b'STATUS "%b" (MESSAGES)' % name)).status_of) == [name]
        assert list((await client.ok('LIST "" "E*" RETURN (STATUS (MESSAGES))')).status_of) == [name]


async def test_imap4rev2_has_names_in_utf8_and_tells_other_spellings(post: Post) -> None:
    """RFC 9051 5.1, 6.3.4, 6.3.9.7."""
    client = await post.client()
    async with closing(client):
        await client.ok("ENABLE IMAP4rev2")
        answer = await client.ok('CREATE "Entwu\u0308rfe"'.encode())
        assert answer.old_names == {"Entwürfe".encode(): "Entwu\u0308rfe".encode()}
        answer = await client.ok('RENAME "Entwürfe" "Pläne"'.encode())
        assert answer.old_names == {"Pläne".encode(): "Entwürfe".encode()}
        assert list(names(await client.ok('LIST "" P*'))) == ["Pläne".encode()]
        assert list((await client.ok('STATUS "Pläne" (MESSAGES)'.encode())).status_of) == ["Pläne".encode()]
