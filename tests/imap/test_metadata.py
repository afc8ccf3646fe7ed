"""RFC 5464, command by command: what is noted on mailboxes and on the server."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.imap.commands.metadata import MOST_OCTETS
from appliance.imap.grammar.command import parse_command
from appliance.imap.grammar.cursor import GrammarFault
from appliance.imap.grammar.metadata import INFINITY, GetMetadata, SetMetadata
from appliance.store.changes.annotations import MOST
from appliance.store.changes.sharing import set_rights
from tests.support.imap_client import ImapClient

from .conftest import Post, closing

READ = {
    "one entry": (b"GETMETADATA INBOX /shared/comment", GetMetadata("INBOX", ("/shared/comment",))),
    "of the server": (b'GETMETADATA "" /shared/comment', GetMetadata("", ("/shared/comment",))),
    "several": (
        b"GETMETADATA INBOX (/shared/comment /private/comment)",
        GetMetadata("INBOX", ("/shared/comment", "/private/comment")),
    ),
    "names in any case": (b"GETMETADATA INBOX /Shared/COMMENT", GetMetadata("INBOX", ("/shared/comment",))),
    "options where the grammar has them": (
        b"GETMETADATA (MAXSIZE 1024 DEPTH 1) INBOX (/private/a)",
        GetMetadata("INBOX", ("/private/a",), 1024, 1),
    ),
    "options where the examples have them": (
        b'GETMETADATA "INBOX" (depth infinity) (/private /shared)',
        GetMetadata("INBOX", ("/private", "/shared"), None, INFINITY),
    ),
    "setting": (
        b'SETMETADATA INBOX (/private/comment "My \\"own\\"" /shared/comment NIL /private/b {3}\r\na\r\n)',
        SetMetadata("INBOX", (("/private/comment", b'My "own"'), ("/shared/comment", None), ("/private/b", b"a\r\n"))),
    ),
    "a value with NUL": (
        b"SETMETADATA INBOX (/private/b ~{3+}\r\na\x00b)",
        SetMetadata("INBOX", (("/private/b", b"a\0b"),)),
    ),
    "of a vendor": (
        b"SETMETADATA INBOX (/private/vendor/kolab/folder-type mail)".replace(b" mail", b' "mail"'),
        SetMetadata("INBOX", (("/private/vendor/kolab/folder-type", b"mail"),)),
    ),
}


@pytest.mark.parametrize(("octets", "command"), READ.values(), ids=READ)
def test_commands_are_read(octets: bytes, command: object) -> None:
    assert parse_command(octets) == command


BAD = [
    b"GETMETADATA INBOX comment",
    b"GETMETADATA INBOX /comment",
    b"GETMETADATA INBOX /public/comment",
    b"GETMETADATA INBOX /privateer/comment",
    b'GETMETADATA INBOX "/shared/a*"',
    b'GETMETADATA INBOX "/shared/%"',
    b"GETMETADATA INBOX /shared//comment",
    b"GETMETADATA INBOX /shared/comment/",
    b'GETMETADATA INBOX "/shared/\xc3\xa9"',
    b"GETMETADATA INBOX ()",
    b"GETMETADATA (DEPTH 2) INBOX /shared/comment",
    b"GETMETADATA (COLOUR 2) INBOX /shared/comment",
    b"GETMETADATA (MAXSIZE) INBOX /shared/comment",
    b"SETMETADATA INBOX /shared/comment NIL",
    b"SETMETADATA INBOX (/shared NIL)",
    b"SETMETADATA INBOX (/shared/vendor/x NIL)",
    b"SETMETADATA INBOX (/shared/comment)",
    b"SETMETADATA INBOX (/shared/comment ~{9}\r\nshort)",
    b"SETMETADATA INBOX (/shared/" + b"x" * 300 + b" NIL)",
]


@pytest.mark.parametrize("octets", BAD)
def test_what_is_no_command_is_bad(octets: bytes) -> None:
    with pytest.raises(GrammarFault):
        parse_command(octets)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_whatever_comes_is_a_command_or_a_fault(octets: bytes) -> None:
    for verb in (b"GETMETADATA INBOX ", b"GETMETADATA (", b"SETMETADATA INBOX (/private/a "):
        with contextlib.suppress(GrammarFault):
            assert isinstance(parse_command(verb + octets), GetMetadata | SetMetadata)


async def noted(client: ImapClient, command: str) -> dict[bytes, bytes | None]:
    told = (await client.ok(command)).metadata
    assert len(told) <= 1
    return next(iter(told.values()), {})


async def test_notes_are_set_read_and_removed(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        assert "METADATA" in client.capabilities
        answer = await client.ok('SETMETADATA INBOX (/private/comment {} /shared/comment "ours")', b"two\r\nlines")
        assert answer.lines == []
        assert await noted(client, "GETMETADATA inbox (/private/comment /SHARED/comment /private/other)") == {
            b"/private/comment": b"two\r\nlines",
            b"/shared/comment": b"ours",
            b"/private/other": None,
        }
        await client.ok("SETMETADATA INBOX (/private/comment NIL /private/never NIL)")
        assert await noted(client, "GETMETADATA INBOX /private/comment") == {b"/private/comment": None}


async def test_what_is_longer_than_maxsize_is_left_out_and_its_size_told(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        await client.ok("SETMETADATA INBOX (/private/a {} /private/b {} /private/c {})", b"x" * 9, b"x" * 10, b"x" * 20)
        answer = await client.ok("GETMETADATA INBOX (MAXSIZE 9) (/private/a /private/b /private/c)")
        assert answer.metadata == {b"INBOX": {b"/private/a": b"x" * 9}}
        assert (answer.done.code, answer.done.argument) == ("METADATA", "LONGENTRIES 20")
        assert (await client.ok("GETMETADATA (MAXSIZE 20) INBOX (/private/a)")).done.code is None


DEPTHS = {
    "0": {b"/private/f": b"1"},
    "1": {b"/private/f": b"1", b"/private/f/a": b"2", b"/private/f/b": b"3"},
    "infinity": {b"/private/f": b"1", b"/private/f/a": b"2", b"/private/f/b": b"3", b"/private/f/a/x": b"4"},
}


@pytest.mark.parametrize(("depth", "expected"), DEPTHS.items())
async def test_depth_goes_so_many_levels_down(post: Post, depth: str, expected: dict[bytes, bytes]) -> None:
    client = await post.client()
    async with closing(client):
        await client.ok(
            'SETMETADATA INBOX (/private/f "1" /private/f/a "2" /private/f/b "3" /private/f/a/x "4" /private/ff "5")'
        )
        assert await noted(client, f"GETMETADATA (DEPTH {depth}) INBOX /private/f") == expected


async def test_a_value_too_long_or_one_too_many_changes_nothing(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        await client.ok('SETMETADATA INBOX (/private/a "kept")')
        answer = await client.command(
            'SETMETADATA INBOX (/private/a "changed" /private/b {})', b"x" * (MOST_OCTETS + 1)
        )
        assert (answer.done.status, answer.done.code) == ("NO", "METADATA")
        assert answer.done.argument == f"MAXSIZE {MOST_OCTETS}"
        pairs = " ".join(f'/private/n{number} "x"' for number in range(MOST))
        answer = await client.command(f'SETMETADATA INBOX (/private/a "changed" {pairs})')
        assert (answer.done.status, answer.done.code, answer.done.argument) == ("NO", "METADATA", "TOOMANY")
        assert await noted(client, "GETMETADATA (DEPTH infinity) INBOX /private") == {b"/private/a": b"kept"}
        await client.ok("SETMETADATA INBOX (/private/b {})", b"x" * MOST_OCTETS)


async def test_the_server_has_notes_too(post: Post) -> None:
    port = await post.start(postmaster="postmaster@example.org")
    client = await ImapClient.signed_in(port, "bob@example.org", "correct horse battery")
    alice = await post.neighbour()
    async with closing(client, alice):
        assert await noted(client, 'GETMETADATA "" (/shared/admin /shared/comment)') == {
            b"/shared/admin": b"mailto:postmaster@example.org",
            b"/shared/comment": None,
        }
        await client.ok('SETMETADATA "" (/private/vendor/app/colour "red")')
        assert await noted(client, 'GETMETADATA (DEPTH infinity) "" /private') == {
            b"/private/vendor/app/colour": b"red"
        }
        assert await noted(alice, 'GETMETADATA (DEPTH infinity) "" /private') == {}
        for entry in ("/shared/admin", "/shared/comment"):
            assert (await client.command(f'SETMETADATA "" ({entry} "x")')).done.code == "NOPERM"


async def test_what_a_mailbox_is_for_is_known(post: Post) -> None:
    """RFC 6154 4."""
    client = await post.client()
    async with closing(client):
        assert await noted(client, "GETMETADATA Sent /private/specialuse") == {b"/private/specialuse": b"\\Sent"}
        assert await noted(client, "GETMETADATA INBOX /private/specialuse") == {b"/private/specialuse": None}
        assert (await client.command('SETMETADATA Sent (/private/specialuse "\\\\Junk")')).done.code == "CANNOT"


async def test_notes_follow_their_mailbox(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        await client.ok("CREATE Work")
        await client.ok('SETMETADATA Work (/shared/comment "ours")')
        await client.ok("RENAME Work Play")
        assert await noted(client, "GETMETADATA Play /shared/comment") == {b"/shared/comment": b"ours"}
        await client.ok("DELETE Play")
        await client.ok("CREATE Play")
        assert await noted(client, "GETMETADATA Play /shared/comment") == {b"/shared/comment": None}
        for command in ("GETMETADATA Work /shared/comment", "SETMETADATA Work (/shared/comment NIL)"):
            assert (await client.command(command)).done.code == "NONEXISTENT"


RIGHTS = {"lr": True, "ls": True, "lw": True, "li": True, "lp": True, "l": False, "r": False, "lkxtea": False}


@pytest.mark.parametrize(("letters", "may"), RIGHTS.items())
async def test_who_may_note_something_on_anothers_mailbox(post: Post, letters: str, may: bool) -> None:
    """RFC 5464 3.3."""
    alice = await post.neighbour()
    client = await post.client()
    async with closing(alice, client):
        post.store.write_now(set_rights(post.mailbox_id(), 2, letters))
        name = "Shared/bob@example.org/INBOX"
        answer = await alice.command(f'SETMETADATA {name} (/private/comment "hers" /shared/comment "ours")')
        assert answer.ok is may, answer
        assert (await alice.command(f"GETMETADATA {name} /shared/comment")).ok is may
        both = "GETMETADATA INBOX (/private/comment /shared/comment)"
        assert await noted(client, both) == {b"/private/comment": None, b"/shared/comment": b"ours" if may else None}
