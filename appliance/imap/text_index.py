"""The index that makes a search for texts fast, and how it is filled. A component: start, stop, health.

Promises: an account whose owner never searches for texts costs nothing; the first search that has many messages to look
into sets it going, in the background: some milliseconds of work, a pause as long, and a file for each five hundred
messages, so that neither the loop nor the card is held up. What is not indexed yet is looked into as before, and the
answer is the same. Messages that come later are added when a search finds enough of them, or when many have gathered;
what was expunged leaves its file when a quarter of it is gone.
Leaves what a file looks like to `store/derived/`, and which keys can be answered to `indexed_keys.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from array import array
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice

from ..mail.content import Content
from ..mime.parts import Structure, decode
from ..store.derived.chunk import SEPARATOR, TEXT_OCTETS_MOST, Chunk, ChunkBuilder, ChunkDamaged, Entry, Question
from ..store.derived.search_index import MARK_OCTETS, AccountIndex, SearchIndex
from ..store.interface import Store
from ..store.refusals import StorageLow, StoreRefusal
from .grammar.search import Key
from .indexed_keys import Answers, octets, questions
from .searchable import FROM_STRUCTURE, LONGEST_HEADER, body_texts, fold, header_text
from .selected import Selected

log = logging.getLogger("merpati.imap")

WORTH_ASKING = 32  # messages that would have to be read; fewer are read
WORTH_ADDING = 100  # messages that a search has to look into, each half a millisecond
MOST_ASKED = 20  # keys of one program; of more it is known only when a message is read
ASK_S = 0.05  # then others who read have their turn, and the client is looked after
GATHERED = 500  # messages that are added though nobody has searched for them lately
LOOK_EVERY_S = 6 * 3600.0
_STEP_S = 0.01
_REST = 1.0  # of the time that a step took
_SMALL, _MANY_SMALL = 0.5, 4  # full to less than that; so many of those are made one
_ALIVE_SHARE = 0.75
_ROOM_OCTETS = 8 * 1024 * 1024  # for a file, beyond the reserve


class TextIndex:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._index = SearchIndex(store.home)
        self._wanted: dict[int, int] = {}  # account → the mailbox to begin with
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._left: set[int] = set()  # contents that cannot be indexed, too long or damaged: not tried again
        self.idle = asyncio.Event()  # set while nothing that was wanted is left to do

    async def start(self) -> None:
        self._task = asyncio.create_task(self._keep_filling())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def health(self) -> str | None:
        return None if self._task is not None and not self._task.done() else "nobody fills the search index"

    @property
    def written_octets(self) -> int:
        return self._index.meter.octets

    # asking

    async def narrowed(
        self, selected: Selected, key: Key, places: Sequence[int], between: Callable[[], Awaitable[None]]
    ) -> tuple[Key, list[int]] | None:
        """For messages that would have to be read: (a program that means the same for them and can be judged without
        reading those that the index knows, those places that can match it). None: nothing is known that helps.
        between: awaited from time to time, as long as it takes."""
        asked = dict(islice(questions(key).items(), MOST_ASKED))
        if len(places) < WORTH_ASKING or not asked:
            return None
        all_of = selected.view.uids
        uids = all_of[:] if len(places) == len(all_of) else array("I", [all_of[place] for place in places])
        asking = Asking(self._index.of(selected.owner_id), selected.mailbox_id, uids, asked)
        while await self._store.read(asking.go_on):
            await between()
        known, easier = await asyncio.to_thread(_narrowed, asking, key, places, uids)
        if len(uids) - known >= WORTH_ADDING:
            self.want(selected.owner_id, selected.mailbox_id)
        return easier

    def want(self, account_id: int, mailbox_id: int) -> None:
        """That account is to be indexed, beginning with that mailbox."""
        self._wanted.setdefault(account_id, mailbox_id)
        self.idle.clear()
        self._wake.set()

    # filling

    async def _keep_filling(self) -> None:
        loop = asyncio.get_running_loop()
        look_at = loop.time() + LOOK_EVERY_S
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(look_at):
                    await self._wake.wait()
            if loop.time() >= look_at:  # however often it was woken
                await self._guarded(self._look_after_all())
                look_at = loop.time() + LOOK_EVERY_S
            self._wake.clear()
            while self._wanted:
                account_id, mailbox_id = next(iter(self._wanted.items()))
                await self._guarded(self._look_after(account_id, mailbox_id, WORTH_ADDING))
                self._wanted.pop(account_id, None)
            self.idle.set()

    async def _guarded(self, work: Awaitable[None]) -> None:
        """Whatever goes wrong, searches go on without the index."""
        try:
            await work
        except StorageLow:
            log.warning("the search index does not grow: the card is nearly full")
        except (OSError, StoreRefusal) as fault:
            log.warning("the search index could not be brought up to date: %s", fault)
        except Exception:
            log.exception("a fault of ours in the search index")

    async def _look_after_all(self) -> None:
        """What gathers where nobody searches, and what is left of accounts that are gone."""
        there = await self._store.read(lambda connection: _accounts(connection))
        for account_id in await asyncio.to_thread(self._index.accounts):
            if account_id in there:
                await self._look_after(account_id, 0, GATHERED)
            else:
                await asyncio.to_thread(self._index.drop, account_id)

    async def _look_after(self, account_id: int, mailbox_id: int, at_least: int) -> None:
        account = self._index.of(account_id)
        contents = await self._store.read(lambda connection: _all_contents(connection, account_id, mailbox_id))
        missing = await asyncio.to_thread(self._missing, contents, account)
        if len(missing) >= at_least:
            await self._add(account, missing)
        await self._tidy(account, set(contents))

    def _missing(self, contents: Sequence[int], account: AccountIndex) -> list[int]:
        indexed = account.blob_ids()
        return [each for each in contents if each not in indexed and each not in self._left]

    async def _add(self, account: AccountIndex, missing: Sequence[int]) -> None:
        builder = ChunkBuilder()
        done = 0
        while done < len(missing):
            self._store.need_room(_ROOM_OCTETS)
            began = time.monotonic()
            done = await self._store.read(partial(self._gather, builder, missing, done))
            if builder.full or done == len(missing):
                await asyncio.to_thread(account.write, builder)
                builder = ChunkBuilder()
            await asyncio.sleep((time.monotonic() - began) * _REST)

    def _gather(self, builder: ChunkBuilder, missing: Sequence[int], done: int, connection: sqlite3.Connection) -> int:
        """For a short while. Returns how many are done."""
        until = time.monotonic() + _STEP_S
        while done < len(missing) and not builder.full and time.monotonic() < until:
            try:
                entry = _entry(self._store, connection, missing[done])
            except (StoreRefusal, ValueError):
                entry = None
            if entry is None:
                self._left.add(missing[done])
            else:
                builder.add(entry)
            done += 1
        return done

    async def _tidy(self, account: AccountIndex, contents: set[int]) -> None:
        """Files that are largely of messages that are gone, or many small ones, become one."""
        to_join = await asyncio.to_thread(_to_join, account, contents)
        builder = ChunkBuilder()
        replaced: list[Chunk] = []
        for chunk, alive in to_join:
            if builder.blob_ids and builder.fullness + _filled_by(chunk, alive) > 1:
                await asyncio.to_thread(account.write, builder, replaced)
                builder, replaced = ChunkBuilder(), []
            replaced.append(chunk)
            if alive:
                self._store.need_room(_ROOM_OCTETS)
                await self._copy(account, chunk, alive, builder)
        if replaced:
            await asyncio.to_thread(account.write, builder, replaced)

    async def _copy(self, account: AccountIndex, chunk: Chunk, alive: set[int], builder: ChunkBuilder) -> None:
        try:
            with chunk.open() as opened:
                entries = opened.entries(alive.__contains__)
                more = True
                while more:
                    began = time.monotonic()
                    more = await asyncio.to_thread(_copy_some, entries, builder)
                    await asyncio.sleep((time.monotonic() - began) * _REST)
        except (ChunkDamaged, ValueError) as fault:
            account.throw_away(chunk, str(fault))


class Asking:
    """What the index knows of some messages of a mailbox. Its files are asked one after the other, so that nobody else
    who reads the store has to wait for long. uids: in order."""

    def __init__(
        self, account: AccountIndex, mailbox_id: int, uids: Sequence[int], asked: Mapping[Key, Question]
    ) -> None:
        self._account = account
        self._mailbox_id = mailbox_id
        self._uids = uids
        self._asked = asked
        self._content_of: dict[int, int] = {}
        self._contents: set[int] = set()
        self._left: deque[Chunk] | None = None
        self._known: set[int] = set()
        self._matching: list[set[int]] = [set() for _ in asked]

    def go_on(self, connection: sqlite3.Connection) -> bool:
        """Whether there is more to ask. Blocks: some ASK_S. What has gone since the first call is no worse for it:
        a content that was asked for is the same for good, or it is not known."""
        if self._left is None:
            self._content_of = _contents(connection, self._mailbox_id, self._uids)
            self._contents = set(self._content_of.values())
            self._left = deque(self._account.chunks())
        known, matching = self._account.answer(
            connection, self._contents, list(self._asked.values()), self._left, ASK_S
        )
        self._known |= known
        for all_of_them, more in zip(self._matching, matching, strict=True):
            all_of_them |= more
        return bool(self._left)

    def answers(self) -> Answers:
        def uids_with(contents: set[int]) -> set[int]:
            return {uid for uid, content in self._content_of.items() if content in contents}

        return Answers(
            self._uids,
            uids_with(self._known) if len(self._known) < len(self._content_of) else set(self._content_of),
            {each: uids_with(matching) for each, matching in zip(self._asked, self._matching, strict=True)},
        )


def _to_join(account: AccountIndex, contents: set[int]) -> list[tuple[Chunk, set[int]]]:
    """Files that are better written anew, each with those of `contents` that it is to give. Cost: linear, half a
    microsecond for each content; `contents` is used up."""
    scarce: list[tuple[Chunk, set[int]]] = []
    small: list[tuple[Chunk, set[int]]] = []
    for chunk in reversed(account.chunks()):
        alive = contents.intersection(chunk.blob_ids)
        contents -= alive  # what an older file has of them as well is not needed
        if len(alive) < _ALIVE_SHARE * len(chunk.blob_ids):
            scarce.append((chunk, alive))
        elif _filled_by(chunk, alive) < _SMALL:
            small.append((chunk, alive))
    return scarce if len(small) < _MANY_SMALL else [*scarce, *small]


def _filled_by(chunk: Chunk, alive: set[int]) -> float:
    """The share of a file that those of its messages take."""
    return chunk.fullness * len(alive) / len(chunk.blob_ids)


def _copy_some(entries: Iterator[Entry], builder: ChunkBuilder) -> bool:
    """For a short while. Whether there is more."""
    until = time.monotonic() + _STEP_S
    while time.monotonic() < until:
        entry = next(entries, None)
        if entry is None:
            return False
        builder.add(entry)
    return True


def _entry(store: Store, connection: sqlite3.Connection, blob_id: int) -> Entry | None:
    row = connection.execute(
        "SELECT digest, prefix, structure FROM blobs WHERE id = ? AND refs > 0", (blob_id,)
    ).fetchone()
    if row is None:
        return None
    mark = bytes(row[0])[:MARK_OCTETS]
    return entry_of(blob_id, mark, row[1], decode(row[2]), store.content_in(connection, blob_id))


def entry_of(blob_id: int, mark: bytes, prefix: bytes, structure: Structure, content: Content) -> Entry | None:
    """What a message can be searched by; None where that is too long. Raises what reading the content raises."""
    head = b"".join(content.pieces(0, min(structure.root.body_start, LONGEST_HEADER)))
    header = octets(header_text(prefix + head))
    fields = tuple(octets("\n".join(fold(value) for value in read(structure))) for read in FROM_STRUCTURE.values())
    length = len(header) + sum(map(len, fields))
    texts: list[bytes] = []
    for text in body_texts(structure.root, content):
        pieces: list[bytes] = []
        for piece in text:
            pieces.append(octets(piece))
            length += len(pieces[-1])
            if length > TEXT_OCTETS_MOST:
                return None
        texts.append(b"".join(pieces))
    return Entry(blob_id, mark, fields, header, SEPARATOR.join(texts))


def _narrowed(
    asking: Asking, key: Key, places: Sequence[int], uids: Sequence[int]
) -> tuple[int, tuple[Key, list[int]] | None]:
    """(how many are known, what `TextIndex.narrowed` gives)"""
    answers = asking.answers()
    if not answers.known:
        return 0, None
    possible = answers.possible(key)
    if possible is None:
        return len(answers.known), (answers.put(key), list(places))
    left = [place for place, uid in zip(places, uids, strict=True) if uid in possible]
    return len(answers.known), (answers.put(key), left)


def _accounts(connection: sqlite3.Connection) -> set[int]:
    return {account_id for (account_id,) in connection.execute("SELECT id FROM accounts")}


def _contents(connection: sqlite3.Connection, mailbox_id: int, uids: Sequence[int]) -> dict[int, int]:
    """Of those UIDs that are there the content's id. Cost: linear in what lies between the first and the last."""
    found = dict(
        connection.execute(
            "SELECT uid, blob_id FROM messages WHERE mailbox_id = ? AND uid BETWEEN ? AND ?",
            (mailbox_id, uids[0], uids[-1]),
        )
    )
    if len(found) == len(uids) and all(map(found.__contains__, uids)):
        return found
    return {uid: found[uid] for uid in uids if uid in found}


def _all_contents(connection: sqlite3.Connection, account_id: int, first_mailbox_id: int) -> list[int]:
    """Those of one mailbox first, each once. Cost: linear, half a microsecond for each."""
    found = connection.execute(
        "SELECT blob_id FROM mailboxes JOIN messages ON mailbox_id = id WHERE account_id = ?"
        " ORDER BY mailbox_id <> ?, mailbox_id, uid",
        (account_id, first_mailbox_id),
    )
    return list(dict.fromkeys(blob_id for (blob_id,) in found))
