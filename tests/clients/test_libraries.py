"""IMAPClient and aioimaplib over a whole server: what programs written with them rely on."""

from __future__ import annotations

import asyncio

import aioimaplib
import imapclient
import pytest

from tests.support.world import PASSWORD, World

from .conftest import send, sign_in

THREAD = (
    b"Message-ID: <1@x>\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\nSubject: b\r\n\r\none\r\n",
    b"Message-ID: <2@x>\r\nReferences: <1@x>\r\nDate: Mon, 1 Jan 2024 12:00:00 +0000\r\nSubject: Re: b\r\n\r\ntwo\r\n",
    b"Message-ID: <3@x>\r\nDate: Mon, 1 Jan 2024 11:00:00 +0000\r\nSubject: a\r\n\r\ngr\xc3\xbcn\r\n",
)


def test_imapclient_searches_sorts_and_threads(world: World) -> None:
    with sign_in(world, "ann") as imap:
        imap.create_folder("Ordered")
        for message in THREAD:
            imap.append("Ordered", message)
        imap.select_folder("Ordered")
        assert imap.sort("DATE") == [1, 3, 2]
        assert imap.sort("REVERSE DATE") == [2, 3, 1]
        assert imap.sort(["SUBJECT", "REVERSE DATE"]) == [3, 2, 1]
        assert imap.thread("REFERENCES") == ((1, 2), (3,))
        assert imap.thread("ORDEREDSUBJECT") == ((1, 2), (3,))
        assert imap.search(["TEXT", "two"]) == [2]
        assert imap.search(["OR", ["SUBJECT", "a"], ["HEADER", "References", "1@x"]]) == [2, 3]


def test_imapclient_follows_changes_by_modseq(world: World) -> None:
    with sign_in(world, "ann") as imap:
        imap.create_folder("Changing")
        for message in THREAD:
            imap.append("Changing", message)
        before = imap.select_folder("Changing")[b"HIGHESTMODSEQ"]
        assert imap.folder_status("Changing", ["HIGHESTMODSEQ"])[b"HIGHESTMODSEQ"] == before
        imap.add_flags([2], [imapclient.FLAGGED])
        changed = imap.fetch([1, 2, 3], ["FLAGS"], [f"CHANGEDSINCE {before}"])
        assert list(changed) == [2]
        assert changed[2][b"MODSEQ"][0] > before
        assert imap.search(["MODSEQ", str(before + 1)]) == [2]


def test_imapclient_sees_how_much_it_may_keep(world: World) -> None:
    world.cli("account", "quota", "carl@near.example", "10M")
    with sign_in(world, "carl") as imap:
        (quota,) = [each for each in imap.get_quota("INBOX") if each.resource == "STORAGE"]
        assert quota.limit * 1024 == pytest.approx(10_000_000, rel=0.06)
        imap.append("INBOX", b"Subject: x\r\n\r\n" + b"x" * 5000)
        (after,) = [each for each in imap.get_quota("INBOX") if each.resource == "STORAGE"]
        assert after.usage > quota.usage


def test_imapclient_waits_and_moves(world: World) -> None:
    with sign_in(world, "ann") as imap:
        there = imap.select_folder("INBOX")[b"EXISTS"]
        imap.idle()
        send(world, "ann@near.example", "while idle")
        assert (there + 1, b"EXISTS") in imap.idle_check(timeout=20)
        imap.idle_done()
        imap.move(found := imap.search(["SUBJECT", "while idle"]), imap.find_special_folder(rb"\Archive"))
        assert imap.search(["UID", *map(str, found)]) == []
        imap.select_folder("Archive")
        assert len(imap.search(["SUBJECT", "while idle"])) == 1


async def test_aioimaplib(world: World) -> None:
    client = aioimaplib.IMAP4(host="127.0.0.1", port=world.ports["imap"], timeout=20)
    await client.wait_hello_from_server()
    assert (await client.login("bob@near.example", PASSWORD)).result == "OK"
    assert client.has_capability("MOVE") and client.has_capability("IDLE")
    assert (await client.select("INBOX")).result == "OK"
    idle = await client.idle_start(timeout=20)
    await asyncio.to_thread(send, world, "bob@near.example", "for aioimaplib")
    pushed = await client.wait_server_push()
    assert b"1 EXISTS" in pushed
    client.idle_done()
    await asyncio.wait_for(idle, 20)
    assert (await client.search("SUBJECT", "aioimaplib")).lines[0] == b"1"
    fetched = await client.fetch("1", "(FLAGS BODY.PEEK[])")
    assert b"body of for aioimaplib" in b"".join(bytes(line) for line in fetched.lines)
    assert (await client.store("1", "+FLAGS", r"(\Seen)")).result == "OK"
    assert (await client.move("1", "Archive")).result == "OK"
    assert (await client.search("ALL")).lines[0] == b""
    assert (await client.append(THREAD[0], mailbox="Drafts", flags=r"\Draft")).result == "OK"
    assert any(b"\\Sent" in line for line in (await client.list('""', "*")).lines)
    await client.logout()
    with sign_in(world, "bob") as imap:
        imap.select_folder("Archive")
        assert len(imap.search(["SUBJECT", "aioimaplib", "SEEN"])) == 1
