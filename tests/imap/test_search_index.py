"""Searching for texts through the index gives what looking into each message gives; and when the index is filled."""

from __future__ import annotations

import asyncio
import base64
import os
import quopri
import random
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.imap import text_index
from appliance.imap.grammar import search as keys
from appliance.imap.grammar.search import Key
from appliance.imap.indexed_keys import Answers, question_for, questions
from appliance.imap.search import Candidate, Level
from appliance.imap.server import ImapServer, ImapSettings
from appliance.imap.text_index import Asking, TextIndex, entry_of
from appliance.mime.encoded_words import encode_words
from appliance.mime.structure import StructureScanner
from appliance.store.changes.accounts import remove_account
from appliance.store.changes.messages import append
from appliance.store.derived import chunk
from appliance.store.derived.chunk import TEXT_OCTETS_MOST, ChunkBuilder, OpenChunk
from appliance.store.derived.search_index import FOLDER, SearchIndex
from appliance.store.derived.vocabulary import numbers
from appliance.store.interface import Store
from appliance.store.refusals import StorageLow
from tests.imap.conftest import ADDRESS, PASSWORD, Gate, Post
from tests.imap.test_search import matches_of
from tests.support.contents import InMemory
from tests.support.imap_client import ImapClient
from tests.support.stores import new_message, uids_of

# ---- one message, one needle

# Words that share pieces with each other, letters that fold to several or to none of their own, scripts without spaces.
WORDS = [
    "harbour",
    "Harbourmaster",
    "HAR",
    "bou",
    "r",
    "Straße",
    "STRASSE",
    "straẞe",
    "İstanbul",
    "istanbul",
    "Ångström",
    "ångström",
    "ﬁne",
    "fine",
    "ſ",
    "s",
    "K",
    "k",
    "東京都",
    "京",
    "你好世界",
    "世界",
    "🚢",
    "🚢🚣",
    "ẹ́",
    "ẹ́",
    "NEAR",
    "AND",
    "OR",
    "NOT",
    '"',
    '"quoted"',
    "*",
    "a*",
    "-",
    "--",
    "'",
    "\\",
    "%",
    "_",
    "(",
    ")",
    "::",
    "x-note",
    "Σίσυφος",
    "ΣΊΣΥΦΟΣ",
    "...",
    "a",
    "b",
    "ab",
    "ba",
    "1",
    "12",
    "secret-plan.pdf",
    "user@far.example",
    "<user@far.example>",
]
PHRASES = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
CHARSETS = ("utf-8", "utf-16", "utf-7", "iso-8859-1", "gb18030", "iso-2022-jp", "no-such-charset", "")
ENCODINGS = ("7bit", "8bit", "base64", "quoted-printable", "BASE64", "unheard-of")


def _encoded(text: str, charset: str, encoding: str) -> bytes:
    try:
        octets = text.encode(charset or "utf-8", "replace")
    except LookupError:
        octets = text.encode()
    if encoding.lower() == "base64":
        return base64.encodebytes(octets)
    return quopri.encodestring(octets) if encoding == "quoted-printable" else octets


@st.composite
def fields(draw: st.DrawFn) -> bytes:
    lines = []
    for name in draw(
        st.lists(st.sampled_from(["Subject", "From", "To", "Cc", "X-Note", "Message-ID", "List-Id"]), max_size=5)
    ):
        text = draw(PHRASES)
        how = draw(st.sampled_from(["raw", "words", "latin", "address", "folded"]))
        value = text.encode()
        if how == "words":
            value = encode_words(text).encode()
        elif how == "latin":
            value = text.encode("latin-1", "replace")
        elif how == "address":
            value = (
                b'"' + text.replace('"', "").replace("\\", "").encode() + b'" <user@far.example>, Team: b@x.example;'
            )
        elif how == "folded":
            value = text.replace(" ", "\r\n ").encode()
        lines.append(name.encode() + b": " + value + b"\r\n")
    return b"".join(lines)


@st.composite
def entities(draw: st.DrawFn, depth: int = 2) -> bytes:
    """Its content fields, an empty line, its body."""
    kind = draw(st.sampled_from(["text", "html", "attached", "mixed", "message"] if depth else ["text", "attached"]))
    if kind == "mixed":
        parts = draw(st.lists(entities(depth - 1), max_size=3))
        inner = b"".join(b"--=b%d\r\n%b\r\n" % (depth, part) for part in parts)
        return b'Content-Type: multipart/mixed; boundary="=b%d"\r\n\r\n%b--=b%d--\r\n' % (depth, inner, depth)
    if kind == "message":
        return b"Content-Type: message/rfc822\r\n\r\n" + draw(fields()) + draw(entities(depth - 1))
    charset, encoding = draw(st.sampled_from(CHARSETS)), draw(st.sampled_from(ENCODINGS))
    body = _encoded("\r\n".join(draw(st.lists(PHRASES, max_size=3))), charset, encoding)
    if draw(st.booleans()) and kind == "text":
        body += draw(st.binary(max_size=8))
    head = {"text": "text/plain", "html": "text/html", "attached": "application/pdf"}[kind]
    named = f'Content-Disposition: attachment; filename="{draw(PHRASES)}"\r\n' if kind == "attached" else ""
    said = f'Content-Type: {head}; charset="{charset}"\r\nContent-Transfer-Encoding: {encoding}\r\n{named}\r\n'
    return said.encode() + body


MESSAGES = st.builds(bytes.__add__, fields(), entities()) | st.binary(max_size=60)


@st.composite
def needles(draw: st.DrawFn) -> str:
    """A piece of what may be there, cut anywhere."""
    text = draw(
        st.lists(st.sampled_from([*WORDS, "\r\n", "\n", "\0", "subject: ", "=?utf-8?q?"]), max_size=3).map(" ".join)
    )
    start = draw(st.integers(0, len(text)))
    return text[start : start + draw(st.integers(0, 12))]


def text_keys(needle: str) -> list[Key]:
    names = ("From", "TO", "cc", "Subject", "Message-ID", "X-Note", "List-Id", "Content-Type", "no:name", "", "é")
    return [keys.Text(needle), keys.Body(needle), *(keys.Header(name, needle) for name in names)]


def candidate(message: bytes) -> Candidate:
    scanner = StructureScanner()
    scanner.feed(message)
    found = Candidate(1, 1, 0, "")
    found.level, found.structure, found.content = Level.WHOLE, scanner.finish(), InMemory(message, 3)
    found.prefix = b"Return-Path: <user@far.example>\r\n"
    return found


@settings(max_examples=200, deadline=None)
@given(st.lists(MESSAGES, min_size=1, max_size=6), st.lists(needles(), min_size=1, max_size=4))
def test_the_index_answers_as_looking_does(
    tmp_path_factory: pytest.TempPathFactory, messages: list[bytes], some: list[str]
) -> None:
    candidates = [candidate(message) for message in messages]
    builder = ChunkBuilder()
    for number, each in enumerate(candidates):
        assert each.structure is not None and each.content is not None
        entry = entry_of(number, bytes(8), each.prefix, each.structure, each.content)
        assert entry is not None
        builder.add(entry)
    path = tmp_path_factory.mktemp("index") / "1.index"
    path.write_bytes(builder.pack())
    with OpenChunk(path) as chunk:
        for needle in some:
            for key in text_keys(needle):
                question = question_for(key)
                if question is None:
                    assert "\0" in needle or isinstance(key, keys.Header)
                    continue
                looked = {number for number, each in enumerate(candidates) if matches_of(key)(each)}
                assert set(numbers(chunk.found(question))) == looked, key


# ---- programs

TREES = st.recursive(
    st.sampled_from([keys.Text("a"), keys.Body("b"), keys.Header("x", "c"), keys.Flagged("\\Seen"), keys.All()]),
    lambda inner: st.one_of(
        inner.map(keys.Not),
        st.builds(keys.Or, inner, inner),
        st.lists(inner, min_size=1, max_size=3).map(lambda some: keys.And(tuple(some))),
    ),
    max_leaves=8,
)
UIDS = range(10, 22)
SETS = st.sets(st.sampled_from(UIDS))


@settings(max_examples=300, deadline=None)
@given(TREES, SETS, SETS, SETS, SETS, SETS)
def test_a_program_with_answers_in_it_means_the_same(
    key: Key, known: set[int], a: set[int], b: set[int], c: set[int], seen: set[int]
) -> None:
    truth: dict[Key, set[int]] = {keys.Text("a"): a, keys.Body("b"): b, keys.Header("x", "c"): c}
    truth[keys.Flagged("\\Seen")] = seen
    answers = Answers(list(UIDS), known, {each: truth[each] & known for each in questions(key)})
    wanted = {uid for uid in UIDS if means(key, uid, truth)}
    assert {uid for uid in UIDS if means(answers.put(key), uid, truth)} == wanted
    possible = answers.possible(key)
    assert possible is None or wanted <= possible <= set(UIDS)


def means(key: Key, uid: int, truth: dict[Key, set[int]]) -> bool:
    match key:
        case keys.Not(inner):
            return not means(inner, uid, truth)
        case keys.Or(left, right):
            return means(left, uid, truth) or means(right, uid, truth)
        case keys.And(several):
            return all(means(each, uid, truth) for each in several)
        case keys.All():
            return True
        case keys.Uids(wanted):
            return any(low <= uid <= high for low, high in wanted.spans(max(UIDS)))
    return uid in truth[key]


# ---- a server


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few messages are worth it."""
    monkeypatch.setattr(text_index, "WORTH_ASKING", 2)
    monkeypatch.setattr(text_index, "WORTH_ADDING", 3)
    monkeypatch.setattr(text_index, "GATHERED", 5)


class Indexed:
    """Two servers over one store: one with an index, one that looks into every message."""

    def __init__(self, post: Post, index: TextIndex, port: int) -> None:
        self.post, self.index, self.port = post, index, port

    async def clients(self) -> tuple[ImapClient, ImapClient]:
        one, other = await ImapClient.signed_in(self.port, ADDRESS, PASSWORD), await self.post.client()
        for each in (one, other):
            await each.ok("SELECT INBOX")
        return one, other

    async def filled(self) -> None:
        await asyncio.wait_for(self.index.idle.wait(), 20)

    @property
    def files(self) -> list[Path]:
        return sorted((self.post.store.home / FOLDER).rglob("*.index"))

    def put(self, messages: list[bytes], mailbox: str = "INBOX") -> None:
        for start in range(0, len(messages), 50):
            new = [new_message(self.post.store, message) for message in messages[start : start + 50]]
            self.post.store.write_now(append(self.post.mailbox_id(mailbox), new))
            for each in new:
                each.content.discard()


@pytest.fixture
async def indexed(post: Post) -> AsyncIterator[Indexed]:
    index = TextIndex(post.store)
    server = ImapServer(
        ImapSettings("mx.example.org"),
        post.store,
        Gate(post.account_id),  # type: ignore[arg-type]
        tls=None,
        index=index,
    )
    port = await server.start("127.0.0.1", 0)
    await index.start()
    yield Indexed(post, index, port)
    await server.stop()
    await index.stop()


def letters(count: int, seed: int = 1) -> list[bytes]:
    rng = random.Random(seed)

    def letter(n: int) -> bytes:
        text = " ".join(rng.choices(WORDS, k=12)) + f" number {n} of {seed}."
        subject = encode_words(" ".join(rng.choices(WORDS, k=3)))
        html = base64.encodebytes(f"<p>{text}</p>".encode())
        return (
            (
                f'Subject: {subject}\r\nFrom: "{rng.choice(["Ina", "Budi"])}, X" <u{n % 5}@far.example>\r\nX-Note: {n % 3}\r\n'
                'Content-Type: multipart/alternative; boundary="=x"\r\n\r\n'
                f"--=x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
                "--=x\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            ).encode()
            + html.replace(b"\n", b"\r\n")
            + b"--=x--\r\n"
        )

    return [letter(n) for n in range(count)]


SEARCHES = (
    "TEXT harbour",
    'TEXT "7"',
    'BODY "number 1"',
    'BODY "r 1"',
    "TEXT zebra",
    "SUBJECT strasse",
    'FROM "ina, x <u2"',
    'HEADER X-Note ""',
    "HEADER X-Note 2",
    "NOT TEXT harbour",
    "OR SUBJECT fine NOT BODY 世界",
    "UNSEEN (OR TEXT istanbul TEXT ångström) NOT HEADER X-Note 1",
    "5:20 TEXT harbour",
    'SEEN BODY "a*"',
)


async def same_answers(one: ImapClient, other: ImapClient) -> None:
    for each in SEARCHES:
        charset = "" if each.isascii() else "CHARSET UTF-8 "
        answers = [(await client.ok(f"UID SEARCH {charset}{each}")).searched for client in (one, other)]
        assert answers[0] == answers[1], each


async def test_searches_find_the_same_at_every_stage(indexed: Indexed, eager: None) -> None:
    """Before there is an index, with it, with messages that it does not know, after some and after most are gone."""
    indexed.put(letters(40))
    one, other = await indexed.clients()
    await same_answers(one, other)
    await indexed.filled()
    assert len(indexed.files) == 1
    await same_answers(one, other)
    await one.ok("UID STORE 3:9,12 +FLAGS (\\Seen \\Deleted)")
    indexed.put(letters(2, seed=2))
    for client in (one, other):
        await client.ok("NOOP")
    await same_answers(one, other)
    assert len(indexed.files) == 1  # two are not worth a file
    await one.ok("EXPUNGE")
    await other.ok("NOOP")
    await same_answers(one, other)
    indexed.put(letters(8, seed=3))
    for client in (one, other):
        await client.ok("NOOP")
    indexed.index.idle.clear()
    await same_answers(one, other)
    await indexed.filled()
    await same_answers(one, other)
    await one.ok("STORE 1:* +FLAGS \\Deleted")
    await one.ok("EXPUNGE")
    indexed.put(letters(6, seed=4))
    for client in (one, other):
        await client.ok("NOOP")
    indexed.index.idle.clear()
    await same_answers(one, other)
    await indexed.filled()
    assert len(indexed.files) == 1  # of those that are gone nothing is kept
    await same_answers(one, other)
    for client in (one, other):
        await client.close()


async def test_searches_find_the_same_however_little_is_asked_at_once(
    indexed: Indexed, eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file at a time, and of a program one key."""
    monkeypatch.setattr(chunk, "TEXTS_MOST", 8)
    monkeypatch.setattr(text_index, "ASK_S", 0)
    monkeypatch.setattr(text_index, "MOST_ASKED", 1)
    indexed.put(letters(40))
    one, other = await indexed.clients()
    await one.ok("SEARCH TEXT harbour")
    await indexed.filled()
    assert len(indexed.files) == 5
    await same_answers(one, other)
    for client in (one, other):
        await client.close()


async def test_what_is_gone_is_not_known_whatever_lies_beside_it(indexed: Indexed, eager: None) -> None:
    indexed.put(letters(6))
    one, other = await indexed.clients()
    await one.ok("SEARCH TEXT harbour")
    await indexed.filled()
    await one.ok("STORE 1 +FLAGS \\Deleted")
    await one.ok("EXPUNGE")
    account = indexed.index._index.of(indexed.post.account_id)
    asking = Asking(account, indexed.post.mailbox_id(), [1, 3], questions(keys.Text("harbour")))
    assert not indexed.post.store.read_now(asking.go_on)
    assert asking.answers().known == {3}
    for client in (one, other):
        await client.close()


async def test_one_content_in_several_mailboxes_is_indexed_once(indexed: Indexed, eager: None) -> None:
    indexed.put(letters(10))
    one, other = await indexed.clients()
    await one.ok("CREATE Copies")
    await one.ok("COPY 1:* Copies")
    await one.ok("COPY 1:5 Copies")
    await one.ok("SEARCH TEXT harbour")
    await indexed.filled()
    (chunk,) = indexed.index._index.of(indexed.post.account_id).chunks()
    assert len(chunk.blob_ids) == 10
    for client in (one, other):
        await client.ok("SELECT Copies")
    await same_answers(one, other)
    for client in (one, other):
        await client.close()


async def test_who_never_searches_for_texts_costs_nothing(indexed: Indexed, eager: None) -> None:
    indexed.put(letters(10))
    one, other = await indexed.clients()
    for search in ("ALL", "SEEN", "SINCE 1-Jan-2020", "1:* LARGER 10", "1 TEXT harbour"):
        await one.ok(f"SEARCH {search}")
    await indexed.index._look_after_all()
    assert not (indexed.post.store.home / FOLDER).exists()
    assert indexed.index.written_octets == 0
    for client in (one, other):
        await client.close()


def spoil(file: Path) -> None:
    octets = bytearray(file.read_bytes())
    octets[200:] = os.urandom(len(octets) - 200)
    file.write_bytes(octets)


def truncate(file: Path) -> None:
    os.truncate(file, 100)


@pytest.mark.parametrize("damage", [spoil, truncate, Path.unlink], ids=["overwritten", "cut", "deleted"])
async def test_a_damaged_index_is_made_anew_and_nobody_notices(
    indexed: Indexed, eager: None, damage: Callable[[Path], None]
) -> None:
    indexed.put(letters(20))
    one, other = await indexed.clients()
    await one.ok("SEARCH TEXT harbour")
    await indexed.filled()
    (file,) = indexed.files
    damage(file)
    indexed.index.idle.clear()
    await same_answers(one, other)
    await indexed.filled()
    assert [each for each in indexed.files if each != file] == indexed.files
    assert len(indexed.files) == 1
    await same_answers(one, other)
    for client in (one, other):
        await client.close()


async def test_a_new_start_goes_on_with_what_is_there(indexed: Indexed, eager: None) -> None:
    indexed.put(letters(20))
    one, other = await indexed.clients()
    await one.ok("SEARCH TEXT harbour")
    await indexed.filled()
    again = SearchIndex(indexed.post.store.home).of(indexed.post.account_id)
    mailbox_id = indexed.post.mailbox_id()
    uids = uids_of(indexed.post.store, mailbox_id)
    asking = Asking(again, mailbox_id, uids, questions(keys.Text("harbour")))
    assert not indexed.post.store.read_now(asking.go_on)
    assert asking.answers().known == set(uids)
    for client in (one, other):
        await client.close()


async def test_small_files_become_one(indexed: Indexed, eager: None) -> None:
    one, other = await indexed.clients()
    for seed in range(5):
        indexed.put(letters(4, seed))
        for client in (one, other):
            await client.ok("NOOP")
        indexed.index.idle.clear()
        await one.ok("SEARCH TEXT harbour")
        await indexed.filled()
        await same_answers(one, other)
    assert len(indexed.files) == 2
    for client in (one, other):
        await client.close()


async def test_files_of_few_large_messages_are_full_and_stay_as_they_are(
    indexed: Indexed, eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made one, they would be written again and again, and gathered in memory whatever they hold together."""
    monkeypatch.setattr(chunk, "_PACKED_OCTETS_MOST", 1000)
    indexed.put(letters(40))
    one, other = await indexed.clients()
    await one.ok("SEARCH TEXT harbour")
    await indexed.filled()
    files, octets = indexed.files, indexed.index.written_octets
    assert len(files) > 5
    await indexed.index._look_after_all()
    assert (indexed.files, indexed.index.written_octets) == (files, octets)
    await one.ok("STORE 1:20 +FLAGS \\Deleted")
    await one.ok("EXPUNGE")
    await other.ok("NOOP")
    await indexed.index._look_after_all()
    assert len(files) / 3 < len(indexed.files) < len(files)
    await same_answers(one, other)
    for client in (one, other):
        await client.close()


async def test_what_gathers_is_added_and_accounts_that_are_gone_leave_nothing(indexed: Indexed, eager: None) -> None:
    indexed.put(letters(5))
    one, other = await indexed.clients()
    await one.ok("SEARCH TEXT harbour")
    await indexed.filled()
    indexed.put(letters(4, seed=2))
    await indexed.index._look_after_all()
    assert len(indexed.files) == 1
    indexed.put(letters(1, seed=3))
    await indexed.index._look_after_all()
    assert len(indexed.files) == 2
    for client in (one, other):
        await client.close()
    await indexed.post.store.write(remove_account(ADDRESS))
    await indexed.index._look_after_all()
    assert indexed.files == []


async def test_all_accounts_are_looked_after_however_often_one_is_wanted(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what accounts that are gone have left would stay where searches never cease."""
    index, looked = TextIndex(post.store), asyncio.Event()

    async def look_after(account_id: int, mailbox_id: int, at_least: int) -> None:
        await asyncio.sleep(0)

    async def look_after_all() -> None:
        looked.set()
        await asyncio.sleep(3600)

    monkeypatch.setattr(index, "_look_after", look_after)
    monkeypatch.setattr(index, "_look_after_all", look_after_all)
    monkeypatch.setattr(text_index, "LOOK_EVERY_S", 0.1)
    index.want(1, 1)
    await index.start()
    async with asyncio.timeout(5):
        while not looked.is_set():
            index.want(1, 1)
            await asyncio.sleep(0)
    await index.stop()


async def test_a_full_card_stops_the_index_and_not_the_search(
    indexed: Indexed, eager: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def low(self: Store, size_octets: int = 0) -> None:
        raise StorageLow

    monkeypatch.setattr(Store, "need_room", low)
    indexed.put(letters(10))
    one, other = await indexed.clients()
    await same_answers(one, other)
    await indexed.filled()
    assert indexed.files == []
    assert "nearly full" in caplog.text
    for client in (one, other):
        await client.close()


async def test_a_text_that_is_too_long_is_looked_into(indexed: Indexed, eager: None) -> None:
    long = b"Subject: long\r\n\r\n" + b"all work and no play\r\n" * (TEXT_OCTETS_MOST // 20) + b"harbour\r\n"
    indexed.put([*letters(5), long])
    one, other = await indexed.clients()
    await one.ok("SEARCH TEXT harbour")
    await indexed.filled()
    await same_answers(one, other)
    assert (await one.ok('SEARCH BODY "no play"')).searched == [6]
    for client in (one, other):
        await client.close()


async def test_stopped_while_it_fills_it_goes_on_next_time(indexed: Indexed, eager: None) -> None:
    indexed.put(letters(200))
    one, other = await indexed.clients()
    indexed.index.want(indexed.post.account_id, indexed.post.mailbox_id())
    await asyncio.sleep(0)  # it is begun
    await indexed.index.stop()
    assert indexed.index.health() is not None
    assert indexed.files == []
    await same_answers(one, other)
    await indexed.index.start()
    assert indexed.index.health() is None
    indexed.index.idle.clear()
    await same_answers(one, other)
    await indexed.filled()
    assert len(indexed.files) == 1
    await same_answers(one, other)
    for client in (one, other):
        await client.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(text_index, "_REST", 0.0)
    yield
