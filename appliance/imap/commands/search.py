"""SEARCH. RFC 3501 6.4.4, RFC 4731, RFC 5182, RFC 9394, RFC 7162 3.1.5; `matching` also finds for SORT and THREAD.

First every message is judged by what the view knows, then by what the index of texts knows; what is undecided is read
in batches on a reader's thread: columns, then structures, then contents. Between batches others have their turn, the
client is told how far it is (RFC 9585), and a search whose client has gone ends. A message that is damaged is not found
by what cannot be read of it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...mime.parts import decode
from ...store.interface import Store
from ...store.refusals import Damaged, StoreRefusal
from ...store.search_rows import columns, count_within, highest_modseq, structures, uids_within
from .. import column_keys, results
from ..answers import Done, Refusal
from ..enabled import Extension
from ..grammar.search import Key, Return, Search
from ..grammar.sort import Sort
from ..indexed_keys import Answers, plain_keys
from ..object_ids import email_id
from ..progress import Progress
from ..search import Candidate, Level, Matcher, World, matcher, said_by_view
from ..selected import Selected
from ..session import Session
from ..view import MailboxView

ON_THE_LOOP = 500  # so many messages are judged by the view without a thread
FROM_VIEW_AT_ONCE = 20_000
ROWS_AT_ONCE = 1000
CONTENTS_AT_ONCE = 100
CONTENT_OCTETS = 4 * 1024 * 1024  # a batch ends early when it has looked into so much


async def search(session: Session, command: Search) -> Done:
    try:
        places = await matching(session, command.key)
        return await answer(session, command, places, b"SEARCH")
    except (Refusal, StoreRefusal):
        forget_saved(session, command)
        raise


def forget_saved(session: Session, command: Search | Sort) -> None:
    """RFC 5182 2.1: a search that was to be saved and was refused leaves nothing saved."""
    if command.results is not None and Return.SAVE in command.results and session.selected is not None:
        session.selected.saved = array("I")


async def answer(session: Session, command: Search | Sort, places: Sequence[int], verb: bytes) -> Done:
    """Tells and saves what was found. places: in the order in which they are told."""
    selected = session.the_selected()
    uids = selected.view.uids
    asked = command.results
    if asked is None and verb == b"SEARCH" and session.has(Extension.IMAP4REV2):
        asked = frozenset((Return.ALL,))  # RFC 9051 6.4.4: the old SEARCH response is gone
    picked = results.chosen(places, asked, command.partial)
    modseq = 0
    if command.by_modseq:
        session.imply_condstore()  # RFC 7162 3.1: MODSEQ in SEARCH implies it
        of = sorted(uids[place] for place in picked)
        modseq = await session.read(lambda connection: highest_modseq(connection, selected.mailbox_id, of))
    if asked is not None and Return.SAVE in asked:
        selected.saved = array("I", sorted(uids[place] for place in picked))
    numbers = [uids[place] for place in places] if command.by_uid else [place + 1 for place in places]
    if asked is None:
        session.send(results.plain(verb, numbers, modseq))
    else:
        session.send(
            results.extended(session.tag, numbers, asked, command.partial, by_uid=command.by_uid, modseq=modseq)
        )
    return Done("Searched")


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def matching(session: Session, key: Key) -> list[int]:
    """The places in the view of all that match, in ascending order."""
    selected = session.the_selected()
    view = selected.view
    world = World(len(view), view.uids[-1] if view.uids else 0, saved=selected.saved, now_s=time.time())
    if len(view) > ON_THE_LOOP and (asked := column_keys.asked(key, world.now_s)):
        answers = await session.read(lambda connection: _by_columns(connection, selected, asked))
        key = await asyncio.to_thread(answers.put, key)
    matches = matcher(key, world)
    progress = Progress(session.tag, len(view), now_s=now_s())
    found: list[int] = []
    undecided: list[int] = []
    if not any(map(said_by_view, plain_keys(key))):
        undecided = list(range(len(view)))
    elif len(view) <= ON_THE_LOOP:
        found, undecided = judged_by_view(view, matches, range(len(view)))
    else:
        for start in range(0, len(view), FROM_VIEW_AT_ONCE):
            some = range(start, min(start + FROM_VIEW_AT_ONCE, len(view)))
            more_found, more_undecided = await asyncio.to_thread(judged_by_view, view, matches, some)
            found += more_found
            undecided += more_undecided
            await tell(session, progress, 0)
    easier = None
    if session.index is not None:
        decided = len(view) - len(undecided)
        easier = await session.index.narrowed(selected, key, undecided, lambda: tell(session, progress, decided))
    if easier is not None:
        easier_key, possible = easier
        matches = matcher(easier_key, world)
        more_found, undecided = await asyncio.to_thread(judged_by_view, view, matches, possible)
        found += more_found
    whole: list[int] = []
    for start in range(0, len(undecided), ROWS_AT_ONCE):
        some_places = undecided[start : start + ROWS_AT_ONCE]
        judged = await session.read(
            lambda connection, some=some_places: _judged_by_rows(connection, selected, some, matches)  # type: ignore[misc]
        )
        found += judged[0]
        whole += judged[1]
        done = min(start + ROWS_AT_ONCE, len(undecided)) - len(whole)
        await tell(session, progress, len(view) - len(undecided) + done)
    start = 0
    while start < len(whole):
        some_places = whole[start : start + CONTENTS_AT_ONCE]
        read = await session.read(
            lambda connection, some=some_places: _judged_by_content(session.store, connection, selected, some, matches)  # type: ignore[misc]
        )
        found += read.found
        start += read.done
        for damage in read.damaged:
            session.store.note_damaged(damage)
        await tell(session, progress, len(view) - len(whole) + start)
    found.sort()
    return found


async def tell(session: Session, progress: Progress, count: int) -> None:
    """How far it is. Raises ConnectionGone when nobody is waiting for the answer any more."""
    session.send(progress.reached(count, now_s=now_s()))
    await session.flush()


def judged_by_view(view: MailboxView, matches: Matcher, places: Sequence[int]) -> tuple[list[int], list[int]]:
    """(places that match, places that cannot be decided yet)."""
    found: list[int] = []
    undecided: list[int] = []
    candidate = Candidate(0, 0, 0, "")
    for place in places:
        candidate.number, candidate.uid, candidate.flags = place + 1, view.uids[place], view.flags[place]
        candidate.keywords = view.keywords_at(place)
        judgement = matches(candidate)
        if judgement:
            found.append(place)
        elif judgement is None:
            undecided.append(place)
    return found, undecided


def _by_columns(connection: sqlite3.Connection, selected: Selected, asked: Mapping[Key, column_keys.Bounds]) -> Answers:
    """All messages are known but those that are gone."""
    uids = selected.view.uids
    there = set(uids)
    if count_within(connection, selected.mailbox_id, uids[0], uids[-1]) < len(uids):
        there = set(uids_within(connection, selected.mailbox_id, "uid", uids[0], uids[-1]))
    found = {key: set(uids_within(connection, selected.mailbox_id, *within)) for key, within in asked.items()}
    return Answers(uids, there, found)


def _candidates(selected: Selected, places: Sequence[int]) -> dict[int, Candidate]:
    view = selected.view
    return {
        view.uids[place]: Candidate(place + 1, view.uids[place], view.flags[place], view.keywords_at(place))
        for place in places
    }


def _judged_by_rows(
    connection: sqlite3.Connection, selected: Selected, places: Sequence[int], matches: Matcher
) -> tuple[list[int], list[int]]:
    """(places that match, places whose content has to be looked into). Messages that are gone match nothing."""
    candidates = _candidates(selected, places)
    found: list[int] = []
    undecided: list[int] = []
    for uid, internal_date, saved_at, size_octets, modseq in columns(connection, selected.mailbox_id, list(candidates)):
        candidate = candidates[uid]
        candidate.level = Level.ROW
        candidate.internal_date, candidate.saved_at = internal_date, saved_at
        candidate.size_octets, candidate.modseq = size_octets, modseq
        judgement = matches(candidate)
        if judgement:
            found.append(candidate.number - 1)
        elif judgement is None:
            undecided.append(uid)
    whole: list[int] = []
    for uid, internal_date, _, digest, prefix, structure in structures(connection, selected.mailbox_id, undecided):
        candidate = candidates[uid]
        try:
            candidate.structure = decode(structure)
        except ValueError:
            continue
        candidate.level = Level.STRUCTURE
        candidate.prefix = prefix
        candidate.email_id = email_id(digest, prefix, internal_date)
        judgement = matches(candidate)
        candidate.structure = None  # so that no more than one is held at a time
        if judgement:
            found.append(candidate.number - 1)
        elif judgement is None:
            whole.append(candidate.number - 1)
    return found, whole


@dataclass(slots=True)
class _Read:
    """found: places that match; done: how many were looked into; damaged: what did not read."""

    found: list[int]
    done: int
    damaged: list[Damaged]


def _judged_by_content(
    store: Store, connection: sqlite3.Connection, selected: Selected, places: Sequence[int], matches: Matcher
) -> _Read:
    candidates = _candidates(selected, places)
    rows = {row[0]: row[1:] for row in columns(connection, selected.mailbox_id, list(candidates))}
    read = _Read([], len(places), [])
    octets = 0
    for uid, internal_date, blob_id, digest, prefix, structure in structures(
        connection, selected.mailbox_id, list(candidates)
    ):
        candidate = candidates.pop(uid)  # so that no more than one content is held at a time
        if octets > CONTENT_OCTETS:
            read.done = places.index(candidate.number - 1)
            break
        candidate.level = Level.WHOLE
        candidate.internal_date, candidate.saved_at, candidate.size_octets, candidate.modseq = rows[uid]
        candidate.prefix = prefix
        candidate.email_id = email_id(digest, prefix, internal_date)
        octets += candidate.size_octets
        try:
            candidate.structure = decode(structure)
        except ValueError:
            continue
        try:
            candidate.content = store.content_in(connection, blob_id)
            if matches(candidate):
                read.found.append(candidate.number - 1)
        except Damaged as damage:
            read.damaged.append(damage)
    return read
