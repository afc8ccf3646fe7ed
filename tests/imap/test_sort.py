"""SORT, RFC 5256; SORT=DISPLAY, RFC 5957; ESORT, RFC 5267 3; and the base subject, RFC 5256 2.1."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.imap import sorting
from appliance.imap.base_subject import base_of_text, base_subject
from appliance.imap.collation import LONGEST, collation_key
from appliance.imap.grammar.sort import Criterion, SortKey
from appliance.imap.sorting import Columns, display_name, first_local_part, sorted_by, sorted_places
from appliance.mime.parts import Head, decode_head, encode
from appliance.mime.structure import StructureScanner
from tests.imap.conftest import Post, closing

# base subjects

# subject → (base subject, whether it is an answer)
SUBJECTS = {
    "plain": ("plain", False),
    "": ("", False),
    "   ": ("", False),
    "Re: plain": ("plain", True),
    "RE:plain": ("plain", True),
    "re : plain": ("plain", True),
    "Fw: plain": ("plain", True),
    "fwd: plain": ("plain", True),
    "fwdd: plain": ("fwdd: plain", False),
    "rere: plain": ("rere: plain", False),
    "reply: plain": ("reply: plain", False),
    "Re: Fwd: RE: plain": ("plain", True),
    "Re[2]: plain": ("plain", True),
    "Re [2] : plain": ("plain", True),
    "Re[2][3]: plain": ("Re[2][3]: plain", False),
    "[list] plain": ("plain", False),
    "[a][b] [c] plain": ("plain", False),
    "[list] Re: plain": ("plain", True),
    "Re: [list] plain": ("plain", True),
    "Re: [list] Fwd: [other] plain": ("plain", True),
    "[list]": ("[list]", False),
    "[a] [b]": ("[b]", False),
    "Re: [list]": ("[list]", True),
    "[[a] plain": ("[[a] plain", False),
    "[a]] plain": ("] plain", False),
    "plain (fwd)": ("plain", True),
    "plain (FWD) (fwd)  ": ("plain", True),
    "plain(fwd)": ("plain", True),
    "plain (fwd) more": ("plain (fwd) more", False),
    "(fwd)": ("", True),
    "Re: (fwd)": ("", True),
    "Re:": ("", True),
    "[fwd: plain]": ("plain", True),
    "[Fwd: Re: [list] plain (fwd)]": ("plain", True),
    "[fwd: [fwd: plain]]": ("plain", True),
    "Re: [fwd: plain] (fwd)": ("plain", True),
    "[fwd: plain": ("[fwd: plain", False),
    "[fwd: a] plain": ("plain", False),
    "[fwd:]": ("", True),
    "a  b\t c": ("a b c", False),
    "Re:\tplain": ("plain", True),
    "Aw: plain": ("Aw: plain", False),
    "Größe": ("Größe", False),
}


@pytest.mark.parametrize(("subject", "expected"), SUBJECTS.items(), ids=SUBJECTS)
def test_base_subject(subject: str, expected: tuple[str, bool]) -> None:
    assert base_of_text(subject) == expected


FIELDS = {
    b"=?utf-8?q?Re=3A_Gr=C3=BC=C3=9Fe?=": ("Grüße", True),
    b"Re: a\r\n folded\r\n\tsubject": ("a folded subject", True),
    None: ("", False),
    b"": ("", False),
}


@pytest.mark.parametrize(("field", "expected"), FIELDS.items())
def test_base_subject_of_a_field(field: bytes | None, expected: tuple[str, bool]) -> None:
    assert base_subject(field) == expected


pieces = st.sampled_from(
    ["re", "Re:", "fw", "fwd:", "[", "]", "[fwd:", "(fwd)", " ", "  ", "\t", "x", "ä", ":", "[x]", ""]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(pieces, max_size=14).map("".join) | st.text(max_size=40))
def test_a_base_subject_has_none_but_itself(subject: str) -> None:
    base, _ = base_of_text(subject)
    assert base_of_text(base) == (base, False)


@pytest.mark.parametrize(
    "subject",
    [
        "[x] " * 60_000,
        "Re: " * 60_000,
        "[fwd:" * 60_000 + "]" * 60_000,
        "re[" * 60_000,
        "(fwd)" * 60_000,
        "[" * 200_000,
    ],
    ids=["blobs", "answers", "forwards", "open blobs", "trailers", "brackets"],
)
def test_a_hostile_subject_takes_no_time(subject: str) -> None:
    """Each would take minutes if a step looked through the rest of the text again."""
    base_of_text(subject)


# collation


def test_i_unicode_casemap() -> None:
    assert collation_key("Ärger") == collation_key("äRGER") == collation_key("A\u0308rger")
    assert collation_key("ǆ") == collation_key("ǅ") == collation_key("Ǆ")  # one titlecase for all three
    assert collation_key("a") < collation_key("_")  # capitals: 0x41 is before 0x5f
    assert collation_key("ſ") == collation_key("s")  # the long s
    assert collation_key("ß") != collation_key("ss")  # the simple mapping leaves it alone
    assert collation_key("ａ") == collation_key("a")  # full width: a compatible decomposition


def test_long_texts_that_begin_alike_are_told_apart() -> None:
    one, other = collation_key("x" * LONGEST + "a"), collation_key("x" * LONGEST + "b")
    assert one != other
    assert len(one) < LONGEST + 50


# what is compared

Q = b"From: %b\r\n\r\n"
ADDRESSES: dict[bytes, tuple[str, str]] = {
    b"Joe Bloggs <joe@x.example>": ("joe", "Joe Bloggs"),
    b"joe@x.example": ("joe", "joe@x.example"),
    b'"" <joe@x.example>': ("joe", "joe@x.example"),
    b"=?utf-8?q?J=C3=BCrgen?= <j@x.example>, b@x.example": ("j", "Jürgen"),
    b"Friends: a@x.example, b@x.example;": ("Friends", "Friends"),
}


@pytest.mark.parametrize(("field", "expected"), ADDRESSES.items())
def test_first_address(field: bytes, expected: tuple[str, str]) -> None:
    addresses = head_of(Q % field).envelope.from_
    assert (first_local_part(addresses), display_name(addresses)) == expected


def test_no_address() -> None:
    assert (first_local_part(()), display_name(())) == ("", "")


def head_of(message: bytes) -> Head:
    scanner = StructureScanner()
    scanner.feed(message)
    return decode_head(encode(scanner.finish()))


# sorting


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=60), st.booleans(), st.integers(1, 7))
def test_sorted_by_is_a_stable_permutation(values: list[int], reverse: bool, run: int) -> None:
    old, sorting.RUN = sorting.RUN, run
    try:
        found = sorted_by(range(len(values)), values.__getitem__, reverse=reverse)
    finally:
        sorting.RUN = old
    assert found == sorted(range(len(values)), key=values.__getitem__, reverse=reverse)
    assert sorted(found) == list(range(len(values)))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from([b"a", b"B", b"Re: a"])), max_size=30),
    st.permutations([SortKey.ARRIVAL, SortKey.SIZE, SortKey.SUBJECT]),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_a_sort_agrees_with_its_definition(
    messages: list[tuple[int, int, bytes]], keys: list[SortKey], reversed_: tuple[bool, bool, bool]
) -> None:
    """Criterion by criterion, then by number, whatever is reversed."""
    criteria = [Criterion(key, reverse) for key, reverse in zip(keys, reversed_, strict=True)]
    columns = Columns(keys)
    for internal_date, size, subject in messages:
        columns.add(internal_date, size, head_of(b"Subject: %b\r\n\r\n" % subject))
    found = sorted_places(len(messages), criteria, columns)
    assert sorted(found) == list(range(len(messages)))

    def value(place: int, key: SortKey) -> int | str:
        internal_date, size, subject = messages[place]
        if key is SortKey.SUBJECT:
            return subject[-1:].decode().upper()
        return size if key is SortKey.SIZE else internal_date

    for one, other in pairwise(found):
        for criterion in criteria:
            left, right = value(one, criterion.key), value(other, criterion.key)
            if left != right:
                assert (left > right) is criterion.reverse  # type: ignore[operator]
                break
        else:
            assert one < other


# over the wire


def message(number: int, *, sent: str, header_from: str, to: str, cc: str, subject: str, size: int) -> bytes:
    date_field = f"Date: {sent}\r\n" if sent else ""
    return (
        f"{date_field}From: {header_from}\r\nTo: {to}\r\nCc: {cc}\r\nSubject: {subject}\r\n"
        f"Message-ID: <{number}@x.example>\r\n\r\n{'x' * size}\r\n"
    ).encode()


ZONE_LATE = "Sun, 1 Feb 2026 23:30:00 -0500"  # on the 2nd in UTC
MAILBOX = [
    (
        " 3-Feb-2026 10:00:00 +0000",
        message(1, sent=ZONE_LATE, header_from="Zoe <b@x>", to="Carl <z@x>", cc="m@x", subject="Re: pears", size=300),
    ),
    (
        " 1-Feb-2026 10:00:00 +0000",
        message(2, sent="Mon, 2 Feb 2026 01:00:00 +0000", header_from="a@x", to="B <y@x>", cc="n@x", subject="apples", size=100),
    ),
    (
        " 2-Feb-2026 10:00:00 +0000",
        message(3, sent="", header_from="adam <c@x>", to="a@x", cc="", subject="[list] Pears", size=200),
    ),
    (
        " 2-Feb-2026 10:00:01 +0000",
        message(4, sent="nonsense", header_from="=?utf-8?q?=C3=84nne?= <B@x>", to="D <x@x>", cc="M@x", subject="", size=200),
    ),
]  # fmt: skip

SORTS = {
    "(ARRIVAL)": [2, 3, 4, 1],
    "(REVERSE ARRIVAL)": [1, 4, 3, 2],
    "(DATE)": [2, 1, 3, 4],  # 3 and 4 by INTERNALDATE; 1 is of the 2nd, 04:30 in UTC
    "(REVERSE DATE)": [4, 3, 1, 2],
    "(SIZE)": [2, 3, 4, 1],
    "(SUBJECT)": [4, 2, 1, 3],
    "(REVERSE SUBJECT)": [1, 3, 2, 4],
    "(SUBJECT REVERSE DATE)": [4, 2, 3, 1],
    "(FROM)": [2, 1, 4, 3],
    "(REVERSE FROM)": [3, 1, 4, 2],
    "(TO)": [3, 4, 2, 1],
    "(CC)": [3, 1, 4, 2],
    "(DISPLAYFROM)": [2, 3, 4, 1],
    "(REVERSE DISPLAYFROM)": [1, 4, 3, 2],
    "(DISPLAYTO)": [3, 2, 1, 4],
    "(SUBJECT DISPLAYFROM SIZE)": [4, 2, 3, 1],
}


@pytest.fixture
async def four(post: Post) -> Post:
    client = await post.client()
    async with closing(client):
        for internal_date, octets in MAILBOX:
            await client.ok(f'APPEND INBOX "{internal_date}" {{}}', octets)
    return post


async def test_sorts(four: Post) -> None:
    client = await four.selected()
    async with closing(client):
        for criteria, expected in SORTS.items():
            assert (await client.ok(f"SORT {criteria} UTF-8 ALL")).sorted == expected, criteria
            assert (await client.ok(f"UID SORT {criteria} US-ASCII ALL")).sorted == expected, criteria


async def test_uids_are_told_for_uids(four: Post) -> None:
    client = await four.selected()
    async with closing(client):
        await client.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        await client.ok("EXPUNGE")
        assert (await client.ok("SORT (ARRIVAL) UTF-8 ALL")).sorted == [1, 2, 3]
        assert (await client.ok("UID SORT (REVERSE ARRIVAL) UTF-8 ALL")).sorted == [4, 3, 2]
        assert (await client.ok("SORT (ARRIVAL) UTF-8 SMALLER 5")).sorted == []
        assert (await client.ok("SORT (SUBJECT) UTF-8 SUBJECT {}", b"\xc3\xa4")).sorted == []


ESORTS: dict[str, dict[str, object]] = {
    "RETURN ()": {"ALL": [2, 1, 3, 4]},
    "RETURN (ALL)": {"ALL": [2, 1, 3, 4]},
    "RETURN (MIN MAX COUNT)": {"MIN": 2, "MAX": 4, "COUNT": 4},
    "RETURN (COUNT ALL)": {"COUNT": 4, "ALL": [2, 1, 3, 4]},
    "RETURN (PARTIAL 2:3)": {"PARTIAL": ("2:3", [1, 3])},
}


async def test_esort(four: Post) -> None:
    client = await four.selected()
    async with closing(client):
        for options, expected in ESORTS.items():
            answer = await client.ok(f"SORT {options} (DATE) UTF-8 ALL")
            assert (answer.esearch, answer.sorted) == (expected, None), options
            assert (await client.ok(f"UID SORT {options} (DATE) UTF-8 ALL")).esearch == expected, options
        assert (await client.ok("SORT RETURN (MIN COUNT) (DATE) UTF-8 ANSWERED")).esearch == {"COUNT": 0}


async def test_what_is_gone_is_left_out_and_told_afterwards(four: Post) -> None:
    client, other = await four.selected(), await four.selected()
    async with closing(client, other):
        await other.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
        await other.ok("EXPUNGE")
        answer = await client.ok("SORT (SUBJECT) UTF-8 ALL")
        assert (answer.sorted, answer.expunged) == ([4, 1, 3], [])
        assert (await client.ok("UID SORT (SUBJECT) UTF-8 ALL")).expunged == [2]
        assert (await client.ok("SORT (SUBJECT) UTF-8 ALL")).sorted == [3, 1, 2]


REFUSED = {
    "no charset": ("SORT (DATE) ALL", "NO"),
    "an unknown charset": ("SORT (DATE) X-KLINGON ALL", "NO"),
    "no criteria": ("SORT () UTF-8 ALL", "BAD"),
    "an unknown criterion": ("SORT (COLOUR) UTF-8 ALL", "BAD"),
    "no key": ("SORT (DATE) UTF-8", "BAD"),
    "a number that does not exist": ("SORT (DATE) UTF-8 0", "BAD"),
}


@pytest.mark.parametrize(("command", "status"), REFUSED.values(), ids=REFUSED)
async def test_refused(post: Post, command: str, status: str) -> None:
    client = await post.selected()
    async with closing(client):
        answer = await client.command(command)
        assert answer.done.status == status


async def test_it_is_announced(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        await client.ok("CAPABILITY")
        assert {"SORT", "SORT=DISPLAY", "ESORT"} <= set(client.capabilities)
