"""neomutt in batch mode: reads an IMAP mailbox, saves, flags and deletes in it, and sends through submission."""

from __future__ import annotations

import imaplib
import smtplib
from pathlib import Path

import pytest

from tests.support.world import PASSWORD, World

from .conftest import Run, send, sign_in
from .recording import Recording


def settings(world: World, folder: Path, *more: str, imap_port: int | None = None) -> str:
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
                f'set folder="imap://127.0.0.1:{imap_port or world.ports["imap"]}/"',
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


@pytest.mark.parametrize("extension", ["condstore", "qresync"])
def test_comes_back_to_a_mailbox_that_changed(world: World, run: Run, tmp_path: Path, extension: str) -> None:
    """What it kept in its header cache is brought up to date by what changed: RFC 7162."""
    send(world, "carl@near.example", "back one", "back two", "back three", "back four")
    folder = "Gemerkt-ü"  # no space: neomutt would complete the name there
    with sign_in(world, "carl") as imap:
        if folder not in [name for _, _, name in imap.list_folders()]:
            imap.create_folder(folder)

    def visit(keys: str, port: int) -> None:
        rc = settings(
            world,
            tmp_path,
            f"set imap_{extension}=yes",
            f'set header_cache="{tmp_path}/headers"',
            'set imap_user="carl@near.example" charset="utf-8"',
            f'push "{keys}"',
            imap_port=port,
        )
        run(
            "script", "-q", "-e", "-c",
            f"TERM=xterm LC_ALL=C.UTF-8 neomutt -n -F {rc} -f imap://127.0.0.1:{port}/INBOX", "/dev/null",
            package="bsdutils",
        )  # fmt: skip

    with Recording(world.ports["imap"]) as recording:
        visit("<quit>", recording.port)
        with sign_in(world, "carl") as imap:
            imap.select_folder("INBOX")
            imap.delete_messages(gone := imap.search(["SUBJECT", "back two"]))
            imap.expunge(gone)
            imap.add_flags(imap.search(["SUBJECT", "back three"]), [rb"\Flagged"])
        send(world, "carl@near.example", "back five")
        visit(
            f"<limit>~F<enter><first-entry><save-message>={folder}<enter>"
            "<limit>~s five<enter><first-entry><delete-message><limit>~A<enter><sync-mailbox><quit>",
            recording.port,
        )
    assert recording.refused() == []
    asked = {"condstore": "(CHANGEDSINCE ", "qresync": " VANISHED)"}[extension]
    assert any(asked in command for command in recording.commands()), recording.commands()
    with sign_in(world, "carl") as imap:
        imap.select_folder(folder)
        assert len(imap.search(["SUBJECT", "back three"])) == 1
        assert imap.search(["NOT", "SUBJECT", "back three"]) == []
        imap.delete_messages(imap.search(["ALL"]))
        imap.expunge()
        imap.select_folder("INBOX")
        left = imap.fetch(imap.search(["SUBJECT", "back"]), ["ENVELOPE"])
        assert sorted(each[b"ENVELOPE"].subject for each in left.values()) == [b"back four", b"back one"]
        imap.delete_messages(imap.search(["ALL"]))
        imap.expunge()
