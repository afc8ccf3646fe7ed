"""What a command's octets mean, and what is no command."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.imap.grammar import acl, metadata, quota
from appliance.imap.grammar import fetch as f
from appliance.imap.grammar import mailboxes as m
from appliance.imap.grammar import messages as g
from appliance.imap.grammar import search as s
from appliance.imap.grammar import session as c
from appliance.imap.grammar import sort as o
from appliance.imap.grammar.append import Append, Literal, Message, Replace, Url, append
from appliance.imap.grammar.command import READERS, UID_READERS, Command, parse_command
from appliance.imap.grammar.cursor import Cursor, GrammarFault
from appliance.imap.grammar.list import List
from appliance.imap.grammar.notify import Notify
from appliance.imap.values import SAVED, STAR, SequenceSet

ONE = SequenceSet(((1, 1),))
ALL = SequenceSet(((1, STAR),))
DAY = datetime.date(2026, 2, 1)

COMMANDS: dict[bytes, Command] = {
    b"CAPABILITY": c.Capability(),
    b"noop": c.Noop(),
    b"NOOP  ": c.Noop(),
    b"NOTIFY NONE": Notify(),
    b"LOGOUT": c.Logout(),
    b"STARTTLS": c.StartTls(),
    b"COMPRESS deflate": c.Compress("DEFLATE"),
    b"IDLE": c.Idle(),
    b"ID NIL": c.Id(()),
    b"ID ()": c.Id(()),
    b'ID ("name" "Mail" "version" NIL)': c.Id(((b"name", b"Mail"), (b"version", None))),
    b"LOGIN joe secret": c.Login(b"joe", b"secret"),
    b'LOGIN joe "se\\"cr\\\\et"': c.Login(b"joe", b'se"cr\\et'),
    b'LOGIN "joe" ""': c.Login(b"joe", b""),
    b'LOGIN {3}\r\njoe {8+}\r\nsec ret"': c.Login(b"joe", b'sec ret"'),
    b"LOGIN {0}\r\n x]y": c.Login(b"", b"x]y"),
    b"AUTHENTICATE plain": c.Authenticate("PLAIN", None),
    b"AUTHENTICATE PLAIN =": c.Authenticate("PLAIN", b""),
    b"AUTHENTICATE PLAIN AGEAYg==": c.Authenticate("PLAIN", b"\0a\0b"),
    b"ENABLE CONDSTORE utf8=accept": c.Enable(("CONDSTORE", "UTF8=ACCEPT")),
    b"SELECT INBOX": m.Select("INBOX"),
    b'EXAMINE "Sent Items"': m.Select("Sent Items", read_only=True),
    b'SELECT {5}\r\nab"cd': m.Select('ab"cd'),
    b"CREATE a/b/": m.Create("a/b/"),
    b"CREATE Entw&APw-rfe": m.Create("Entwürfe"),
    b"DELETE x": m.Delete("x"),
    b"RENAME a b": m.Rename("a", "b"),
    b"SUBSCRIBE a": m.Subscribe("a"),
    b"UNSUBSCRIBE a": m.Subscribe("a", on=False),
    b'LIST "" "*"': List("", ("*",)),
    b'LIST "" %': List("", ("%",)),
    b"LIST ~/ a/%/*": List("~/", ("a/%/*",)),
    b'LSUB "" *': m.Lsub("", "*"),
    b"NAMESPACE": m.Namespace(),
    b"STATUS INBOX (messages UNSEEN)": m.Status("INBOX", (m.StatusItem.MESSAGES, m.StatusItem.UNSEEN)),
    b"CHECK": m.Check(),
    b"CLOSE": m.Close(),
    b"UNSELECT": m.Unselect(),
    b"EXPUNGE": g.Expunge(),
    b"UID EXPUNGE 1:*": g.Expunge(ALL),
    b"STORE 1 FLAGS (\\Seen $Junk)": g.StoreFlags(ONE, "=", ("\\Seen", "$Junk")),
    b"STORE 1 +flags.silent \\Deleted": g.StoreFlags(ONE, "+", ("\\Deleted",), silent=True),
    b"STORE 1 -FLAGS a b": g.StoreFlags(ONE, "-", ("a", "b")),
    b"UID STORE 1 FLAGS ()": g.StoreFlags(ONE, "=", (), by_uid=True),
    b"COPY 1 Sent": g.Copy(ONE, "Sent"),
    b"UID COPY 1 Sent": g.Copy(ONE, "Sent", by_uid=True),
    b"MOVE 1 Sent": g.Move(ONE, "Sent"),
    b"uid move 1 Sent": g.Move(ONE, "Sent", by_uid=True),
    b"FETCH 1 FLAGS": f.Fetch(ONE, (f.Item.FLAGS,)),
    b"FETCH 1 ALL": f.Fetch(ONE, (f.Item.FLAGS, f.Item.INTERNALDATE, f.Item.RFC822_SIZE, f.Item.ENVELOPE)),
    b"FETCH 1 (UID rfc822.size UID)": f.Fetch(ONE, (f.Item.UID, f.Item.RFC822_SIZE)),
    b"UID FETCH 1:* (BODY BODYSTRUCTURE RFC822 RFC822.HEADER RFC822.TEXT)": f.Fetch(
        ALL,
        (f.Item.BODY, f.Item.BODYSTRUCTURE, f.Item.RFC822, f.Item.RFC822_HEADER, f.Item.RFC822_TEXT),
        by_uid=True,
    ),
    b"FETCH 1 BODY[]": f.Fetch(ONE, (f.Section(),)),
    b"FETCH 1 BODY.PEEK[]<5.10>": f.Fetch(ONE, (f.Section(partial=(5, 10), peek=True),)),
    b"FETCH 1 body[header]": f.Fetch(ONE, (f.Section(text=f.SectionText.HEADER),)),
    b"FETCH 1 BODY[1.2.TEXT]": f.Fetch(ONE, (f.Section((1, 2), f.SectionText.TEXT),)),
    b"FETCH 1 BODY[3.MIME]": f.Fetch(ONE, (f.Section((3,), f.SectionText.MIME),)),
    b"FETCH 1 BODY[4]": f.Fetch(ONE, (f.Section((4,)),)),
    b'FETCH 1 (BODY.PEEK[HEADER.FIELDS (From "To")] FLAGS)': f.Fetch(
        ONE, (f.Section((), f.SectionText.HEADER_FIELDS, (b"From", b"To"), peek=True), f.Item.FLAGS)
    ),
    b"FETCH 1 BODY[1.HEADER.FIELDS.NOT (Received)]<0.9>": f.Fetch(
        ONE, (f.Section((1,), f.SectionText.HEADER_FIELDS_NOT, (b"Received",), (0, 9)),)
    ),
    b"SEARCH ALL": s.Search(s.All()),
    b"UID SEARCH UNSEEN": s.Search(s.Not(s.Flagged("\\Seen")), by_uid=True),
    b"SEARCH NEW": s.Search(s.And((s.Recent(), s.Not(s.Flagged("\\Seen"))))),
    b"SEARCH 1:* UID 1": s.Search(s.And((s.Numbers(ALL), s.Uids(ONE)))),
    b"SEARCH KEYWORD $Junk UNKEYWORD x": s.Search(s.And((s.Flagged("$Junk"), s.Not(s.Flagged("x"))))),
    b"SEARCH NOT (SEEN DELETED)": s.Search(s.Not(s.And((s.Flagged("\\Seen"), s.Flagged("\\Deleted"))))),
    b"SEARCH OR SEEN OR ANSWERED DRAFT": s.Search(
        s.Or(s.Flagged("\\Seen"), s.Or(s.Flagged("\\Answered"), s.Flagged("\\Draft")))
    ),
    b"SEARCH LARGER 10 SMALLER 20": s.Search(s.And((s.Larger(10), s.Smaller(20)))),
    b'SEARCH SINCE 1-Feb-2026 BEFORE "01-feb-2026"': s.Search(
        s.And((s.Internal(s.When.SINCE, DAY), s.Internal(s.When.BEFORE, DAY)))
    ),
    b"SEARCH ON 1-Feb-2026 SENTON 1-Feb-2026": s.Search(s.And((s.Internal(s.When.ON, DAY), s.Sent(s.When.ON, DAY)))),
    b'SEARCH FROM joe SUBJECT "a b"': s.Search(s.And((s.Header("From", "joe"), s.Header("Subject", "a b")))),
    b"SEARCH CC a BCC b TO c": s.Search(s.And((s.Header("Cc", "a"), s.Header("Bcc", "b"), s.Header("To", "c")))),
    b'SEARCH HEADER X-Spam ""': s.Search(s.Header("X-Spam", "")),
    b"SEARCH BODY x TEXT y": s.Search(s.And((s.Body("x"), s.Text("y")))),
    b"SEARCH CHARSET UTF-8 SUBJECT {2}\r\n\xc3\xbc": s.Search(s.Header("Subject", "ü")),
    b"SEARCH CHARSET ISO-8859-1 SUBJECT {1}\r\n\xfc": s.Search(s.Header("Subject", "ü")),
    b"SEARCH CHARSET us-ascii BODY x": s.Search(s.Body("x")),
    b"REPLACE 4 INBOX (a) {5}": Replace(4, "INBOX", (Message(("a",)), Literal(5))),
    b"UID REPLACE 4 INBOX CATENATE (URL /x)": Replace(4, "INBOX", (Message(in_parts=True), Url("/x")), by_uid=True),
    b"SEARCH RETURN () ALL": s.Search(s.All(), frozenset((s.Return.ALL,))),
    b"SEARCH RETURN (MIN COUNT) CHARSET UTF-8 ALL": s.Search(s.All(), frozenset((s.Return.MIN, s.Return.COUNT))),
    b"SEARCH RETURN (SAVE) $": s.Search(s.Numbers(SAVED), frozenset((s.Return.SAVE,))),
    b"UID SEARCH RETURN (PARTIAL -1:-100) UID $": s.Search(
        s.Uids(SAVED), frozenset((s.Return.PARTIAL,)), True, s.Partial(1, 100, True)
    ),
    b"SEARCH OLDER 5 YOUNGER 6": s.Search(s.And((s.Older(5), s.Younger(6)))),
    b"SEARCH SAVEDON 1-Feb-2026 SAVEDATESUPPORTED": s.Search(s.And((s.Saved(s.When.ON, DAY), s.All()))),
    b"SEARCH EMAILID M_-1 THREADID T2": s.Search(s.And((s.EmailId("M_-1"), s.ThreadId("T2")))),
    b"SEARCH MODSEQ 620162338": s.Search(s.ChangedSince(620162338), by_modseq=True),
    b'SEARCH MODSEQ "/flags/\\\\draft" all 620162338': s.Search(s.ChangedSince(620162338), by_modseq=True),
    b"SETACL INBOX/Drafts David lrswida": acl.SetAcl("INBOX/Drafts", "David", "=", "lrswitea"),
    b"deleteacl INBOX Fred": acl.DeleteAcl("INBOX", "Fred"),
    b"GETACL INBOX": acl.GetAcl("INBOX"),
    b'LISTRIGHTS INBOX "Smith"': acl.ListRights("INBOX", "Smith", b"Smith"),
    b"MYRIGHTS INBOX": acl.MyRights("INBOX"),
    b'GETQUOTA ""': quota.GetQuota(b""),
    b"GETQUOTAROOT INBOX": quota.GetQuotaRoot("INBOX"),
    b'GETMETADATA "" /shared/comment': metadata.GetMetadata("", ("/shared/comment",)),
    b"SETMETADATA INBOX (/private/comment NIL)": metadata.SetMetadata("INBOX", (("/private/comment", None),)),
    b"SORT (REVERSE DATE subject date) UTF-8 SEEN": o.Sort(
        (o.Criterion(o.SortKey.DATE, True), o.Criterion(o.SortKey.SUBJECT)), s.Flagged("\\Seen")
    ),
    b"UID SORT RETURN () (DISPLAYFROM) US-ASCII ALL": o.Sort(
        (o.Criterion(o.SortKey.DISPLAYFROM),), s.All(), frozenset((s.Return.ALL,)), True
    ),
    b"THREAD references UTF-8 SEEN DRAFT": o.Thread(
        o.Algorithm.REFERENCES, s.And((s.Flagged("\\Seen"), s.Flagged("\\Draft")))
    ),
    b"UID THREAD ORDEREDSUBJECT UTF-8 MODSEQ 5": o.Thread(o.Algorithm.ORDEREDSUBJECT, s.ChangedSince(5), True, True),
}


@pytest.mark.parametrize(
    ("octets", "command"), COMMANDS.items(), ids=lambda value: repr(value)[:60] if isinstance(value, bytes) else ""
)
def test_a_command(octets: bytes, command: Command) -> None:
    assert parse_command(octets) == command


def test_every_verb_is_in_the_table_above_but_append() -> None:
    told = {octets.split()[0].upper() for octets in COMMANDS} | {b"APPEND", b"UID"}
    assert told == set(READERS) | {b"UID"}
    assert {octets.split()[1].upper() for octets in COMMANDS if octets.upper().startswith(b"UID")} == set(UID_READERS)


FAULTS = [
    b"",
    b"X",
    b"UID",
    b"UID NOOP",
    b"NOOP x",
    b"LOGIN joe",
    b"LOGIN joe secret more",
    b'LOGIN joe "open',
    b'LOGIN joe "a\\b"',
    b'LOGIN joe "a\r"',
    b"LOGIN joe {3}\r\na\0b",
    b"LOGIN joe {9}\r\nabc",
    b"LOGIN  joe secret",
    b"AUTHENTICATE",
    b"AUTHENTICATE PLAIN !!!",
    b"AUTHENTICATE PLAIN AGEAYg",
    b"ENABLE",
    b"ID",
    b"ID (a)",
    b'ID (NIL "x")',
    b"ID (" + b'"a" "b" ' * 31 + b'"c" "d")',
    b"SELECT",
    b"SELECT a b",
    b"SELECT a*",
    b"SELECT a&b",
    b"SELECT &APw",
    b'SELECT "\xff"',
    b"SELECT a\x01",
    b'LIST ""',
    b"STATUS INBOX ()",
    b"STATUS INBOX (WHATEVER)",
    b"STATUS INBOX MESSAGES",
    b"FETCH 0 FLAGS",
    b"FETCH 1, FLAGS",
    b"FETCH 1:2:3 FLAGS",
    b"FETCH 4294967296 FLAGS",
    b"FETCH a FLAGS",
    b"FETCH 1 ()",
    b"FETCH 1 (FLAGS",
    b"FETCH 1 (FLAGS  UID)",
    b"FETCH 1 NOTHING",
    b"FETCH 1 BODY[",
    b"FETCH 1 BODY[MIME]",
    b"FETCH 1 BODY[0]",
    b"FETCH 1 BODY[1.]",
    b"FETCH 1 BODY[1..2]",
    b"FETCH 1 BODY[HEADER.FIELDS]",
    b"FETCH 1 BODY[HEADER.FIELDS ()]",
    b"FETCH 1 BODY[]<0.0>",
    b"FETCH 1 BODY[]<1>",
    b"FETCH 1 BODY[" + b"1." * 60 + b"1]",
    b"FETCH 1 (" + b" ".join(b"BODY[%d]" % n for n in range(1, 102)) + b")",
    b"STORE 1 FLAGS",
    b"STORE 1 FLAG (a)",
    b"STORE 1 FLAGS (a",
    b"STORE 1 FLAGS (a b(c))",
    b"COPY 1",
    b"COPY INBOX 1",
    b"SEARCH",
    b"SEARCH WHATEVER",
    b"SEARCH SUBJECT",
    b"SEARCH OR SEEN",
    b"SEARCH NOT",
    b"SEARCH (SEEN",
    b"SEARCH ()",
    b"SEARCH SEEN)",
    b"SEARCH SINCE 31-Feb-2026",
    b"SEARCH 1,$",
    b"SEARCH $,1",
    b"SEARCH OLDER 0",
    b"SEARCH YOUNGER x",
    b"SEARCH MODSEQ",
    b'SEARCH MODSEQ "/flags/x" 5',
    b'SEARCH MODSEQ "/flags/x" most 5',
    b"SEARCH MODSEQ 99999999999999999999",
    b'SEARCH EMAILID "M1"',
    b"SEARCH EMAILID M.1",
    b"SEARCH THREADID",
    b"SEARCH SAVEDATESUPPORTED 1-Feb-2026",
    b"SEARCH RETURN (PARTIAL) ALL",
    b"SEARCH RETURN (PARTIAL 0:5) ALL",
    b"SEARCH RETURN (PARTIAL 1:-5) ALL",
    b"SEARCH RETURN (PARTIAL 1:*) ALL",
    b"SEARCH RETURN (PARTIAL 1:5 ALL) ALL",
    b"SEARCH RETURN (PARTIAL 1:5 PARTIAL 6:10) ALL",
    b"SEARCH " + b"TEXT x " * 201 + b"ALL",
    b"SORT (DATE) UTF-8",
    b"SORT (DATE) ALL",
    b"SORT () UTF-8 ALL",
    b"SORT DATE UTF-8 ALL",
    b"SORT (REVERSE) UTF-8 ALL",
    b"SORT (REVERSE REVERSE DATE) UTF-8 ALL",
    b"SORT (MOON) UTF-8 ALL",
    b"THREAD UTF-8 ALL",
    b"THREAD REFS UTF-8 ALL",
    b"THREAD REFERENCES UTF-8",
    b"SEARCH SINCE 2026-02-01",
    b"SEARCH LARGER -1",
    b"SEARCH RETURN (WHATEVER) ALL",
    b"SEARCH RETURN () ",
    b"SEARCH SUBJECT {1}\r\n\xff",
    b"SEARCH " + b"(" * 60 + b"SEEN" + b")" * 60,
    b"SEARCH " + b"NOT " * 60 + b"SEEN",
    b"SEARCH " + b" ".join([b"SEEN"] * 2001),
]


@pytest.mark.parametrize("octets", FAULTS, ids=lambda value: repr(value)[:40])
def test_what_is_no_command_is_a_fault_with_a_sentence(octets: bytes) -> None:
    with pytest.raises(GrammarFault, match=r"^[ -~]{5,200}$"):
        parse_command(octets)


@pytest.mark.parametrize("charset", [b"NO-SUCH-CHARSET", b"idna", b"rot13", b"x" * 500], ids=repr)
def test_an_unknown_charset_is_told_apart(charset: bytes) -> None:
    with pytest.raises(s.BadCharset):
        parse_command(b"SEARCH CHARSET " + charset + b" SEEN")


def _append(octets: bytes) -> Append:
    return append(Cursor(octets))


NOON = datetime.datetime(2026, 2, 1, 12, 0, 0, tzinfo=datetime.timezone(datetime.timedelta(hours=7)))
APPENDS = {
    b" INBOX {12}": Append("INBOX", (Message((), None), Literal(12))),
    b" INBOX () {0+}": Append("INBOX", (Message((), None), Literal(0))),
    b" INBOX (\\Seen  a ) {12}": Append("INBOX", (Message(("\\Seen", "a"), None), Literal(12))),
    b' INBOX " 1-Feb-2026 12:00:00 +0700" {12}': Append("INBOX", (Message((), NOON), Literal(12))),
    b' {1}\r\nA (a) "01-feb-2026 12:00:00 +0700" {7+}': Append("A", (Message(("a",), NOON), Literal(7))),
}


@pytest.mark.parametrize(
    ("octets", "command"), APPENDS.items(), ids=lambda value: repr(value)[:60] if isinstance(value, bytes) else ""
)
def test_an_append_up_to_its_message(octets: bytes, command: Append) -> None:
    assert _append(octets) == command


@pytest.mark.parametrize(
    "octets",
    [b" {12}", b" INBOX x {12}", b" INBOX {12} ", b' INBOX "30-Feb-2026 12:00:00 +0700" {12}', b" INBOX (a {3}"],
    ids=repr,
)
def test_what_is_no_append(octets: bytes) -> None:
    with pytest.raises(GrammarFault):
        _append(octets)


WORDS = [b"FETCH", b"SEARCH", b"UID", b"STORE", b"(", b")", b" ", b"1:*", b"BODY", b"[", b"]", b"<", b"0.5", b">", b"{3}", b"\r\n",
         b'"', b"\\", b"a", b"NOT", b"OR", b"CHARSET", b"RETURN", b"LIST", b"%", b"&", b"-", b"\xff", b"\0", b"NIL"]  # fmt: skip


@given(st.lists(st.sampled_from(WORDS) | st.binary(max_size=4), max_size=20).map(b"".join))
@settings(max_examples=400, deadline=None)
def test_any_octets_are_a_command_or_a_fault(octets: bytes) -> None:
    try:
        command = parse_command(octets)
    except GrammarFault as fault:
        assert str(fault).isascii()
    else:
        assert hash(command) is not None


def test_a_password_does_not_show_in_a_repr() -> None:
    assert "secret" not in repr(parse_command(b"LOGIN joe secret"))
    assert "AGEAYg" not in repr(parse_command(b"AUTHENTICATE PLAIN AGEAYg=="))
    assert "\\x00a" not in repr(parse_command(b"AUTHENTICATE PLAIN AGEAYg=="))
