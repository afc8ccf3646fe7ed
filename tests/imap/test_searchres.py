"""SEARCHRES, RFC 5182: what a search has found can be named `$`."""

from __future__ import annotations

import pytest

from tests.imap.conftest import Post, closing

MESSAGES = 6


@pytest.fixture
async def six(post: Post) -> Post:
    """Messages 1 to 6; 2, 4 and 5 are flagged."""
    for number in range(1, MESSAGES + 1):
        post.put(b"Subject: %d\r\n\r\nx\r\n" % number, flags=4 if number in (2, 4, 5) else 0)
    return post


# What is searched for → the ESEARCH response's data, and what `$` is afterwards. RFC 5182 2.4, RFC 9394 3.2.
SAVED: dict[str, tuple[dict[str, object] | None, list[int]]] = {
    "RETURN (SAVE) FLAGGED": (None, [2, 4, 5]),
    "RETURN (SAVE MIN) FLAGGED": ({"MIN": 2}, [2]),
    "RETURN (SAVE MAX) FLAGGED": ({"MAX": 5}, [5]),
    "RETURN (SAVE MIN MAX) FLAGGED": ({"MIN": 2, "MAX": 5}, [2, 5]),
    "RETURN (SAVE MIN MAX) 3": ({"MIN": 3, "MAX": 3}, [3]),
    "RETURN (SAVE ALL) FLAGGED": ({"ALL": [2, 4, 5]}, [2, 4, 5]),
    "RETURN (SAVE COUNT) FLAGGED": ({"COUNT": 3}, [2, 4, 5]),
    "RETURN (SAVE MIN COUNT) FLAGGED": ({"MIN": 2, "COUNT": 3}, [2, 4, 5]),
    "RETURN (SAVE MAX ALL) FLAGGED": ({"MAX": 5, "ALL": [2, 4, 5]}, [2, 4, 5]),
    "RETURN (SAVE MIN MAX COUNT ALL) FLAGGED": ({"MIN": 2, "MAX": 5, "COUNT": 3, "ALL": [2, 4, 5]}, [2, 4, 5]),
    "RETURN (SAVE PARTIAL 2:3) ALL": ({"PARTIAL": ("2:3", [2, 3])}, [2, 3]),
    "RETURN (SAVE PARTIAL 2:3 MIN) ALL": ({"MIN": 1, "PARTIAL": ("2:3", [2, 3])}, [1, 2, 3]),
    "RETURN (SAVE PARTIAL -1:-2 MIN MAX) ALL": ({"MIN": 1, "MAX": 6, "PARTIAL": ("-1:-2", [5, 6])}, [1, 5, 6]),
    "RETURN (SAVE PARTIAL 2:3 COUNT) FLAGGED": ({"COUNT": 3, "PARTIAL": ("2:3", [4, 5])}, [2, 4, 5]),
    "RETURN (SAVE) ANSWERED": (None, []),
    "RETURN (SAVE MIN) ANSWERED": ({}, []),
}


@pytest.mark.parametrize(("what", "expected"), SAVED.items(), ids=SAVED)
@pytest.mark.parametrize("verb", ["SEARCH", "UID SEARCH"])
async def test_what_is_told_and_what_is_saved(
    six: Post, verb: str, what: str, expected: tuple[dict[str, object] | None, list[int]]
) -> None:
    client = await six.selected()
    async with closing(client):
        answer = await client.ok(f"{verb} {what}")
        assert answer.esearch == expected[0]
        assert answer.searched is None
        assert (await client.ok("SEARCH $")).searched == expected[1]
        assert (await client.ok("UID SEARCH UID $")).searched == expected[1]


async def test_every_command_that_takes_a_set_takes_it(six: Post) -> None:
    client = await six.selected()
    async with closing(client):
        await client.ok("SEARCH RETURN (SAVE) FLAGGED")
        assert [each.number for each in (await client.ok("FETCH $ FLAGS")).fetched] == [2, 4, 5]
        assert [each.items["UID"] for each in (await client.ok("UID FETCH $ FLAGS")).fetched] == [2, 4, 5]
        assert [each.number for each in (await client.ok("STORE $ +FLAGS (\\Answered)")).fetched] == [2, 4, 5]
        assert [each.number for each in (await client.ok("UID STORE $ +FLAGS (\\Draft)")).fetched] == [2, 4, 5]
        assert (await client.ok("SEARCH NOT $ ALL")).searched == [1, 3, 6]
        assert (await client.ok("SEARCH OR $ 1")).searched == [1, 2, 4, 5]
        assert (await client.ok("SORT (ARRIVAL) UTF-8 $")).sorted == [2, 4, 5]
        await client.ok("CREATE there")
        assert (await client.ok("COPY $ there")).code("COPYUID") is not None
        assert (await client.ok("UID COPY $ there")).code("COPYUID") is not None
        await client.ok("STORE $ +FLAGS.SILENT (\\Deleted)")
        assert (await client.ok("UID EXPUNGE $")).expunged == [5, 4, 2]
        assert (await client.ok("SEARCH $")).searched == []
        await client.ok("SEARCH RETURN (SAVE) 1:2")
        assert (await client.ok("MOVE $ there")).expunged == [2, 1]
        await client.ok("SEARCH RETURN (SAVE) ALL")
        assert (await client.ok("UID MOVE $ there")).expunged == [1]


async def test_what_is_gone_drops_out(six: Post) -> None:
    client, other = await six.selected(), await six.selected()
    async with closing(client, other):
        await client.ok("SEARCH RETURN (SAVE) FLAGGED")
        await other.ok("STORE 1,4 +FLAGS.SILENT (\\Deleted)")
        await other.ok("EXPUNGE")
        assert (await client.ok("NOOP")).expunged == [4, 1]
        assert (await client.ok("SEARCH $")).searched == [1, 3]
        assert (await client.ok("UID SEARCH $")).searched == [2, 5]


async def test_it_is_empty_until_something_is_saved(six: Post) -> None:
    client = await six.selected()
    async with closing(client):
        assert (await client.ok("SEARCH $")).searched == []
        assert (await client.ok("FETCH $ FLAGS")).fetched == []
        await client.ok("SEARCH FLAGGED")
        await client.ok("SEARCH RETURN (ALL) FLAGGED")
        assert (await client.ok("SEARCH $")).searched == []


@pytest.mark.parametrize("command", ["SELECT INBOX", "EXAMINE INBOX"])
async def test_selecting_forgets_it(six: Post, command: str) -> None:
    client = await six.selected()
    async with closing(client):
        await client.ok("SEARCH RETURN (SAVE) FLAGGED")
        await client.ok(command)
        assert (await client.ok("SEARCH $")).searched == []


REFUSED = {
    "NO empties it": ("SEARCH RETURN (SAVE) CHARSET X-KLINGON FLAGGED", "NO", []),
    "also a sort's": ("SORT RETURN (SAVE) (DATE) X-KLINGON FLAGGED", "NO", []),
    "NO of a search that saves nothing does not": ("SEARCH CHARSET X-KLINGON FLAGGED", "NO", [2, 4, 5]),
    "BAD does not": ("SEARCH RETURN (SAVE) NONSENSE", "BAD", [2, 4, 5]),
}


@pytest.mark.parametrize(("command", "status", "left"), REFUSED.values(), ids=REFUSED)
async def test_refused_searches(six: Post, command: str, status: str, left: list[int]) -> None:
    client = await six.selected()
    async with closing(client):
        await client.ok("SEARCH RETURN (SAVE) FLAGGED")
        assert (await client.command(command)).done.status == status
        assert (await client.ok("SEARCH $")).searched == left


async def test_it_can_be_searched_and_saved_again(six: Post) -> None:
    """RFC 5182 2.2: the new result may be made of the old one."""
    client = await six.selected()
    async with closing(client):
        await client.ok("SEARCH RETURN (SAVE) FLAGGED")
        await client.ok("SEARCH RETURN (SAVE) $ 3:6")
        assert (await client.ok("SEARCH $")).searched == [4, 5]


async def test_a_sort_saves_too(six: Post) -> None:
    client = await six.selected()
    async with closing(client):
        answer = await client.ok("SORT RETURN (SAVE COUNT) (REVERSE ARRIVAL) UTF-8 FLAGGED")
        assert answer.esearch == {"COUNT": 3}
        assert (await client.ok("SEARCH $")).searched == [2, 4, 5]


async def test_commands_sent_at_once_see_it(six: Post) -> None:
    """RFC 5182 2.3: a client need not wait for the search's end."""
    client = await six.selected()
    async with closing(client):
        tags = [await client.send("SEARCH RETURN (SAVE) FLAGGED")]
        await client.answer(tags[0])
        await client.write(b"x1 SEARCH RETURN (SAVE) 1\r\nx2 SEARCH $\r\n")
        assert (await client.line()).startswith(b"x1 OK")
        assert await client.line() == b"* SEARCH 1"
        assert (await client.line()).startswith(b"x2 OK")
