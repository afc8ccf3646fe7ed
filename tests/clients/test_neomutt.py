"""neomutt in batch mode: reads an IMAP mailbox, saves, flags and deletes in it, and sends through submission."""

from __future__ import annotations

import imaplib
import smtplib
from pathlib import Path

from tests.support.world import PASSWORD, World

from .conftest import Run


def settings(world: World, folder: Path, *more: str) -> str:
    rc = folder / "muttrc"
    rc.write_text(
        "\n".join(
            (
                'set imap_user="ann@near.example"',
                f'set imap_pass="{PASSWORD}"',
                f'set smtp_url="smtp://ann@near.example@127.0.0.1:{world.ports["submission"]}/"',
                f'set smtp_pass="{PASSWORD}"',
                'set from="ann@near.example" use_from=yes',
                "set ssl_starttls=no ssl_force_tls=no",
                f'set folder="imap://127.0.0.1:{world.ports["imap"]}/"',
                "set copy=no",
                f'set header_cache="" message_cachedir="{folder}/cache" tmpdir="{folder}"',
                "set wait_key=no quit=yes confirmappend=no delete=yes mark_old=no sleep_time=0 timeout=1",
                *more,
            )
        )
        + "\n"
    )
    return str(rc)


def test_sends_with_an_attachment(world: World, run: Run, tmp_path: Path) -> None:
    attachment = tmp_path / "list.txt"
    attachment.write_text("bread, butter\n")
    rc = settings(world, tmp_path)
    run(
        "neomutt",
        "-n",
        "-F",
        rc,
        "-s",
        "from neomutt",
        "-a",
        str(attachment),
        "--",
        "bob@near.example",
        stdin="Hello Bob\n",
    )
    with imaplib.IMAP4("127.0.0.1", world.ports["imap"]) as imap:
        imap.login("bob@near.example", PASSWORD)
        imap.select("INBOX", readonly=True)
        _, found = imap.search(None, "SUBJECT", '"from neomutt"')
        _, answer = imap.fetch(found[0].split()[-1].decode(), "(BODYSTRUCTURE)")
        assert b'"list.txt"' in answer[0]


def test_reads_saves_and_deletes(world: World, run: Run, tmp_path: Path) -> None:
    with smtplib.SMTP("127.0.0.1", world.ports["smtp"]) as smtp:
        for subject in ("mutt-keep", "mutt-archive", "mutt-delete"):
            smtp.sendmail("x@far.example", ["ann@near.example"], f"Subject: {subject}\r\n\r\nhello\r\n")
    keys = (
        "<limit>~s mutt-keep<enter><first-entry><flag-message>"
        "<limit>~s mutt-archive<enter><first-entry><save-message>=Archive<enter>"
        "<limit>~s mutt-delete<enter><first-entry><delete-message>"
        "<limit>~A<enter><sync-mailbox><quit>"
    )
    rc = settings(world, tmp_path, f'push "{keys}"')
    run(
        "script", "-q", "-e", "-c", f"TERM=xterm neomutt -n -F {rc} -f imap://127.0.0.1:{world.ports['imap']}/INBOX", "/dev/null",
        package="bsdutils",
    )  # fmt: skip
    with imaplib.IMAP4("127.0.0.1", world.ports["imap"]) as imap:
        imap.login("ann@near.example", PASSWORD)
        imap.select("INBOX", readonly=True)
        assert imap.search(None, "SUBJECT", '"mutt-keep"', "FLAGGED")[1] != [b""]
        assert imap.search(None, "SUBJECT", '"mutt-archive"')[1] == [b""]
        assert imap.search(None, "SUBJECT", '"mutt-delete"')[1] == [b""]
        imap.select("Archive", readonly=True)
        assert imap.search(None, "SUBJECT", '"mutt-archive"')[1] != [b""]
