"""SEARCH. RFC 3501 6.4.4, RFC 4731.

First every message is judged by what the view knows; what is undecided is read in batches on a reader's thread, rows
before contents.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence

from ...mime.parts import decode
from ...store.interface import Store
from ...store.messages import rows
from .. import render
from ..answers import Done
from ..grammar.search import Search
from ..search import Candidate, Level, Matcher, matcher
from ..selected import Selected
from ..session import Session
from ..view import MailboxView

ON_THE_LOOP = 500  # so many messages are judged by the view without a thread
AT_ONCE = 100


async def search(session: Session, command: Search) -> Done:
    selected = session.the_selected()
    view = selected.view
    matches = matcher(command.key, messages=len(view), largest_uid=view.uids[-1] if view.uids else 0)
    if len(view) <= ON_THE_LOOP:
        found, undecided = judged_by_view(view, matches)
    else:
        found, undecided = await asyncio.to_thread(judged_by_view, view, matches)
    for start in range(0, len(undecided), AT_ONCE):
        some = undecided[start : start + AT_ONCE]
        found += await session.read(
            lambda connection, some=some: _judged_by_store(session.store, connection, selected, some, matches)  # type: ignore[misc]
        )
        await session.flush()  # raises when nobody is waiting for the answer any more
    found.sort()
    numbers = [view.uids[place] for place in found] if command.by_uid else [place + 1 for place in found]
    if command.results is None:
        session.send(render.search(numbers))
    else:
        session.send(render.esearch(session.tag, numbers, command.results, by_uid=command.by_uid))
    return Done("Searched")


def judged_by_view(view: MailboxView, matches: Matcher) -> tuple[list[int], list[int]]:
    """(places that match, places that cannot be decided yet)."""
    found: list[int] = []
    undecided: list[int] = []
    candidate = Candidate(0, 0, 0, "")
    for place, (uid, flags) in enumerate(zip(view.uids, view.flags, strict=True)):
        candidate.number, candidate.uid, candidate.flags = place + 1, uid, flags
        candidate.keywords = view.keywords_at(place)
        answer = matches(candidate)
        if answer:
            found.append(place)
        elif answer is None:
            undecided.append(place)
    return found, undecided


def _judged_by_store(
    store: Store, connection: sqlite3.Connection, selected: Selected, places: Sequence[int], matches: Matcher
) -> list[int]:
    view, mailbox_id = selected.view, selected.mailbox_id
    candidates = {
        view.uids[place]: Candidate(place + 1, view.uids[place], view.flags[place], view.keywords_at(place))
        for place in places
    }
    found: list[int] = []
    undecided: list[int] = []
    for row in rows(connection, mailbox_id, list(candidates), structure=False):
        candidate = candidates[row.uid]
        candidate.level = Level.ROW
        candidate.internal_date, candidate.size_octets = row.internal_date, row.size_octets
        answer = matches(candidate)
        if answer:
            found.append(candidate.number - 1)
        elif answer is None:
            undecided.append(row.uid)
    for row in rows(connection, mailbox_id, undecided, structure=True):
        candidate = candidates.pop(row.uid)  # so that no more than one content is held at a time
        candidate.level = Level.WHOLE
        candidate.prefix = row.prefix
        candidate.structure = decode(row.structure or b"")
        candidate.content = store.content_in(connection, row.blob_id)
        if matches(candidate):
            found.append(candidate.number - 1)
    return found
