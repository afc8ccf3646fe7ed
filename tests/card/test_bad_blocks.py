"""Blocks that cannot be read any more: the server goes on with the rest, and the repair has back what can be had."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import closing
from pathlib import Path

import pytest

from appliance.store.database import FILE_NAME, PAGE_OCTETS
from appliance.store.sqlite_file import DatabaseFile, Tree
from bench.card.card import missing
from tests.power.letters import letter, name_of
from tests.power.server import Server

from .at_work import checked, deliver, reader_of
from .conftest import Starts

LETTERS = {f"in-1-{number}" for number in range(60)}
LARGE = "in-2-0"

pytestmark = pytest.mark.skipif(missing() is not None, reason=f"no simulated card: {missing()}")


def pages_of(home: Path, table: str) -> list[int]:
    """Of a table, when nobody has the store open: its leaves, or all it has where that is one; the first page is 1."""
    with open(home / FILE_NAME, "rb") as base, closing(DatabaseFile(base.fileno(), home / f"{FILE_NAME}-wal")) as file:
        roots = file.roots()
        assert roots is not None
        tree = Tree(roots[table], table == "messages")
        assert sum(1 for _ in file.cells(tree))
        return sorted(set(tree.pages) - {roots[table]}) or [roots[table]]


def unread(path: Path) -> list[int]:
    """Pages that the card does not give out, nor would a program that reads them one by one get them."""
    found = []
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        for page in range(1, path.stat().st_size // PAGE_OCTETS + 1):
            try:
                os.pread(file.fileno(), PAGE_OCTETS, (page - 1) * PAGE_OCTETS)
            except OSError:
                found.append(page)
    return found


async def read_all(server: Server) -> tuple[set[str], int]:
    """(letters that are ana has and that read back octet for octet, how many could not be given)."""
    found, refused = set(), 0
    async with reader_of(server, "ana") as imap:
        for mailbox in ("INBOX", "Recovered"):
            answer = await imap.command(f"SELECT {mailbox}")
            if mailbox == "Recovered" and not answer.ok:
                continue
            assert answer.ok and imap.mailbox is not None, answer
            for number in range(1, len(imap.mailbox.uids) + 1):
                answer = await imap.command(f"FETCH {number} (BODY.PEEK[])")
                if not answer.ok:
                    assert answer.done.status == "NO"
                    refused += 1
                    continue
                octets = answer.item("BODY[]")
                assert isinstance(octets, bytes)
                name = name_of(octets)
                if name is not None and (octets.endswith(letter(name)) or name == LARGE):
                    found.add(name)
    return found, refused


@pytest.mark.parametrize(("table", "lost_most"), [("blobs", 40), ("messages", 0)])
async def test_what_can_be_read_comes_back(starts: Starts, table: str, lost_most: int) -> None:
    """Every fourth page of a table cannot be read. Without their rows in the mailbox, contents find their owner again."""
    async with starts() as at:
        for name in sorted(LETTERS):
            await deliver(at.server, letter(name), 250)
        await asyncio.to_thread(at.server.stop)
        pages = pages_of(at.server.home, table)[::4]
        for page in pages:
            at.card.lose(at.server.home / FILE_NAME, (page - 1) * PAGE_OCTETS)
        at.card.drop_caches()
        assert unread(at.server.home / FILE_NAME) == pages
        at.card.drop_caches()

        done = json.loads(await asyncio.to_thread(at.server.cli, "doctor", "--repair", "--json"))
        assert done["outcome"] == "repaired" and not done["left"], done
        await asyncio.to_thread(at.server.start)
        found, refused = await read_all(at.server)
        assert not refused
        assert found <= LETTERS and (found == LETTERS or done["report"]["lost"]), done
        assert len(found) >= len(LETTERS) - lost_most
        await deliver(at.server, letter("in-9-1"), 250)
        await asyncio.to_thread(at.server.stop)
        assert checked(at.server) == []


async def test_one_block_of_a_large_content_spoils_that_message_alone(starts: Starts) -> None:
    large = letter(LARGE) + b"".join(b"%064x\r\n" % (n * 7919**9) for n in range(20_000))
    async with starts() as at:
        await deliver(at.server, large, 250)
        for name in sorted(LETTERS)[:10]:
            await deliver(at.server, letter(name), 250)
        await asyncio.to_thread(at.server.stop)
        segment = next((at.server.home / "blobs").glob("*.seg"))
        at.card.lose(segment, 200_000)
        at.card.drop_caches()
        await asyncio.to_thread(at.server.start)
        async with reader_of(at.server, "ana") as one, reader_of(at.server, "ana") as other:
            await one.ok("SELECT INBOX")
            with pytest.raises(asyncio.IncompleteReadError):  # its size was promised before the damage was met
                await one.command("FETCH 1 (BODY.PEEK[])")
            await other.ok("SELECT INBOX")
            assert len((await other.ok("FETCH 2:11 (BODY.PEEK[])")).fetched) == 10
            assert (await other.command("FETCH 1 (BODY.PEEK[])")).done.status == "NO"
        await deliver(at.server, letter("in-9-1"), 250)
        await asyncio.to_thread(at.server.stop)

        at.card.drop_caches()
        done = json.loads(await asyncio.to_thread(at.server.cli, "doctor", "--repair", "--json"))
        assert done["outcome"] == "repaired" and [each["subject"] for each in done["report"]["lost"]] == [LARGE], done
        await asyncio.to_thread(at.server.start)
        found, refused = await read_all(at.server)
        assert not refused and len(found - {LARGE}) == 11
        await asyncio.to_thread(at.server.stop)
        assert checked(at.server) == []
