"""fetchmail and getmail take mail out over POP3 and IMAP; mbsync keeps a Maildir and a mailbox the same, both ways."""

from __future__ import annotations

import imaplib
import os
from pathlib import Path

import pytest

from tests.support.world import PASSWORD, World

from .conftest import Run, send, sign_in


@pytest.mark.parametrize(("protocol", "port"), [("POP3", "pop3"), ("IMAP", "imap")])
def test_fetchmail(world: World, run: Run, tmp_path: Path, protocol: str, port: str) -> None:
    send(world, "carl@near.example", f"{protocol} one", f"{protocol} two")
    box = tmp_path / "box"
    rc = tmp_path / "fetchmailrc"
    rc.write_text(
        f'poll 127.0.0.1 protocol {protocol} port {world.ports[port]}\n  user "carl@near.example" password "{PASSWORD}"\n'
        f'  fetchall no keep no rewrite sslproto ""\n  mda "cat >> {box}; echo >> {box}"\n'
    )
    rc.chmod(0o600)
    run("fetchmail", "-f", str(rc), "--idfile", str(tmp_path / "ids"), "--pidfile", str(tmp_path / "pid"), "-N", "-d0")
    fetched = box.read_text()
    assert f"Subject: {protocol} one" in fetched
    assert f"body of {protocol} two" in fetched
    run(
        "fetchmail",
        "-f",
        str(rc),
        "--idfile",
        str(tmp_path / "ids"),
        "--pidfile",
        str(tmp_path / "pid"),
        "-N",
        "-d0",
        status=1,
    )  # no mail


@pytest.mark.parametrize(("kind", "port"), [("POP3", "pop3"), ("IMAP", "imap")])
def test_getmail(world: World, run: Run, tmp_path: Path, kind: str, port: str) -> None:
    with sign_in(world, "carl") as carl:
        folder = "Entwürfe & mehr" if kind == "IMAP" else "INBOX"
        if kind == "IMAP":
            carl.create_folder(folder)
            carl.append(folder, b"Subject: IMAP kept\r\n\r\nbody of IMAP kept\r\n")
        else:
            send(world, "carl@near.example", "POP3 kept")
    box = tmp_path / "box"
    box.touch()
    mailboxes = f'mailboxes = ("{folder}",)\n' if kind == "IMAP" else ""

    def fetch(remove: bool) -> str:
        rc = tmp_path / "getmailrc"
        rc.write_text(
            f"[retriever]\ntype = Simple{kind}Retriever\nserver = 127.0.0.1\nport = {world.ports[port]}\n"
            f"username = carl@near.example\npassword = {PASSWORD}\n{mailboxes}"
            f"[destination]\ntype = MDA_external\npath = /bin/dd\n"
            f'arguments = ("of={box}", "oflag=append", "conv=notrunc", "status=none")\nallow_root_commands = true\n'
            f"[options]\nread_all = false\ndelete = {remove}\n"
        )
        run("getmail", "--getmaildir", str(tmp_path), "--rcfile", str(rc), package="getmail6")
        return box.read_text()

    assert fetch(remove=False).count(f"Subject: {kind} kept") == 1
    assert fetch(remove=False).count(f"Subject: {kind} kept") == 1  # known again by its UIDL, or its UID
    fetch(remove=True)
    with sign_in(world, "carl") as carl:
        carl.select_folder(folder)
        assert carl.search(["SUBJECT", f"{kind} kept"]) == []


def test_mbsync_both_ways(world: World, run: Run, tmp_path: Path) -> None:
    send(world, "bob@near.example", "sync one", "sync two", "sync three")
    maildir = tmp_path / "mail"
    maildir.mkdir()
    rc = tmp_path / "mbsyncrc"
    rc.write_text(
        f'IMAPAccount near\nHost 127.0.0.1\nPort {world.ports["imap"]}\nUser bob@near.example\nPass "{PASSWORD}"\n'
        "SSLType None\nAuthMechs LOGIN\n\nIMAPStore far\nAccount near\n\n"
        f"MaildirStore disk\nPath {maildir}/\nInbox {maildir}/INBOX\nSubFolders Verbatim\n\n"
        "Channel all\nFar :far:\nNear :disk:\nPatterns *\nCreate Both\nRemove Both\nExpunge Both\nSync All\nSyncState *\n"
    )

    def sync() -> None:
        run("mbsync", "-c", str(rc), "-a", package="isync")

    sync()
    here = {path.read_text().split("Subject: ")[1].split("\n")[0]: path for path in (maildir / "INBOX").glob("*/*")}
    assert {"sync one", "sync two", "sync three"} <= set(here)

    here["sync one"].unlink()  # deleted here
    seen = here["sync two"]  # read here
    (maildir / "INBOX" / "cur").mkdir(exist_ok=True)
    os.rename(seen, maildir / "INBOX" / "cur" / (seen.name.split(":")[0] + ":2,S"))
    for folder in ("cur", "new", "tmp"):  # a new folder here
        (maildir / "Projects" / folder).mkdir(parents=True)
    (maildir / "Projects" / "new" / "1.local").write_text("Subject: made here\n\nin the Maildir\n")
    with imaplib.IMAP4("127.0.0.1", world.ports["imap"]) as imap:  # and a flag there
        imap.login("bob@near.example", PASSWORD)
        imap.select("INBOX")
        _, found = imap.search(None, "SUBJECT", '"sync three"')
        imap.store(found[0].split()[-1].decode(), "+FLAGS", r"(\Flagged)")
    sync()

    with imaplib.IMAP4("127.0.0.1", world.ports["imap"]) as imap:
        imap.login("bob@near.example", PASSWORD)
        imap.select("INBOX")
        assert imap.search(None, "SUBJECT", '"sync one"')[1] == [b""]
        _, found = imap.search(None, "SUBJECT", '"sync two"', "SEEN")
        assert found != [b""]
        assert imap.select("Projects")[0] == "OK"
        _, answer = imap.fetch("1", "(BODY.PEEK[TEXT])")
        assert answer[0][1] == b"in the Maildir\r\n"
    flagged = [path for path in (maildir / "INBOX" / "cur").glob("*") if "F" in path.name.rpartition(",")[2]]
    assert ["sync three" in path.read_text() for path in flagged] == [True]
    before = sorted(str(path) for path in maildir.rglob("*,U=*"))
    sync()
    assert sorted(str(path) for path in maildir.rglob("*,U=*")) == before
