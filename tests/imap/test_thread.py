"""THREAD, RFC 5256: ORDEREDSUBJECT and REFERENCES, step by step."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.imap import threads
from appliance.imap.grammar.sort import Algorithm
from appliance.imap.threads import Messages, rendered
from appliance.mime.parts import EnvelopeFields, Head
from tests.imap.conftest import Post, closing
from tests.support.imap_responses import Reader
from tests.support.imap_responses import threads as read_threads


def head(
    own: str | None, references: str = "", subject: str = "", in_reply_to: str | None = None, sent: float | None = None
) -> Head:
    """own, references: names of messages, separated by spaces."""

    def wire(names: str | None) -> bytes | None:
        return None if names is None else " ".join(f"<{name}@x>" for name in names.split()).encode()

    fields = EnvelopeFields(subject=subject.encode() or None, message_id=wire(own), in_reply_to=wire(in_reply_to))
    return Head(fields, b"", b"", wire(references) or b"", False, sent)  # type: ignore[arg-type]


def told(algorithm: Algorithm, heads: list[Head]) -> str:
    """The threads of messages 1, 2, …, each sent a second after the one before unless it says when."""
    messages = Messages(algorithm)
    for number, each in enumerate(heads, 1):
        messages.add(number, each)
    return b"".join(rendered(threads.forest(algorithm, messages), lambda place: place + 1)).decode()


REFERENCES: dict[str, tuple[list[Head], str]] = {
    "nothing": ([], ""),
    "one": ([head("a")], "(1)"),
    "an answer": ([head("a"), head("b", "a")], "(1 2)"),
    "a chain": ([head("a"), head("b", "a"), head("c", "a b"), head("d", "a b c")], "(1 2 3 4)"),
    "two answers": ([head("a"), head("b", "a"), head("c", "a")], "(1 (2)(3))"),
    "answers to answers": (
        [head("a"), head("b", "a"), head("c", "a b"), head("d", "a"), head("e", "a d")],
        "(1 (2 3)(4 5))",
    ),
    "an answer that came first": ([head("b", "a"), head("a")], "(2 1)"),
    "In-Reply-To where References is missing": ([head("a"), head("b", in_reply_to="a")], "(1 2)"),
    "only the first of In-Reply-To": ([head("a"), head("b"), head("c", in_reply_to="b a")], "(1)(2 3)"),
    "In-Reply-To does not count beside References": (
        [head("a"), head("b"), head("c", "a", in_reply_to="b")],
        "(1 3)(2)",
    ),
    # Step 1 A: what is not there is a dummy.
    "one answer to what is not there": ([head("b", "a")], "(1)"),
    "two answers to what is not there": ([head("b", "a"), head("c", "a")], "((1)(2))"),
    "a gap in the middle": ([head("a"), head("c", "a b")], "(1 2)"),
    "two behind a gap": ([head("a"), head("c", "a b"), head("d", "a b")], "(1 (2)(3))"),
    "gaps upon gaps": ([head("d", "a b c"), head("e", "a b c"), head("f", "a")], "((1)(2)(3))"),
    "a dummy above a dummy with one child": ([head("d", "a b")], "(1)"),
    # An existing link stays (step 1 A), but for that of the message itself (step 1 B).
    "a parent is kept": ([head("a"), head("b"), head("c", "a"), head("d", "b c")], "(1 3 4)(2)"),
    "its own References are right": ([head("a"), head("b"), head("d", "a c"), head("c", "b")], "(1)(2 4 3)"),
    "without References it begins a thread": ([head("c", "a b"), head("a"), head("b")], "(2)(3 1)"),
    # Loops.
    "its own parent": ([head("a", "a")], "(1)"),
    "each other's": ([head("a", "b"), head("b", "a")], "(2 1)"),
    "round three": ([head("a", "c"), head("b", "a"), head("c", "b")], "(3 1 2)"),
    "a loop in References": ([head("z", "a b a")], "(1)"),
    # Message-IDs.
    "two with the same name": ([head("a"), head("a"), head("b", "a")], "(1 3)(2)"),
    "none has a name": ([head(None), head(None)], "(1)(2)"),
    # Steps 4 and 6: by date, then by number.
    "threads by date": ([head("a", sent=9), head("b", sent=5)], "(2)(1)"),
    "siblings by date": ([head("a"), head("b", "a", sent=9), head("c", "a", sent=5)], "(1 (3)(2))"),
    "the same date: by number": ([head("a", sent=5), head("b", sent=5), head("c", sent=5)], "(1)(2)(3)"),
    "a dummy goes by its first child": (
        [head("b", "a", sent=9), head("c", "a", sent=3), head("d", sent=5)],
        "((2)(1))(3)",
    ),
    # Step 5: by subject.
    "an answer without References": ([head("a", subject="x"), head("b", subject="Re: x")], "(1 2)"),
    "the answer is older": ([head("a", subject="Re: x"), head("b", subject="x")], "(2 1)"),
    "neither is an answer": ([head("a", subject="x"), head("b", subject="X")], "((1)(2))"),
    "both are answers": ([head("a", subject="Re: x"), head("b", subject="re: x")], "((1)(2))"),
    "three that are no answers": ([head(n, subject="x") for n in "abc"], "((1)(2)(3))"),
    "an answer among them": (
        [head("a", subject="x"), head("b", subject="x"), head("c", subject="Re: x")],
        "((1)(2)(3))",
    ),
    "no subject is no common subject": ([head("a"), head("b"), head("c", subject="Re:")], "(1)(2)(3)"),
    "a thread below a dummy": (
        [head("b", "a", subject="x"), head("c", "a", subject="x"), head("d", subject="x")],
        "((1)(2)(3))",
    ),
    "two dummies": (
        [head("b", "a", subject="x"), head("c", "a"), head("e", "d", subject="x"), head("f", "d")],
        "((1)(2)(3)(4))",
    ),
    "a dummy takes the place in the table": (
        [head("z", subject="x"), head("b", "a", subject="x"), head("c", "a")],
        "((1)(2)(3))",
    ),
    "an answer that has answers": (
        [head("a", subject="x"), head("b", subject="Re: x"), head("c", "b", subject="Re: x")],
        "(1 2 3)",
    ),
    "by another subject": ([head("a", subject="x"), head("b", subject="y")], "(1)(2)"),
}


@pytest.mark.parametrize(("heads", "expected"), REFERENCES.values(), ids=REFERENCES)
def test_references(heads: list[Head], expected: str) -> None:
    assert told(Algorithm.REFERENCES, heads) == expected


ORDEREDSUBJECT: dict[str, tuple[list[Head], str]] = {
    "nothing": ([], ""),
    "each by itself": ([head("a", subject="x"), head("b", subject="y")], "(1)(2)"),
    "two of a subject": ([head("a", subject="x"), head("b", "q", subject="Re: X")], "(1 2)"),
    "three of a subject": ([head(n, subject="x") for n in "abc"], "(1 (2)(3))"),
    "by date within": (
        [head("a", subject="x", sent=9), head("b", subject="x", sent=5), head("c", subject="x", sent=7)],
        "(2 (3)(1))",
    ),
    "threads by the date of their first message": (
        [head("a", subject="x", sent=9), head("b", subject="y", sent=5), head("c", subject="x", sent=1)],
        "(3 1)(2)",
    ),
    "the same date: by number": ([head("a", subject="x", sent=1), head("b", subject="y", sent=1)], "(1)(2)"),
    "References do not count": ([head("a", subject="x"), head("b", "a", subject="y")], "(1)(2)"),
    "no subject is a subject": ([head("a"), head("b")], "(1 2)"),
}


@pytest.mark.parametrize(("heads", "expected"), ORDEREDSUBJECT.values(), ids=ORDEREDSUBJECT)
def test_ordered_subject(heads: list[Head], expected: str) -> None:
    assert told(Algorithm.ORDEREDSUBJECT, heads) == expected


names = st.sampled_from("abcdefgh")
heads = st.builds(
    head,
    own=st.none() | names,
    references=st.lists(names, max_size=5).map(" ".join),
    subject=st.sampled_from(["", "x", "Re: x", "y", "Fwd: y"]),
    in_reply_to=st.none() | names,
    sent=st.none() | st.integers(0, 5).map(float),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(heads, max_size=12), st.sampled_from(Algorithm))
def test_every_message_is_in_the_threads_once(several: list[Head], algorithm: Algorithm) -> None:
    line = told(algorithm, several)
    assert sorted(map(int, re.findall(r"\d+", line))) == list(range(1, len(several) + 1))
    read_threads(Reader(f" {line}".encode() if line else b""))  # is as RFC 5256 5 wants it


@settings(max_examples=100, deadline=None)
@given(st.permutations(range(1, 9)))
def test_the_order_of_arrival_does_not_change_a_chain(order: list[int]) -> None:
    """Eight messages, each of which refers to all before it."""
    several = [head(f"m{n}", " ".join(f"m{before}" for before in range(1, n)), sent=n) for n in order]
    expected = " ".join(str(order.index(n) + 1) for n in range(1, 9))
    assert told(Algorithm.REFERENCES, several) == f"({expected})"


HOSTILE = {
    "a chain": [head(f"m{n}", f"m{n - 1}") for n in range(20_000)],
    "a chain backwards": [head(f"m{n}", f"m{n + 1}") for n in range(20_000)],
    "a ring": [head(f"m{n}", f"m{(n + 1) % 20_000}") for n in range(20_000)],
    "rings upon rings": [
        head(f"m{n}", f"m{(n * 7919 + 1) % 9973} m{(n * 31 + 7) % 9973} m{(n * 17 + 5) % 9973}") for n in range(9973)
    ],
    "references to nobody": [head(f"m{n}", " ".join(f"n{n}x{k}" for k in range(150))) for n in range(3000)],
    "the end of the chain first": [head("a", " ".join(f"m{k}" for k in range(5000)))],
    "one subject": [head(f"m{n}", subject="x") for n in range(20_000)],
}


@pytest.mark.parametrize("several", HOSTILE.values(), ids=HOSTILE)
def test_hostile_references_take_a_bounded_time(several: list[Head]) -> None:
    began = time.process_time()
    line = told(Algorithm.REFERENCES, several)
    assert line.count("(") == line.count(")")
    assert len(re.findall(r"\d+", line)) == len(several)
    # Half a second here; a quadratic way would take a minute and more.
    assert time.process_time() - began < 15


# over the wire


def message(name: str, references: str = "", subject: str = "") -> bytes:
    fields = f"Message-ID: <{name}@x.example>\r\nSubject: {subject}\r\n"
    if references:
        fields += "References: " + "\r\n ".join(f"<{each}@x.example>" for each in references.split()) + "\r\n"
    return f"{fields}\r\nx\r\n".encode()


@pytest.fixture
async def threaded(post: Post) -> Post:
    for octets in (
        message("a", subject="pears"),
        message("b", "a", subject="Re: pears"),
        message("c", subject="apples"),
        message("d", "a b", subject="Re: pears"),
        message("e", "a b", subject="Re: pears"),
        message("g", "f", subject="plums"),
        message("h", "f", subject="plums"),
    ):
        post.put(octets)
    return post


async def test_threads(threaded: Post) -> None:
    client = await threaded.selected()
    async with closing(client):
        every = [(1, 2, (4,), (5,)), (3,), ((6,), (7,))]
        assert (await client.ok("THREAD REFERENCES UTF-8 ALL")).threads == every
        assert (await client.ok("UID THREAD REFERENCES UTF-8 ALL")).threads == every
        by_subject = [(1, (2,), (4,), (5,)), (3,), (6, 7)]
        assert (await client.ok("THREAD ORDEREDSUBJECT US-ASCII ALL")).threads == by_subject
        assert (await client.ok("THREAD REFERENCES UTF-8 2:4")).threads == [(2, 4), (3,)]
        assert (await client.ok("THREAD REFERENCES UTF-8 SUBJECT pears NOT 2")).threads == [(1, (4,), (5,))]
        assert (await client.ok("THREAD REFERENCES UTF-8 ANSWERED")).threads == []
        await client.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        await client.ok("EXPUNGE")
        assert (await client.ok("THREAD REFERENCES UTF-8 ALL")).threads == [(1, (3,), (4,)), (2,), ((5,), (6,))]
        assert (await client.ok("UID THREAD REFERENCES UTF-8 UID 1:5")).threads == [(2, (4,), (5,)), (3,)]
        await client.ok("SEARCH RETURN (SAVE) SUBJECT apples")
        assert (await client.ok("UID THREAD REFERENCES UTF-8 $")).threads == [(3,)]


REFUSED = {
    "no charset": ("THREAD REFERENCES ALL", "NO"),
    "an unknown algorithm": ("THREAD REFS UTF-8 ALL", "BAD"),
    "an unknown charset": ("THREAD REFERENCES X-KLINGON ALL", "NO"),
    "no key": ("THREAD REFERENCES UTF-8", "BAD"),
}


@pytest.mark.parametrize(("command", "status"), REFUSED.values(), ids=REFUSED)
async def test_refused(post: Post, command: str, status: str) -> None:
    client = await post.selected()
    async with closing(client):
        answer = await client.command(command)
        assert answer.done.status == status
        assert answer.code("BADCHARSET") == ("(US-ASCII UTF-8)" if status == "NO" else None)


async def test_it_is_announced(post: Post) -> None:
    client = await post.client()
    async with closing(client):
        await client.ok("CAPABILITY")
        assert {"THREAD=REFERENCES", "THREAD=ORDEREDSUBJECT"} <= set(client.capabilities)
