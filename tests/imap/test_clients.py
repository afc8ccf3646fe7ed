"""Clients that others wrote: their parsers and habits against ours. Whole-system runs of more of them: tests/clients/."""

from __future__ import annotations

import asyncio
import imaplib
import shutil
from pathlib import Path

import imapclient
import pytest

from tests.support.corpus import corpus

from .conftest import ADDRESS, PASSWORD, Post


async def test_imapclient_reads_every_structure(post: Post) -> None:
    samples = [sample for sample in corpus() if len(sample.message) < 100_000]
    for sample in samples:
        post.put(sample.message)

    def session() -> None:
        with imapclient.IMAPClient("127.0.0.1", post.port, ssl=False, use_uid=True) as client:
            client.login(ADDRESS, PASSWORD)
            assert client.select_folder("INBOX")[b"EXISTS"] == len(samples)
            uids = client.search("ALL")
            answer = client.fetch(
                uids, ["ENVELOPE", "BODYSTRUCTURE", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "BODY.PEEK[]"]
            )
            for uid, sample in zip(uids, samples, strict=True):
                message = answer[uid]
                assert message[b"BODY[]"] == sample.message.replace(b"\0", b"\x80"), sample.name
                assert message[b"RFC822.SIZE"] == len(sample.message)
                assert message[b"BODYSTRUCTURE"] is not None and message[b"ENVELOPE"] is not None

    await asyncio.to_thread(session)


async def test_imapclient_does_what_it_can(post: Post) -> None:
    def session() -> None:
        with imapclient.IMAPClient("127.0.0.1", post.port, ssl=False) as client:
            client.login(ADDRESS, PASSWORD)
            client.id_({"name": "test"})
            assert client.namespace().personal == (("", "/"),)
            client.create_folder("Schöne Grüße/日本")
            assert "Schöne Grüße/日本" in [name for _, _, name in client.list_folders()]
            assert client.find_special_folder(b"\\Sent") == "Sent"
            client.subscribe_folder("Schöne Grüße/日本")
            assert "Schöne Grüße/日本" in [name for _, _, name in client.list_sub_folders()]
            client.append("INBOX", b"Subject: one\r\n\r\nx\r\n", flags=["\\Seen"])
            client.select_folder("INBOX")
            assert client.search(["SUBJECT", "one", "SEEN"]) == [1]
            assert client.search(["SUBJECT", "grün"], "UTF-8") == []
            client.add_flags([1], ["\\Flagged", "Work"])
            assert set(client.get_flags([1])[1]) >= {b"\\Seen", b"\\Flagged", b"Work"}
            client.copy([1], "Archive")
            client.move([1], "Trash")
            assert client.folder_status("Trash")[b"MESSAGES"] == 1
            client.idle()
            post.put(b"Subject: two\r\n\r\n")
            assert (1, b"EXISTS") in client.idle_check(timeout=20)
            client.idle_done()
            client.delete_messages([2])
            client.expunge([2])
            client.unselect_folder()
            client.rename_folder("Schöne Grüße/日本", "Rest")
            client.delete_folder("Rest")

    await asyncio.to_thread(session)


async def test_imaplib(post: Post) -> None:
    def session() -> None:
        with imaplib.IMAP4("127.0.0.1", post.port) as client:
            client.authenticate("PLAIN", lambda _: f"\0{ADDRESS}\0{PASSWORD}".encode())
            assert (
                client.append("INBOX", "(\\Flagged)", imaplib.Time2Internaldate(1_700_000_000), b"Subject: x\n\nbody")[
                    0
                ]
                == "OK"
            )
            assert client.select()[1] == [b"1"]
            assert client.search("UTF-8", "SUBJECT", "é".encode())[1] == [b""]
            assert client.fetch("1", "(RFC822)")[1][0][1] == b"Subject: x\r\n\r\nbody"
            assert client.uid("STORE", "1", "+FLAGS", "(\\Deleted)")[0] == "OK"
            assert client.expunge()[1] == [b"1"]
            assert client.close()[0] == "OK"

    await asyncio.to_thread(session)


needs_mbsync = pytest.mark.skipif(shutil.which("mbsync") is None, reason="mbsync (Debian's isync) is not installed")


@needs_mbsync
async def test_mbsync_brings_a_mailbox_down_and_changes_up(post: Post, tmp_path: Path) -> None:
    # mbsync passes over messages whose header does not end with an empty line.
    whole = [sample for sample in corpus() if len(sample.message) < 20_000 and b"\r\n\r\n" in sample.message]
    samples = whole[:40]
    for sample in samples:
        post.put(sample.message)
    (tmp_path / "mail").mkdir()
    config = tmp_path / "mbsyncrc"
    config.write_text(
        f'IMAPAccount a\nHost 127.0.0.1\nPort {post.port}\nUser {ADDRESS}\nPass "{PASSWORD}"\n'
        f"SSLType None\nAuthMechs LOGIN\n\nIMAPStore far\nAccount a\n\nMaildirStore near\nPath {tmp_path}/mail/\n"
        f"Inbox {tmp_path}/mail/INBOX\nSubFolders Verbatim\n\nChannel c\nFar :far:\nNear :near:\nPatterns *\n"
        "Create Both\nExpunge Both\nSyncState *\n"
    )

    async def sync() -> None:
        process = await asyncio.create_subprocess_exec(
            "mbsync", "-c", str(config), "c", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        async with asyncio.timeout(60):
            output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()

    await sync()
    inbox = tmp_path / "mail" / "INBOX"
    files = sorted([*inbox.glob("new/*"), *inbox.glob("cur/*")])
    assert len(files) == len(samples)
    assert {path.name for path in (tmp_path / "mail").iterdir()} >= {"Sent", "Drafts", "Trash"}
    # One is read, one is deleted, one is new: all of it goes up.
    files[0].rename(inbox / "cur" / (files[0].name.split(":")[0] + ":2,S"))
    files[1].unlink()
    (inbox / "new" / "1.x.host").write_bytes(b"Subject: from below\n\nhello\n")
    await sync()
    client = await post.selected()
    assert len((await client.ok("SEARCH ALL")).searched or ()) == len(samples)
    assert len((await client.ok("SEARCH SEEN")).searched or ()) == 1
    assert len((await client.ok('SEARCH SUBJECT "from below"')).searched or ()) == 1
    await client.close()
