"""What goes in over SMTP comes out over IMAP, over POP3 and through mbsync byte for byte, after our trace header."""

from __future__ import annotations

import imaplib
import poplib
import re
import shutil
import smtplib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.corpus import Sample, corpus
from tests.support.world import PASSWORD, World

TRACE = re.compile(
    rb"Return-Path: <ann@far\.example>\r\n"
    rb"Received: from [^\r\n]+\r\n(?:\t[^\r\n]+\r\n)+"
)
SAMPLES = corpus()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server that has been sent every sample, in order."""
    home = tmp_path_factory.mktemp("wire") / "home"
    with World(home) as world:
        with smtplib.SMTP("127.0.0.1", world.ports["smtp"], timeout=60) as smtp:
            for sample in SAMPLES:
                assert smtp.sendmail("ann@far.example", ["bob@near.example"], sample.message) == {}, sample.name
        yield world


def as_sent(sample: Sample) -> bytes:
    """DATA can only carry whole lines: a last line without its end gets one (RFC 5321 4.1.1.4)."""
    return sample.message if sample.message.endswith(b"\r\n") else sample.message + b"\r\n"


def expect(sample: Sample, got: bytes) -> None:
    want = as_sent(sample)
    trace, content = got[: len(got) - len(want)], got[len(got) - len(want) :]
    assert TRACE.fullmatch(trace), (sample.name, trace[-300:])
    assert content == want, sample.name


def test_there_are_at_least_200_samples() -> None:
    assert len(SAMPLES) >= 200
    assert max(len(sample.message) for sample in SAMPLES) > 10_000_000


def test_imap_gives_each_message_back(world: World) -> None:
    with imaplib.IMAP4("127.0.0.1", world.ports["imap"], timeout=60) as imap:
        imap.login("bob@near.example", PASSWORD)
        imap.select("INBOX", readonly=True)
        _, found = imap.uid("SEARCH", "ALL")
        uids = found[0].split()
        assert len(uids) == len(SAMPLES)
        for uid, sample in zip(uids, SAMPLES, strict=True):
            _, answer = imap.uid("FETCH", uid.decode(), "(RFC822.SIZE BODY.PEEK[])")
            head, message = answer[0]
            expect(sample, message)
            assert int(re.search(rb"RFC822\.SIZE (\d+)", head)[1]) == len(message), sample.name


def test_imap_gives_the_same_in_pieces(world: World) -> None:
    with imaplib.IMAP4("127.0.0.1", world.ports["imap"], timeout=60) as imap:
        imap.login("bob@near.example", PASSWORD)
        imap.select("INBOX", readonly=True)
        for number, sample in enumerate(SAMPLES, 1):
            if len(sample.message) > 300_000:
                continue
            got = b""
            while True:
                _, answer = imap.fetch(str(number), f"(BODY.PEEK[]<{len(got)}.30000>)")
                piece = answer[0][1] if isinstance(answer[0], tuple) else b""
                got += piece
                if len(piece) < 30_000:
                    break
            expect(sample, got)


def test_imap_header_and_text_make_the_whole(world: World) -> None:
    with imaplib.IMAP4("127.0.0.1", world.ports["imap"], timeout=60) as imap:
        imap.login("bob@near.example", PASSWORD)
        imap.select("INBOX", readonly=True)
        for number, sample in enumerate(SAMPLES, 1):
            _, answer = imap.fetch(str(number), "(BODY.PEEK[HEADER] BODY.PEEK[TEXT])")
            parts = [item[1] for item in answer if isinstance(item, tuple)]
            expect(sample, b"".join(parts))


def test_pop3_gives_each_message_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poplib, "_MAXLINE", 1_000_000)
    pop = poplib.POP3("127.0.0.1", world.ports["pop3"], timeout=60)
    pop.utf8()  # or headers in UTF-8 come in encoded words (RFC 6856)
    pop.user("bob@near.example")
    pop.pass_(PASSWORD)
    count, _ = pop.stat()
    assert count == len(SAMPLES)
    for number, sample in enumerate(SAMPLES, 1):
        _, lines, _ = pop.retr(number)
        expect(sample, b"".join(line + b"\r\n" for line in lines))
    pop.quit()


@pytest.mark.skipif(shutil.which("mbsync") is None, reason="mbsync is not installed (Debian: isync)")
def test_mbsync_copies_each_message(world: World, tmp_path: Path) -> None:
    maildir = tmp_path / "mail"
    maildir.mkdir()
    rc = tmp_path / "mbsyncrc"
    rc.write_text(
        f"IMAPAccount near\nHost 127.0.0.1\nPort {world.ports['imap']}\nUser bob@near.example\nPass {PASSWORD!r}\n".replace(
            "'", '"'
        )
        + "SSLType None\nAuthMechs LOGIN\n\n"
        "IMAPStore far\nAccount near\n\n"
        f"MaildirStore disk\nPath {maildir}/\nInbox {maildir}/INBOX\nSubFolders Verbatim\n\n"
        "Channel all\nFar :far:\nNear :disk:\nPatterns INBOX\nCreate Near\nSync Pull\nSyncState *\n"
    )
    done = subprocess.run(
        ["mbsync", "-c", str(rc), "-a"], timeout=120, capture_output=True, text=True, errors="replace"
    )
    # mbsync itself leaves out, and says so, what has a header that no blank line ends.
    taken = [sample for sample in SAMPLES if b"\r\n\r\n" in b"\r\n" + as_sent(sample)]
    assert len(taken) == len(SAMPLES) - done.stderr.count("incomplete header"), done.stderr
    files = sorted(
        (maildir / "INBOX").glob("[cn][ue][rw]/*"), key=lambda path: int(path.name.split(",U=")[1].split(":")[0])
    )
    assert len(files) == len(taken), done.stderr
    for path, sample in zip(files, taken, strict=True):
        # A Maildir holds lines that end in LF alone; mbsync turns each CRLF into one, and adds a header of its own.
        copied = re.sub(rb"(?<!\r)\n", b"\r\n", path.read_bytes())
        expect(sample, re.sub(rb"X-TUID: [^\r\n]+\r\n", b"", copied, count=1))
