"""STORE, COPY, MOVE and EXPUNGE. RFC 3501 6.4, RFC 4315, RFC 6851."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...store.changes.flags import store_unchanged
from ...store.changes.messages import copy as copy_change
from ...store.changes.messages import expunge as expunge_change
from ...store.changes.messages import move as move_change
from ...store.flags import WITH_KEYWORDS, join_keywords, to_bits, within
from ...store.refusals import NoSuchMailbox
from ...store.transaction import Change, Tx
from .. import render, visible
from ..answers import Done, Refusal
from ..grammar.messages import Copy, Expunge, Move, StoreFlags
from ..rights import settable_flags
from ..selected import Selected
from ..session import Session
from ..values import sequence_set
from ..view import RECENT, FlagRow, FlagsNow, ModseqNow, Untagged
from ..visible import VisibleMailbox, not_permitted

LONGEST_KEYWORD = 255
MOST_KEYWORDS = 100  # in one command
STORE_AT_ONCE = 500  # messages in one change, so that a long STORE does not hold up deliveries

Pairs = list[tuple[int, int]]


async def store(session: Session, command: StoreFlags) -> Done:
    selected = session.writable()
    places = session.places(command.messages, by_uid=command.by_uid)
    flags, keywords = to_bits(command.flags)
    settable = settable_flags(selected.rights)
    if not _may(settable, command, flags, keywords):
        raise not_permitted()
    if len(keywords.split()) > MOST_KEYWORDS or any(len(word) > LONGEST_KEYWORD for word in keywords.split()):
        raise Refusal("Too many keywords, or too long ones", "LIMIT")
    if command.unchanged_since is not None:
        session.imply_condstore()
    view = selected.view
    gone = False
    too_late: list[int] = []
    for start in range(0, len(places), STORE_AT_ONCE):
        some = places[start : start + STORE_AT_ONCE]
        expected = (
            {
                view.uids[place]: within(
                    settable,
                    view.flags[place] & ~RECENT,
                    view.keywords_at(place),
                    *_combined(view.flags[place], view.keywords_at(place), command, flags, keywords),
                )
                for place in some
            }
            if command.silent
            else {}
        )
        uids = [view.uids[place] for place in some]
        rows, modified = await set_flags_unchanged(
            session, selected, uids, command.mode, flags, keywords, command.unchanged_since
        )
        too_late += modified
        gone = gone or len(rows) + len(modified) < len(uids)
        told: list[Untagged] = []
        for row in rows:
            now = _now(selected, row)
            if not command.silent or expected[row[0]] != row[1:3]:
                told.append(now)
            elif session.manner.modseq:  # RFC 7162 3.1.3: the MODSEQ is told also where the flags are not
                told.append(ModseqNow(now.number, now.uid, now.modseq))
        session.tell(told)
        await session.flush(at_least=16 * 1024)
    code = _modified(selected, too_late, by_uid=command.by_uid)
    if gone and not command.by_uid:
        return Done("Some of the messages are gone", code or "EXPUNGEISSUED", "NO")
    return Done("Stored, but for what had changed" if code else "Stored", code)


def _modified(selected: Selected, uids: Sequence[int], *, by_uid: bool) -> str | None:
    """RFC 7162 3.1.3: UIDs or numbers, as in the command."""
    if not uids:
        return None
    places = (selected.view.place_of(uid) for uid in uids)
    return f"MODIFIED {sequence_set(uids if by_uid else (place + 1 for place in places if place is not None))}"


async def set_flags(
    session: Session, selected: Selected, uids: Sequence[int], mode: str, flags: int, keywords: str
) -> list[FlagRow]:
    """Durability: lazy. The rows as they are now, known to the view but not told to the client."""
    rows, _ = await set_flags_unchanged(session, selected, uids, mode, flags, keywords, None)
    return rows


async def set_flags_unchanged(
    session: Session,
    selected: Selected,
    uids: Sequence[int],
    mode: str,
    flags: int,
    keywords: str,
    since: int | None,
) -> tuple[list[FlagRow], list[int]]:
    """The same for what has not changed after MODSEQ `since`; also returns the UIDs of what has."""
    known_before = selected.view.keyword_names
    rows, too_late = await session.change(
        store_unchanged(selected.mailbox_id, uids, mode, flags, keywords, since, settable_flags(selected.rights)),
        durable=False,
        in_view=True,
    )
    selected.journal.said(max((row[3] for row in rows), default=0))
    selected.view.apply(sorted(rows), (), first_recent_uid=0, may_expunge=False, quiet=True)
    if selected.view.keyword_names != known_before:
        session.send(render.flags_in_use(selected.view.keyword_names))
        session.send(selected.permanent_flags(selected.view.keyword_names))
    return rows, too_late


def _now(selected: Selected, row: FlagRow) -> FlagsNow:
    place = selected.view.place_of(row[0])
    assert place is not None
    return FlagsNow(place + 1, row[0], row[1] | (selected.view.flags[place] & RECENT), row[2], row[3])


def _may(settable: int, command: StoreFlags, flags: int, keywords: str) -> bool:
    """RFC 4314 4: a STORE fails only where none of its flags may be changed; the others are left as they are."""
    asked = flags | (WITH_KEYWORDS if keywords else 0)
    if command.mode == "=" or not asked:
        return settable != 0
    return bool(asked & settable)


def _combined(had: int, had_keywords: str, command: StoreFlags, flags: int, keywords: str) -> tuple[int, str]:
    """What a silent STORE makes of flags that the client knows, so that only another's change is told."""
    had &= ~RECENT
    match command.mode:
        case "+":
            return had | flags, join_keywords([*had_keywords.split(), *keywords.split()])
        case "-":
            gone = {word.lower() for word in keywords.split()}
            return had & ~flags, join_keywords(word for word in had_keywords.split() if word.lower() not in gone)
        case _:
            return flags, keywords


async def copy(session: Session, command: Copy) -> Done:
    selected = session.the_selected()
    places = session.places(command.messages, by_uid=command.by_uid)
    uids = [selected.view.uids[place] for place in places]
    target = await _target(session, command.mailbox)
    if not uids:
        return Done("There was nothing to copy")
    uidvalidity, pairs = await _transfer(session, copy_change, selected, uids, target, all_of_them=not command.by_uid)
    return Done("Copied", _copyuid(target, uidvalidity, pairs))


async def move(session: Session, command: Move) -> Done:
    """RFC 6851 4.3: COPYUID comes untagged and before the EXPUNGEs, which `tell_news` gives. Of the source it wants what
    flagging as deleted and expunging want (RFC 6851 4.2)."""
    selected = session.writable("te")
    places = session.places(command.messages, by_uid=command.by_uid)
    uids = [selected.view.uids[place] for place in places]
    target = await _target(session, command.mailbox)
    if not uids:
        return Done("There was nothing to move")
    uidvalidity, pairs = await _transfer(session, move_change, selected, uids, target, all_of_them=not command.by_uid)
    if (code := _copyuid(target, uidvalidity, pairs)) is not None:
        session.send(render.untagged("OK", "Moved", code))
    return Done("Moved", highest_modseq=bool(pairs))


async def _target(session: Session, name: str) -> VisibleMailbox:
    account_id = session.account.id
    return await session.read(lambda connection: visible.need(connection, account_id, name, "i", missing="TRYCREATE"))


Transfer = Callable[[int, Sequence[int], int, int], Change[tuple[int, Pairs]]]


async def _transfer(
    session: Session,
    transfer: Transfer,
    selected: Selected,
    uids: Sequence[int],
    target: VisibleMailbox,
    *,
    all_of_them: bool,
) -> tuple[int, Pairs]:
    """All or nothing (RFC 3501 6.4.7); by UID, messages that are gone do not count."""
    change = transfer(selected.mailbox_id, uids, target.mailbox.id, settable_flags(target.rights))

    def checked(tx: Tx) -> tuple[int, Pairs]:
        uidvalidity, pairs = change(tx)
        if all_of_them and len(pairs) < len(uids):
            raise Refusal("Some of the messages are gone", "EXPUNGEISSUED")
        return uidvalidity, pairs

    try:
        return await session.change(visible.permitted(checked, session.account.id, target.mailbox.id, "i"))
    except NoSuchMailbox:
        raise Refusal("The mailbox was deleted meanwhile", "TRYCREATE") from None


def _copyuid(target: VisibleMailbox, uidvalidity: int, pairs: Pairs) -> str | None:
    """RFC 4315 3: both sets in the same order; who may not select the target learns nothing of its UIDs."""
    if not pairs or "r" not in target.rights:
        return None
    return f"COPYUID {uidvalidity} {sequence_set(old for old, _ in pairs)} {sequence_set(new for _, new in pairs)}"


async def expunge(session: Session, command: Expunge) -> Done:
    """The EXPUNGEs themselves are `tell_news`'s to give."""
    selected = session.writable("e")
    uids = None
    if command.uids is not None:
        uids = [selected.view.uids[place] for place in session.places(command.uids, by_uid=True)]
    gone = await session.change(expunge_change(selected.mailbox_id, uids))
    return Done("Expunged", highest_modseq=bool(gone))
