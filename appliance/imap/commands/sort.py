"""SORT and THREAD. RFC 5256 3, RFC 5957, RFC 5267 3.

Messages are found as SEARCH finds them; what they are ordered by is read in batches on a reader's thread, from the rows
where those have it, else from the structures that were read at delivery: never from contents. The ordering itself is done
on a thread. Messages that were expunged meanwhile are left out.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence

from ...mime.parts import Head, decode_head
from ...store.refusals import StoreRefusal
from ...store.search_rows import columns, structures
from .. import threads
from ..answers import Done, Refusal
from ..grammar.sort import Sort, Thread
from ..progress import Progress
from ..session import Session
from ..sorting import Columns, sorted_places
from .search import answer, forget_saved, matching, now_s, tell

AT_ONCE = 500


async def sort(session: Session, command: Sort) -> Done:
    try:
        found = await matching(session, command.key)
        compared = Columns(each.key for each in command.criteria)
        there = await _read(session, found, compared.add, columns_only=not compared.needs_structure)
        order = await asyncio.to_thread(sorted_places, len(there), command.criteria, compared)
        return await answer(session, command, [there[place] for place in order], b"SORT")
    except (Refusal, StoreRefusal):
        forget_saved(session, command)
        raise


async def thread(session: Session, command: Thread) -> Done:
    found = await matching(session, command.key)
    messages = threads.Messages(command.algorithm)
    there = await _read(session, found, lambda internal_date, _, head: messages.add(internal_date, head))
    forest = await asyncio.to_thread(threads.forest, command.algorithm, messages)
    if command.by_modseq:
        session.imply_condstore()
    uids = session.the_selected().view.uids
    numbers = [uids[place] for place in there] if command.by_uid else [place + 1 for place in there]
    told = await asyncio.to_thread(lambda: b"".join(threads.rendered(forest, numbers.__getitem__)))
    session.send(b"* THREAD%b%b\r\n" % (b" " if told else b"", told))
    return Done("Threaded")


async def _read(
    session: Session,
    places: Sequence[int],
    add: Callable[[int, int, Head | None], None],
    *,
    columns_only: bool = False,
) -> list[int]:
    """The places whose messages are still there, each of which was given to `add`, in order."""
    selected = session.the_selected()
    mailbox_id, uids = selected.mailbox_id, selected.view.uids
    progress = Progress(session.tag, len(places), now_s=now_s())
    there: list[int] = []

    def read(connection: sqlite3.Connection, some: Sequence[int]) -> list[int]:
        by_uid = {uids[place]: place for place in some}
        rows = list(columns(connection, mailbox_id, list(by_uid)))
        if columns_only:
            for _, internal_date, _, size_octets, _ in rows:
                add(internal_date, size_octets, None)
            return [by_uid[row[0]] for row in rows]
        sizes = {uid: size_octets for uid, _, _, size_octets, _ in rows}
        found = []
        for uid, internal_date, _, _, _, structure in structures(connection, mailbox_id, list(by_uid)):
            try:
                head = decode_head(structure)
            except ValueError:
                head = None
            add(internal_date, sizes[uid], head)
            found.append(by_uid[uid])
        return found

    for start in range(0, len(places), AT_ONCE):
        some_places = places[start : start + AT_ONCE]
        there += await session.read(lambda connection, some=some_places: read(connection, some))  # type: ignore[misc]
        await tell(session, progress, start + len(some_places))
    return there
