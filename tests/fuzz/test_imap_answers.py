"""What is made of what a client asks and of what is in messages: searches, orders, threads, patterns, URLs."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from appliance.imap import listing, url, vanished
from appliance.imap.base_subject import base_of_text, base_subject
from appliance.imap.collation import collation_key
from appliance.imap.grammar.command import parse_command
from appliance.imap.grammar.cursor import Cursor, GrammarFault
from appliance.imap.grammar.modifiers import select_parameters
from appliance.imap.grammar.search import Search
from appliance.imap.grammar.sort import Algorithm, Criterion, SortKey
from appliance.imap.indexed_keys import questions
from appliance.imap.search import Candidate, Level, World, matcher
from appliance.imap.sorting import Columns, sorted_places
from appliance.imap.threads import Messages, forest, rendered
from appliance.imap.view import RECENT
from appliance.mime.parts import decode_head, encode
from appliance.mime.structure import StructureScanner
from tests.support.contents import InMemory

from .octets import nearly, tries
from .test_mime import messages

PROGRAMS = [
    b'OR (FROM "a" NOT TEXT "x") UID 1:* SENTSINCE 1-Jan-2020 LARGER 5',
    b'HEADER "Subject" "" NOT BODY "hello" KEYWORD $a UNSEEN SENTON 24-Nov-2026',
    b"CHARSET UTF-8 SUBJECT {2+}\r\n\xc3\xbc TO y@z CC {0+}\r\n NOT (NOT (NEW OLD)) 2,4:*",
    b"MODSEQ 3 OLDER 10 YOUNGER 99999999 SAVEDBEFORE 1-Jan-1970 EMAILID Mx THREADID Tx SAVEDATESUPPORTED $",
]
PROGRAM_WORDS = [
    b"NOT ", b"OR ", b"(", b")", b" ", b"ALL", b"TEXT ", b"BODY ", b"HEADER ", b'"Content-Type" ', b'"', b"a", b"\xc3\xa4", b"\xff", b"{1+}\r\nx",
    b"CHARSET UTF-8 ", b"CHARSET US-ASCII ", b"1:*", b"$", b"4294967295:*", b"0", b"SENTBEFORE 31-Dec-9999", b"SINCE 1-Jan-0001", b"KEYWORD \\", b"(" * 60,
    b"NOT " * 60, b"RETURN (SAVE) ",
]  # fmt: skip


@tries(150)
@given(nearly(PROGRAMS, PROGRAM_WORDS), messages, st.integers(0, 63), st.booleans())
def test_search_programs(program: bytes, message: bytes, flags: int, recent: bool) -> None:
    """Any octets are a program or a fault; a program says yes or no of any message by the time all of it is known, says the
    same as before when it knows more, and its opposite says the opposite."""
    try:
        command = parse_command(b"SEARCH " + program)
        opposite = parse_command(b"SEARCH NOT (" + program + b")") if not program.startswith((b"RET", b"CH")) else None
    except GrammarFault:
        return
    assert isinstance(command, Search)
    questions(command.key)
    world = World(messages=3, largest_uid=9, saved=[2, 5], now_s=1.7e9)
    matches = matcher(command.key, world)
    scanner = StructureScanner()
    scanner.feed(message)
    bare = Candidate(2, 5, flags | (RECENT if recent else 0), "$a b")
    row = replace(bare, level=Level.ROW, internal_date=1_700_000_000, saved_at=1, size_octets=len(message), modseq=3)
    known = replace(row, level=Level.STRUCTURE, email_id="Mx", prefix=b"X: y\r\n", structure=scanner.finish())
    whole = replace(known, level=Level.WHOLE, content=InMemory(message, 7))
    answers = [matches(each) for each in (bare, row, known, whole)]
    assert answers[-1] is not None
    assert all(answer in (None, answers[-1]) for answer in answers)
    if isinstance(opposite, Search):
        assert matcher(opposite.key, world)(whole) is (not answers[-1])


SUBJECTS = [
    b"Re: [a] Fwd: =?utf-8?q?Gr=C3=BC=C3=9Fe?= (fwd)", b"[fwd: [x] re[2]: y]", b"[a] [b]", b"[Fwd: Re: (fwd)]",
]  # fmt: skip
SUBJECT_WORDS = [
    b"Re:", b"re [x] :", b"Fwd:", b"fw:", b"[", b"]", b"(fwd)", b"[fwd:", b" ", b"\t", b"\r\n ", b"[a] ", b"=?utf-8?q?re:?=", b"=?", b"\xff",
    b"[" * 2000, b"re: " * 2000, b"[fwd:" * 500, b"(fwd)" * 500, "\u00df\u0130\u1e9e\ufb01".encode(),
]  # fmt: skip


@tries(100)
@given(nearly(SUBJECTS, SUBJECT_WORDS))
def test_base_subjects(octets: bytes) -> None:
    """Any octets have a base subject, which has none but itself, and a key to compare it by."""
    base, _ = base_subject(octets)
    assert base_of_text(base)[0] == base
    key = collation_key(base)
    assert sorted([key, ""]) == ["", key]


REFERENCES = [
    b"",
    b"<a@x>",
    b"<b@x>",
    b"<a@x> <b@x>",
    b"<b@x> <a@x> <c@x>",
    b"<a@x> <a@x>",
    b"<c@x",
    b'<"q>"@x> (c) <b@x>',
]


@st.composite
def conversations(draw: st.DrawFn) -> list[bytes]:
    fields = st.sampled_from(REFERENCES) | nearly(REFERENCES, [b"<", b">", b"@", b'"', b"\\", b"(", b" ", b"\0"])
    return [
        b"Message-ID: %b\r\nReferences: %b\r\nIn-Reply-To: %b\r\nSubject: %b\r\nFrom: %b\r\n\r\n"
        % (draw(fields), draw(fields), draw(fields), draw(nearly(SUBJECTS, SUBJECT_WORDS[:11])), draw(fields))
        for _ in range(draw(st.integers(0, 8)))
    ]


@tries(100)
@given(conversations() | st.lists(messages, max_size=5), st.sampled_from(Algorithm), st.data())
def test_threads_and_orders(several: list[bytes], algorithm: Algorithm, data: st.DataObject) -> None:
    """Any messages are in the threads once each, with parentheses that pair, and in every order once each."""
    gathered = Messages(algorithm)
    criteria = data.draw(
        st.lists(st.builds(Criterion, st.sampled_from(SortKey), st.booleans()), min_size=1, max_size=3)
    )
    columns = Columns({each.key for each in criteria})
    for number, message in enumerate(several):
        scanner = StructureScanner()
        scanner.feed(message)
        head = decode_head(encode(scanner.finish()))
        gathered.add(number, head)
        columns.add(number, len(message), head)
    line = b"".join(rendered(forest(algorithm, gathered), lambda place: place + 1))
    assert sorted(map(int, re.findall(rb"\d+", line))) == list(range(1, len(several) + 1))
    assert re.fullmatch(rb"[0-9() ]*", line) and not re.search(rb"\(\)|  |\( | \)", line)
    assert line.count(b"(") == line.count(b")")
    assert sorted(sorted_places(len(several), criteria, columns)) == list(range(len(several)))


URLS = [
    "/INBOX;UIDVALIDITY=7/;UID=3/;SECTION=1.2.MIME;PARTIAL=0.100", ";UID=3/;SECTION=HEADER.FIELDS%20(X)", "/a%2Fb%C3%A4/;UID=4294967295",
    "imap://x@y/INBOX/;UID=1", "/;UID=1;SECTION=TEXT;PARTIAL=5",
]  # fmt: skip
URL_WORDS = [
    ";UID=", ";UIDVALIDITY=", "/;SECTION=", ";SECTION=", ";PARTIAL=", "/", ";", "%", "%ff", "%00", "1", "0", "9" * 30, ".", "(", "[", "]", "\u00e4",
    "\u0661", "HEADER.FIELDS (", "1." * 60, "INBOX", "//", ":",
]  # fmt: skip


@tries(150)
@given(
    st.sampled_from(URLS) | st.text(st.characters(codec="utf-8")),
    st.lists(st.sampled_from(URL_WORDS), max_size=4),
    st.data(),
)
def test_urls(text: str, words: list[str], data: st.DataObject) -> None:
    """Any text names a message of ours in numbers of 32 bits, or none."""
    for word in words:
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + word + text[at:]
    try:
        found = url.parse(text)
    except url.UrlFault as fault:
        assert str(fault).isprintable()
        return
    assert 0 < found.uid < 1 << 32 and (found.uidvalidity is None or 0 < found.uidvalidity < 1 << 32)
    assert found.section.peek and (found.mailbox is None or found.mailbox.encode())


@tries(150)
@given(
    st.text("ab/%*\u00e4", max_size=30)
    | st.lists(st.sampled_from(["*", "%", "a", "%*", "/"]), max_size=400).map("".join),
    st.text("ab/\u00e4", max_size=60),
)
def test_patterns_of_mailboxes(pattern: str, name: str) -> None:
    """A pattern means what the expression means that says the same, and takes no time over it."""
    answer = listing.matches(pattern, name)
    if len(pattern) <= 12:
        expression = "".join({"*": ".*", "%": "[^/]*"}.get(each) or re.escape(each) for each in pattern)
        assert answer is bool(re.fullmatch(expression, name, re.DOTALL))


@tries(100)
@given(
    nearly(
        [b" (QRESYNC (1 1 1:3 (1,2 1,2)))", b" (CONDSTORE QRESYNC (7 9 41,43:211,214:541 (1:4 41,43:45)))", b" (QRESYNC (1 5))"],
        [b"1:4294967295", b",", b":", b"1", b"*", b"$", b"(", b")", b" ", b"9" * 19, b"1,3,5,7," * 200],
    ),
    st.lists(st.integers(1, 600), unique=True, max_size=30).map(sorted),
)  # fmt: skip
def test_what_a_client_knows_that_comes_back(octets: bytes, uids: list[int]) -> None:
    """Any octets after SELECT are what a client knows or a fault; what has vanished is within what it knew, in few words."""
    cursor = Cursor(octets)
    try:
        resync = select_parameters(cursor).resync
    except GrammarFault:
        return
    if resync is None:
        return
    agreed = vanished.agreed(resync, uids)
    assert agreed == 0 or agreed in uids
    told = vanished.missing(uids, vanished.spans_of(resync.known, 600), above=agreed)
    for low, high in re.findall(r"(\d+)(?::(\d+))?", told):
        assert agreed < int(low) <= int(high or low) <= 600
        assert not set(uids) & set(range(int(low), int(high or low) + 1))
