"""Two sides kept the same: mbsync and OfflineIMAP take flags, expunges and new mailboxes from each side to the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.world import PASSWORD, World

from .conftest import Run, send, sign_in

Sync = Callable[[], None]
NAME = "Grüße/日本"
WIRE_NAME = "Gr&APwA3w-e/&ZeVnLA-"  # what mbsync, which does not decode names, calls it on the disk


def mbsync(world: World, run: Run, user: str, home: Path) -> Sync:
    rc = home / "mbsyncrc"
    rc.write_text(
        f'IMAPAccount near\nHost 127.0.0.1\nPort {world.ports["imap"]}\nUser {user}@near.example\nPass "{PASSWORD}"\n'
        "SSLType None\nAuthMechs LOGIN\n\nIMAPStore far\nAccount near\n\n"
        f"MaildirStore disk\nPath {home}/mail/\nInbox {home}/mail/INBOX\nSubFolders Verbatim\n\n"
        "Channel all\nFar :far:\nNear :disk:\nPatterns *\nCreate Both\nRemove Both\nExpunge Both\nSync All\nSyncState *\n"
    )
    return lambda: (run("mbsync", "-c", str(rc), "-a", package="isync"), None)[1]


def offlineimap(world: World, run: Run, user: str, home: Path) -> Sync:
    rc = home / "offlineimaprc"
    rc.write_text(
        f"[general]\naccounts = near\nmetadata = {home}/state\nui = quiet\n\n"
        "[Account near]\nlocalrepository = disk\nremoterepository = far\nutf8foldernames = yes\n\n"
        f"[Repository disk]\ntype = Maildir\nlocalfolders = {home}/mail\nsep = /\n\n"
        f"[Repository far]\ntype = IMAP\nremotehost = 127.0.0.1\nremoteport = {world.ports['imap']}\n"
        f"remoteuser = {user}@near.example\nremotepass = {PASSWORD}\nssl = no\nstarttls = no\n"
    )
    return lambda: (run("offlineimap", "-c", str(rc), "-o", package="offlineimap3"), None)[1]


def on_disk(folder: Path) -> dict[str, Path]:
    """By subject."""
    return {
        path.read_text().split("Subject: ")[1].split("\n")[0].strip(): path
        for part in ("cur", "new")
        for path in (folder / part).glob("*")
    }


@pytest.mark.parametrize(
    ("client", "user", "name_on_disk"), [(mbsync, "ann", WIRE_NAME), (offlineimap, "bob", NAME)], ids=["mbsync", "offlineimap"]
)  # fmt: skip
def test_both_ways(
    world: World, run: Run, tmp_path: Path, client: Callable[..., Sync], user: str, name_on_disk: str
) -> None:
    sync, mail = client(world, run, user, tmp_path), tmp_path / "mail"
    mail.mkdir()
    send(world, f"{user}@near.example", "keep", "gone there", "gone here", "read here", "flagged there")
    with sign_in(world, user) as imap:
        imap.create_folder(NAME)
        imap.append(NAME, b"Subject: in a folder\r\n\r\nx\r\n", flags=[rb"\Seen"])
    sync()
    assert set(on_disk(mail / "INBOX")) == {"keep", "gone there", "gone here", "read here", "flagged there"}
    assert on_disk(mail / name_on_disk)["in a folder"].name.endswith("2,S")

    here = on_disk(mail / "INBOX")
    here["gone here"].unlink()
    read = here["read here"]
    read.rename(mail / "INBOX" / "cur" / (read.name.split(":")[0] + ":2,S"))
    for part in ("cur", "new", "tmp"):
        (mail / "Made here" / part).mkdir(parents=True)
    (mail / "Made here" / "new" / "1.here").write_text("Subject: written here\n\nhello\n")
    with sign_in(world, user) as imap:
        imap.select_folder("INBOX")
        imap.add_flags(imap.search(["SUBJECT", "flagged there"]), [rb"\Flagged"])
        imap.delete_messages(gone := imap.search(["SUBJECT", "gone there"]))
        imap.expunge(gone)
        imap.move(imap.search(["SUBJECT", "keep"]), "Archive")
        imap.create_folder("Made there")
        imap.append("Made there", b"Subject: written there\r\n\r\nx\r\n")
    sync()

    assert set(on_disk(mail / "INBOX")) == {"read here", "flagged there"}
    assert "F" in on_disk(mail / "INBOX")["flagged there"].name.rpartition(",")[2]
    assert set(on_disk(mail / "Archive")) == {"keep"}
    assert set(on_disk(mail / "Made there")) == {"written there"}
    with sign_in(world, user) as imap:
        imap.select_folder("INBOX")
        assert imap.search(["SUBJECT", "gone here"]) == []
        assert len(imap.search(["SUBJECT", "read here", "SEEN"])) == 1
        assert "Made here" in [name for _, _, name in imap.list_folders()]
        imap.select_folder("Made here")
        assert len(imap.search(["SUBJECT", "written here"])) == 1
        assert imap.find_special_folder(rb"\Sent") == "Sent"  # the folders both sides have are still what they were
    before = {str(path) for path in mail.rglob("*") if path.is_file() and path.parent.name in ("cur", "new")}
    sync()  # and nothing is done twice
    assert before == {str(path) for path in mail.rglob("*") if path.is_file() and path.parent.name in ("cur", "new")}
