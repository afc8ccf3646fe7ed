"""A store that is damaged: what does not lie there goes on, the owner is told, and the repair brings back the rest."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from appliance.store.accounts import find_account
from appliance.store.changes.messages import NewMessage, append
from appliance.store.database import FILE_NAME, PAGE_OCTETS
from appliance.store.interface import Store
from appliance.store.sqlite_file import DatabaseFile, Tree
from appliance.store.sqlite_pages import INDEX_LEAF, parse_page
from tests.support.homes import Homes, homes
from tests.support.imap_client import ImapClient
from tests.support.smtp_client import SmtpClient
from tests.support.stores import mailbox_of
from tests.support.world import PASSWORD, World, eventually

__all__ = ["homes"]

BOB = "bob@near.example"


def letter(number: int) -> bytes:
    return f"From: far@far.example\r\nTo: {BOB}\r\nSubject: letter {number}\r\n\r\nbody {number}\r\n".encode()


@pytest.fixture
def home(tmp_path: Path, homes: Homes) -> Path:
    """With three letters in the archive and so many in INBOX that their rows fill some pages."""
    home = homes.copy(tmp_path / "home")
    store = Store(home)
    account = store.read_now(lambda c: find_account(c, BOB))
    assert account is not None
    for name, count in (("Archive", 3), ("INBOX", 400)):
        new = [NewMessage(store.spool_bytes(letter(n)), 0, "", 1_700_000_000 + n) for n in range(1, count + 1)]
        store.write_now(append(mailbox_of(store, account.id, name).id, new))
    store.close()
    return home


@pytest.fixture
def world(home: Path) -> Iterator[World]:
    world = World(home, fresh=False)
    yield world
    world.stop()


def status(world: World) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(world.cli("status", "--json"))
    return told


def damage(path: Path, position: int, octets: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(position)
        file.write(octets)


def page_of_inbox(path: Path) -> int:
    """One that holds rows of INBOX's oldest messages only."""
    with closing(sqlite3.connect(path)) as connection:
        ((root, mailbox_id),) = connection.execute(
            "SELECT rootpage, m.id FROM sqlite_master s JOIN mailboxes m WHERE s.name = 'messages' AND m.name = 'INBOX'"
        )
    with open(path, "rb") as opened, closing(DatabaseFile(opened.fileno(), path.with_name("no log"))) as file:
        tree = Tree(root, indexed=True)
        assert sum(1 for _ in file.cells(tree)) == 403
        for number in sorted(tree.pages):
            page = parse_page(file.page(number) or b"", number)
            assert page is not None
            rows = [file.values(cell)[0][:2] for cell in page.cells]
            if page.kind == INDEX_LEAF and all(row[0] == mailbox_id and 0 < int(str(row[1])) < 300 for row in rows):
                return number
    raise AssertionError("there is no such page")


async def test_a_store_that_cannot_be_opened(world: World) -> None:
    damage(world.home / FILE_NAME, 0, b"\0" * 100)
    world.start()
    async with await SmtpClient.connect(world.ports["smtp"]) as smtp:
        assert (await smtp.reply()).startswith("421 4.3.0 ")
        assert await smtp.closed()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, tls in (("imap", None), ("imaps", context)):
        reader, writer = await asyncio.open_connection("127.0.0.1", world.ports[name], ssl=tls)
        assert (await reader.read()).startswith(b"* BYE [UNAVAILABLE] ")
        writer.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", world.ports["pop3"])
    assert (await reader.read()).startswith(b"-ERR [SYS/TEMP] ")
    writer.close()
    with pytest.raises(urllib.error.HTTPError) as page:
        await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{world.ports['web']}/")
    assert page.value.code == 503
    assert "merpati doctor --repair" in page.value.read().decode()
    page.value.close()
    told = status(world)
    assert told["leds"]["alert"] == "fast"
    (problem,) = told["problems"]
    assert problem["what"].startswith("The mail store cannot be opened (file is not a database).")
    assert "merpati doctor --repair" in problem["do"]
    pids = world.pids
    assert "Stop it first" in world.cli("doctor", "--repair", status=1)
    assert world.pids == pids  # nothing was started again meanwhile

    world.stop()
    said = world.cli("doctor", "--repair")
    assert "403 messages" in said
    assert "Nothing is known to be lost." in said
    assert json.loads(world.cli("doctor", "--repair", "--json"))["outcome"] == "whole"
    world.start()
    imap = await ImapClient.signed_in(world.ports["imap"], BOB, PASSWORD)
    await imap.ok("SELECT Archive")
    fetched = (await imap.ok("FETCH 1:* (UID BODY.PEEK[])")).fetched
    assert len(fetched) == 3
    await imap.close()


async def test_a_part_of_the_store_that_cannot_be_read(world: World) -> None:
    """Rows of INBOX: the archive, the other protocols and new mail do not mind."""
    leaf = page_of_inbox(world.home / FILE_NAME)
    damage(world.home / FILE_NAME, (leaf - 1) * PAGE_OCTETS, b"\xee" * PAGE_OCTETS)
    world.start()
    imap = await ImapClient.signed_in(world.ports["imap"], BOB, PASSWORD)
    await imap.ok("SELECT Archive")
    refused = await imap.command("SELECT INBOX")
    assert not refused.ok
    assert refused.code("CORRUPTION") is not None
    await imap.ok("SELECT Archive")
    assert len((await imap.ok("FETCH 1:* (BODY.PEEK[])")).fetched) == 3
    await imap.close()
    eventually(lambda: status(world)["leds"]["alert"] == "fast")
    assert any(
        "cannot be read (database disk image is malformed)" in each["what"] for each in status(world)["problems"]
    )
    async with await SmtpClient.greeted(world.ports["smtp"]) as smtp:
        await smtp.envelope(BOB, reverse_path="far@far.example")
        await smtp.message(letter(1000))
    world.stop()
    assert "the message is gone" in world.cli("doctor", "--repair")
    world.start()
    imap = await ImapClient.signed_in(world.ports["imap"], BOB, PASSWORD)
    await imap.ok("SELECT INBOX")
    found = len((await imap.ok("FETCH 1:* (UID)")).fetched)
    await imap.ok("SELECT Recovered")
    recovered = len((await imap.ok("FETCH 1:* (UID)")).fetched)
    assert recovered > 0
    assert found + recovered == 401
    await imap.close()


async def test_a_content_that_is_damaged(world: World) -> None:
    """Only its own body is refused, and it can be deleted."""
    with closing(sqlite3.connect(world.home / FILE_NAME)) as connection:
        connection.execute(
            "UPDATE blobs SET data = CAST(substr(data, 1, 40) || x'00ff00' || substr(data, 44) AS BLOB)"
            " WHERE id = (SELECT blob_id FROM messages JOIN mailboxes ON id = mailbox_id WHERE name = 'Archive' AND uid = 2)"
        )
        connection.commit()
    world.start()
    imap = await ImapClient.signed_in(world.ports["imap"], BOB, PASSWORD)
    await imap.ok("SELECT Archive")
    answer = await imap.command("FETCH 1:3 (UID BODY.PEEK[])")
    assert not answer.ok
    assert answer.code("CORRUPTION") is not None
    assert [each.number for each in answer.fetched] == [1, 3]
    eventually(lambda: any("does not read back" in each["what"] for each in status(world)["problems"]))
    await imap.ok("STORE 2 +FLAGS (\\Deleted)")
    await imap.ok("EXPUNGE")
    assert len((await imap.ok("FETCH 1:* (BODY.PEEK[])")).fetched) == 2
    await imap.close()
