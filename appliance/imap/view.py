"""The mailbox as one client knows it, and what to tell it when the store knows more.

`MailboxView` holds parallel arrays: place p is sequence number p + 1 (keywords and MODSEQs, which few messages have of
their own, are kept by UID). `apply` takes what the store says now and returns
the untagged responses that bring the client up to date, as values; nothing else changes the arrays, so that a client's
sequence numbers and ours cannot drift apart. An expunged message stays in its place until `apply` may tell of it: never
during FETCH, STORE and SEARCH by sequence number (RFC 3501 7.4.1).

`Journal` says which of the mailbox's changes are in the view: each change has the next MODSEQ, so that a gap shows. Pure.
Memory: five octets a message. RFC 3501 2.3, 5.2 and 7.3-7.4.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SEEN = 1
RECENT = 32  # beside the flag bits of the store, which are below: \Recent is a session's and never stored

FEW = 100  # expunged at once: so often an array is closed up; more are left out of new arrays

FlagRow = tuple[int, int, str, int]  # UID, flags, keywords, MODSEQ


@dataclass(slots=True, frozen=True)
class Expunged:
    number: int
    uid: int


@dataclass(slots=True, frozen=True)
class Exists:
    count: int


@dataclass(slots=True, frozen=True)
class RecentCount:
    count: int


@dataclass(slots=True, frozen=True)
class FlagsNow:
    """flags: with RECENT. modseq: that of these flags (RFC 7162 3.1)."""

    number: int
    uid: int
    flags: int
    keywords: str
    modseq: int


@dataclass(slots=True, frozen=True)
class ModseqNow:
    """The client knows the flags, and learns their MODSEQ."""

    number: int
    uid: int
    modseq: int


@dataclass(slots=True, frozen=True)
class KeywordsNow:
    """A keyword is in use that the client has not heard of: FLAGS has to be said again."""

    keywords: tuple[str, ...]


Untagged = Expunged | Exists | RecentCount | FlagsNow | ModseqNow | KeywordsNow


class MailboxView:
    def __init__(self, rows: Sequence[FlagRow], *, first_recent_uid: int) -> None:
        """rows: in the order of UIDs; UIDs from first_recent_uid on are \\Recent in this session."""
        uids, flags, _, modseqs = zip(*rows, strict=True) if rows else ((), (), (), ())
        keywords = {uid: words for uid, _, words, _ in rows if words}
        self._fill(array("I", uids), array("B", flags), keywords, max(modseqs, default=0), first_recent_uid)

    @classmethod
    def of_arrays(
        cls,
        uids: array[int],
        flags: array[int],
        keywords: dict[int, str],
        *,
        modseq: int,
        first_recent_uid: int,
        changed: Iterable[int],
    ) -> MailboxView:
        """The same for a mailbox of any size, read some time after the client was told of it. The arrays become the
        view's. modseq: the mailbox's when they were read; changed: UIDs whose flags changed in between, which `apply` is
        still to tell."""
        view = cls((), first_recent_uid=first_recent_uid)
        view._fill(uids, flags, keywords, modseq, first_recent_uid)
        view._changed.update(changed)
        view._modseqs.update(dict.fromkeys(view._changed, 0))
        return view

    def _fill(
        self, uids: array[int], flags: array[int], keywords: dict[int, str], modseq: int, first_recent_uid: int
    ) -> None:
        self.uids = uids
        self.flags = flags
        self._keywords = keywords
        self._modseq = modseq  # of whatever has none of its own
        self._modseqs: dict[int, int] = {}
        first_recent = bisect_left(self.uids, first_recent_uid)
        for place in range(first_recent, len(self.uids)):
            self.flags[place] |= RECENT
        self.recent = len(self.uids) - first_recent
        self._known_keywords = {word.lower(): word for words in set(keywords.values()) for word in words.split()}
        self._changed: set[int] = set()
        self._gone: set[int] = set()

    def __len__(self) -> int:
        return len(self.uids)

    @property
    def first_unseen(self) -> int | None:
        """The sequence number of the first message without \\Seen."""
        return next((number for number, flags in enumerate(self.flags, 1) if not flags & SEEN), None)

    @property
    def keyword_names(self) -> tuple[str, ...]:
        return tuple(self._known_keywords[key] for key in sorted(self._known_keywords))

    def keywords_at(self, place: int) -> str:
        return self._keywords.get(self.uids[place], "")

    @property
    def has_untold(self) -> bool:
        """A message is gone that the client has not been told of."""
        return bool(self._gone)

    def place_of(self, uid: int) -> int | None:
        place = bisect_left(self.uids, uid)
        return place if place < len(self.uids) and self.uids[place] == uid else None

    def is_gone(self, place: int) -> bool:
        return self.uids[place] in self._gone

    def apply(
        self,
        changed: Iterable[FlagRow],
        gone: Iterable[int],
        *,
        first_recent_uid: int,
        may_expunge: bool,
        quiet: bool = False,
    ) -> list[Untagged]:
        """changed: rows as they are now, in the order of UIDs, new ones included; gone: UIDs that are no more.

        first_recent_uid: new UIDs from here on are \\Recent in this session. quiet: the client knows the flags already.
        Cost: linear in what changed; in the mailbox when more than FEW were expunged.
        """
        told: list[Untagged] = []
        keywords_before = len(self._known_keywords)
        appended = False
        for uid, flags, keywords, modseq in changed:
            place = self.place_of(uid)
            if place is None:
                if not self.uids or uid > self.uids[-1]:
                    self._append(uid, flags | (RECENT if uid >= first_recent_uid else 0), keywords, modseq)
                    appended = True
                continue
            known_modseq = self._modseqs.get(uid, self._modseq)
            if modseq < known_modseq:
                continue  # older than what we know, from a reader that began before our own change
            flags |= self.flags[place] & RECENT
            if modseq > self._modseq:  # MODSEQs that are older need no memory of their own
                self._modseqs[uid] = modseq
            if flags != self.flags[place] or keywords != self._keywords.get(uid, "") or uid in self._changed:
                self.flags[place] = flags
                self._learn(uid, keywords)
                if not quiet:
                    self._changed.discard(uid)
                    told.append(FlagsNow(place + 1, uid, flags, keywords, modseq))
            elif modseq > known_modseq and not quiet:  # changed and changed back: by the old MODSEQ a STORE would fail
                told.append(ModseqNow(place + 1, uid, modseq))
        if len(self._known_keywords) != keywords_before:
            told.insert(0, KeywordsNow(self.keyword_names))
        self._gone.update(uid for uid in gone if self.place_of(uid) is not None)
        if may_expunge and self._gone:
            # Flags first, by the numbers that still stand; a message that is gone needs no news of its flags.
            told = [item for item in told if not (isinstance(item, (FlagsNow, ModseqNow)) and item.uid in self._gone)]
            told += self._expunge()
        if appended:
            told += (Exists(len(self.uids)), RecentCount(self.recent))
        return told

    def _append(self, uid: int, flags: int, keywords: str, modseq: int) -> None:
        self.uids.append(uid)
        self.flags.append(flags)
        self.recent += 1 if flags & RECENT else 0
        self._modseqs[uid] = modseq
        self._learn(uid, keywords)

    def _learn(self, uid: int, keywords: str) -> None:
        if keywords:
            self._keywords[uid] = keywords
        else:
            self._keywords.pop(uid, None)
        for word in keywords.split():
            self._known_keywords.setdefault(word.lower(), word)

    def _expunge(self) -> list[Untagged]:
        """From the highest number down, so that each one is also the number that it had before."""
        gone, self._gone = self._gone, set()
        places = sorted((place for uid in gone if (place := self.place_of(uid)) is not None), reverse=True)
        self.recent -= sum(1 for place in places if self.flags[place] & RECENT)
        told: list[Untagged] = [Expunged(place + 1, self.uids[place]) for place in places]
        if len(places) <= FEW:
            for place in places:
                del self.uids[place], self.flags[place]
        else:
            keep = [place for place, uid in enumerate(self.uids) if uid not in gone]
            self.uids = array("I", [self.uids[place] for place in keep])
            self.flags = array("B", [self.flags[place] for place in keep])
        for uid in gone:
            self._keywords.pop(uid, None)
            self._modseqs.pop(uid, None)
        return told


@dataclass(slots=True, frozen=True)
class Note:
    """One change as the bus told it: which UIDs to look at again, and which are gone."""

    touched: tuple[int, ...]
    gone: tuple[int, ...]
    whole: bool = False


@dataclass(slots=True, frozen=True)
class Missing:
    """What the store has to be asked for. touched None: for everything after `since`."""

    touched: tuple[int, ...] | None
    gone: tuple[int, ...]
    since: int


MOST_NOTES = 1000  # more than so many: ask for everything that changed


class Journal:
    """The changes that are not in the view yet, by MODSEQ. modseq: everything up to it is in the view."""

    def __init__(self, modseq: int) -> None:
        self.modseq = modseq
        self._notes: dict[int, Note | None] = {}  # None: in the view already, by our own doing

    @property
    def dirty(self) -> bool:
        """Something is not in the view: the bus told of it, or a change of our own shows that another came before it.
        MODSEQs of the one must not be said before the other is told (RFC 7162 3.1: what the client has seen is a mark)."""
        return bool(self._notes)

    def note(self, modseq: int, note: Note) -> None:
        if modseq > self.modseq:
            self._notes.setdefault(modseq, note)
            if len(self._notes) > MOST_NOTES:  # a client that says nothing: the gap will ask for everything
                self._notes = {modseq: _UNTOLD}

    def own(self, modseq: int) -> None:
        """A change of this session's own is in the view: the bus will tell, or has told, nothing new by it."""
        if modseq > self.modseq:
            self._notes[modseq] = None
            while self.modseq + 1 in self._notes and self._notes[self.modseq + 1] is None:
                self.modseq += 1
                del self._notes[self.modseq]

    def said(self, modseq: int) -> None:
        """This MODSEQ is told as the store has it, perhaps sooner than the bus tells of the change: what came before it
        has to be told with it, or a client that comes back with it as its mark would never hear of that."""
        if modseq > self.modseq:
            self._notes.setdefault(modseq, _UNTOLD)

    def missing(self, highest: int) -> Missing | None:
        """What stands between the view and the mailbox at MODSEQ `highest`; None when nothing does."""
        if highest <= self.modseq:
            return None
        wanted = range(self.modseq + 1, highest + 1)
        notes = [self._notes.get(modseq, _UNTOLD) for modseq in wanted] if len(wanted) <= MOST_NOTES else [_UNTOLD]
        told = [note for note in notes if note is not None]
        if any(note.whole for note in told):
            return Missing(None, (), self.modseq)
        touched = sorted({uid for note in told for uid in note.touched})
        gone = sorted({uid for note in told for uid in note.gone})
        return Missing(tuple(touched), tuple(gone), self.modseq)

    def caught_up(self, highest: int) -> None:
        if highest > self.modseq:
            self.modseq = highest
        self._notes = {modseq: note for modseq, note in self._notes.items() if modseq > self.modseq}


_UNTOLD = Note((), (), whole=True)
