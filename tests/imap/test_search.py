"""Which messages a search means."""

from __future__ import annotations

import pytest

from appliance.imap.grammar.command import parse_command
from appliance.imap.grammar.search import Key, Search
from appliance.imap.object_ids import thread_id
from appliance.imap.search import Candidate, Level, Matcher, World, matcher
from appliance.imap.view import RECENT
from appliance.mime.structure import StructureScanner
from tests.support.contents import InMemory

MESSAGE = (
    b"Date: Sun, 1 Feb 2026 23:30:00 -0500\r\n"
    b"From: =?utf-8?q?J=C3=BCrgen?= <jurgen@far.example>\r\n"
    b"To: Bob <bob@near.example>, Team: x@y.example;\r\n"
    b"Cc: cc@far.example\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from\r\n the harbour\r\n"
    b"Message-ID: <id-1@far.example>\r\n"
    b"X-Spam: no\r\n"
    b"X-Empty:\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n'
    b"\r\n"
    b"--b\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n"
    b"\r\n"
    b"S8O2bmlnbGljaGUgUG9zdA==\r\n"
    b"--b\r\n"
    b"Content-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n"
    b"\r\n"
    b"<p>T=FCr und T=\r\nor</p>\r\n"
    b"--b\r\n"
    b"Content-Type: message/rfc822\r\n"
    b"\r\n"
    b"Subject: nested thing\r\n"
    b"\r\n"
    b"deep text\r\n"
    b"--b\r\n"
    b'Content-Type: application/octet-stream; name="secret-plan.bin"\r\n'
    b"\r\n"
    b"binary needle\r\n"
    b"--b--\r\n"
)


WORLD = World(messages=5, largest_uid=50, saved=[7, 30], now_s=1_769_900_000 + 3600)


def candidate(level: Level, message: bytes = MESSAGE) -> Candidate:
    """Message 3 of 5, UID 30: \\Seen, \\Recent, `Work`; 2026-01-31 in UTC, 700 octets."""
    found = Candidate(3, 30, 1 | RECENT, "Work $x")
    found.level = level
    if level >= Level.ROW:
        found.internal_date, found.size_octets = 1_769_900_000, 700
        found.saved_at, found.modseq = 1_769_900_000 + 86_400, 12
    if level >= Level.STRUCTURE:
        found.email_id = "Mabc"
    if level >= Level.STRUCTURE:
        scanner = StructureScanner()
        scanner.feed(message)
        found.structure = scanner.finish()
    if level is Level.WHOLE:
        found.content = InMemory(message, 3)
        found.prefix = b"Return-Path: <jurgen@far.example>\r\n"
    return found


def matches_of(key: Key) -> Matcher:
    return matcher(key, WORLD)


def judge(criteria: str, level: Level = Level.WHOLE, message: bytes = MESSAGE) -> bool | None:
    command = parse_command(f"SEARCH {criteria}".encode())
    assert isinstance(command, Search)
    return matcher(command.key, WORLD)(candidate(level, message))


VIEW = {
    "ALL": True,
    "SEEN": True,
    "UNSEEN": False,
    "ANSWERED": False,
    "UNANSWERED": True,
    "DELETED": False,
    "DRAFT": False,
    "FLAGGED": False,
    "RECENT": True,
    "OLD": False,
    "NEW": False,
    "KEYWORD work": True,
    "KEYWORD $X": True,
    "KEYWORD wor": False,
    "UNKEYWORD other": True,
    "3": True,
    "1:2,4": False,
    "4:*": False,
    "*": False,
    "UID 30": True,
    "UID 31:*": False,
    "UID 60:*": False,
    "UID 10:30": True,
    "NOT 3": False,
    "OR UNSEEN 3": True,
    "OR UNSEEN 4": False,
    "(SEEN RECENT)": True,
    "SEEN UNSEEN": False,
    "$": True,
    "UID $": True,
    "NOT $": False,
    "SAVEDATESUPPORTED": True,
}


@pytest.mark.parametrize(("criteria", "expected"), VIEW.items(), ids=VIEW)
def test_keys_that_the_view_decides(criteria: str, expected: bool) -> None:
    for level in Level:
        assert judge(criteria, level) is expected


ROW = {
    "LARGER 699": True,
    "LARGER 700": False,
    "SMALLER 701": True,
    "SMALLER 700": False,
    "SINCE 31-Jan-2026": True,
    "SINCE 1-Feb-2026": False,
    "ON 31-Jan-2026": True,
    "ON 30-Jan-2026": False,
    "BEFORE 1-Feb-2026": True,
    "BEFORE 31-Jan-2026": False,
    "OLDER 3600": True,
    "OLDER 3601": False,
    "YOUNGER 3600": True,
    "YOUNGER 3599": False,
    "SAVEDSINCE 1-Feb-2026": True,
    "SAVEDON 31-Jan-2026": False,
    "SAVEDON 1-Feb-2026": True,
    "SAVEDBEFORE 1-Feb-2026": False,
    "MODSEQ 12": True,
    "MODSEQ 13": False,
    'MODSEQ "/flags/\\\\seen" all 12': True,
    "MODSEQ 0": True,
}


@pytest.mark.parametrize(("criteria", "expected"), ROW.items(), ids=ROW)
def test_keys_that_need_a_row(criteria: str, expected: bool) -> None:
    assert judge(criteria, Level.VIEW) is None
    assert judge(criteria, Level.ROW) is expected
    assert judge(criteria) is expected


STRUCTURE = {
    "EMAILID Mabc": True,
    "EMAILID Mab": False,
    "THREADID x": False,
    "FROM jurgen": True,
    "SENTON 1-Feb-2026": True,
    "NOT FROM jurgen": False,
}


@pytest.mark.parametrize(("criteria", "expected"), STRUCTURE.items(), ids=STRUCTURE)
def test_keys_that_need_the_structure(criteria: str, expected: bool) -> None:
    assert judge(criteria, Level.VIEW) is None
    assert judge(criteria, Level.ROW) is None
    assert judge(criteria, Level.STRUCTURE) is expected
    assert judge(criteria) is expected


def test_thread_id_is_that_of_the_message_itself() -> None:
    found = candidate(Level.STRUCTURE)
    assert found.structure is not None
    id_ = thread_id(found.structure.envelope, found.structure.references, "Mabc")
    assert judge(f"THREADID {id_}") is True


WHOLE = {
    "SENTON 1-Feb-2026": True,
    "SENTON 2-Feb-2026": False,
    "SENTBEFORE 2-Feb-2026": True,
    "SENTSINCE 2-Feb-2026": False,
    "FROM jürgen": True,
    "FROM JÜRGEN": True,
    "FROM jurgen@FAR": True,
    'FROM "<jurgen@far.example>"': True,
    "FROM bob": False,
    "TO bob@near": True,
    "TO team": True,
    "TO jurgen": False,
    "CC cc@far": True,
    "BCC x": False,
    "SUBJECT grüße": True,
    "SUBJECT GRÜSSE": True,
    'SUBJECT "from the harbour"': True,
    "SUBJECT harbours": False,
    "HEADER message-id id-1@": True,
    "HEADER Message-ID other": False,
    "HEADER X-Spam NO": True,
    "HEADER X-Spam yes": False,
    'HEADER X-Empty ""': True,
    'HEADER X-Nothing ""': False,
    'HEADER Subject ""': True,
    'HEADER Bcc ""': False,
    "HEADER Return-Path jurgen": True,
    "BODY königliche": True,
    'BODY "königliche post"': True,
    "BODY tür": True,
    "BODY TOR": True,
    'BODY "tür und tor"': True,
    'BODY "deep text"': True,
    'BODY "nested thing"': True,
    "BODY secret-plan.bin": True,
    "BODY needle": False,
    "BODY harbour": False,
    "TEXT harbour": True,
    "TEXT x-spam": True,
    "TEXT königliche": True,
    "TEXT needle": False,
    'BODY ""': True,
    "NOT BODY königliche": False,
    "OR BODY needle SUBJECT harbour": True,
}


@pytest.mark.parametrize(("criteria", "expected"), WHOLE.items(), ids=WHOLE)
def test_keys_that_need_the_message(criteria: str, expected: bool) -> None:
    assert judge(criteria, Level.VIEW) is None
    assert judge(criteria, Level.ROW) is None
    assert judge(criteria) is expected


EARLY = {
    "UNSEEN BODY x": False,
    "BODY x UNSEEN": False,
    "OR SEEN BODY x": True,
    "OR BODY x SEEN": True,
    "NOT (UNSEEN BODY x)": True,
    "OR (UNSEEN BODY x) (1 BODY y)": False,
}


@pytest.mark.parametrize(("criteria", "expected"), EARLY.items(), ids=EARLY)
def test_what_is_decided_early_needs_no_reading(criteria: str, expected: bool) -> None:
    assert judge(criteria, Level.VIEW) is expected


def test_a_message_without_date_was_sent_on_no_day() -> None:
    message = b"Subject: x\r\n\r\nbody\r\n"
    for key in ("SENTBEFORE", "SENTON", "SENTSINCE"):
        assert judge(f"{key} 1-Feb-2026", message=message) is False


def test_text_without_charset_is_read_as_utf_8_or_latin() -> None:
    assert judge("BODY grüße", message="\r\nviele Grüße\r\n".encode())
    assert judge("BODY grüße", message="\r\nviele Grüße\r\n".encode("latin-1"))


def test_a_decomposed_accent_is_the_same_accent() -> None:
    assert judge("BODY grün", message="\r\ngru\u0308n\r\n".encode())


def test_a_match_over_a_seam_is_found() -> None:
    text = b"x" * 5000 + b"the needle is here" + b"y" * 5000
    assert judge('BODY "the needle is here"', message=b"\r\n" + text)
    assert not judge('BODY "the noodle is here"', message=b"\r\n" + text)
